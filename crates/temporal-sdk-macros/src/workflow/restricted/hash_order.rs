//! Finding loops over hash maps, whose order differs from run to run.

use super::{RECORDED, message};
use crate::workflow::options::WorkflowOptions;
use std::collections::HashMap;
use syn::visit::{self, Visit};
use syn::{
    Arm, Block, Expr, ExprCall, ExprClosure, ExprForLoop, ExprIf, ExprLet, ExprMethodCall, ExprWhile, FnArg, Ident,
    Item, Local, Pat, PatIdent, Path, Signature, Type,
};

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
pub(super) fn in_code(signature: &Signature, block: &Block, options: &WorkflowOptions, errors: &mut Vec<syn::Error>) {
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
        options,
        errors,
    };
    finder.visit_block(block);
}

struct Finder<'a> {
    /// The variables that are known, and whether they are hash maps; innermost last.
    scopes: Vec<HashMap<String, bool>>,
    options: &'a WorkflowOptions,
    errors: &'a mut Vec<syn::Error>,
}

impl Finder<'_> {
    fn is_hashed(&self, name: &Ident) -> bool {
        let name = name.to_string();
        let known = self.scopes.iter().rev().find_map(|scope| scope.get(&name));
        known.copied().unwrap_or(false)
    }

    /// Looks at code that has names of its own.
    fn scoped(&mut self, look: impl FnOnce(&mut Self)) {
        self.scopes.push(HashMap::new());
        look(self);
        self.scopes.pop();
    }

    /// Takes the pattern's names into the innermost scope. Of those within a larger pattern it is not known what they are.
    fn bind(&mut self, pattern: &Pat, hashed: bool) {
        let Some(scope) = self.scopes.last_mut() else { return };
        match pattern {
            Pat::Type(typed) => self.bind(&typed.pat, is_hashed_type(&typed.ty)),
            Pat::Ident(pattern) if pattern.subpat.is_none() => {
                scope.insert(pattern.ident.to_string(), hashed);
            }
            other => Names(scope).visit_pat(other),
        }
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
        self.scoped(|this| visit::visit_block(this, block));
    }

    fn visit_local(&mut self, local: &'ast Local) {
        visit::visit_local(self, local);
        let hashed = local.init.as_ref().is_some_and(|init| is_hashed_value(&init.expr));
        self.bind(&local.pat, hashed);
    }

    fn visit_expr_closure(&mut self, closure: &'ast ExprClosure) {
        self.scoped(|this| {
            closure.inputs.iter().for_each(|input| this.bind(input, false));
            visit::visit_expr_closure(this, closure);
        });
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        self.scoped(|this| {
            this.bind(&arm.pat, false);
            visit::visit_arm(this, arm);
        });
    }

    /// Its names are those of the scope that it is the condition of.
    fn visit_expr_let(&mut self, expression: &'ast ExprLet) {
        visit::visit_expr_let(self, expression);
        self.bind(&expression.pat, is_hashed_value(&expression.expr));
    }

    fn visit_expr_if(&mut self, expression: &'ast ExprIf) {
        self.scoped(|this| {
            this.visit_expr(&expression.cond);
            this.visit_block(&expression.then_branch);
        });
        if let Some((_, otherwise)) = &expression.else_branch {
            self.visit_expr(otherwise);
        }
    }

    fn visit_expr_while(&mut self, expression: &'ast ExprWhile) {
        self.scoped(|this| visit::visit_expr_while(this, expression));
    }

    fn visit_expr_for_loop(&mut self, expression: &'ast ExprForLoop) {
        if let Some(name) = self.source(&expression.expr) {
            let instead = "the order of a hash map differs each time: use a `BTreeMap` or a `BTreeSet`, or sort first";
            let what = format!("for _ in {name}");
            let message = message(&what, "order", instead, self.options);
            self.errors.push(syn::Error::new_spanned(&expression.expr, message));
        }
        self.visit_expr(&expression.expr);
        self.scoped(|this| {
            this.bind(&expression.pat, false);
            this.visit_block(&expression.body);
        });
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        if RECORDED.iter().any(|recorded| call.method == recorded) {
            self.visit_expr(&call.receiver);
        } else {
            visit::visit_expr_method_call(self, call);
        }
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

/// The names that a pattern binds.
struct Names<'a>(&'a mut HashMap<String, bool>);

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
        self.0.insert(pattern.ident.to_string(), false);
        visit::visit_pat_ident(self, pattern);
    }
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
