//! Runs driven by hand-made histories, without a server.

mod around;
mod cancellation;
mod definitions;
mod failing;
mod greeting;
mod messages;
mod misuse;
mod nexus;
mod order;
mod programs;
mod reach;
mod server;
mod shared;
mod side_effects;
mod sync;
mod versions;
mod waits;
