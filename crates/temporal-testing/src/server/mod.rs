//! The embedded server: a sans-IO [`engine`] and the gRPC services on top of it.

pub mod cron;
mod embedded;
pub mod engine;
mod service;
pub mod visibility;

pub use self::embedded::{BindError, EmbeddedServer, EmbeddedServerBuilder, InProcessConnector};
