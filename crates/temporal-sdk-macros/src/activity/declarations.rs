//! `#[activities] trait`: activities whose code is elsewhere.

use super::signature::{self, Options, Parameters};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{ItemTrait, ReturnType, TraitItem, TraitItemFn, Type};

pub(super) fn expand(declarations: ItemTrait) -> syn::Result<TokenStream> {
    if !declarations.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(
            &declarations.generics,
            "declared activities cannot be generic: a name says nothing of types",
        ));
    }
    let mut markers = Vec::new();
    for item in &declarations.items {
        markers.push(marker(item, &declarations)?);
    }
    let name = &declarations.ident;
    let visibility = &declarations.vis;
    let attributes = &declarations.attrs;
    Ok(quote! {
        #(#attributes)*
        #[derive(::core::fmt::Debug)]
        #visibility enum #name {}

        impl #name {
            #(#markers)*
        }
    })
}

fn marker(item: &TraitItem, declarations: &ItemTrait) -> syn::Result<TokenStream> {
    let TraitItem::Fn(function) = item else {
        return Err(syn::Error::new_spanned(
            item,
            "only methods with `#[activity]` on them belong here",
        ));
    };
    let mut attributes = function.attrs.clone();
    let Some(options) = signature::take_attribute(&mut attributes)? else {
        return Err(syn::Error::new_spanned(
            &function.sig.ident,
            "write `#[activity]` on it: only activities are declared here",
        ));
    };
    check(function, &options)?;
    let sdk = signature::sdk();
    let name = &function.sig.ident;
    let visibility = &declarations.vis;
    let docs = signature::docs(&attributes);
    let registered = options.name(name);
    let kind = Parameters::of(&function.sig)?.kind(&options);
    let output = signature::return_type(&function.sig);
    Ok(quote! {
        #(#docs)*
        #[allow(non_upper_case_globals)]
        #visibility const #name: #sdk::activity::ActivityMarker<#kind, #output> =
            #sdk::activity::ActivityMarker::new(#registered);
    })
}

fn check(function: &TraitItemFn, options: &Options) -> syn::Result<()> {
    signature::check(&function.sig)?;
    if let Some(body) = &function.default {
        return Err(syn::Error::new_spanned(
            body,
            "a declaration has no body: the code is where the activity is registered",
        ));
    }
    if let Some(dynamic) = options.dynamic {
        return Err(syn::Error::new(
            dynamic,
            "a declaration has one name: leave `dynamic` out",
        ));
    }
    if let ReturnType::Type(_, returned) = &function.sig.output
        && let Type::Path(path) = &**returned
        && path
            .path
            .segments
            .last()
            .is_some_and(|segment| segment.ident == "Result")
    {
        return Err(syn::Error::new_spanned(
            returned,
            "a declaration says what the activity gives when it succeeds: write the type within the `Result`",
        ));
    }
    Ok(())
}
