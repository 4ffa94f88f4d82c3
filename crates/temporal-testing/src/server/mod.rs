//! The embedded server: a sans-IO [`engine`] and the gRPC services on top of it.

pub mod cron;
mod embedded;
pub mod engine;
mod pipe;
mod service;
pub mod visibility;

pub use self::embedded::{BindError, EmbeddedServer, EmbeddedServerBuilder};
pub use self::pipe::{InProcessConnector, Pipe};
