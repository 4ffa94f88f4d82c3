//! Who made a call.

use std::borrow::Cow;
use std::ffi::c_void;
use std::path::{Component, Path};

/// What is let through in any case, by crates, modules, functions and traits that are on the stack then: what is no part of
/// the workflow's computing, but done on its behalf.
const PASSED_THROUGH: [&str; 18] = [
    // Logging.
    "tracing_core::subscriber::Subscriber",
    "tracing_core::dispatcher",
    "tracing_core::event",
    "tracing_core::callsite",
    "log::Log",
    "log::__private_api",
    // Hash maps seed themselves. Their order is another matter, which a replay finds.
    "std::hash::random",
    "std::sys::random::linux::hashmap_random_keys",
    "std::sys::random::hashmap_random_keys",
    "foldhash",
    "ahash",
    // Allocators.
    "core::alloc::global::GlobalAlloc",
    // Panics, and errors that keep a backtrace.
    "std::panicking::rust_panic_with_hook",
    "std::panicking::panic_with_hook",
    "std::backtrace",
    "std::backtrace_rs",
    "std::sys::backtrace::BacktraceLock",
    "backtrace",
];

/// Rust's own functions of the allocator, under any name that linkers see.
const ALLOCATORS: [&str; 7] = [
    "__rust_alloc",
    "__rust_alloc_zeroed",
    "__rust_dealloc",
    "__rust_realloc",
    "__rg_alloc",
    "__rg_dealloc",
    "__rg_realloc",
];

/// Those of C. A function of Rust may have such a name and be anything.
const ALLOCATORS_OF_C: [&str; 6] = ["malloc", "calloc", "realloc", "free", "aligned_alloc", "posix_memalign"];

/// What runs the program's own code, under a subscriber of its own.
const NOT_LOGGING: [&str; 2] = ["with_default", "set_default"];

/// Where the noting is done.
const NOTING: [&str; 2] = ["temporal_guard::calls::symbols", "temporal_guard::calls::note_watched"];

/// Code that is not the user's.
const LIBRARIES: [&str; 5] = ["std", "core", "alloc", "temporal_sdk", "temporal_guard"];

/// How many callers are told.
const MOST: usize = 12;

/// The functions on the stack, innermost first, from the caller of what was noted.
pub(super) struct Stack(Vec<Frame>);

struct Frame {
    /// With crate and module, if that can be told.
    path: String,
    /// For people.
    text: String,
    /// Whether it may be a function of C: no module is known, and the file, if it is, is not Rust's.
    may_be_c: bool,
}

impl Stack {
    pub(super) fn resolve(addresses: &[usize]) -> Self {
        let mut frames = Vec::new();
        for address in addresses {
            backtrace::resolve(std::ptr::without_provenance_mut::<c_void>(*address), |symbol| {
                if let Some(name) = symbol.name() {
                    frames.push(Frame::new(&format!("{name:#}"), symbol.filename(), symbol.lineno()));
                }
            });
        }
        Self::of_caller(frames)
    }

    fn of_caller(mut frames: Vec<Frame>) -> Self {
        if let Some(noting) = frames.iter().rposition(|frame| is_noting(&frame.path)) {
            frames.drain(..=noting);
        }
        // The function that noted may be known by its name alone.
        while frames.first().is_some_and(Frame::is_a_mere_name) {
            frames.remove(0);
        }
        Self(frames)
    }

    /// Whether the call is let through: in any case, or by these paths. So is one whose caller is not known at all, in a program
    /// without symbols.
    pub(super) fn passes(&self, paths: &[Cow<'static, str>]) -> bool {
        let passes = |frame: &Frame| {
            let function = function(&frame.path);
            let always = PASSED_THROUGH.iter().any(|path| is_of(&frame.path, path)) && !NOT_LOGGING.contains(&function);
            let allocates =
                ALLOCATORS.contains(&function) || (frame.may_be_c && ALLOCATORS_OF_C.contains(&&*frame.path));
            always || allocates || paths.iter().any(|path| is_of(&frame.path, path))
        };
        self.0.is_empty() || self.0.iter().any(passes)
    }

    /// The user's functions; all if there are none.
    pub(super) fn callers(&self) -> Vec<String> {
        let of_user = |frame: &&Frame| {
            !frame.path.starts_with("__rust") && !LIBRARIES.iter().any(|path| is_of(&frame.path, path))
        };
        let mut callers: Vec<_> = self.0.iter().filter(of_user).collect();
        if callers.is_empty() {
            callers = self.0.iter().collect();
        }
        callers.into_iter().take(MOST).map(|frame| frame.text.clone()).collect()
    }
}

impl Frame {
    /// Without full debug information the name may be the function's own, and only the file tells the module.
    fn new(name: &str, file: Option<&Path>, line: Option<u32>) -> Self {
        let has_path = name.starts_with('<') || own(name).contains("::");
        let is_rust = |file: &Path| file.extension().is_some_and(|extension| extension == "rs");
        let module = if has_path { None } else { file.and_then(module) };
        let may_be_c = !has_path && file.is_none_or(|file| !is_rust(file));
        let path = match &module {
            Some(module) if !may_be_c => format!("{module}::{}", own(name)),
            _ => name.to_owned(),
        };
        let shown = if has_path { name } else { own(name) };
        let text = match file {
            Some(file) => format!("{shown} at {}", place(file, line)),
            None => shown.to_owned(),
        };
        Self { path, text, may_be_c }
    }

    /// Whether neither module nor file is known, as of a function of C.
    fn is_a_mere_name(&self) -> bool {
        self.path == self.text && !self.path.contains("::")
    }
}

fn is_noting(path: &str) -> bool {
    NOTING.iter().any(|noting| is_of(path, noting))
}

/// The name without the types that a generic function was made for.
fn own(name: &str) -> &str {
    name.split_once('<').map_or(name, |(own, _)| own)
}

/// The function's own name.
fn function(path: &str) -> &str {
    let path = if path.starts_with('<') {
        path
    } else {
        own(path).trim_end_matches("::")
    };
    path.rsplit("::").find(|part| !part.starts_with('{')).unwrap_or(path)
}

/// The crate and the module that a source file holds, by the usual layout: `…/shop-1.2.0/src/cart/item.rs` is
/// `shop::cart::item`, and `tests/checkout/paying.rs` is `checkout::paying`.
fn module(file: &Path) -> Option<String> {
    let parts: Vec<&str> = file
        .components()
        .filter_map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        })
        .collect();
    let Some(source) = parts.iter().rposition(|part| *part == "src") else {
        let programs = parts
            .iter()
            .rposition(|part| matches!(*part, "tests" | "examples" | "benches"))?;
        let (program, modules) = parts[programs + 1..].split_first()?;
        return Some(join(program.trim_end_matches(".rs").replace('-', "_"), modules));
    };
    let folder = parts.get(source.checked_sub(1)?)?;
    let is_version = |text: &str| text.starts_with(|first: char| first.is_ascii_digit()) && text.contains('.');
    let name = folder
        .match_indices('-')
        .find(|(at, _)| is_version(&folder[at + 1..]))
        .map_or(*folder, |(at, _)| &folder[..at]);
    Some(join(name.replace('-', "_"), &parts[source + 1..]))
}

/// The path of a module, from its crate and its file.
fn join(mut path: String, parts: &[&str]) -> String {
    for part in parts {
        let part = part.strip_suffix(".rs").unwrap_or(part);
        if !matches!(part, "lib" | "main" | "mod") {
            path.push_str("::");
            path.push_str(part);
        }
    }
    path
}

/// Whether the function is of this crate or module, or is this function; or of a type of it, or implements a trait of it.
fn is_of(name: &str, path: &str) -> bool {
    let begins = |name: &str| {
        name.strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::") || rest.starts_with(['<', '>']))
    };
    let plain = name
        .strip_prefix('<')
        .unwrap_or(name)
        .trim_start_matches(['&', '*', '(']);
    let plain = plain.strip_prefix("mut ").unwrap_or(plain);
    let plain = plain.strip_prefix("dyn ").unwrap_or(plain);
    begins(plain) || of_trait(name).is_some_and(begins)
}

/// What follows of `Trait>::method`, of a name like `<Type as Trait>::method`. The type may hold such names itself.
fn of_trait(name: &str) -> Option<&str> {
    let (mut depth, mut before) = (0_usize, ' ');
    if !name.starts_with('<') {
        return None;
    }
    for (at, letter) in name.char_indices() {
        match letter {
            '<' => depth += 1,
            // Not of an arrow.
            '>' if before != '-' => depth = depth.checked_sub(1)?,
            ' ' if depth == 1 => {
                if let Some(of_trait) = name[at..].strip_prefix(" as ") {
                    return Some(of_trait);
                }
            }
            _ => {}
        }
        if depth == 0 {
            return None;
        }
        before = letter;
    }
    None
}

/// `file:line`, the file seen from the current folder.
fn place(file: &Path, line: Option<u32>) -> String {
    let here = std::env::current_dir().ok();
    let file = here.and_then(|here| file.strip_prefix(here).ok()).unwrap_or(file);
    match line {
        Some(line) => format!("{}:{line}", file.display()),
        None => file.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, Stack, function, is_of, module};
    use std::path::Path;

    fn stack(frames: &[(&str, &str)]) -> Stack {
        let frame =
            |(name, file): &(&str, &str)| Frame::new(name, (!file.is_empty()).then(|| Path::new(file)), Some(7));
        Stack::of_caller(frames.iter().map(frame).collect())
    }

    #[test]
    fn functions_are_found_by_their_paths() {
        assert!(is_of("shop::telemetry::count", "shop::telemetry"));
        assert!(is_of("shop::telemetry::count", "shop"));
        assert!(!is_of("shop::telemetry2::count", "shop::telemetry"));
        assert!(is_of("<a::S as shop::telemetry::Count>::count", "shop::telemetry"));
        assert!(is_of("<shop::telemetry::Meter>::count", "shop::telemetry::Meter"));
        assert!(is_of(
            "<&mut shop::telemetry::Meter<T> as a::Count>::count",
            "shop::telemetry"
        ));
        assert!(!is_of(
            "<a::S<shop::telemetry::Meter> as a::Count>::count",
            "shop::telemetry"
        ));
        assert!(is_of("<<T as a::A>::B as log::Log>::log", "log::Log"));
        assert!(!is_of("<<T as log::Log>::B as a::A>::run", "log::Log"));
        assert!(is_of(
            "<fn(a::S<u8>) -> <u8 as a::A>::B as log::Log>::log::{closure#0}",
            "log::Log"
        ));
        assert!(!is_of("<a::S>::cast::<u8 as log::Log>", "log::Log"));
        assert_eq!(function("<shop::Cart<T> as a::B>::add::{closure#0}"), "add");
        assert_eq!(function("shop::with_default::<shop::Cart>"), "with_default");
    }

    #[test]
    fn files_tell_the_module() {
        let module = |file: &str| module(Path::new(file)).unwrap_or_default();
        let registry = "/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/";
        assert_eq!(
            module(&format!("{registry}tracing-core-0.1.36/src/dispatcher.rs")),
            "tracing_core::dispatcher"
        );
        assert_eq!(module(&format!("{registry}h2-1.0.0-rc.1/src/lib.rs")), "h2");
        assert_eq!(module("/rustc/59807616e1/library/std/src/fs.rs"), "std::fs");
        assert_eq!(module("crates/web-api-2/src/v1/mod.rs"), "web_api_2::v1");
        assert_eq!(module("/shop/tests/checkout/paying.rs"), "checkout::paying");
        assert_eq!(module("tests/checkout/main.rs"), "checkout");
        assert_eq!(module("examples/big-shop.rs"), "big_shop");
        assert_eq!(module("shop.rs"), "");
    }

    #[test]
    fn logging_and_what_is_said_is_let_through() {
        let noting = ("open64", "/x/temporal-guard/src/calls/symbols.rs");
        let clock = ("std::time::SystemTime::now", "");
        let user = stack(&[("backtrace::trace", ""), noting, clock, ("shop::run", "src/lib.rs")]);
        assert!(!user.passes(&[]));
        assert!(user.passes(&["shop".into()]));
        assert_eq!(user.callers(), ["shop::run at src/lib.rs:7"]);
        for (name, file) in [
            ("<a::S as tracing_core::subscriber::Subscriber>::event", ""),
            ("<tracing_core::dispatcher::Dispatch>::event", ""),
            (
                "get_default<(), a::{closure#0}>",
                "/r/tracing-core-0.1.36/src/dispatcher.rs",
            ),
            ("alloc::alloc::__rust_alloc", ""),
        ] {
            assert!(
                stack(&[noting, clock, (name, file), ("shop::run", "")]).passes(&[]),
                "{name}"
            );
        }
        for (name, file) in [
            (
                "<tracing::instrument::Instrumented<T> as core::future::Future>::poll",
                "",
            ),
            (
                "with_default<(), a::{closure#0}>",
                "/r/tracing-core-0.1.36/src/dispatcher.rs",
            ),
        ] {
            assert!(
                !stack(&[noting, clock, ("shop::run", ""), (name, file)]).passes(&[]),
                "{name}"
            );
        }
        // A function of C allocates; one of the program may be called like it.
        for (name, file) in [
            ("malloc", ""),
            ("calloc", "/x/jemalloc/src/jemalloc.c"),
            ("posix_memalign", "malloc.c"),
        ] {
            assert!(
                stack(&[noting, clock, (name, file), ("shop::run", "")]).passes(&[]),
                "{name}"
            );
        }
        for (name, file) in [
            ("shop::stock::free", ""),
            ("free", "src/stock.rs"),
            ("realloc", "stock.rs"),
            ("<shop::Stock>::malloc", ""),
        ] {
            let user = stack(&[noting, clock, (name, file), ("shop::run", "")]);
            assert!(!user.passes(&[]), "{name}");
        }
        // A program without symbols.
        assert!(stack(&[]).passes(&[]));
        assert!(stack(&[("clock_gettime", "")]).passes(&[]));
    }
}
