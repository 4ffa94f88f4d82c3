//! The server without its IO: a request and a time go in; answers and the next deadline come out.
//!
//! [`Engine`] is a plain value. It reads no clock, draws no randomness from outside and never waits: a call that has to
//! wait (a poll, a long poll for history, a query, an update) stays inside until [`Engine::poll_answer`] yields its answer.
//!
//! A run is a `state` that changes only by applying records, through one function. A `Turn` is work on one run: it
//! reads the state, writes records, and keeps timers and task queues in line with it. What one run's turn means for
//! others (a child starts, a parent is told, a signal travels) is an `Effect`, done right after the turn.

#![expect(deprecated, reason = "fields and policies that older clients still send")]

mod activity;
mod activity_ops;
mod activity_rpc;
mod callback;
mod calls;
mod child;
mod clock;
mod close;
mod commands;
mod complete;
mod config;
mod core;
mod describe;
mod dispatch;
mod events;
mod external;
mod history;
mod history_read;
mod index;
mod launch;
mod limits;
mod list;
mod matching;
mod multi_operation;
mod namespace;
mod nexus;
mod nexus_endpoint;
mod nexus_failure;
mod nexus_link;
mod nexus_rpc;
mod old_clients;
mod poll;
mod query;
mod random;
mod reset;
mod retry;
pub mod rpc;
mod run;
mod search_attributes;
mod signal;
mod start;
mod state;
mod status;
mod task_queue_rpc;
mod time;
mod time_skipping;
mod timers;
mod token;
mod update;
mod workflow_task;

#[cfg(test)]
mod tests;

pub use self::calls::{Answer, CallId};
pub use self::clock::Clock;
pub use self::config::{EngineConfig, TimeMode};
pub use self::core::Engine;
pub use self::limits::Limits;
pub use self::old_clients::show_next_run;
pub use self::rpc::{Request, Response, Rpc};
pub use self::status::{Code, Status};
pub use self::time::Time;
