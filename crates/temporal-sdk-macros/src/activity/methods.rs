//! `#[activities] impl`.

use super::signature::{self, Options, Parameters};
use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};

use syn::{Attribute, GenericParam, Ident, ImplItem, ImplItemFn, ItemImpl, ReceiverKind, Type};

pub(super) fn expand(mut block: ItemImpl) -> syn::Result<TokenStream> {
    if let Some((path, _)) = &block.trait_ {
        return Err(syn::Error::new_spanned(
            path,
            "`#[activities]` goes on the type's own `impl` block: a trait's methods have no place to put their markers",
        ));
    }
    let Some(type_name) = last_segment(&block.self_ty) else {
        return Err(syn::Error::new_spanned(
            &block.self_ty,
            "`#[activities]` needs a named type, as in `impl Payments`",
        ));
    };
    let mut methods = Vec::new();
    let mut others = Vec::new();
    let mut errors: Option<syn::Error> = None;
    for item in std::mem::take(&mut block.items) {
        match method(item) {
            Ok(Member::Activity(method)) => methods.push(*method),
            Ok(Member::Other(other)) => others.push(*other),
            Err(error) => match &mut errors {
                Some(errors) => errors.combine(error),
                None => errors = Some(error),
            },
        }
    }
    if let Some(errors) = errors {
        return Err(errors);
    }
    if methods.is_empty() {
        return Err(syn::Error::new_spanned(
            &block.self_ty,
            "no method is an activity: write `#[activity]` on those that are",
        ));
    }
    block.items = others;
    Ok(generate(block, &type_name, &methods))
}

enum Member {
    Activity(Box<Method>),
    Other(Box<ImplItem>),
}

struct Method {
    options: Options,
    parameters: Parameters,
    function: ImplItemFn,
    shared: bool,
}

fn method(item: ImplItem) -> syn::Result<Member> {
    let ImplItem::Fn(mut function) = item else {
        return Ok(Member::Other(Box::new(item)));
    };
    let Some(options) = signature::take_attribute(&mut function.attrs)? else {
        return Ok(Member::Other(Box::new(ImplItem::Fn(function))));
    };
    signature::check(&function.sig)?;
    let shared = receiver(&function)?;
    let parameters = Parameters::of(&function.sig)?;
    signature::check_dynamic(&options, &parameters, &function.sig)?;
    Ok(Member::Activity(Box::new(Method {
        options,
        parameters,
        function,
        shared,
    })))
}

/// Whether the method takes `self: Arc<Self>` rather than `&self`.
fn receiver(function: &ImplItemFn) -> syn::Result<bool> {
    const REMEDY: &str = "the value is shared by all calls: take `&self` (or `self: Arc<Self>`) and keep what changes in a `Mutex` or an atomic";
    let Some(receiver) = function.sig.receiver() else {
        return Err(syn::Error::new_spanned(
            &function.sig.ident,
            "an activity of a shared value takes `&self`; without it, make it a function with `#[activity]` on it",
        ));
    };
    match &receiver.kind {
        ReceiverKind::Reference(_, _, None) => Ok(false),
        ReceiverKind::Typed(_, receiver) if !matches!(&**receiver, Type::Reference(_)) => Ok(true),
        _ => Err(syn::Error::new_spanned(receiver, REMEDY)),
    }
}

fn last_segment(self_ty: &Type) -> Option<Ident> {
    match self_ty {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.clone()),
        _ => None,
    }
}

fn generate(mut block: ItemImpl, type_name: &Ident, methods: &[Method]) -> TokenStream {
    let sdk = signature::sdk();
    let hidden = format_ident!("__PrivateActivitiesOf{}", type_name);
    let self_ty = &block.self_ty;
    let (impl_generics, _, where_clause) = block.generics.split_for_impl();
    let arguments = generic_arguments(&block);
    let declarations = methods.iter().map(declaration);
    let implementations = methods.iter().map(implementation);
    let markers: Vec<ImplItem> = methods.iter().map(marker).collect();
    let definitions = methods
        .iter()
        .map(|method| definition(method, self_ty, &hidden, &arguments));
    let generics = &block.generics;
    let generated = quote! {
        #[doc(hidden)]
        #[allow(private_interfaces, private_bounds, missing_docs, clippy::missing_errors_doc)]
        trait #hidden #generics: ::core::marker::Send + ::core::marker::Sync + 'static #where_clause {
            #(#declarations)*
        }

        impl #impl_generics #hidden #arguments for #self_ty #where_clause {
            #(#implementations)*
        }

        impl #impl_generics #sdk::activity::Activities for #self_ty #where_clause {
            fn definitions(__shared: ::std::sync::Arc<Self>) -> ::std::vec::Vec<#sdk::activity::Definition> {
                let mut __definitions = ::std::vec::Vec::new();
                #(#definitions)*
                __definitions
            }
        }
    };
    block.items.extend(markers);
    quote! {
        #block
        #generated
    }
}

/// The generic parameters of the block as arguments of the hidden trait.
fn generic_arguments(block: &ItemImpl) -> TokenStream {
    if block.generics.params.is_empty() {
        return TokenStream::new();
    }
    let arguments = block.generics.params.iter().map(|parameter| match parameter {
        GenericParam::Lifetime(lifetime) => {
            let lifetime = &lifetime.lifetime;
            quote!(#lifetime)
        }
        GenericParam::Type(parameter) => {
            let name = &parameter.ident;
            quote!(#name)
        }
        GenericParam::Const(parameter) => {
            let name = &parameter.ident;
            quote!(#name)
        }
    });
    quote!(<#(#arguments),*>)
}

/// The method in the hidden trait: the same signature, its parameters' patterns made plain.
fn declaration(method: &Method) -> TokenStream {
    let mut sig = method.function.sig.clone();
    let cfgs = cfgs(&method.function.attrs);
    for (number, input) in sig.inputs.iter_mut().enumerate() {
        match input {
            syn::FnArg::Typed(typed) => {
                let name = format_ident!("__input{number}");
                *typed.pat = syn::parse_quote!(#name);
                typed.attrs.clear();
            }
            syn::FnArg::Receiver(receiver) => receiver.mutability = None,
        }
    }
    if sig.asyncness.take().is_some() {
        let returned = signature::return_type(&sig);
        sig.output = syn::parse_quote!(-> impl ::core::future::Future<Output = #returned> + ::core::marker::Send);
    }
    quote! {
        #(#cfgs)*
        #sig;
    }
}

fn implementation(method: &Method) -> TokenStream {
    let ImplItemFn { attrs, sig, block, .. } = &method.function;
    quote! {
        #(#attrs)*
        #sig #block
    }
}

fn cfgs(attributes: &[Attribute]) -> Vec<&Attribute> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .collect()
}

fn marker(method: &Method) -> ImplItem {
    let sdk = signature::sdk();
    let name = &method.function.sig.ident;
    let visibility = &method.function.vis;
    let docs = signature::docs(&method.function.attrs);
    let registered = method.options.name(name);
    let kind = method.parameters.kind(&method.options);
    let output = signature::output_type(&signature::return_type(&method.function.sig));
    syn::parse_quote! {
        #(#docs)*
        #[allow(non_upper_case_globals, private_interfaces)]
        #visibility const #name: #sdk::activity::ActivityMarker<#kind, #output> =
            #sdk::activity::ActivityMarker::new(#registered);
    }
}

fn definition(method: &Method, self_ty: &Type, hidden: &Ident, arguments: &TokenStream) -> TokenStream {
    let sdk = signature::sdk();
    let name = &method.function.sig.ident;
    let registered = method.options.name(name);
    let kind = method.parameters.kind(&method.options);
    let pattern = method.parameters.pattern();
    let variables = method.parameters.variables();
    let context = signature::context_argument(&method.parameters, &quote!(__ctx));
    let receiver = if method.shared {
        quote!(::std::sync::Arc::clone(__this))
    } else {
        quote!(&**__this)
    };
    let cfgs = cfgs(&method.function.attrs);
    let span = name.span();
    let constructor = match (
        method.function.sig.asyncness.is_some(),
        method.options.dynamic.is_some(),
    ) {
        (true, false) => quote!(method),
        (false, false) => quote!(blocking_method),
        (true, true) => quote!(dynamic_method),
        (false, true) => quote!(blocking_dynamic_method),
    };
    let call = quote_spanned!(span=> <#self_ty as #hidden #arguments>::#name(#receiver, #context #(#variables),*));
    let body = if method.function.sig.asyncness.is_some() {
        quote_spanned! {span=>
            ::std::boxed::Box::pin(async move {
                let #pattern = __input;
                #sdk::activity::ActivityReturn::into_result(#call.await)
            })
        }
    } else {
        quote! {{
            let #pattern = __input;
            #sdk::activity::ActivityReturn::into_result(#call)
        }}
    };
    quote! {
        #(#cfgs)*
        __definitions.push(#sdk::activity::Definition::#constructor::<#kind, _, Self>(
            #registered,
            ::std::sync::Arc::clone(&__shared),
            #[allow(unused_variables, clippy::let_unit_value)]
            |__this, __ctx, __input| #body,
        ));
    }
}
