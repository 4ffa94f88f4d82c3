//! JSON of messages: against prost-reflect as the oracle, and against what the CLI and the Python SDK really write.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

#[path = "json/damage.rs"]
mod damage;
#[path = "json/oracle.rs"]
mod oracle;
#[path = "json/real.rs"]
mod real;
#[path = "json/rules.rs"]
mod rules;
