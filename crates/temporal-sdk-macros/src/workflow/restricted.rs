//! Refusing, in the code of a workflow, calls that a replay would find different.
//!
//! It sees what is written in the workflow itself, by the names that are usual. What the code calls elsewhere is noticed when
//! it runs.

mod hash_order;

use super::options::WorkflowOptions;
use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{ImplItem, Item, TraitItem};

/// The classes of calls, by their names in `allow(..)`.
pub(super) const CLASSES: [&str; 8] = [
    "clock",
    "randomness",
    "threads",
    "files",
    "sockets",
    "environment",
    "processes",
    "order",
];

/// What to write instead.
const TIME: &str = "take the time from `ctx.now()`";
const SLEEP: &str = "wait with `ctx.sleep(..)`";
const UUID: &str = "take one from `ctx.uuid4()` or `ctx.uuid7()`";
const DRAW: &str = "draw from `ctx.random()`";
const SPAWN: &str = "run tasks with `ctx.spawn(..)`, and do heavy work in an activity";
const ACTIVITY: &str = "do it in an activity";
const SETTINGS: &str = "give it to the workflow as input, or record it with `ctx.side_effect(|| ..)`";
const SELECT: &str = "it polls in random order: use `workflow::select!`";

/// What is refused: the class, the remedy, and the paths. One that ends with `::` stands for all that is in it; any may have
/// more before it.
const REFUSED: [(&str, &str, &[&str]); 14] = [
    (
        "clock",
        TIME,
        &[
            "Instant::now",
            "SystemTime::now",
            "Utc::now",
            "Local::now",
            "Timestamp::now",
            "Zoned::now",
            "OffsetDateTime::now_utc",
            "OffsetDateTime::now_local",
        ],
    ),
    ("clock", SLEEP, &["thread::sleep", "tokio::time::"]),
    (
        "randomness",
        UUID,
        &["Uuid::new_v4", "Uuid::now_v1", "Uuid::now_v6", "Uuid::now_v7"],
    ),
    (
        "randomness",
        DRAW,
        &[
            "rand::rng",
            "rand::random",
            "rand::random_bool",
            "rand::random_iter",
            "rand::random_range",
            "rand::random_ratio",
            "rand::fill",
            "thread_rng",
            "fastrand::",
            "getrandom::",
            "OsRng",
            "StdRng::from_os_rng",
            "StdRng::from_entropy",
            "SmallRng::from_os_rng",
            "SmallRng::from_entropy",
        ],
    ),
    (
        "threads",
        SPAWN,
        &[
            "std::thread::",
            "thread::spawn",
            "thread::scope",
            "thread::park",
            "thread::Builder",
            "tokio::spawn",
            "tokio::task::",
            "tokio::runtime::",
        ],
    ),
    (
        "files",
        ACTIVITY,
        &[
            "std::fs::",
            "tokio::fs::",
            "File::open",
            "File::create",
            "OpenOptions::new",
        ],
    ),
    (
        "files",
        ACTIVITY,
        &[
            "fs::read",
            "fs::read_to_string",
            "fs::read_dir",
            "fs::write",
            "fs::metadata",
            "fs::exists",
            "fs::create_dir",
            "fs::create_dir_all",
            "fs::remove_file",
            "fs::remove_dir_all",
            "fs::copy",
            "fs::rename",
        ],
    ),
    (
        "sockets",
        ACTIVITY,
        &[
            "TcpStream::connect",
            "TcpListener::bind",
            "UdpSocket::bind",
            "UnixStream::connect",
            "UnixListener::bind",
            "tokio::net::",
        ],
    ),
    ("sockets", ACTIVITY, &["reqwest::", "ureq::"]),
    ("environment", SETTINGS, &["std::env::", "available_parallelism"]),
    (
        "environment",
        SETTINGS,
        &[
            "env::var",
            "env::var_os",
            "env::vars",
            "env::vars_os",
            "env::args",
            "env::args_os",
            "env::current_dir",
            "env::temp_dir",
            "env::set_var",
        ],
    ),
    (
        "processes",
        ACTIVITY,
        &["std::process::", "tokio::process::", "tokio::signal::"],
    ),
    (
        "processes",
        ACTIVITY,
        &["process::Command", "process::exit", "process::abort", "process::id"],
    ),
    (
        "order",
        SELECT,
        &["tokio::select", "futures::select", "futures_util::select"],
    ),
];

/// Types of modules that are refused which do something themselves. Other types and constants there do nothing.
const ACTORS: [&str; 22] = [
    "Agent",
    "AgentBuilder",
    "Builder",
    "Client",
    "ClientBuilder",
    "Command",
    "DirBuilder",
    "File",
    "Handle",
    "JoinSet",
    "LocalSet",
    "OpenOptions",
    "Rng",
    "Runtime",
    "SysRng",
    "TcpListener",
    "TcpSocket",
    "TcpStream",
    "UdpSocket",
    "UnixDatagram",
    "UnixListener",
    "UnixStream",
];

/// Methods whose closures may do anything, since what they give is recorded.
const RECORDED: [&str; 2] = ["side_effect", "mutable_side_effect"];

/// What the code of the workflow must not call, as errors that point there.
pub(super) fn complaints(options: &WorkflowOptions, item: &Item) -> Vec<syn::Error> {
    if !options.sandboxed() {
        return Vec::new();
    }
    let mut errors = Vec::new();
    let mut look = |signature: &syn::Signature, block: &syn::Block| {
        in_tokens(block.to_token_stream(), options, &mut errors);
        if !options.allows("order") {
            hash_order::in_code(signature, block, options, &mut errors);
        }
    };
    match item {
        Item::Impl(item) => {
            for entry in &item.items {
                if let ImplItem::Fn(function) = entry {
                    look(&function.sig, &function.block);
                }
            }
        }
        Item::Trait(item) => {
            for entry in &item.items {
                if let TraitItem::Fn(function) = entry
                    && let Some(block) = &function.default
                {
                    look(&function.sig, block);
                }
            }
        }
        Item::Fn(function) => look(&function.sig, &function.block),
        _ => {}
    }
    errors
}

/// Looks at every path, in macros too.
fn in_tokens(tokens: TokenStream, options: &WorkflowOptions, errors: &mut Vec<syn::Error>) {
    let mut tokens = tokens.into_iter().peekable();
    // Whether the arguments that come next belong to a call that may do anything.
    let mut free = false;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => {
                if free && group.delimiter() == Delimiter::Parenthesis {
                    free = false;
                } else {
                    in_tokens(group.stream(), options, errors);
                }
            }
            // A lifetime, or a field or method.
            TokenTree::Punct(mark) if matches!(mark.as_char(), '\'' | '.') => {
                if let Some(TokenTree::Ident(name)) = tokens.next_if(|next| matches!(next, TokenTree::Ident(_))) {
                    free |= RECORDED.iter().any(|recorded| name == recorded);
                }
            }
            TokenTree::Ident(first) => {
                let path = path(first, &mut tokens);
                let last = path.last().map(ToString::to_string);
                free |= last.as_deref() == Some("unrestricted");
                let is_called = matches!(tokens.peek(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
                errors.extend(refused(&path, is_called, options));
            }
            TokenTree::Punct(mark) if mark.as_char() == ';' => free = false,
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// The rest of a path: `a::b::c`.
fn path(first: Ident, tokens: &mut std::iter::Peekable<proc_macro2::token_stream::IntoIter>) -> Vec<Ident> {
    let is_colon = |token: &TokenTree| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ':');
    let mut path = vec![first];
    // One colon alone is a type's.
    while tokens.next_if(is_colon).is_some() && tokens.next_if(is_colon).is_some() {
        match tokens.next_if(|next| matches!(next, TokenTree::Ident(_))) {
            Some(TokenTree::Ident(next)) => path.push(next),
            _ => break,
        }
    }
    path
}

fn refused(path: &[Ident], is_called: bool, options: &WorkflowOptions) -> Option<syn::Error> {
    let names: Vec<_> = path.iter().map(ToString::to_string).collect();
    // A function's name alone may be that of a variable.
    if let [name] = names.as_slice()
        && !is_called
        && !is_upper(name)
    {
        return None;
    }
    let text = names.join("::");
    let (class, instead, _) = REFUSED
        .iter()
        .find(|(_, _, paths)| paths.iter().any(|refused| is(&text, refused)))?;
    if options.allows(class) {
        return None;
    }
    let (first, last) = (path.first()?, path.last()?);
    let mut tokens = first.to_token_stream();
    if path.len() > 1 {
        last.to_tokens(&mut tokens);
    }
    Some(syn::Error::new_spanned(tokens, message(&text, class, instead, options)))
}

fn message(what: &str, class: &str, instead: &str, options: &WorkflowOptions) -> String {
    // A trait of shared handlers allows nothing: the workflows that have them do, and only when they run.
    let allow = if options.shares_handlers.is_some() {
        String::new()
    } else {
        format!(", or allow it by `#[workflow(allow({class}))]`")
    };
    format!(
        "`{what}` is not deterministic: {instead}; if the workflow does not depend on it, put it into `workflow::unrestricted(|| ..)`{allow}"
    )
}

/// Whether it is the name of a type or a constant.
fn is_upper(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
}

/// Whether the path is what is refused, or ends with it, or is in it.
fn is(path: &str, refused: &str) -> bool {
    if let Some(module) = refused.strip_suffix("::") {
        let Some(rest) = path.strip_prefix(module).and_then(|rest| rest.strip_prefix("::")) else {
            return false;
        };
        let mut rest = rest.split("::");
        return rest.all(|name| name != "consts" && (!is_upper(name) || ACTORS.contains(&name)));
    }
    path == refused || path.ends_with(&format!("::{refused}")) || path.starts_with(&format!("{refused}::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(options: &str, code: &str) -> Vec<String> {
        let options = WorkflowOptions::parse(options.parse().unwrap()).unwrap();
        let function = format!("async fn workflow(ctx: &Context, ordered: HashMap<u32, u32>) {{ {code} }}");
        let item: Item = syn::parse_str(&function).unwrap();
        let texts = complaints(&options, &item).into_iter().map(|error| error.to_string());
        texts
            .map(|text| text.split('`').nth(1).unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn finds_calls_by_their_usual_names() {
        for code in [
            "std::time::Instant::now",
            "SystemTime::now",
            "chrono::Utc::now",
            "std::thread::sleep",
            "thread::spawn",
            "tokio::time::sleep",
            "tokio::spawn",
            "Uuid::new_v4",
            "rand::random",
            "std::env::var",
            "env::var",
            "std::fs::read",
            "fs::read_to_string",
            "std::net::TcpStream::connect",
            "std::process::Command::new",
            "std::thread::Builder::new",
            "reqwest::Client::new",
            "reqwest::blocking::get",
            "tokio::net::UnixDatagram::unbound",
            "tokio::task::JoinSet::new",
            "tokio::time::Instant::now",
            "fastrand::Rng::new",
            "thread_rng",
            "available_parallelism",
        ] {
            assert_eq!(found("", &format!("{code}(1)")), [code]);
            assert_eq!(found("", &format!("log(&format!(\"{{}}\", {code}(1)))")), [code]);
            assert_eq!(
                found("", &format!("workflow::select! {{ _ = a => {{ {code}(1) }} }}")),
                [code]
            );
            assert_eq!(found("sandboxed = false", &format!("{code}(1)")), [""; 0]);
            assert_eq!(found("", &format!("workflow::unrestricted(|| {code}(1))")), [""; 0]);
            assert_eq!(found("", &format!("ctx.side_effect::<u8>(|| {code}(1))")), [""; 0]);
            let recorded = format!("ctx.mutable_side_effect(\"id\", || {code}(1))");
            assert_eq!(found("", &recorded), [""; 0]);
        }
        assert_eq!(found("", "unrestricted(|| 1); Instant::now()"), ["Instant::now"]);
        assert_eq!(found("allow(clock)", "Instant::now(); env::args()"), ["env::args"]);
        assert_eq!(found("", "tokio::select! { _ = a => {} }"), ["tokio::select"]);
    }

    #[test]
    fn leaves_other_names_alone() {
        let code = "let at: std::time::Instant = self.instant; ctx.random().random::<u32>(); files.read(1); tokio::sync::Notify::new(); \
                    process::order(1); let ip: std::net::IpAddr = a; my::threads::spawn(1); let b: Vec<&'static str> = c.env; ctx.now()";
        assert_eq!(found("", code), [""; 0]);
        let code = "use std::env::VarError; let a = tokio::time::Duration::from_secs(1); reqwest::StatusCode::NOT_FOUND; \
                    std::process::ExitCode::from(1); std::env::consts::OS; let b: tokio::time::error::Elapsed = c; \
                    let available_parallelism = 1; let thread_rng = available_parallelism; reqwest::Method::from_bytes(d)";
        assert_eq!(found("", code), [""; 0]);
    }

    #[test]
    fn shared_handlers_are_not_told_to_allow_it() {
        let options = WorkflowOptions::parse("handlers".parse().unwrap()).unwrap();
        let code = "trait T { fn a(&self) { let _ = Instant::now(); for x in HashMap::<u8, u8>::new() {} } \
                    fn b(&self, map: HashMap<u8, u8>) { for x in map {} } }";
        let texts = complaints(&options, &syn::parse_str(code).unwrap());
        assert_eq!(texts.len(), 2);
        for text in texts.into_iter().map(|error| error.to_string()) {
            assert!(text.contains("unrestricted") && !text.contains("allow("), "{text}");
        }
    }

    #[test]
    fn finds_loops_over_hash_maps() {
        for code in [
            "for (a, b) in ordered {}",
            "for a in ordered.keys() {}",
            "let set = HashSet::from([1]); for a in &set {}",
            "let set: std::collections::HashSet<u8> = a; if b { for a in set.iter() {} }",
            "let set = a.collect::<HashSet<_>>(); for a in set.drain() {}",
            "list.iter().for_each(|ordered| {}); for a in ordered {}",
            "if let Some(ordered) = b { a } else { for a in ordered {} }",
            "match b { Some(ordered) => a, None => for a in ordered {} }",
            "let f = |set: HashSet<u8>| { for a in set {} };",
            "for ordered in list {} for a in ordered {}",
        ] {
            assert_eq!(found("", code).len(), 1, "{code}");
            assert_eq!(found("allow(order)", code), [""; 0]);
        }
        for code in [
            "let ordered = BTreeMap::from(ordered); for a in ordered {}",
            "{ let tree = HashSet::new(); } let tree = BTreeSet::new(); for a in tree {}",
            "for a in list {}",
            "workflow::unrestricted(|| for a in ordered {})",
            "if ordered.contains_key(&1) {}",
            "let v: u8 = ctx.side_effect(|| { for a in ordered {} 1 });",
            "let v: u8 = ctx.mutable_side_effect(\"id\", || { for a in ordered {} 1 });",
            "list.iter().for_each(|ordered| { for a in ordered {} });",
            "list.iter().for_each(|(_, ordered): (u8, Vec<u8>)| for a in ordered {});",
            "if let Some(ordered) = b { for a in ordered {} }",
            "if c && let Ok(ordered) = b && d { for a in ordered {} }",
            "while let Some(ordered) = b.next() { for a in ordered {} }",
            "match b { Some(ordered) => for a in ordered {}, None => {} }",
            "for ordered in list { for a in ordered {} }",
            "let Some(ordered) = b else { return }; for a in ordered {}",
            "let (ordered, c) = b; for a in ordered {}",
        ] {
            assert_eq!(found("", code), [""; 0], "{code}");
        }
    }
}
