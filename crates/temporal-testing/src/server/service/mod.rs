//! gRPC on top of the [`engine`](super::engine): calls become requests, answers become responses.
//!
//! A call's way: [`connection`] reads HTTP/2, [`dispatch`] finds the RPC by its path and decodes the message, [`driver`]
//! hands it to the engine and waits, [`body`] sees to it that an answer which cannot be delivered goes back to the engine.

mod body;
mod connection;
mod dispatch;
mod driver;
mod health;
mod status;
mod waiters;

pub(super) use self::connection::serve;
pub(super) use self::dispatch::Services;
pub(super) use self::driver::{Answer, Driver};
