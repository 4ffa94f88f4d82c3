//! The one door to every chore of this repository: `cargo xtask <chore>`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program talks to its caller"
)]

mod features;
mod protos;

use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of the Temporal SDK repository")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Generate crates/temporal-protos/src/generated from protos/
    Protos(protos::Options),
    /// Print each capability of docs/features.md with the tests that cover it; fail when a required one has none
    Features(features::Options),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().chore {
        Chore::Protos(options) => protos::run(&options),
        Chore::Features(options) => features::run(&options),
    }
}

/// The top folder of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_path_buf)
        .unwrap_or_default()
}
