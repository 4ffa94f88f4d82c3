//! `#[activity] fn`.

use super::signature::{self, Options, Parameters};
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Ident, ItemFn, Type};

pub(super) fn expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let options = Options::parse(arguments)?;
    let function: ItemFn = syn::parse2(item).map_err(|error| {
        syn::Error::new(
            error.span(),
            format!(
                "`#[activity]` goes on a function; for methods write `#[activities]` on their `impl` block ({error})"
            ),
        )
    })?;
    if let Some(receiver) = function.sig.receiver() {
        return Err(syn::Error::new_spanned(
            receiver,
            "a method is an activity only within an `impl` block that has `#[activities]` on it",
        ));
    }
    signature::check(&function.sig)?;
    let parameters = Parameters::of(&function.sig)?;
    signature::check_dynamic(&options, &parameters, &function.sig)?;
    Ok(generate(&options, &parameters, function))
}

fn generate(options: &Options, parameters: &Parameters, function: ItemFn) -> TokenStream {
    let sdk = signature::sdk();
    let name = &function.sig.ident;
    let visibility = &function.vis;
    let registered = options.name(name);
    let kind = parameters.kind(options);
    let returned = signature::return_type(&function.sig);
    let output = signature::output_type(&returned);
    let docs = signature::docs(&function.attrs);
    let cfgs: Vec<_> = function
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .collect();
    let call = call(&function);
    let callable = callable(parameters, &function, &returned);
    let execute = execute(parameters, &function, name);
    let dynamic = signature::dynamic(options);
    quote! {
        #(#docs)*
        #[allow(non_camel_case_types)]
        #[derive(::core::clone::Clone, ::core::marker::Copy)]
        #visibility struct #name;

        #(#cfgs)*
        impl #name {
            #call
        }

        #(#cfgs)*
        #callable

        #(#cfgs)*
        impl ::core::fmt::Debug for #name {
            fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                formatter.write_str(#registered)
            }
        }

        #(#cfgs)*
        impl #sdk::activity::ActivityRef for #name {
            type Params = #kind;
            type Output = #output;
            fn name(&self) -> ::std::borrow::Cow<'_, str> {
                ::std::borrow::Cow::Borrowed(#registered)
            }
        }

        #(#cfgs)*
        impl #sdk::activity::Activity for #name {
            #execute

            #dynamic
        }
    }
}

/// The function as it was written, under a name that does not collide with the marker.
fn call(function: &ItemFn) -> TokenStream {
    let attributes = function
        .attrs
        .iter()
        .filter(|attribute| !attribute.path().is_ident("doc") && !attribute.path().is_ident("cfg"));
    let mut inner = function.sig.clone();
    inner.ident = Ident::new("__call", function.sig.ident.span());
    let block = &function.block;
    quote! {
        #(#attributes)*
        #inner #block
    }
}

/// What makes `say_hello(..)` still a call of the function.
fn callable(parameters: &Parameters, function: &ItemFn, returned: &Type) -> TokenStream {
    let name = &function.sig.ident;
    let variables = parameters.variables();
    let types: Vec<&Type> = parameters.context.iter().chain(&parameters.inputs).collect();
    let context_variable = signature::context_argument(parameters, &quote!(__ctx));
    let (result, value) = if function.sig.asyncness.is_some() {
        let lifetime = if parameters.context.is_some() {
            quote!('_)
        } else {
            quote!('static)
        };
        (
            quote! {
                ::core::pin::Pin<::std::boxed::Box<
                    dyn ::core::future::Future<Output = #returned> + ::core::marker::Send + #lifetime
                >>
            },
            quote!(|#context_variable #(#variables),*| ::std::boxed::Box::pin(#name::__call(#context_variable #(#variables),*))),
        )
    } else {
        (quote!(#returned), quote!(#name::__call))
    };
    quote! {
        impl ::core::ops::Deref for #name {
            type Target = fn(#(#types),*) -> #result;
            fn deref(&self) -> &Self::Target {
                const FUNCTION: fn(#(#types),*) -> #result = #value;
                &FUNCTION
            }
        }
    }
}

fn execute(parameters: &Parameters, function: &ItemFn, name: &Ident) -> TokenStream {
    let sdk = signature::sdk();
    let pattern = parameters.pattern();
    let variables = parameters.variables();
    let context = signature::context_argument(parameters, &quote!(__ctx));
    let span = function.sig.ident.span();
    let body = if function.sig.asyncness.is_some() {
        quote_spanned! {span=>
            async move {
                let #pattern = __input;
                #sdk::activity::ActivityReturn::into_result(#name::__call(#context #(#variables),*).await)
            }
        }
    } else {
        quote_spanned! {span=>
            __ctx.run_blocking(move |__ctx| {
                let #pattern = __input;
                #sdk::activity::ActivityReturn::into_result(#name::__call(#context #(#variables),*))
            })
        }
    };
    let blocking = function.sig.asyncness.is_none();
    quote! {
        #[allow(unused_variables, clippy::let_unit_value, clippy::manual_async_fn)]
        fn execute(
            &self,
            __ctx: &#sdk::activity::Context,
            __input: #sdk::activity::Values<Self>,
        ) -> impl ::core::future::Future<Output = #sdk::activity::Result<Self::Output>> + ::core::marker::Send {
            #body
        }

        fn is_blocking(&self) -> bool {
            #blocking
        }
    }
}
