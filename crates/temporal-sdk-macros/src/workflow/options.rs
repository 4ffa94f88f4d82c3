//! Options in attributes.

use super::restricted::CLASSES;
use crate::names::refuse_reserved;
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::meta::ParseNestedMeta;
use syn::parse::Parse as _;
use syn::spanned::Spanned;
use syn::{Attribute, Ident, LitBool, LitStr, Path, Type};

/// Where the generated code finds the SDK.
pub(super) fn sdk() -> TokenStream {
    quote!(::temporal_sdk)
}

/// The same, so that errors point at what the user wrote.
pub(super) fn sdk_at(span: Span) -> TokenStream {
    quote_spanned!(span=> ::temporal_sdk)
}

/// The options of `#[workflow(..)]`.
#[derive(Default)]
pub(super) struct WorkflowOptions {
    pub(super) name: Option<LitStr>,
    pub(super) dynamic: Option<Span>,
    /// Error types that fail the task.
    pub(super) fail_task_on: Vec<Type>,
    /// Error types that fail the workflow.
    pub(super) fail_workflow_on: Vec<Type>,
    pub(super) fail_workflow_on_panic: bool,
    pub(super) fail_workflow_on_nondeterminism: bool,
    /// `sandboxed = false`: the guard does not watch it.
    unsandboxed: Option<Span>,
    /// The classes of calls that the guard lets through.
    allowed: Vec<Ident>,
    /// `handlers` alone: a trait of shared handlers.
    pub(super) shares_handlers: Option<Span>,
    /// The traits whose handlers the workflow has too.
    pub(super) handlers: Vec<Path>,
}

impl WorkflowOptions {
    pub(super) fn parse(arguments: TokenStream) -> syn::Result<Self> {
        let mut options = Self::default();
        let parser = syn::meta::parser(|meta| {
            if meta.path.is_ident("name") {
                options.name = Some(name(&meta)?);
                Ok(())
            } else if meta.path.is_ident("dynamic") {
                options.dynamic = Some(meta.path.span());
                Ok(())
            } else if meta.path.is_ident("fail_task_on") {
                let types;
                syn::parenthesized!(types in meta.input);
                let types = types.parse_terminated(Type::parse, syn::Token![,])?;
                options.fail_task_on.extend(types);
                Ok(())
            } else if meta.path.is_ident("fail_workflow_on") {
                let what;
                syn::parenthesized!(what in meta.input);
                let types = what.parse_terminated(Type::parse, syn::Token![,])?;
                types.into_iter().for_each(|what| options.fail_workflow_on(what));
                Ok(())
            } else if meta.path.is_ident("sandboxed") {
                let sandboxed: LitBool = meta.value()?.parse()?;
                options.unsandboxed = (!sandboxed.value).then(|| meta.path.span());
                Ok(())
            } else if meta.path.is_ident("allow") {
                meta.parse_nested_meta(|meta| options.allow(&meta))
            } else if meta.path.is_ident("handlers") && meta.input.peek(syn::token::Paren) {
                let traits;
                syn::parenthesized!(traits in meta.input);
                let traits = traits.parse_terminated(Path::parse, syn::Token![,])?;
                options.handlers.extend(traits);
                Ok(())
            } else if meta.path.is_ident("handlers") {
                options.shares_handlers = Some(meta.path.span());
                Ok(())
            } else {
                Err(meta.error("unknown option: `#[workflow]` takes `name = \"…\"` or `dynamic`, `handlers(SharedHandlers)`, `fail_task_on(MyError)`, `fail_workflow_on(MyError, panic, nondeterminism)`, `allow(clock)` and `sandboxed = false`"))
            }
        });
        syn::parse::Parser::parse2(parser, arguments)?;
        if let (Some(name), Some(_)) = (&options.name, options.dynamic) {
            return Err(syn::Error::new(
                name.span(),
                "a dynamic workflow takes every type that no other takes: leave `name` out",
            ));
        }
        Ok(options)
    }

    fn allow(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        match meta.path.get_ident() {
            Some(class) if CLASSES.iter().any(|known| class == known) => {
                self.allowed.push(class.clone());
                Ok(())
            }
            _ => Err(meta.error(format!("write what is allowed: `{}`", CLASSES.join("`, `")))),
        }
    }

    /// Whether the guard watches it.
    pub(super) fn sandboxed(&self) -> bool {
        self.unsandboxed.is_none()
    }

    /// Whether calls of this class are let through.
    pub(super) fn allows(&self, class: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed == class)
    }

    /// Refuses ways around the guard where no workflow is that runs.
    pub(super) fn refuse_ways_out(&self) -> syn::Result<()> {
        let span = self.unsandboxed.or_else(|| Some(self.allowed.first()?.span()));
        match span {
            Some(span) => Err(syn::Error::new(
                span,
                "write this at each workflow that runs: the guard watches the workflow as a whole",
            )),
            None => Ok(()),
        }
    }

    fn fail_workflow_on(&mut self, what: Type) {
        let is = |name: &str| matches!(&what, Type::Path(path) if path.path.is_ident(name));
        if is("panic") {
            self.fail_workflow_on_panic = true;
        } else if is("nondeterminism") {
            self.fail_workflow_on_nondeterminism = true;
        } else {
            self.fail_workflow_on.push(what);
        }
    }

    /// Refuses `handlers` where no trait is.
    pub(super) fn refuse_sharing(&self) -> syn::Result<()> {
        match self.shares_handlers {
            Some(span) => Err(syn::Error::new(
                span,
                "name the traits whose handlers the workflow has too: `handlers(SharedHandlers)`; `handlers` alone goes on such a trait",
            )),
            None => Ok(()),
        }
    }

    /// Refuses `handlers(..)` where no state is.
    pub(super) fn refuse_handlers(&self, instead: &str) -> syn::Result<()> {
        match self.handlers.first() {
            Some(path) => Err(syn::Error::new_spanned(path, instead)),
            None => Ok(()),
        }
    }

    /// The statements that tell the registration which errors fail what, and what the guard lets through.
    pub(super) fn policies(&self) -> TokenStream {
        let sdk = sdk();
        let (types, workflow_types) = (&self.fail_task_on, &self.fail_workflow_on);
        let panic = self
            .fail_workflow_on_panic
            .then(|| quote!(__registration.fail_workflow_on_panic();));
        let nondeterminism = self
            .fail_workflow_on_nondeterminism
            .then(|| quote!(__registration.fail_workflow_on_nondeterminism();));
        let unsandboxed = (!self.sandboxed()).then(|| quote!(__registration.unsandboxed();));
        // The order of hash maps is seen at compile time alone.
        let allowed = self.allowed.iter().filter(|class| *class != "order").map(|class| {
            let mut name = class.to_string();
            name[..1].make_ascii_uppercase();
            Ident::new(&name, class.span())
        });
        quote! {
            #(__registration.fail_task_on::<#types>();)*
            #(__registration.fail_workflow_on::<#workflow_types>();)*
            #panic
            #nondeterminism
            #unsandboxed
            #(__registration.allow(#sdk::workflow::Restricted::#allowed);)*
        }
    }

    /// The registered name; empty for a dynamic workflow.
    pub(super) fn name(&self, default: &Ident) -> LitStr {
        match (&self.name, self.dynamic) {
            (Some(name), _) => name.clone(),
            (None, Some(span)) => LitStr::new("", span),
            (None, None) => LitStr::new(&plain(default), default.span()),
        }
    }
}

/// The options of `#[signal(..)]`, `#[query(..)]` and `#[update(..)]`.
#[derive(Default)]
pub(super) struct HandlerOptions {
    pub(super) name: Option<LitStr>,
    pub(super) dynamic: Option<Span>,
    pub(super) description: Option<LitStr>,
    pub(super) abandon: bool,
}

impl HandlerOptions {
    pub(super) fn parse(kind: &str, attribute: &Attribute) -> syn::Result<Self> {
        let mut options = Self::default();
        if matches!(attribute.meta, syn::Meta::Path(_)) {
            return Ok(options);
        }
        attribute.parse_nested_meta(|meta| options.option(kind, &meta))?;
        if let (Some(name), Some(_)) = (&options.name, options.dynamic) {
            let message = format!("a dynamic {kind} takes every name that no other takes: leave `name` out");
            return Err(syn::Error::new(name.span(), message));
        }
        Ok(options)
    }

    fn option(&mut self, kind: &str, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        if meta.path.is_ident("name") {
            self.name = Some(name(meta)?);
            Ok(())
        } else if meta.path.is_ident("dynamic") {
            self.dynamic = Some(meta.path.span());
            Ok(())
        } else if meta.path.is_ident("description") {
            self.description = Some(meta.value()?.parse()?);
            Ok(())
        } else if meta.path.is_ident("unfinished_policy") && kind != "query" {
            let policy: Ident = meta.value()?.parse()?;
            match policy.to_string().as_str() {
                "abandon" => self.abandon = true,
                "warn_and_abandon" => self.abandon = false,
                _ => return Err(syn::Error::new(policy.span(), "write `abandon` or `warn_and_abandon`")),
            }
            Ok(())
        } else if meta.path.is_ident("validator") {
            Err(meta.error("put `#[validator(the_update)]` on the validating method instead"))
        } else {
            let policy = if kind == "query" {
                ""
            } else {
                ", `unfinished_policy = abandon`"
            };
            Err(meta.error(format!(
                "unknown option: `#[{kind}]` takes `name = \"…\"` or `dynamic`, and `description = \"…\"`{policy}"
            )))
        }
    }

    /// The registered name; empty for a dynamic handler.
    pub(super) fn name(&self, method: &Ident) -> LitStr {
        match (&self.name, self.dynamic) {
            (Some(name), _) => name.clone(),
            (None, Some(span)) => LitStr::new("", span),
            (None, None) => LitStr::new(&plain(method), method.span()),
        }
    }
}

/// The value of `name = "…"`.
pub(super) fn name(meta: &ParseNestedMeta<'_>) -> syn::Result<LitStr> {
    let name: LitStr = meta.value()?.parse()?;
    if name.value().is_empty() {
        return Err(syn::Error::new(name.span(), "the name cannot be empty"));
    }
    refuse_reserved(&name)?;
    Ok(name)
}

/// An identifier without `r#`.
pub(super) fn plain(ident: &Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").unwrap_or(&name).to_owned()
}
