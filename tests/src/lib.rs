//! Helpers of the integration suite.
//!
//! A test is a plain `#[test]` that hands its async body to [`run`]; the body gets an [`Env`] with a client, a task queue and
//! ids of its own. The server is chosen by `TEMPORAL_TEST_SERVER` ([`server`]); what only some servers can do is listed in
//! [`exceptions`].

pub mod env;
pub mod exceptions;
pub mod gateway;
pub mod history;
pub mod python;
pub mod server;

pub use env::{Env, look_until, run, run_on, run_within};
