//! Finding loops over hash maps, whose order differs from run to run.

use super::message;
use std::collections::HashMap;
use syn::visit::{self, Visit};
use syn::{Block, Expr, ExprCall, ExprForLoop, FnArg, Ident, Item, Local, Pat, Path, Signature, Type};

/// Methods that give what is in a map or a set, in its order.
const ITERATORS: [&str; 9] = [
    "iter",
    "iter_mut",
    "into_iter",
    "keys",
    "values",
    "values_mut",
    "into_keys",
    "into_values",
    "drain",
];

/// Looks for loops over what the code itself says is a hash map.
pub(super) fn in_code(signature: &Signature, block: &Block, errors: &mut Vec<syn::Error>) {
    let mut parameters = HashMap::new();
    for input in &signature.inputs {
        if let FnArg::Typed(typed) = input
            && let Pat::Ident(pattern) = &*typed.pat
        {
            parameters.insert(pattern.ident.to_string(), is_hashed_type(&typed.ty));
        }
    }
    let mut finder = Finder {
        scopes: vec![parameters],
        errors,
    };
    finder.visit_block(block);
}

struct Finder<'a> {
    /// The variables that are known, and whether they are hash maps; innermost last.
    scopes: Vec<HashMap<String, bool>>,
    errors: &'a mut Vec<syn::Error>,
}

impl Finder<'_> {
    fn is_hashed(&self, name: &Ident) -> bool {
        let name = name.to_string();
        let known = self.scopes.iter().rev().find_map(|scope| scope.get(&name));
        known.copied().unwrap_or(false)
    }

    /// The hash map that is gone through.
    fn source<'e>(&self, expression: &'e Expr) -> Option<&'e Ident> {
        match expression {
            Expr::Path(path) => path.path.get_ident().filter(|name| self.is_hashed(name)),
            Expr::Reference(reference) => self.source(&reference.expr),
            Expr::Paren(inner) => self.source(&inner.expr),
            Expr::MethodCall(call) if ITERATORS.iter().any(|name| call.method == name) => self.source(&call.receiver),
            _ => None,
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_block(&mut self, block: &'ast Block) {
        self.scopes.push(HashMap::new());
        visit::visit_block(self, block);
        self.scopes.pop();
    }

    fn visit_local(&mut self, local: &'ast Local) {
        visit::visit_local(self, local);
        let value = || local.init.as_ref().is_some_and(|init| is_hashed_value(&init.expr));
        let (pattern, hashed) = match &local.pat {
            Pat::Type(typed) => (&*typed.pat, is_hashed_type(&typed.ty)),
            other => (other, value()),
        };
        if let Pat::Ident(pattern) = pattern
            && let Some(scope) = self.scopes.last_mut()
        {
            scope.insert(pattern.ident.to_string(), hashed);
        }
    }

    fn visit_expr_for_loop(&mut self, expression: &'ast ExprForLoop) {
        if let Some(name) = self.source(&expression.expr) {
            let instead = "the order of a hash map differs each time: use a `BTreeMap` or a `BTreeSet`, or sort first";
            let what = format!("for _ in {name}");
            self.errors.push(syn::Error::new_spanned(
                &expression.expr,
                message(&what, "order", instead),
            ));
        }
        visit::visit_expr_for_loop(self, expression);
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        let is_free = matches!(&*call.func, Expr::Path(path) if last_is(&path.path, &["unrestricted"]));
        if !is_free {
            visit::visit_expr_call(self, call);
        }
    }

    /// What is inside has names of its own.
    fn visit_item(&mut self, _: &'ast Item) {}
}

const HASHED: [&str; 2] = ["HashMap", "HashSet"];

fn last_is(path: &Path, names: &[&str]) -> bool {
    path.segments
        .last()
        .is_some_and(|last| names.iter().any(|name| last.ident == name))
}

fn is_hashed_type(of: &Type) -> bool {
    match of {
        Type::Path(path) => last_is(&path.path, &HASHED),
        Type::Reference(reference) => is_hashed_type(&reference.elem),
        _ => false,
    }
}

/// Whether it is made by a function of a hash map, or collected into one.
fn is_hashed_value(value: &Expr) -> bool {
    match value {
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) => {
                let segments = &path.path.segments;
                let of = segments
                    .len()
                    .checked_sub(2)
                    .and_then(|before_last| segments.get(before_last));
                of.is_some_and(|of| HASHED.iter().any(|name| of.ident == name))
            }
            _ => false,
        },
        Expr::MethodCall(call) if call.method == "collect" => call.turbofish.as_ref().is_some_and(|generic| {
            generic
                .args
                .iter()
                .any(|argument| matches!(argument, syn::GenericArgument::Type(of) if is_hashed_type(of)))
        }),
        _ => false,
    }
}
