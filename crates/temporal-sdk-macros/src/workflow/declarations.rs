//! A trait that declares a workflow whose code is elsewhere.

use super::method::{Method, Role, docs, take_role};
use super::options::{HandlerOptions, WorkflowOptions, sdk};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{FnArg, ItemTrait, TraitItem, TraitItemFn};

/// A type of the trait's name that holds the markers.
pub(super) fn expand(options: &WorkflowOptions, item: ItemTrait) -> syn::Result<TokenStream> {
    let sdk = sdk();
    if let Some(span) = options.dynamic {
        return Err(syn::Error::new(
            span,
            "a declaration is of one workflow type: leave `dynamic` out",
        ));
    }
    options.refuse_handlers(
        "a declaration has no code: declare the handlers here, or write `handlers` alone to share them",
    )?;
    options.refuse_ways_out()?;
    let ident = &item.ident;
    let name = options.name(ident);
    let mut run = None;
    let mut markers = Vec::new();
    for entry in &item.items {
        let TraitItem::Fn(function) = entry else {
            return Err(syn::Error::new_spanned(
                entry,
                "a declaration of a workflow holds methods only",
            ));
        };
        let declared = Declared::read(function)?;
        let marker = declared.marker(&name);
        markers.push(marker);
        if declared.method.role == Role::Run {
            if run.is_some() {
                let message = "a workflow has one `#[run]` method: leave the other out";
                return Err(syn::Error::new_spanned(&function.sig.ident, message));
            }
            run = Some(declared.method);
        }
    }
    let Some(run) = run else {
        return Err(syn::Error::new_spanned(
            ident,
            "a workflow needs one `#[run]` method: `#[run] async fn run(input: Input) -> Output;` (a trait of handlers that several workflows share is `#[workflow(handlers)]`)",
        ));
    };
    let (params, output) = (run.params(), run.declared_output());
    let (visibility, docs) = (&item.vis, docs(&item.attrs));
    Ok(quote! {
        #(#docs)*
        #[derive(Debug, Clone, Copy)]
        #visibility struct #ident(());

        #[allow(non_upper_case_globals, private_interfaces)]
        impl #ident {
            #(#markers)*
        }

        impl #sdk::workflow::WorkflowDefinition for #ident {
            type Params = #params;
            type Output = #output;
            const NAME: &'static str = #name;
        }
    })
}

struct Declared<'a> {
    method: Method,
    function: &'a TraitItemFn,
}

impl<'a> Declared<'a> {
    fn read(function: &'a TraitItemFn) -> syn::Result<Self> {
        let mut attributes = function.attrs.clone();
        let Some((role, attribute)) = take_role(&mut attributes)? else {
            return Err(syn::Error::new_spanned(
                &function.sig.ident,
                "say what it is: `#[run]`, `#[signal]`, `#[query]` or `#[update]`",
            ));
        };
        if let Some(body) = &function.default {
            return Err(syn::Error::new_spanned(
                body,
                "a declaration has no code: end it with `;`, and write the code in the workflow's `impl` block; if several workflows share this handler, write `#[workflow(handlers)]` on the trait",
            ));
        }
        if matches!(role, Role::Init | Role::Validator) {
            let message = format!("`#[{}]` is no business of callers: leave it out", role.name());
            return Err(syn::Error::new_spanned(&function.sig.ident, message));
        }
        let options = match role {
            Role::Run => HandlerOptions::default(),
            _ => HandlerOptions::parse(role.name(), &attribute)?,
        };
        if let Some(span) = options.dynamic {
            return Err(syn::Error::new(
                span,
                "callers name what they call: leave `dynamic` out",
            ));
        }
        // A declaration needs no receiver; one is read as though it were there.
        let mut signature = function.sig.clone();
        if !matches!(signature.inputs.first(), Some(FnArg::Receiver(_))) {
            signature.inputs.insert(0, syn::parse_quote!(&self));
        }
        let method = Method::new(role, options, &signature)?;
        if method.parameters.context {
            return Err(syn::Error::new_spanned(
                &function.sig.inputs,
                "a declaration tells what callers give: leave the context out",
            ));
        }
        Ok(Self { method, function })
    }

    fn marker(&self, workflow: &syn::LitStr) -> TokenStream {
        let sdk = sdk();
        let method = &self.method;
        let ident = &self.function.sig.ident;
        let name = method.options.name(ident);
        let mut docs = docs(&self.function.attrs);
        if !docs.iter().any(|attribute| attribute.path().is_ident("doc")) {
            let line = format!("Names the {} for its callers.", method.role.name());
            docs.insert(0, syn::parse_quote!(#[doc = #line]));
        }
        let (params, output) = (method.params(), method.declared_output());
        match method.role {
            Role::Run => quote! {
                #(#docs)*
                pub const #ident: #sdk::workflow::RunMarker<Self> = #sdk::workflow::RunMarker::new(#workflow);
            },
            Role::Signal => quote! {
                #(#docs)*
                pub const #ident: #sdk::workflow::SignalMarker<Self, #params> =
                    #sdk::workflow::SignalMarker::new(#name);
            },
            Role::Query => quote! {
                #(#docs)*
                pub const #ident: #sdk::workflow::QueryMarker<Self, #params, #output> =
                    #sdk::workflow::QueryMarker::new(#name);
            },
            _ => quote! {
                #(#docs)*
                pub const #ident: #sdk::workflow::UpdateMarker<Self, #params, #output> =
                    #sdk::workflow::UpdateMarker::new(#name);
            },
        }
    }
}
