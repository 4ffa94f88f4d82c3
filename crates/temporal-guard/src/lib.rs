//! Notices what workflow code calls of the system.
//!
//! Use it through `temporal_sdk`: `workflow::Restrictions` says what is refused, and the feature `guard` has calls noticed.
//!
//! While workflow code is polled, calls of the C library's functions for the clock, randomness, threads, files, sockets, the
//! environment and processes are noted, whichever crate makes them. `calls/symbols.rs` stands before those functions,
//! `calls.rs` keeps what was called, `calls/stack.rs` tells who did. That is so on Linux with glibc (not
//! linked statically) and the feature `watch`; elsewhere nothing is noticed.
//!
//! It is a crate of its own since a program can have each of its symbols only once: tests of the SDK hold two copies of that.

// Elsewhere the functions are not the C library's own, do not come from a shared library (`crt-static`), or take their
// parameters in another way.
#[cfg_attr(
    not(all(
        feature = "watch",
        target_os = "linux",
        target_env = "gnu",
        target_pointer_width = "64",
        any(target_arch = "x86_64", target_arch = "aarch64"),
        not(target_feature = "crt-static")
    )),
    path = "unwatched.rs"
)]
mod calls;
mod restrictions;

#[doc(inline)]
pub use calls::WATCHES;
pub use calls::{Noted, Watching, lift, watch};
pub use restrictions::{Restricted, Restrictions};

/// What was found in the calls that workflow code made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Found {
    /// The first call that nothing lets through.
    pub refused: Option<Call>,
    /// Whether there were more different calls than are looked into, so that one may have been missed.
    pub overflowed: bool,
}

/// A call that workflow code must not make.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The function's name, with what it was about where that is short: `open("/etc/passwd")`.
    pub what: String,
    /// What kind of call it is.
    pub class: Restricted,
    /// Who called, innermost first: `name at file:line`.
    pub callers: Vec<String>,
}
