//! A trait that declares a Nexus service.

use super::method::{declared_output, docs};
use super::options::{name, plain, sdk};
use proc_macro2::TokenStream;
use quote::quote;
use std::collections::HashMap;
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, ItemTrait, LitStr, TraitItem, TraitItemFn, Type};

/// A type of the trait's name that holds the operations.
pub(super) fn expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let service_name = service_name(arguments)?;
    let item: ItemTrait = syn::parse2(item).map_err(|error| {
        let message = "`#[nexus_service]` goes on a trait that declares the service's operations";
        syn::Error::new(error.span(), message)
    })?;
    if !item.generics.params.is_empty() {
        let message = "a service has a name, which says nothing of types: remove the parameters";
        return Err(syn::Error::new_spanned(&item.generics, message));
    }
    let ident = &item.ident;
    let service = service_name.unwrap_or_else(|| LitStr::new(&plain(ident), ident.span()));
    let mut seen = HashMap::new();
    let mut operations = Vec::new();
    for entry in &item.items {
        let TraitItem::Fn(function) = entry else {
            let message = "a service holds operations only: functions without code";
            return Err(syn::Error::new_spanned(entry, message));
        };
        let operation = Operation::read(function)?;
        if seen.insert(operation.name.value(), ()).is_some() {
            let message = format!("there is an operation \"{}\" already", operation.name.value());
            return Err(syn::Error::new(operation.name.span(), message));
        }
        operations.push(operation.marker(&service));
    }
    if operations.is_empty() {
        let message = "a service needs an operation: `fn charge(order: Order) -> Receipt;`";
        return Err(syn::Error::new_spanned(ident, message));
    }
    let (sdk, visibility, docs) = (sdk(), &item.vis, docs(&item.attrs));
    Ok(quote! {
        #(#docs)*
        #[derive(Debug, Clone, Copy)]
        #visibility struct #ident(());

        #[allow(non_upper_case_globals, private_interfaces)]
        impl #ident {
            #(#operations)*
        }

        impl #sdk::workflow::NexusService for #ident {
            const NAME: &'static str = #service;
        }
    })
}

fn service_name(arguments: TokenStream) -> syn::Result<Option<LitStr>> {
    let mut found = None;
    let parser = syn::meta::parser(|meta| {
        if !meta.path.is_ident("name") {
            return Err(meta.error("unknown option: `#[nexus_service]` takes `name = \"…\"`"));
        }
        found = Some(name(&meta)?);
        Ok(())
    });
    syn::parse::Parser::parse2(parser, arguments)?;
    Ok(found)
}

struct Operation<'a> {
    function: &'a TraitItemFn,
    name: LitStr,
    input: Type,
    output: TokenStream,
}

impl<'a> Operation<'a> {
    fn read(function: &'a TraitItemFn) -> syn::Result<Self> {
        let signature = &function.sig;
        if let Some(body) = &function.default {
            let message = "the operation's code is with the service's handler: end the declaration with `;`";
            return Err(syn::Error::new_spanned(body, message));
        }
        if !signature.generics.params.is_empty() {
            let message = "an operation cannot be generic: it is called by its name, which says nothing of types";
            return Err(syn::Error::new_spanned(&signature.generics, message));
        }
        let mut operation_name = LitStr::new(&plain(&signature.ident), signature.ident.span());
        let own = |attribute: &&Attribute| attribute.path().is_ident("operation");
        for attribute in function.attrs.iter().filter(own) {
            if matches!(attribute.meta, syn::Meta::Path(_)) {
                continue;
            }
            attribute.parse_nested_meta(|meta| {
                if !meta.path.is_ident("name") {
                    return Err(meta.error("unknown option: `#[operation]` takes `name = \"…\"`"));
                }
                operation_name = name(&meta)?;
                Ok(())
            })?;
        }
        Ok(Self {
            function,
            name: operation_name,
            input: input(function)?,
            output: declared_output(signature),
        })
    }

    fn marker(&self, service: &LitStr) -> TokenStream {
        let sdk = sdk();
        let (ident, name, input, output) = (&self.function.sig.ident, &self.name, &self.input, &self.output);
        let mut docs = docs(&self.function.attrs);
        if !docs.iter().any(|attribute| attribute.path().is_ident("doc")) {
            let line = "Names the operation for its callers.";
            docs.insert(0, syn::parse_quote!(#[doc = #line]));
        }
        quote! {
            #(#docs)*
            pub const #ident: #sdk::workflow::NexusOperation<#input, #output> =
                #sdk::workflow::NexusOperation::new(#service, #name);
        }
    }
}

/// What goes in: nothing, or one value.
fn input(function: &TraitItemFn) -> syn::Result<Type> {
    let mut inputs = Vec::new();
    for input in &function.sig.inputs {
        match input {
            FnArg::Receiver(receiver) => {
                let message =
                    "an operation is called by its name, not on a value, and takes its input alone: leave `self` out";
                return Err(syn::Error::new_spanned(receiver, message));
            }
            FnArg::Typed(typed) => match &*typed.ty {
                Type::Reference(reference) => {
                    let message = "an operation owns its input, since it arrives in a message: take the type itself";
                    return Err(syn::Error::new_spanned(reference, message));
                }
                owned => inputs.push(owned.clone()),
            },
        }
    }
    match inputs.as_slice() {
        [] => Ok(syn::parse_quote!(())),
        [one] => Ok(one.clone()),
        [_, second, ..] => Err(syn::Error::new(
            second.span(),
            "a Nexus operation takes one value: put the inputs into one struct, which can also grow later",
        )),
    }
}
