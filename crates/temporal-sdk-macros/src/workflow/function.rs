//! A workflow that is a function.

use super::method::{Parameters, docs, returned};
use super::options::{WorkflowOptions, sdk};
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, ItemFn};

/// A unit struct of the function's name that is the workflow type, and names it for callers.
pub(super) fn expand(options: &WorkflowOptions, mut function: ItemFn) -> syn::Result<TokenStream> {
    let sdk = sdk();
    options.refuse_sharing()?;
    options.refuse_handlers("a function has no state for handlers: make it a struct with an `impl` block")?;
    if let Some(FnArg::Receiver(receiver)) = function.sig.inputs.first() {
        return Err(syn::Error::new_spanned(
            receiver,
            "put `#[workflow]` on the `impl` block and `#[run]` on this method",
        ));
    }
    let parameters = Parameters::of_function(&function.sig)?;
    let ident = function.sig.ident.clone();
    let name = options.name(&ident);
    let dynamic = options.dynamic.is_some();
    let policies = options.policies();
    let docs = docs(&function.attrs);
    let visibility = std::mem::replace(&mut function.vis, syn::Visibility::Inherited);
    let returned = returned(&function.sig);
    let variables = parameters.variables();
    let context = parameters.context.then(|| quote!(&__context,));
    let (params, received, pattern) = if dynamic {
        let pattern = match variables.as_slice() {
            [name, arguments] => quote!((#name, #arguments)),
            arguments => quote!((_, #(#arguments),*)),
        };
        (
            quote!(#sdk::workflow::AnyParams),
            quote!(#sdk::workflow::Dynamic),
            pattern,
        )
    } else {
        (parameters.kind(), parameters.kind(), parameters.pattern())
    };
    let output = quote_spanned!(returned.span()=> <#returned as #sdk::workflow::Returned>::Output);
    let result = quote_spanned! {returned.span()=>
        #sdk::workflow::Returned::into_result(#ident(#context #(#variables),*).await)
    };
    // What takes any name has none to be called by.
    let reference = (!dynamic).then(|| {
        quote! {
            impl #sdk::workflow::WorkflowRef for #ident {
                type Workflow = Self;

                fn name(&self) -> ::std::borrow::Cow<'_, str> {
                    ::std::borrow::Cow::Borrowed(#name)
                }
            }
        }
    });
    Ok(quote! {
        #(#docs)*
        #[allow(non_camel_case_types)]
        #[derive(Debug, Clone, Copy, Default)]
        #visibility struct #ident;

        impl #sdk::workflow::WorkflowDefinition for #ident {
            type Params = #params;
            type Output = #output;
            const NAME: &'static str = #name;
        }

        #reference

        impl #sdk::workflow::Workflow for #ident {
            const DYNAMIC: bool = #dynamic;

            fn register(__registration: &mut #sdk::workflow::Registration<Self>) {
                #function

                #policies
                __registration.construct(|_| Self);
                __registration.run::<#received, _, _>(|_, __context, #pattern| async move { #result });
            }
        }
    })
}
