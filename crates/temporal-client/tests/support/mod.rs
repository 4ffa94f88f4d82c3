//! A real Temporal dev server, and a worker of the Python SDK on it.
#![allow(dead_code, reason = "not every test file uses everything")]
#![allow(clippy::print_stderr, reason = "says why a test was skipped")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use temporal_client::{Client, ClientOptions};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The task queue of the Python worker.
pub(crate) const QUEUE: &str = "python";

/// Ends with the test, however that ends: the programs watch their standard input.
pub(crate) struct Server {
    pub(crate) address: String,
    /// `None` while it is stopped.
    child: Option<Child>,
    worker: Option<Child>,
    command: (PathBuf, Vec<String>),
}

/// Runs a program in the background until standard input closes.
const WATCHDOG: &str = r#""$@" </dev/null & child=$!; exec >/dev/null 2>&1; cat; kill $child; wait $child"#;

/// The program that the variable names, else the one of that name in `target/venv`. Where there is none, the test is skipped, or
/// fails where `TEMPORAL_TEST_STRICT` is 1, as in `cargo xtask ci`.
fn program(variable: &str, name: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map_or_else(
        || {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../target/venv/bin")
                .join(name)
        },
        PathBuf::from,
    );
    if path.exists() {
        return Some(path);
    }
    let why = format!(
        "there is no {}: `cargo xtask ci --only venv` makes one, or set {variable}",
        path.display()
    );
    let strict = std::env::var_os("TEMPORAL_TEST_STRICT").is_some_and(|strict| strict == "1");
    assert!(!strict, "cannot be skipped, since TEMPORAL_TEST_STRICT is 1: {why}");
    eprintln!("skipped: {why}");
    None
}

impl Server {
    /// A dev server; `None`, with a message, where there is no `temporal` program.
    pub(crate) async fn start(arguments: &[&str]) -> Option<Self> {
        let temporal = program("TEMPORAL_CLI", "temporal")?;
        // A port that was free may be taken a moment later, as may one of those the server chooses itself.
        for _ in 0..5 {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port().to_string();
            drop(listener);
            let line = [
                "server",
                "start-dev",
                "--headless",
                "--ip",
                "127.0.0.1",
                "--log-level",
                "error",
                "--port",
                &port,
            ];
            let line = line
                .iter()
                .chain(arguments)
                .map(|&argument| argument.to_owned())
                .collect();
            let mut server = Self {
                address: format!("http://127.0.0.1:{port}"),
                child: None,
                worker: None,
                command: (temporal.clone(), line),
            };
            if server.try_restart().await {
                return Some(server);
            }
        }
        panic!("the dev server does not start");
    }

    /// A dev server with the Python worker; `None`, with a message, where one of the programs is missing.
    pub(crate) async fn start_with_worker(arguments: &[&str]) -> Option<Self> {
        let python = program("TEMPORAL_PYTHON", "python")?;
        let mut server = Self::start(arguments).await?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/worker.py");
        let mut worker = Command::new(python)
            .arg(script)
            .args([server.address.trim_start_matches("http://"), QUEUE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        assert!(said(&mut worker, "ready").await, "the Python worker does not start");
        server.worker = Some(worker);
        Some(server)
    }

    /// Ends the server, as a crash would.
    pub(crate) async fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            child.wait().await.unwrap();
        }
    }

    /// Starts the server again, on the same port.
    pub(crate) async fn restart(&mut self) {
        assert!(self.try_restart().await, "the dev server does not start again");
    }

    async fn try_restart(&mut self) -> bool {
        let (program, line) = &self.command;
        let mut child = Command::new("sh")
            .args(["-c", WATCHDOG, "sh"])
            .arg(program)
            .args(line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        if !said(&mut child, "Temporal Server:").await {
            return false;
        }
        self.child = Some(child);
        self.client().await;
        true
    }

    pub(crate) fn options(&self) -> ClientOptions {
        ClientOptions::new(&self.address)
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect_with(self.options()).await.unwrap()
    }
}

/// Waits until the program says a line that starts so; false when it ends before.
async fn said(child: &mut Child, start: &str) -> bool {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.trim_start().starts_with(start) {
            // The program may go on printing; somebody must listen.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return true;
        }
    }
    false
}

/// Asks again and again until the answer is yes, for 30 s at most.
pub(crate) async fn eventually(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !ask().await {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), asking).await;
    assert!(in_time.is_ok(), "not within 30 s: {what}");
}
