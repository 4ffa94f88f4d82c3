//! Servers as child processes, so that what they cost can be told apart from what the worker costs.
#![allow(dead_code, reason = "each benchmark uses its part")]

use std::io::BufRead as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use temporal_client::Client;

/// How many clock ticks a second has in `/proc`: 100 on every Linux of today.
const TICKS: f64 = 100.0;

/// A server that runs as a process of its own. Dropping it ends it.
pub(crate) struct ChildServer {
    pub(crate) name: &'static str,
    child: Child,
    address: String,
}

impl ChildServer {
    /// This repository's server.
    pub(crate) fn embedded() -> Self {
        Self::start("embedded", Path::new(env!("CARGO_BIN_EXE_temporal-embedded-server")))
    }

    /// The real dev server, if `TEMPORAL_CLI` names one.
    pub(crate) fn dev() -> Option<Self> {
        let program = std::env::var_os("TEMPORAL_CLI").map(PathBuf::from)?;
        Some(Self::start("dev server", &program))
    }

    /// Those there are, the embedded one first.
    pub(crate) fn all() -> Vec<Self> {
        std::iter::once(Self::embedded()).chain(Self::dev()).collect()
    }

    /// Both are started with the same arguments.
    fn start(name: &'static str, program: &Path) -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let line = [
            "server",
            "start-dev",
            "--headless",
            "--ip",
            "127.0.0.1",
            "--log-level",
            "error",
            "--port",
        ];
        let mut child = Command::new(program)
            .args(line)
            .arg(port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        std::thread::spawn(move || std::io::BufReader::new(output).lines().for_each(drop));
        let address = format!("http://127.0.0.1:{port}");
        ChildServer { name, child, address }
    }

    /// A client, once the server answers.
    pub(crate) async fn client(&self) -> Client {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match Client::connect(self.address.as_str()).await {
                Ok(client) => return client,
                Err(error) => assert!(Instant::now() < deadline, "{} does not answer: {error}", self.name),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The CPU time it has taken so far; `None` where there is no `/proc`.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        cpu_of(&self.child.id().to_string())
    }

    /// The memory it holds, in bytes; `None` where there is no `/proc`.
    pub(crate) fn resident(&self) -> Option<i64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix(" kB")?.trim().parse::<i64>().ok()? * 1024)
    }
}

impl Drop for ChildServer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The CPU time this process has taken so far.
pub(crate) fn own_cpu() -> Option<Duration> {
    cpu_of("self")
}

fn cpu_of(process: &str) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is a name in parentheses, which may have spaces in it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some(Duration::from_secs_f64((ticks(11)? + ticks(12)?) / TICKS))
}

/// The time between two readings, in seconds.
pub(crate) fn between(before: Option<Duration>, after: Option<Duration>) -> f64 {
    match (before, after) {
        (Some(before), Some(after)) => after.saturating_sub(before).as_secs_f64(),
        _ => f64::NAN,
    }
}

/// The one in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A runtime for the worker and the client.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}
