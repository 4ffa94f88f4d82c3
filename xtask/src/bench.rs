//! `cargo xtask bench`: every bench target of the workspace, one after another.

use crate::cargo;
use anyhow::bail;

/// What `cargo xtask bench` takes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only the benches of this package; may be given several times
    #[arg(long, short, value_name = "PACKAGE")]
    package: Vec<String>,
    /// Only the bench target of this name; may be given several times
    #[arg(long, value_name = "TARGET")]
    bench: Vec<String>,
    /// List the bench targets and run none
    #[arg(long)]
    list: bool,
    /// Handed to each bench program: a filter, or an option of divan
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let wanted = |list: &[String], name: &String| list.is_empty() || list.contains(name);
    let mut ran = 0;
    for package in cargo::members()? {
        for bench in &package.benches {
            if !wanted(&options.package, &package.name) || !wanted(&options.bench, &bench.name) {
                continue;
            }
            ran += 1;
            println!("bench {}::{}", package.name, bench.name);
            if options.list {
                continue;
            }
            let features = bench.features.join(",");
            let mut arguments = vec!["bench", "--quiet", "--package", &package.name, "--bench", &bench.name];
            if !features.is_empty() {
                arguments.extend(["--features", &features]);
            }
            arguments.push("--");
            arguments.extend(options.arguments.iter().map(String::as_str));
            if !cargo::command(&arguments).status()?.success() {
                bail!("a bench failed: `cargo {}`", arguments.join(" "));
            }
        }
    }
    if ran == 0 {
        bail!("no bench target matches: `cargo xtask bench --list` shows them all");
    }
    Ok(())
}
