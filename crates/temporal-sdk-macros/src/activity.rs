//! `#[activity]` and `#[activities]`.

mod declarations;
mod function;
mod methods;
mod signature;

use proc_macro2::TokenStream;
use syn::Item;

/// `#[activity]` on a function.
pub(crate) fn expand_activity(arguments: TokenStream, item: TokenStream) -> TokenStream {
    function::expand(arguments, item).unwrap_or_else(syn::Error::into_compile_error)
}

/// `#[activities]` on an `impl` block or a trait of declarations.
pub(crate) fn expand_activities(arguments: TokenStream, item: TokenStream) -> TokenStream {
    activities(arguments, item).unwrap_or_else(syn::Error::into_compile_error)
}

fn activities(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(syn::Error::new_spanned(
            arguments,
            "`#[activities]` takes no options: write them on the methods, as in `#[activity(name = \"charge\")]`",
        ));
    }
    match syn::parse2(item)? {
        Item::Impl(block) => methods::expand(block),
        Item::Trait(declarations) => declarations::expand(declarations),
        other => Err(syn::Error::new_spanned(
            other,
            "`#[activities]` goes on an `impl` block, or on a trait of declarations",
        )),
    }
}
