//! The one door to every chore of this repository: `cargo xtask <chore>`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program talks to its caller"
)]

mod bench;
mod cargo;
mod ci;
mod features;
mod layers;
mod protos;

use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

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
    /// Fail when a crate depends upwards, or the core on anything that does I/O
    Layers,
    /// Run every check in order: what a change must pass
    Ci(ci::Options),
    /// Run the benches; what follows `--` goes to them
    Bench(bench::Options),
    /// Print each capability of docs/features.md with the tests that cover it; fail when a required one has none
    Features(features::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().chore {
        Chore::Protos(options) => protos::run(&options),
        Chore::Layers => layers::run(),
        Chore::Ci(options) => ci::run(&options),
        Chore::Bench(options) => bench::run(&options),
        Chore::Features(options) => features::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without the backtrace: what is wrong is in the repository, not in this program.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The top folder of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_path_buf)
        .unwrap_or_default()
}
