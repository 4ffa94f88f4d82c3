//! The server without its IO: a request and a time go in; answers and the next deadline come out.
//!
//! [`Engine`] is a plain value. It reads no clock, draws no randomness from outside and never waits: a call that has to
//! wait (a poll, a long poll for history, a query, an update) stays inside until [`Engine::poll_answer`] yields its answer.

mod clock;
mod config;
mod core;
pub mod rpc;
mod status;
mod time;

pub use self::clock::Clock;
pub use self::config::{EngineConfig, TimeMode};
pub use self::core::{CallId, Engine};
pub use self::rpc::{Request, Response, Rpc};
pub use self::status::{Code, Status};
pub use self::time::Time;
