//! The embedded server: a sans-IO [`engine`] and the gRPC services on top of it.

pub mod cron;
pub mod engine;
pub mod visibility;
