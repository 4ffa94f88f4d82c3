//! Other people's clients against our binary: the Python SDK and the `temporal` command line.
//!
//! They need a Python with `temporalio` (`TEMPORAL_PYTHON`, or `target/venv/bin/python`) and, for the command line, the
//! `temporal` program (`TEMPORAL_CLI`, or `temporal` on `PATH`); a test that misses its program says so and passes, unless
//! `TEMPORAL_TEST_STRICT` is 1, as in `cargo xtask ci`.
#![cfg(all(feature = "cli", unix))]
#![allow(clippy::unwrap_used, reason = "a test ends where its helpers fail")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_temporal-embedded-server");

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn python() -> Option<PathBuf> {
    let path =
        std::env::var_os("TEMPORAL_PYTHON").map_or_else(|| repository().join("target/venv/bin/python"), PathBuf::from);
    path.exists().then_some(path)
}

fn temporal_cli() -> Option<PathBuf> {
    let named = std::env::var_os("TEMPORAL_CLI").map(PathBuf::from);
    let beside_python = python().map(|python| python.with_file_name("temporal"));
    let on_path = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path)
            .map(|folder| folder.join("temporal"))
            .find(|file| file.exists())
    });
    named.or(on_path).or(beside_python).filter(|file| file.exists())
}

/// Says why a test is skipped, or fails it.
#[track_caller]
fn skip(why: &str) {
    let strict = std::env::var_os("TEMPORAL_TEST_STRICT").is_some_and(|strict| strict == "1");
    assert!(!strict, "cannot be skipped, since TEMPORAL_TEST_STRICT is 1: {why}");
    println!("skipped: {why}");
}

/// Runs a script of tests/python, and shows what it printed if it fails.
fn run(script: &str, arguments: &[&str]) {
    let Some(python) = python() else {
        skip("no Python with temporalio; name one in TEMPORAL_PYTHON");
        return;
    };
    let output = Command::new(python)
        .arg(repository().join("tests/python").join(script))
        .args(arguments)
        .output()
        .unwrap();
    let words = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&words));
}

/// The binary on a port of its choice; ended when dropped.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start() -> Server {
        let mut child = Command::new(BINARY)
            .args(["--port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim()
            .strip_prefix("Temporal server listening on ")
            .unwrap()
            .to_owned();
        Server { child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn the_python_sdk_works_on_it() {
    run("server_scenarios.py", &["connect", &Server::start().address]);
}

#[test]
fn the_python_sdk_takes_it_for_its_dev_server() {
    run("server_scenarios.py", &["local", BINARY]);
}

#[test]
fn the_python_sdk_takes_it_for_its_time_skipping_test_server() {
    run("server_scenarios.py", &["skipping", BINARY]);
}

#[test]
fn the_temporal_command_line_works_on_it() {
    let Some(cli) = temporal_cli() else {
        skip("no temporal command line; name one in TEMPORAL_CLI");
        return;
    };
    run("temporal_cli.py", &[&Server::start().address, cli.to_str().unwrap()]);
}
