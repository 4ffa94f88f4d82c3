//! What the macros read out of an activity's attribute and signature.

use crate::names::refuse_reserved;
use crate::workflow::method::{is_context_of, refuse_unsendable};
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Ident, LitStr, ReturnType, Signature, Token, Type};

/// Where the generated code finds the SDK.
pub(super) fn sdk() -> TokenStream {
    quote!(::temporal_sdk)
}

/// The options of `#[activity(..)]`.
#[derive(Default)]
pub(super) struct Options {
    pub(super) name: Option<LitStr>,
    pub(super) dynamic: Option<Span>,
}

impl Options {
    pub(super) fn parse(arguments: TokenStream) -> syn::Result<Self> {
        let mut options = Self::default();
        let parser = syn::meta::parser(|meta| options.option(meta));
        syn::parse::Parser::parse2(parser, arguments)?;
        options.checked()
    }

    /// Reads an inner `#[activity]` or `#[activity(..)]` attribute.
    pub(super) fn from_attribute(attribute: &Attribute) -> syn::Result<Self> {
        let mut options = Self::default();
        if matches!(attribute.meta, syn::Meta::Path(_)) {
            return Ok(options);
        }
        attribute.parse_nested_meta(|meta| options.option(meta))?;
        options.checked()
    }

    fn option(&mut self, meta: syn::meta::ParseNestedMeta<'_>) -> syn::Result<()> {
        if meta.path.is_ident("name") {
            let name: LitStr = meta.value()?.parse()?;
            if name.value().is_empty() {
                return Err(syn::Error::new(name.span(), "an activity's name cannot be empty"));
            }
            refuse_reserved(&name)?;
            self.name = Some(name);
            Ok(())
        } else if meta.path.is_ident("dynamic") {
            self.dynamic = Some(meta.path.span());
            Ok(())
        } else {
            Err(meta.error("unknown option: `#[activity]` takes `name = \"…\"` or `dynamic`"))
        }
    }

    fn checked(self) -> syn::Result<Self> {
        match (&self.name, self.dynamic) {
            (Some(name), Some(_)) => Err(syn::Error::new(
                name.span(),
                "a dynamic activity takes calls of every name: leave `name` out",
            )),
            _ => Ok(self),
        }
    }

    /// The name the activity is registered under; empty for a dynamic one.
    pub(super) fn name(&self, function: &Ident) -> LitStr {
        match (&self.name, self.dynamic) {
            (Some(name), _) => name.clone(),
            (None, Some(span)) => LitStr::new("", span),
            (None, None) => {
                let name = function.to_string();
                LitStr::new(name.strip_prefix("r#").unwrap_or(&name), function.span())
            }
        }
    }
}

/// An activity's parameters, apart from `self`.
pub(super) struct Parameters {
    /// The type of the context parameter, if there is one.
    pub(super) context: Option<Type>,
    /// The types of the inputs.
    pub(super) inputs: Vec<Type>,
}

impl Parameters {
    pub(super) fn of(signature: &Signature) -> syn::Result<Self> {
        let mut parameters = Self {
            context: None,
            inputs: Vec::new(),
        };
        let typed = signature.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        });
        for (position, typed) in typed.enumerate() {
            match &*typed.ty {
                Type::Reference(reference) if is_context_of(&reference.elem, "workflow") => {
                    return Err(syn::Error::new_spanned(
                        reference,
                        "this is the context of workflows: take `ctx: &activity::Context`",
                    ));
                }
                Type::Reference(reference) if position == 0 && can_be_context(&reference.elem) => {
                    if let Some(mutability) = &reference.mutability {
                        return Err(syn::Error::new(
                            mutability.span(),
                            "the context is shared: write `&activity::Context`",
                        ));
                    }
                    parameters.context = Some((*typed.ty).clone());
                }
                Type::Reference(reference) => return Err(borrowed(reference, position)),
                Type::ImplTrait(_) => {
                    return Err(syn::Error::new_spanned(
                        &typed.ty,
                        "an activity's input needs a type that can be read from a payload: name the type",
                    ));
                }
                Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Context") => {
                    return Err(syn::Error::new_spanned(
                        path,
                        "take the context by reference, first: `ctx: &activity::Context`",
                    ));
                }
                owned => parameters.inputs.push(owned.clone()),
            }
        }
        if parameters.inputs.len() > 8 {
            return Err(syn::Error::new_spanned(
                &parameters.inputs[8],
                "an activity takes at most 8 inputs: put them into one struct, which can also grow later",
            ));
        }
        Ok(parameters)
    }

    /// `NoParams`, `One<T>` or `Many<(..)>`.
    pub(super) fn kind(&self, options: &Options) -> TokenStream {
        let sdk = sdk();
        if options.dynamic.is_some() {
            return quote!(#sdk::activity::DynamicParams);
        }
        match self.inputs.as_slice() {
            [] => quote!(#sdk::activity::NoParams),
            [one] => quote_spanned!(one.span()=> #sdk::activity::One<#one>),
            many => quote!(#sdk::activity::Many<(#(#many,)*)>),
        }
    }

    /// The variables the inputs are taken apart into.
    pub(super) fn variables(&self) -> Vec<Ident> {
        (0..self.inputs.len())
            .map(|number| Ident::new(&format!("__input{number}"), Span::mixed_site()))
            .collect()
    }

    /// The pattern of the value that `kind` decodes to.
    pub(super) fn pattern(&self) -> TokenStream {
        let variables = self.variables();
        match variables.as_slice() {
            [] => quote!(()),
            [one] => quote!(#one),
            many => quote!((#(#many,)*)),
        }
    }
}

fn can_be_context(referenced: &Type) -> bool {
    match referenced {
        Type::Path(path) => !path.path.is_ident("str"),
        _ => false,
    }
}

fn borrowed(reference: &syn::TypeReference, position: usize) -> syn::Error {
    let instead = match &*reference.elem {
        Type::Path(path) if path.path.is_ident("str") => "take `String`",
        Type::Slice(_) => "take a `Vec`",
        _ if position > 0 => {
            "take the type itself (the only reference is `ctx: &activity::Context`, which comes first)"
        }
        _ => "take the type itself",
    };
    syn::Error::new_spanned(
        reference,
        format!("an activity owns its input, since it arrives over the network: {instead}"),
    )
}

/// The return type as written; `()` if there is none.
pub(super) fn return_type(signature: &Signature) -> Type {
    match &signature.output {
        ReturnType::Default => syn::parse_quote!(()),
        ReturnType::Type(_, returned) => (**returned).clone(),
    }
}

/// The type that a call of the activity gives.
pub(super) fn output_type(returned: &Type) -> TokenStream {
    let sdk = sdk();
    quote_spanned!(returned.span()=> <#returned as #sdk::activity::ActivityReturn>::Output)
}

/// Refuses what no activity can be.
pub(super) fn check(signature: &Signature) -> syn::Result<()> {
    let refuse = |tokens: &dyn quote::ToTokens, message: &str| Err(syn::Error::new_spanned(tokens, message));
    if !signature.generics.params.is_empty() {
        return refuse(
            &signature.generics,
            "an activity cannot be generic: it is called by its name, which says nothing of types",
        );
    }
    if let Some(constness) = &signature.constness {
        return refuse(constness, "an activity cannot be `const`");
    }
    if let syn::Safety::Unsafe(keyword) = &signature.safety {
        return refuse(
            keyword,
            "an activity cannot be `unsafe`: its callers are on the other side of the network",
        );
    }
    refuse_unsendable(&return_type(signature), "activity::Error")?;
    if let Some(abi) = &signature.abi {
        return refuse(abi, "an activity cannot be `extern`");
    }
    Ok(())
}

/// Refuses a dynamic activity with other parameters than its two.
pub(super) fn check_dynamic(options: &Options, parameters: &Parameters, signature: &Signature) -> syn::Result<()> {
    if options.dynamic.is_some() && parameters.inputs.len() != 2 {
        return Err(syn::Error::new_spanned(
            &signature.ident,
            "a dynamic activity takes the name it was called by and its arguments: `name: String, arguments: RawValues`",
        ));
    }
    Ok(())
}

/// Takes the `#[activity]` attribute out of a method's attributes.
pub(super) fn take_attribute(attributes: &mut Vec<Attribute>) -> syn::Result<Option<Options>> {
    let Some(position) = attributes.iter().position(is_activity) else {
        return Ok(None);
    };
    let attribute = attributes.remove(position);
    if let Some(second) = attributes.iter().find(|attribute| is_activity(attribute)) {
        return Err(syn::Error::new_spanned(
            second,
            "`#[activity]` is written twice: leave one out",
        ));
    }
    Options::from_attribute(&attribute).map(Some)
}

fn is_activity(attribute: &Attribute) -> bool {
    let path = attribute.path();
    path.segments.last().is_some_and(|segment| segment.ident == "activity") && path.segments.len() <= 2
}

/// The doc comments among attributes.
pub(super) fn docs(attributes: &[Attribute]) -> Vec<Attribute> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc") || attribute.path().is_ident("cfg"))
        .cloned()
        .collect()
}

/// `, ` after a context argument that is passed on.
pub(super) fn context_argument(parameters: &Parameters, context: &TokenStream) -> TokenStream {
    if parameters.context.is_some() {
        let comma = <Token![,]>::default();
        quote!(#context #comma)
    } else {
        TokenStream::new()
    }
}

/// How a dynamic activity gets its two inputs.
pub(super) fn dynamic(options: &Options) -> TokenStream {
    let sdk = sdk();
    if options.dynamic.is_none() {
        return TokenStream::new();
    }
    quote! {
        fn is_dynamic(&self) -> bool {
            true
        }

        fn read_input(
            &self,
            ctx: &#sdk::activity::Context,
            payloads: ::std::vec::Vec<#sdk::activity::Payload>,
        ) -> ::core::result::Result<#sdk::activity::Values<Self>, #sdk::activity::ConversionError> {
            ::core::result::Result::Ok(ctx.dynamic_input(payloads))
        }
    }
}
