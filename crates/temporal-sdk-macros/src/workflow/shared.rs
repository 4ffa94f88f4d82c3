//! A trait of handlers that several workflows share.

use super::block::{Shared, Written};
use super::expand::{self, Code};
use super::method::docs;
use super::options::{WorkflowOptions, sdk};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{ItemTrait, LitStr};

/// The trait without the handlers' code, with a typed marker for each; and their code where only registration sees it.
///
/// The code cannot stay in the trait itself: a handler's method and its marker have one name.
pub(super) fn expand(options: &WorkflowOptions, item: ItemTrait) -> syn::Result<TokenStream> {
    check(options, &item)?;
    let shared = Shared::read(item)?;
    let sdk = sdk();
    let code = Code::new(quote!(__SharedMethods));
    let attributes = &shared.item.attrs;
    let (visibility, ident, kept) = (&shared.item.vis, &shared.item.ident, &shared.kept);
    let supertraits = &shared.item.supertraits;
    let supertraits = (!supertraits.is_empty()).then(|| quote!(+ #supertraits));
    let markers = expand::handler_markers(&shared.handlers, &TokenStream::new());
    let methods = shared.handlers.iter().map(method).collect::<Vec<_>>();
    let validators = shared.validator_code.iter();
    let handlers = shared.handlers.iter().map(|handler| code.register_handler(handler));
    let validated = shared
        .validators
        .iter()
        .map(|validator| code.register_validator(&shared.handlers, validator, &quote!(<Self as __SharedMethods>)));
    let name = LitStr::new(&ident.to_string(), ident.span());
    let docs = docs(&shared.item.attrs);
    let line = docs
        .is_empty()
        .then(|| quote!(#[doc = "Handlers that several workflows share."]));
    Ok(quote! {
        #(#attributes)*
        #line
        #[allow(non_upper_case_globals, private_interfaces, private_bounds)]
        #visibility trait #ident: ::core::marker::Sized + 'static #supertraits {
            #(#markers)*
            #(#kept)*

            #[doc(hidden)]
            fn __register_handlers(__registration: &mut #sdk::workflow::Registration<Self>)
            where
                Self: #sdk::workflow::Workflow,
            {
                #[allow(async_fn_in_trait, clippy::unused_async, clippy::needless_pass_by_value, clippy::ptr_arg, clippy::unused_self)]
                trait __SharedMethods: #ident {
                    #(#methods)*
                    #(#validators)*
                }

                impl<__Workflow: #ident> __SharedMethods for __Workflow {}

                __registration.shared_by(#name);
                #(#handlers)*
                #(#validated)*
            }
        }
    })
}

fn check(options: &WorkflowOptions, item: &ItemTrait) -> syn::Result<()> {
    if let Some(name) = &options.name {
        let message = "a trait of shared handlers is no workflow type: leave `name` out";
        return Err(syn::Error::new(name.span(), message));
    }
    options.refuse_ways_out()?;
    if let Some(path) = options.handlers.first() {
        let message =
            "a trait of shared handlers cannot include others: list all of them at the workflow, and leave this out";
        return Err(syn::Error::new_spanned(path, message));
    }
    if !item.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(
            &item.generics,
            "a trait of shared handlers has no parameters: use an associated type, which the workflow chooses",
        ));
    }
    Ok(())
}

fn method(handler: &Written) -> TokenStream {
    let code = &handler.code;
    let conditions = handler.docs.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    quote!(#(#conditions)* #code)
}
