//! One method of a workflow: what it is, and what it takes.

use super::options::{HandlerOptions, sdk, sdk_at};
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Attribute, FnArg, GenericArgument, Ident, PathArguments, Receiver, ReceiverKind, ReturnType, Signature, Type,
};

/// What an attribute makes of a method.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Run,
    Init,
    Signal,
    Query,
    Update,
    Validator,
}

impl Role {
    pub(super) const ALL: [Self; 6] = [
        Self::Run,
        Self::Init,
        Self::Signal,
        Self::Query,
        Self::Update,
        Self::Validator,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Init => "init",
            Self::Signal => "signal",
            Self::Query => "query",
            Self::Update => "update",
            Self::Validator => "validator",
        }
    }

    fn of(attribute: &Attribute) -> Option<Self> {
        let path = attribute.path();
        let last = path.segments.last()?;
        if path.segments.len() > 2 {
            return None;
        }
        Self::ALL.into_iter().find(|role| last.ident == role.name())
    }
}

/// Whether an attribute gives the method a role.
pub(super) fn has_role(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| Role::of(attribute).is_some())
}

/// Takes the attribute out that gives a method its role.
pub(super) fn take_role(attributes: &mut Vec<Attribute>) -> syn::Result<Option<(Role, Attribute)>> {
    let Some(position) = attributes.iter().position(|attribute| Role::of(attribute).is_some()) else {
        return Ok(None);
    };
    let attribute = attributes.remove(position);
    if let Some(second) = attributes.iter().find(|attribute| Role::of(attribute).is_some()) {
        return Err(syn::Error::new_spanned(
            second,
            "a method has one role: leave one of `#[run]`, `#[init]`, `#[signal]`, `#[query]`, `#[update]`, `#[validator]` out",
        ));
    }
    Ok(Role::of(&attribute).map(|role| (role, attribute)))
}

/// How a method takes the workflow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// `&self`
    Borrowed,
    /// `self: Rc<Self>`
    Shared,
    /// Not at all.
    Nothing,
}

/// What a method takes, apart from the workflow itself.
pub(super) struct Parameters {
    pub(super) context: bool,
    pub(super) inputs: Vec<Type>,
}

/// A method with a role.
pub(super) struct Method {
    pub(super) role: Role,
    pub(super) options: HandlerOptions,
    pub(super) signature: Signature,
    pub(super) taken: Taken,
    pub(super) parameters: Parameters,
}

impl Method {
    pub(super) fn new(role: Role, options: HandlerOptions, signature: &Signature) -> syn::Result<Self> {
        check(role, signature)?;
        check_returned(role, signature)?;
        let taken = taken(role, signature)?;
        let parameters = Parameters::of(role, signature)?;
        if options.dynamic.is_some() && parameters.inputs.len() != 2 {
            return Err(syn::Error::new_spanned(
                &signature.ident,
                format!(
                    "a dynamic {} takes the name it was called by and its arguments: `name: String, arguments: RawValues`",
                    role.name()
                ),
            ));
        }
        Ok(Self {
            role,
            options,
            signature: signature.clone(),
            taken,
            parameters,
        })
    }

    pub(super) fn is_async(&self) -> bool {
        self.signature.asyncness.is_some()
    }

    pub(super) fn is_dynamic(&self) -> bool {
        self.options.dynamic.is_some()
    }

    /// `NoParams`, `One<T>`, `Many<(..)>` or `Dynamic`.
    pub(super) fn params(&self) -> TokenStream {
        if self.is_dynamic() {
            let sdk = sdk();
            return quote!(#sdk::workflow::Dynamic);
        }
        self.parameters.kind()
    }

    /// What the caller gets.
    pub(super) fn output(&self) -> TokenStream {
        let returned = returned(&self.signature);
        if self.role == Role::Run || is_result(&returned) {
            let sdk = sdk_at(returned.span());
            quote_spanned!(returned.span()=> <#returned as #sdk::workflow::Returned>::Output)
        } else {
            quote!(#returned)
        }
    }

    /// What the caller gets, where a declaration may name it without `Result`.
    pub(super) fn declared_output(&self) -> TokenStream {
        let returned = returned(&self.signature);
        if is_result(&returned) {
            return self.output();
        }
        quote!(#returned)
    }

    /// A call's value as a `Result<_, workflow::Error>`.
    pub(super) fn result_of(&self, call: TokenStream) -> TokenStream {
        let returned = returned(&self.signature);
        let sdk = sdk_at(returned.span());
        if self.role == Role::Run || self.role == Role::Validator || is_result(&returned) {
            return quote_spanned!(returned.span()=> #sdk::workflow::Returned::into_result(#call));
        }
        quote!(::core::result::Result::<_, #sdk::workflow::Error>::Ok(#call))
    }

    /// The first paragraph of the documentation, or the option.
    pub(super) fn description(&self, attributes: &[Attribute]) -> String {
        match &self.options.description {
            Some(description) => description.value(),
            None => first_paragraph(attributes),
        }
    }
}

impl Parameters {
    /// Of a workflow that is a function.
    pub(super) fn of_function(signature: &Signature) -> syn::Result<Self> {
        check(Role::Run, signature)?;
        check_returned(Role::Run, signature)?;
        Self::of(Role::Run, signature)
    }

    fn of(role: Role, signature: &Signature) -> syn::Result<Self> {
        let mut parameters = Self {
            context: false,
            inputs: Vec::new(),
        };
        let typed = signature.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        });
        for (position, typed) in typed.enumerate() {
            match &*typed.ty {
                Type::Reference(reference) if is_context_of(&reference.elem, "activity") => {
                    let message = "this is the context of activities: take `ctx: &workflow::Context`";
                    return Err(syn::Error::new_spanned(reference, message));
                }
                Type::Reference(reference) if position == 0 && is_context(role, &reference.elem) => {
                    if let Some(mutability) = &reference.mutability {
                        let message = "the context is shared: write `&workflow::Context`";
                        return Err(syn::Error::new(mutability.span(), message));
                    }
                    parameters.context = true;
                }
                Type::Reference(reference) if role == Role::Validator => {
                    parameters.inputs.push((*reference.elem).clone());
                }
                owned if role == Role::Validator => {
                    let message = "a validator looks at what the update will get: take it by reference";
                    return Err(syn::Error::new_spanned(owned, message));
                }
                Type::Reference(reference) => return Err(borrowed(role, reference)),
                Type::ImplTrait(_) => {
                    let message = "an input needs a type that can be read from a payload: name the type";
                    return Err(syn::Error::new_spanned(&typed.ty, message));
                }
                Type::Path(path) if last_is(path, "Context") => {
                    let message = "take the context by reference, first: `ctx: &workflow::Context`";
                    return Err(syn::Error::new_spanned(path, message));
                }
                owned => parameters.inputs.push(owned.clone()),
            }
        }
        if parameters.inputs.len() > 8 {
            return Err(syn::Error::new_spanned(
                &parameters.inputs[8],
                "at most 8 inputs can be taken: put them into one struct, which can also grow later",
            ));
        }
        Ok(parameters)
    }

    pub(super) fn kind(&self) -> TokenStream {
        let sdk = sdk();
        match self.inputs.as_slice() {
            [] => quote!(#sdk::workflow::NoParams),
            [one] => quote_spanned!(one.span()=> #sdk::workflow::One<#one>),
            many => quote!(#sdk::workflow::Many<(#(#many,)*)>),
        }
    }

    /// The variables that inputs are taken apart into.
    pub(super) fn variables(&self) -> Vec<Ident> {
        (0..self.inputs.len())
            .map(|number| Ident::new(&format!("__input{number}"), Span::mixed_site()))
            .collect()
    }

    /// The pattern of the value that `kind` decodes to.
    pub(super) fn pattern(&self) -> TokenStream {
        match self.variables().as_slice() {
            [] => quote!(()),
            [one] => quote!(#one),
            many => quote!((#(#many,)*)),
        }
    }
}

/// What the caller gets of a declared function, with or without `Result`.
pub(super) fn declared_output(signature: &Signature) -> TokenStream {
    let returned = returned(signature);
    if !is_result(&returned) {
        return quote!(#returned);
    }
    let sdk = sdk_at(returned.span());
    quote_spanned!(returned.span()=> <#returned as #sdk::workflow::Returned>::Output)
}

/// The return type as written; `()` if there is none.
pub(super) fn returned(signature: &Signature) -> Type {
    match &signature.output {
        ReturnType::Default => syn::parse_quote!(()),
        ReturnType::Type(_, returned) => (**returned).clone(),
    }
}

/// Refuses what such a method cannot return.
fn check_returned(role: Role, signature: &Signature) -> syn::Result<()> {
    let ReturnType::Type(_, returned) = &signature.output else {
        return Ok(());
    };
    refuse_unsendable(returned, "workflow::Error")?;
    let gives_nothing = || is_unit(returned) || (is_result(returned) && result_value(returned).is_none_or(is_unit));
    let message = match role {
        Role::Signal if !gives_nothing() => {
            "a signal answers nothing: use `#[update]`, or return nothing or a `Result<(), _>`"
        }
        Role::Validator if !gives_nothing() => {
            "a validator rejects by an error: return `workflow::Result<()>`, as in `Err(ApplicationError::new(\"why\").into())`"
        }
        Role::Init if is_result(returned) => {
            "`#[init]` makes the workflow in any case: return `Self`, and fail in the run method"
        }
        _ => return Ok(()),
    };
    Err(syn::Error::new_spanned(returned, message))
}

fn is_unit(of: &Type) -> bool {
    matches!(of, Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// `T` of `Result<T, ..>`, if it is written.
fn result_value(result: &Type) -> Option<&Type> {
    generics(result).next()
}

/// The types between the angle brackets of a type's last name.
fn generics(of: &Type) -> impl Iterator<Item = &Type> {
    let last = match of {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    };
    let arguments = match last.map(|last| &last.arguments) {
        Some(PathArguments::AngleBracketed(arguments)) => Some(arguments.args.iter()),
        _ => None,
    };
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(of) => Some(of),
        _ => None,
    })
}

/// Refuses a `Result` whose error is a `Box<dyn Error>` that cannot go to other threads. `error`: what it is to become.
pub(crate) fn refuse_unsendable(returned: &Type, error: &str) -> syn::Result<()> {
    let Some(failure) = generics(returned).nth(1).filter(|_| is_result(returned)) else {
        return Ok(());
    };
    let Some(Type::TraitObject(object)) = generics(failure).next() else {
        return Ok(());
    };
    let names = |name: &str| {
        object.bounds.iter().any(|bound| {
            matches!(bound, syn::TypeParamBound::Trait(bound)
                if bound.path.segments.last().is_some_and(|last| last.ident == name))
        })
    };
    if names("Error") && !(names("Send") && names("Sync")) {
        let message = format!(
            "this cannot become a `{error}`, which other threads may see: write `Box<dyn Error + Send + Sync>`"
        );
        return Err(syn::Error::new_spanned(failure, message));
    }
    Ok(())
}

/// Whether it is written as the context of this module: `activity::Context`.
pub(crate) fn is_context_of(of: &Type, module: &str) -> bool {
    let Type::Path(path) = of else { return false };
    let mut names = path.path.segments.iter().rev();
    names.next().is_some_and(|last| last.ident == "Context")
        && names.next().is_some_and(|before| before.ident == module)
}

/// Whether the type is a `Result`, or is called like one.
fn is_result(returned: &Type) -> bool {
    match returned {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|segment| segment.ident.to_string().ends_with("Result")),
        _ => false,
    }
}

fn last_is(path: &syn::TypePath, name: &str) -> bool {
    path.path.segments.last().is_some_and(|segment| segment.ident == name)
}

/// Inputs are owned, so the first reference can only be the context; in a validator it is told by its name.
fn is_context(role: Role, referenced: &Type) -> bool {
    match referenced {
        Type::Path(path) if role == Role::Validator => last_is(path, "Context"),
        Type::Path(path) => !path.path.is_ident("str") && !path.path.is_ident("String"),
        _ => false,
    }
}

fn borrowed(role: Role, reference: &syn::TypeReference) -> syn::Error {
    let instead = match &*reference.elem {
        Type::Path(path) if path.path.is_ident("str") => "take `String`",
        Type::Slice(_) => "take a `Vec`",
        _ => "take the type itself (the only reference is `ctx: &workflow::Context`, which comes first)",
    };
    let message = format!(
        "a {} owns its input, since it arrives in a message: {instead}",
        role.name()
    );
    syn::Error::new_spanned(reference, message)
}

/// Refuses what no such method can be.
fn check(role: Role, signature: &Signature) -> syn::Result<()> {
    let name = role.name();
    let refuse = |tokens: &dyn quote::ToTokens, message: String| Err(syn::Error::new_spanned(tokens, message));
    if !signature.generics.params.is_empty() {
        let message = format!("`#[{name}]` cannot be generic: it is called by its name, which says nothing of types");
        return refuse(&signature.generics, message);
    }
    if let Some(constness) = &signature.constness {
        return refuse(constness, format!("`#[{name}]` cannot be `const`"));
    }
    if let syn::Safety::Unsafe(keyword) = &signature.safety {
        let message = format!("`#[{name}]` cannot be `unsafe`: its callers are on the other side of the network");
        return refuse(keyword, message);
    }
    match (role, &signature.asyncness) {
        (Role::Run, None) => refuse(
            &signature.fn_token,
            "the run method waits for activities and timers: write `async fn`".to_owned(),
        ),
        (Role::Query, Some(keyword)) => refuse(
            keyword,
            "a query answers at once from the workflow's state: remove `async`; what has to wait is an `#[update]`"
                .to_owned(),
        ),
        (Role::Validator, Some(keyword)) => refuse(
            keyword,
            "a validator decides at once from the workflow's state: remove `async`; wait in the update itself"
                .to_owned(),
        ),
        (Role::Init, Some(keyword)) => refuse(
            keyword,
            "`#[init]` makes the workflow at once: remove `async`, and wait in the run method".to_owned(),
        ),
        _ => Ok(()),
    }
}

fn taken(role: Role, signature: &Signature) -> syn::Result<Taken> {
    let receiver = signature.inputs.iter().find_map(|input| match input {
        FnArg::Receiver(receiver) => Some(receiver),
        FnArg::Typed(_) => None,
    });
    match (role, receiver) {
        (Role::Init, None) => Ok(Taken::Nothing),
        (Role::Init, Some(receiver)) => Err(syn::Error::new_spanned(
            receiver,
            "`#[init]` makes the workflow, so there is no `self` yet: write `fn new(..) -> Self`",
        )),
        (_, None) => Err(syn::Error::new_spanned(
            &signature.ident,
            format!("`#[{}]` is a method of the workflow: take `&self` first", role.name()),
        )),
        (_, Some(receiver)) => receiver_taken(receiver),
    }
}

fn receiver_taken(receiver: &Receiver) -> syn::Result<Taken> {
    const SHARED: &str = "handlers run at the same time as the run method and share the workflow: take `&self`, and keep state in `Cell` or `RefCell`";
    const OTHER: &str = "take the workflow as `&self`, or as `self: Rc<Self>` to share it with spawned tasks";
    match &receiver.kind {
        ReceiverKind::Reference(_, _, None) => Ok(Taken::Borrowed),
        ReceiverKind::Reference(_, _, Some(_)) => Err(syn::Error::new_spanned(receiver, SHARED)),
        ReceiverKind::Typed(_, written) => match &**written {
            Type::Reference(reference) if reference.mutability.is_none() => Ok(Taken::Borrowed),
            Type::Reference(_) => Err(syn::Error::new_spanned(receiver, SHARED)),
            Type::Path(path) if last_is(path, "Rc") && holds_self(path) => Ok(Taken::Shared),
            _ => Err(syn::Error::new_spanned(receiver, OTHER)),
        },
        _ => Err(syn::Error::new_spanned(receiver, OTHER)),
    }
}

fn holds_self(path: &syn::TypePath) -> bool {
    let arguments = path.path.segments.last().map(|segment| &segment.arguments);
    match arguments {
        Some(PathArguments::AngleBracketed(arguments)) => arguments.args.iter().any(|argument| match argument {
            GenericArgument::Type(Type::Path(path)) => path.path.is_ident("Self"),
            _ => false,
        }),
        _ => false,
    }
}

/// Documentation and conditions of an item, for what is generated from it.
pub(super) fn docs(attributes: &[Attribute]) -> Vec<Attribute> {
    let kept = |attribute: &&Attribute| {
        let path = attribute.path();
        path.is_ident("doc") || path.is_ident("cfg") || path.is_ident("deprecated")
    };
    attributes.iter().filter(kept).cloned().collect()
}

/// The first paragraph of the documentation, on one line.
pub(super) fn first_paragraph(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| {
        if !attribute.path().is_ident("doc") {
            return None;
        }
        match &attribute.meta {
            syn::Meta::NameValue(pair) => match &pair.value {
                syn::Expr::Lit(syn::ExprLit {
                    lit: syn::Lit::Str(text),
                    ..
                }) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        }
    });
    let paragraph: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    paragraph.join(" ")
}
