//! Runs driven by hand-made histories, without a server.

mod greeting;
mod server;
