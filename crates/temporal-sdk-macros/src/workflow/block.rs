//! Reading a workflow's `impl` block.

use super::method::{Method, Role, docs, has_role, take_role};
use super::options::{HandlerOptions, plain};
use crate::names::refuse_reserved;
use proc_macro2::{Spacing, TokenStream, TokenTree};
use quote::ToTokens as _;
use std::collections::HashMap;
use syn::{Attribute, Ident, ImplItem, ImplItemFn, ItemImpl, ItemTrait, TraitItem, Type, Visibility};

/// A workflow's `impl` block, taken apart.
pub(super) struct Block {
    pub(super) item: ItemImpl,
    /// The workflow type's own name.
    pub(super) ident: Ident,
    pub(super) run: Written,
    pub(super) init: Option<Method>,
    /// Signals, queries and updates, in the order written.
    pub(super) handlers: Vec<Written>,
    pub(super) validators: Vec<Validator>,
    /// What is not generated from: stays as it is.
    pub(super) rest: Vec<ImplItem>,
}

/// A trait of shared handlers, taken apart.
pub(super) struct Shared {
    /// The trait without its items.
    pub(super) item: ItemTrait,
    pub(super) handlers: Vec<Written>,
    pub(super) validators: Vec<Validator>,
    pub(super) validator_code: Vec<ImplItem>,
    /// What the workflow provides, and code that is no handler.
    pub(super) kept: Vec<TraitItem>,
}

/// A method with its code.
pub(super) struct Written {
    pub(super) method: Method,
    pub(super) visibility: Visibility,
    /// Documentation and conditions, for what is generated.
    pub(super) docs: Vec<Attribute>,
    pub(super) description: String,
    /// The code, without visibility and role.
    pub(super) code: ImplItemFn,
}

/// A validator and the update it belongs to.
pub(super) struct Validator {
    pub(super) method: Method,
    pub(super) update: Ident,
}

impl Block {
    /// `dynamic`: whether it is a workflow for types that no other takes.
    pub(super) fn read(mut item: ItemImpl, dynamic: bool) -> syn::Result<Self> {
        if let Some((path, _)) = &item.trait_ {
            return Err(syn::Error::new_spanned(
                path,
                "`#[workflow]` goes on the type's own `impl` block, not on that of a trait",
            ));
        }
        if let Some(lifetime) = item.generics.lifetimes().next() {
            return Err(syn::Error::new_spanned(
                lifetime,
                "a workflow owns its state, since it outlives every borrow: remove the lifetime",
            ));
        }
        let ident = type_name(&item.self_ty)?;
        let mut reader = Reader::default();
        for entry in std::mem::take(&mut item.items) {
            reader.read(entry);
        }
        reader.finish(item, ident, dynamic)
    }
}

impl Shared {
    pub(super) fn read(mut item: ItemTrait) -> syn::Result<Self> {
        let mut reader = Reader::default();
        let mut kept = Vec::new();
        for entry in std::mem::take(&mut item.items) {
            match entry {
                TraitItem::Fn(function) if has_role(&function.attrs) => match with_code(function) {
                    Ok(function) => reader.read(ImplItem::Fn(function)),
                    Err(error) => reader.fail(error),
                },
                other => kept.push(other),
            }
        }
        reader.check_names();
        let misplaced = reader.run.as_ref().map(|run| &run.method).or(reader.init.as_ref());
        if let Some(method) = misplaced {
            let message = format!(
                "shared handlers have no `#[{}]`: write it in the `impl` block of each workflow",
                method.role.name()
            );
            let error = syn::Error::new_spanned(&method.signature.ident, message);
            reader.fail(error);
        }
        if reader.handlers.is_empty() && reader.errors.is_none() {
            reader.fail(syn::Error::new_spanned(
                &item.ident,
                "there is nothing to share: put `#[signal]`, `#[query]` or `#[update]` on a method with code",
            ));
        }
        match reader.errors {
            Some(errors) => Err(errors),
            None => Ok(Self {
                item,
                handlers: reader.handlers,
                validators: reader.validators,
                validator_code: reader.rest,
                kept,
            }),
        }
    }
}

/// A trait's method as one of an `impl` block.
fn with_code(function: syn::TraitItemFn) -> syn::Result<ImplItemFn> {
    let Some(block) = function.default else {
        return Err(syn::Error::new_spanned(
            &function.sig.ident,
            "a shared handler has its code here: write it, and let the workflow provide what it needs by a method without an attribute",
        ));
    };
    Ok(ImplItemFn {
        attrs: function.attrs,
        vis: Visibility::Inherited,
        modifiers: function.modifiers,
        sig: function.sig,
        block,
    })
}

#[derive(Default)]
struct Reader {
    run: Option<Written>,
    init: Option<Method>,
    handlers: Vec<Written>,
    validators: Vec<Validator>,
    rest: Vec<ImplItem>,
    errors: Option<syn::Error>,
}

impl Reader {
    fn fail(&mut self, error: syn::Error) {
        match &mut self.errors {
            Some(errors) => errors.combine(error),
            None => self.errors = Some(error),
        }
    }

    fn read(&mut self, item: ImplItem) {
        let ImplItem::Fn(mut function) = item else {
            self.rest.push(item);
            return;
        };
        match take_role(&mut function.attrs) {
            Ok(None) => self.rest.push(ImplItem::Fn(function)),
            Ok(Some((role, attribute))) => {
                if let Err(error) = self.read_method(role, &attribute, function) {
                    self.fail(error);
                }
            }
            Err(error) => self.fail(error),
        }
    }

    fn read_method(&mut self, role: Role, attribute: &Attribute, function: ImplItemFn) -> syn::Result<()> {
        match role {
            Role::Validator => {
                let update = attribute.parse_args::<Ident>().map_err(|_| {
                    syn::Error::new_spanned(attribute, "name the update's method: `#[validator(my_update)]`")
                })?;
                let method = Method::new(role, HandlerOptions::default(), &function.sig)?;
                self.validators.push(Validator { method, update });
                self.rest.push(ImplItem::Fn(function));
            }
            Role::Init => {
                no_options(role, attribute)?;
                let method = Method::new(role, HandlerOptions::default(), &function.sig)?;
                if self.init.is_some() {
                    let message = "a workflow has one `#[init]`: leave the other out";
                    return Err(syn::Error::new_spanned(&function.sig.ident, message));
                }
                self.init = Some(method);
                self.rest.push(ImplItem::Fn(function));
            }
            Role::Run => {
                no_options(role, attribute)?;
                let written = written(role, HandlerOptions::default(), function)?;
                if let Some(first) = &self.run {
                    let message = format!(
                        "a workflow has one `#[run]` method, and `{}` is it: make this a `#[signal]`, an `#[update]`, or a method that `{0}` calls",
                        first.method.signature.ident
                    );
                    return Err(syn::Error::new_spanned(&written.method.signature.ident, message));
                }
                self.run = Some(written);
            }
            Role::Signal | Role::Query | Role::Update => {
                let options = HandlerOptions::parse(role.name(), attribute)?;
                self.handlers.push(written(role, options, function)?);
            }
        }
        Ok(())
    }

    fn check_names(&mut self) {
        let mut errors = Vec::new();
        let mut seen = HashMap::new();
        for handler in &self.handlers {
            let method = &handler.method;
            let name = method.options.name(&method.signature.ident);
            errors.extend(refuse_reserved(&name).err());
            if seen.insert((method.role.name(), name.value()), ()).is_some() {
                let (kind, value) = (method.role.name(), name.value());
                let message = if value.is_empty() {
                    format!("there is a dynamic {kind} already: only one can take the names that no other takes")
                } else {
                    format!("there is a {kind} \"{value}\" already: give one of them another `name`")
                };
                errors.push(syn::Error::new(name.span(), message));
            }
        }
        let mut validated = HashMap::new();
        for validator in &self.validators {
            if let Err(error) = self.check_validator(validator) {
                errors.push(error);
            }
            if validated.insert(plain(&validator.update), ()).is_some() {
                let message = format!("update `{}` has a validator already", validator.update);
                errors.push(syn::Error::new(validator.update.span(), message));
            }
        }
        errors.into_iter().for_each(|error| self.fail(error));
    }

    fn check_validator(&self, validator: &Validator) -> syn::Result<()> {
        let updates = || {
            self.handlers
                .iter()
                .map(|handler| &handler.method)
                .filter(|method| method.role == Role::Update)
        };
        let Some(update) = updates().find(|update| update.signature.ident == validator.update) else {
            let known: Vec<_> = updates()
                .map(|update| format!("`{}`", update.signature.ident))
                .collect();
            let known = if known.is_empty() {
                "there is none".to_owned()
            } else {
                known.join(", ")
            };
            return Err(syn::Error::new(
                validator.update.span(),
                format!("no `#[update]` method has the name `{}`: {known}", validator.update),
            ));
        };
        let (wanted, has) = (update.parameters.inputs.len(), validator.method.parameters.inputs.len());
        if wanted != has {
            return Err(syn::Error::new_spanned(
                &validator.method.signature.inputs,
                format!(
                    "the update `{}` takes {wanted} inputs, but its validator takes {has}",
                    validator.update
                ),
            ));
        }
        Ok(())
    }

    /// Refuses an `#[init]` that wants other inputs than the run method: both get what starters send, by the run method's types.
    fn check_init(&mut self) {
        let (Some(init), Some(run)) = (&self.init, &self.run) else {
            return;
        };
        let (wanted, sent) = (&init.parameters.inputs, &run.method.parameters.inputs);
        let other = wanted
            .iter()
            .enumerate()
            .find(|(number, wanted)| sent.get(*number).is_none_or(|sent| !is_alike(wanted, sent)));
        let Some((number, other)) = other else { return };
        let what = match sent.get(number) {
            Some(sent) => format!("where the run method takes `{}`", sent.to_token_stream()),
            None => "which the run method does not".to_owned(),
        };
        let message = format!(
            "`#[init]` gets the same inputs as the run method, `{}`: this takes `{}`, {what}; give both the same (`#[init]` may leave out the last ones)",
            run.method.signature.ident,
            other.to_token_stream()
        );
        let error = syn::Error::new_spanned(other, message);
        self.fail(error);
    }

    fn finish(mut self, item: ItemImpl, ident: Ident, dynamic: bool) -> syn::Result<Block> {
        self.check_names();
        if !dynamic {
            self.check_init();
        }
        if self.run.is_none() && self.errors.is_none() {
            self.fail(syn::Error::new_spanned(
                &item.self_ty,
                "a workflow needs one `#[run]` method: `#[run] async fn run(&self, ctx: &workflow::Context) -> workflow::Result<()>`",
            ));
        }
        match (self.errors, self.run) {
            (None, Some(run)) => Ok(Block {
                item,
                ident,
                run,
                init: self.init,
                handlers: self.handlers,
                validators: self.validators,
                rest: self.rest,
            }),
            (Some(errors), _) => Err(errors),
            (None, None) => Err(syn::Error::new_spanned(
                item.self_ty,
                "a workflow needs one `#[run]` method",
            )),
        }
    }
}

/// Whether two types are the same as far as their names tell, whichever paths they are written with.
fn is_alike(a: &Type, b: &Type) -> bool {
    last_names(a.to_token_stream()) == last_names(b.to_token_stream())
}

/// The tokens without what goes before a `::`.
fn last_names(tokens: TokenStream) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                names.push(format!("{:?}", group.delimiter()));
                names.extend(last_names(group.stream()));
                names.push(String::new());
            }
            TokenTree::Punct(mark) if mark.as_char() == ':' && mark.spacing() == Spacing::Alone => {}
            TokenTree::Punct(mark) if mark.as_char() == ':' => {
                let is_name = |name: &String| name.starts_with(|first: char| first.is_alphanumeric() || first == '_');
                names.pop_if(|name| is_name(name));
            }
            other => names.push(other.to_string()),
        }
    }
    names
}

fn written(role: Role, options: HandlerOptions, mut code: ImplItemFn) -> syn::Result<Written> {
    let method = Method::new(role, options, &code.sig)?;
    let visibility = std::mem::replace(&mut code.vis, Visibility::Inherited);
    Ok(Written {
        description: method.description(&code.attrs),
        docs: docs(&code.attrs),
        method,
        visibility,
        code,
    })
}

fn no_options(role: Role, attribute: &Attribute) -> syn::Result<()> {
    match &attribute.meta {
        syn::Meta::Path(_) => Ok(()),
        _ if role == Role::Run => Err(syn::Error::new_spanned(
            attribute,
            "`#[run]` takes no options: the workflow's name is that of the type, or `#[workflow(name = \"…\")]`",
        )),
        _ => Err(syn::Error::new_spanned(
            attribute,
            format!("`#[{}]` takes no options", role.name()),
        )),
    }
}

fn type_name(self_ty: &Type) -> syn::Result<Ident> {
    if let Type::Path(path) = self_ty
        && let Some(segment) = path.path.segments.last()
    {
        return Ok(segment.ident.clone());
    }
    Err(syn::Error::new_spanned(
        self_ty,
        "`#[workflow]` goes on the `impl` block of a struct or enum",
    ))
}

#[cfg(test)]
mod tests {
    use super::is_alike;

    #[test]
    fn types_are_compared_by_their_names() {
        let alike = |a: &str, b: &str| is_alike(&syn::parse_str(a).unwrap(), &syn::parse_str(b).unwrap());
        for (a, b) in [
            ("Order", "crate::shop::Order"),
            ("::std::vec::Vec<Order>", "Vec<shop::Order>"),
            ("(u8, std::string::String)", "(u8, String)"),
            ("[shop::Order; 2]", "[Order; 2]"),
        ] {
            assert!(alike(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("Order", "Option<Order>"),
            ("Vec<u8>", "Vec<u16>"),
            ("(u8, u8)", "(u8,)"),
            ("shop::Order", "shop::Item"),
        ] {
            assert!(!alike(a, b), "{a} {b}");
        }
    }
}
