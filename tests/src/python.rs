//! The Python side of the cross-language tests: `python/cross_language.py`, built on the official `temporalio`.

use anyhow::{Context as _, bail};
use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// What to do when there is no Python with `temporalio`.
pub const INSTALL: &str = "no Python with `temporalio`: `python3 -m venv target/venv && target/venv/bin/pip install temporalio`, or name one in TEMPORAL_PYTHON";

/// A Python that has `temporalio`.
#[derive(Debug, Clone)]
pub struct Python(PathBuf);

impl Python {
    /// The one that `TEMPORAL_PYTHON` names, else the one in `target/venv`; `None` when it is not there.
    #[must_use]
    pub fn find() -> Option<Self> {
        let path = std::env::var_os("TEMPORAL_PYTHON").map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/python"),
            PathBuf::from,
        );
        path.exists().then_some(Self(path))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("python/cross_language.py");
        let mut command = Command::new(&self.0);
        command
            .arg(script)
            .args(arguments)
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs the script to its end and gives the JSON it prints.
    ///
    /// # Errors
    /// When it fails; its complaint goes to the test's output.
    pub async fn call(&self, arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
        let output = self
            .command(arguments)
            .output()
            .await
            .with_context(|| format!("cannot run {}", self.0.display()))?;
        let text = String::from_utf8(output.stdout)?;
        if !output.status.success() {
            bail!("cross_language.py {arguments:?} failed ({}): {text}", output.status);
        }
        serde_json::from_str(text.trim()).with_context(|| format!("cross_language.py printed {text:?}"))
    }

    /// Starts a Python worker, and waits until it serves. It ends when the value is dropped.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn worker(&self, address: &str, namespace: &str, task_queue: &str) -> anyhow::Result<PythonWorker> {
        let mut child = self
            .command(&["worker", address, namespace, task_queue])
            .stdin(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", self.0.display()))?;
        let stdout = child.stdout.take().context("its output is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        match lines.next_line().await? {
            Some(line) if line == "ready" => Ok(PythonWorker { _child: child }),
            other => bail!("the Python worker did not start: {other:?}"),
        }
    }
}

/// A Python worker that runs until this is dropped.
#[derive(Debug)]
pub struct PythonWorker {
    _child: Child,
}
