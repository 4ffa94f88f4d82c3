//! What an `impl` block becomes.

use super::block::{Block, Validator, Written};
use super::method::{Method, Role, Taken};
use super::options::{WorkflowOptions, sdk};
use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, Ident, ItemImpl, Pat, Signature, Visibility};

/// The markers, a hidden trait with the methods, and the traits of the SDK.
pub(super) fn expand(options: &WorkflowOptions, item: ItemImpl) -> syn::Result<TokenStream> {
    options.refuse_sharing()?;
    let dynamic_run = options.dynamic.is_some();
    let block = Block::read(item, dynamic_run)?;
    if dynamic_run {
        check_dynamic_run(&block.run.method)?;
    }
    let name = options.name(&block.ident);
    let markers = markers(&block, &name, dynamic_run);
    let methods = methods(&block);
    let definition = definition(&block, &name, dynamic_run);
    let workflow = workflow(&block, dynamic_run, options);
    Ok(quote! {
        #markers
        #methods
        #definition
        #workflow
    })
}

fn check_dynamic_run(run: &Method) -> syn::Result<()> {
    if (1..=2).contains(&run.parameters.inputs.len()) {
        return Ok(());
    }
    Err(syn::Error::new_spanned(
        &run.signature.ident,
        "a dynamic workflow takes its arguments as `arguments: RawValues`, and may take the type's `name: String` before them",
    ))
}

/// The name of the hidden trait, which the compiler may show to who calls the methods from elsewhere.
fn trait_name(block: &Block) -> Ident {
    format_ident!("__PrivateMethodsOf{}", block.ident, span = block.ident.span())
}

/// The `impl` block again: what is not generated from, and a typed marker for each method that callers name.
fn markers(block: &Block, name: &syn::LitStr, dynamic_run: bool) -> TokenStream {
    let sdk = sdk();
    let (impl_generics, _, where_clause) = block.item.generics.split_for_impl();
    let self_ty = &block.item.self_ty;
    let attributes = &block.item.attrs;
    let rest = &block.rest;
    let run = (!dynamic_run).then(|| {
        let ident = &block.run.method.signature.ident;
        let (docs, visibility) = (
            documentation(&block.run, "workflow"),
            visibility(&block.run, &quote!(pub)),
        );
        quote! {
            #docs
            #visibility const #ident: #sdk::workflow::RunMarker<Self> = #sdk::workflow::RunMarker::new(#name);
        }
    });
    let handlers = handler_markers(&block.handlers, &quote!(pub));
    quote! {
        #(#attributes)*
        #[allow(non_upper_case_globals, private_interfaces, clippy::needless_pass_by_value, clippy::ptr_arg, clippy::unused_self)]
        impl #impl_generics #self_ty #where_clause {
            #run
            #(#handlers)*
            #(#rest)*
        }
    }
}

/// A typed marker for each handler that callers name, with this visibility where none is written.
pub(super) fn handler_markers(handlers: &[Written], default_visibility: &TokenStream) -> Vec<TokenStream> {
    let sdk = sdk();
    let marker = |handler: &Written| {
        let method = &handler.method;
        let ident = &method.signature.ident;
        let name = method.options.name(ident);
        let docs = documentation(handler, method.role.name());
        let visibility = visibility(handler, default_visibility);
        let (params, output) = (method.params(), method.output());
        let (marker, types) = match method.role {
            Role::Signal => (quote!(SignalMarker), quote!(<Self, #params>)),
            Role::Query => (quote!(QueryMarker), quote!(<Self, #params, #output>)),
            _ => (quote!(UpdateMarker), quote!(<Self, #params, #output>)),
        };
        quote! {
            #docs
            #visibility const #ident: #sdk::workflow::#marker #types = #sdk::workflow::#marker::new(#name);
        }
    };
    handlers
        .iter()
        .filter(|handler| !handler.method.is_dynamic())
        .map(marker)
        .collect()
}

/// The method's own documentation, or a line for callers.
fn documentation(written: &Written, kind: &str) -> TokenStream {
    let docs = &written.docs;
    if docs.iter().any(|attribute| attribute.path().is_ident("doc")) {
        return quote!(#(#docs)*);
    }
    let line = format!("Names the {kind} for its callers.");
    quote!(#[doc = #line] #(#docs)*)
}

/// Callers are elsewhere, so a marker is public unless something narrower is written.
fn visibility(written: &Written, default: &TokenStream) -> TokenStream {
    match &written.visibility {
        Visibility::Inherited => default.clone(),
        other => quote!(#other),
    }
}

/// The methods themselves, in a trait of their own: so `self.run(..)` calls one, and `Type::run` is its marker.
fn methods(block: &Block) -> TokenStream {
    let (impl_generics, ty_generics, where_clause) = block.item.generics.split_for_impl();
    let self_ty = &block.item.self_ty;
    let name = trait_name(block);
    let generics = &block.item.generics;
    let all = || std::iter::once(&block.run).chain(&block.handlers);
    let declared = all().map(|written| {
        let signature = declaration(&written.method.signature);
        let conditions = written.docs.iter().filter(|attribute| attribute.path().is_ident("cfg"));
        quote!(#(#conditions)* #signature;)
    });
    let code = all().map(|written| &written.code);
    quote! {
        #[doc(hidden)]
        #[allow(non_camel_case_types, async_fn_in_trait, private_interfaces, private_bounds)]
        trait #name #generics #where_clause {
            #(#declared)*
        }

        #[allow(clippy::unused_async, clippy::needless_pass_by_value, clippy::unused_self)]
        impl #impl_generics #name #ty_generics for #self_ty #where_clause {
            #(#code)*
        }
    }
}

/// The signature without patterns, as declarations have it.
fn declaration(signature: &Signature) -> Signature {
    let mut signature = signature.clone();
    for (number, input) in signature.inputs.iter_mut().enumerate() {
        match input {
            FnArg::Receiver(receiver) => receiver.attrs.clear(),
            FnArg::Typed(typed) => {
                typed.attrs.clear();
                let ident = format_ident!("__argument{number}");
                let pattern: Pat = syn::parse_quote!(#ident);
                *typed.pat = pattern;
            }
        }
    }
    signature
}

fn definition(block: &Block, name: &syn::LitStr, dynamic_run: bool) -> TokenStream {
    let sdk = sdk();
    let (impl_generics, _, where_clause) = block.item.generics.split_for_impl();
    let self_ty = &block.item.self_ty;
    let output = block.run.method.output();
    let params = if dynamic_run {
        quote!(#sdk::workflow::AnyParams)
    } else {
        block.run.method.params()
    };
    quote! {
        impl #impl_generics #sdk::workflow::WorkflowDefinition for #self_ty #where_clause {
            type Params = #params;
            type Output = #output;
            const NAME: &'static str = #name;
        }
    }
}

fn workflow(block: &Block, dynamic_run: bool, options: &WorkflowOptions) -> TokenStream {
    let sdk = sdk();
    let policies = options.policies();
    let shared = options.handlers.iter().map(|shared| {
        quote_spanned! {shared.span()=>
            <Self as #shared>::__register_handlers(__registration);
        }
    });
    let (impl_generics, _, where_clause) = block.item.generics.split_for_impl();
    let self_ty = &block.item.self_ty;
    let construct = construct(block, dynamic_run);
    let run = register_run(block, dynamic_run);
    let code = Code::of(block);
    let handlers = block.handlers.iter().map(|handler| code.register_handler(handler));
    let validators = block
        .validators
        .iter()
        .map(|validator| code.register_validator(&block.handlers, validator, &quote!(Self)));
    quote! {
        impl #impl_generics #sdk::workflow::Workflow for #self_ty #where_clause {
            const DYNAMIC: bool = #dynamic_run;

            fn register(__registration: &mut #sdk::workflow::Registration<Self>) {
                #policies
                #construct
                #run
                #(#shared)*
                __registration.own();
                #(#handlers)*
                #(#validators)*
            }
        }
    }
}

fn construct(block: &Block, dynamic_run: bool) -> TokenStream {
    let sdk = sdk();
    let Some(init) = &block.init else {
        let self_ty = &block.item.self_ty;
        return quote_spanned! {self_ty.span()=>
            __registration.construct(|_| <Self as ::core::default::Default>::default());
        };
    };
    let ident = &init.signature.ident;
    let context = init.parameters.context.then(|| quote!(__context,));
    let variables = init.parameters.variables();
    if dynamic_run && !variables.is_empty() {
        let last = &variables[variables.len() - 1];
        let name = (variables.len() > 1).then(|| quote!(__name,));
        return quote! {
            __registration.init::<#sdk::workflow::Dynamic>(|__context, (__name, #last)| Self::#ident(#context #name #last));
        };
    }
    let (params, pattern) = (init.params(), init.parameters.pattern());
    quote! {
        __registration.init::<#params>(|__context, #pattern| Self::#ident(#context #(#variables),*));
    }
}

/// Where the code of methods is: a trait that the workflow implements.
pub(super) struct Code(TokenStream);

impl Code {
    pub(super) fn new(methods: TokenStream) -> Self {
        Self(methods)
    }

    fn of(block: &Block) -> Self {
        let (_, ty_generics, _) = block.item.generics.split_for_impl();
        let name = trait_name(block);
        Self(quote!(#name #ty_generics))
    }

    /// How a method is called, given `__this`, `__context` and its inputs.
    fn call(&self, method: &Method, inputs: &TokenStream, owned: bool) -> TokenStream {
        let methods = &self.0;
        let ident = &method.signature.ident;
        let this = match (method.taken, owned) {
            (Taken::Shared, true) => quote!(__this),
            (Taken::Shared, false) => quote!(::std::rc::Rc::clone(__this)),
            _ => quote!(&*__this),
        };
        let context = method
            .parameters
            .context
            .then(|| if owned { quote!(&__context,) } else { quote!(__context,) });
        quote!(<Self as #methods>::#ident(#this, #context #inputs))
    }
}

fn register_run(block: &Block, dynamic_run: bool) -> TokenStream {
    let sdk = sdk();
    let method = &block.run.method;
    let variables = method.parameters.variables();
    let (params, pattern) = if dynamic_run {
        let pattern = match variables.as_slice() {
            [name, arguments] => quote!((#name, #arguments)),
            arguments => quote!((_, #(#arguments),*)),
        };
        (quote!(#sdk::workflow::Dynamic), pattern)
    } else {
        (method.params(), method.parameters.pattern())
    };
    let call = Code::of(block).call(method, &quote!(#(#variables),*), true);
    let result = method.result_of(quote!(#call.await));
    quote_spanned! {method.signature.ident.span()=>
        __registration.run::<#params, _, _>(|__this, __context, #pattern| async move { #result });
    }
}

impl Code {
    pub(super) fn register_handler(&self, handler: &Written) -> TokenStream {
        let sdk = sdk();
        let method = &handler.method;
        let name = method.options.name(&method.signature.ident);
        let description = &handler.description;
        let policy = if method.options.abandon {
            quote!(Abandon)
        } else {
            quote!(WarnAndAbandon)
        };
        let options = quote! {
            #sdk::workflow::HandlerOptions {
                name: ::std::borrow::Cow::Borrowed(#name),
                description: ::std::borrow::Cow::Borrowed(#description),
                unfinished_policy: #sdk::workflow::UnfinishedPolicy::#policy,
            }
        };
        let conditions = handler.docs.iter().filter(|attribute| attribute.path().is_ident("cfg"));
        let (params, pattern) = (method.params(), method.parameters.pattern());
        let variables = method.parameters.variables();
        let inputs = quote!(#(#variables),*);
        let call = self.call(method, &inputs, method.is_async());
        let call = if method.is_async() { quote!(#call.await) } else { call };
        let result = match method.role {
            // What a signal gives is nobody's.
            Role::Signal => {
                let result = method.result_of(call);
                quote!(::core::result::Result::map(#result, ::core::mem::drop))
            }
            _ => method.result_of(call),
        };
        let span = method.signature.ident.span();
        let registered = match (method.role, method.is_async()) {
            (Role::Signal, false) => quote_spanned!(span=> signal::<#params>),
            (Role::Signal, true) => quote_spanned!(span=> async_signal::<#params, _>),
            (Role::Query, _) => quote_spanned!(span=> query::<#params, _>),
            (_, false) => quote_spanned!(span=> update::<#params, _>),
            (_, true) => quote_spanned!(span=> async_update::<#params, _, _>),
        };
        let body = if method.is_async() {
            quote!(async move { #result })
        } else {
            result
        };
        quote_spanned! {method.signature.ident.span()=>
            #(#conditions)*
            __registration.#registered(#options, |__this, __context, #pattern| #body);
        }
    }

    /// `owner`: what the validator is a function of.
    pub(super) fn register_validator(
        &self,
        handlers: &[Written],
        validator: &Validator,
        owner: &TokenStream,
    ) -> TokenStream {
        let updates = handlers.iter().filter(|handler| handler.method.role == Role::Update);
        let Some(update) = updates
            .into_iter()
            .find(|update| update.method.signature.ident == validator.update)
        else {
            return TokenStream::new();
        };
        let method = &validator.method;
        let name = update.method.options.name(&update.method.signature.ident);
        let params = update.method.params();
        let variables = method.parameters.variables();
        let pattern = method.parameters.pattern();
        let ident = &method.signature.ident;
        let context = method.parameters.context.then(|| quote!(__context,));
        let this = match method.taken {
            Taken::Shared => quote!(::std::rc::Rc::clone(__this)),
            Taken::Borrowed | Taken::Nothing => quote!(&**__this),
        };
        let result = method.result_of(quote!(#owner::#ident(#this, #context #(#variables),*)));
        quote! {
            __registration.validator::<#params>(#name, |__this, __context, #pattern| #result);
        }
    }
}
