//! `#[workflow]`.

mod block;
mod declarations;
mod expand;
mod function;
pub(crate) mod method;
mod nexus;
mod options;
mod restricted;
mod shared;

use proc_macro2::TokenStream;
use syn::Item;

/// `#[workflow]` on an `impl` block, a function, or a trait of declarations.
pub(crate) fn expand_workflow(arguments: TokenStream, item: TokenStream) -> TokenStream {
    workflow(arguments, item).unwrap_or_else(syn::Error::into_compile_error)
}

/// `#[nexus_service]` on a trait of declarations.
pub(crate) fn expand_nexus_service(arguments: TokenStream, item: TokenStream) -> TokenStream {
    nexus::expand(arguments, item).unwrap_or_else(syn::Error::into_compile_error)
}

fn workflow(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let options = options::WorkflowOptions::parse(arguments)?;
    let item = syn::parse2(item)?;
    let complaints = restricted::complaints(&options, &item);
    // The code is there all the same, so that nothing else seems to be wrong.
    let mut code = expand(&options, item)?;
    code.extend(complaints.into_iter().map(syn::Error::into_compile_error));
    Ok(code)
}

fn expand(options: &options::WorkflowOptions, item: Item) -> syn::Result<TokenStream> {
    match item {
        Item::Impl(item) => expand::expand(options, item),
        Item::Fn(item) => function::expand(options, item),
        Item::Trait(item) if options.shares_handlers.is_some() => shared::expand(options, item),
        Item::Trait(item) => declarations::expand(options, item),
        Item::Struct(item) => Err(syn::Error::new_spanned(
            item.ident,
            "`#[workflow]` goes on the `impl` block that holds the `#[run]` method, not on the struct",
        )),
        other => Err(syn::Error::new_spanned(
            other,
            "`#[workflow]` goes on an `impl` block, on an `async fn`, or on a trait of declarations",
        )),
    }
}
