//! Tests of the core: plain, synchronous, over built and recorded histories.
#![allow(clippy::unwrap_used, clippy::result_large_err, reason = "tests")]

mod activities;
mod builder;
mod check;
mod children;
mod closing;
mod externals;
mod family;
mod hello;
mod json;
mod kinds;
mod local_activities;
mod nexus;
mod patches;
mod properties;
mod property;
mod queries;
mod script;
mod side_effects;
mod tasks;
mod timers;
mod updates;
