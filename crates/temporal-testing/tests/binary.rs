//! The server as a program: arguments, the port it prints, its end.
#![cfg(all(feature = "cli", unix))]
#![allow(clippy::unwrap_used, reason = "a test ends where its helpers fail")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use temporal_protos::health::v1::HealthCheckRequest;
use temporal_protos::health::v1::health_client::HealthClient;
use tonic::transport::Channel;

struct Program {
    child: Child,
    address: String,
}

impl Program {
    fn start(arguments: &str) -> Program {
        let mut child = Command::new(env!("CARGO_BIN_EXE_temporal-embedded-server"))
            .args(arguments.split_whitespace())
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
            .unwrap_or_else(|| panic!("{line:?}"));
        Program {
            address: format!("http://{address}"),
            child,
        }
    }

    async fn check(&self) {
        let mut health = HealthClient::new(Channel::from_shared(self.address.clone()).unwrap().connect_lazy());
        health.check(HealthCheckRequest::default()).await.unwrap();
    }

    /// Ends the program with a signal; it has to end well.
    fn end(mut self, signal: &str) {
        let sent = Command::new("kill")
            .arg(signal)
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(sent.success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

#[tokio::test]
async fn it_prints_the_port_it_took_and_ends_at_a_signal() {
    for signal in ["-INT", "-TERM"] {
        let program = Program::start("--port 0 --time-skipping --namespace other --search-attribute K=Keyword");
        assert!(!program.address.ends_with(":0"));
        program.check().await;
        program.end(signal);
    }
}

#[tokio::test]
async fn it_starts_as_other_servers_are_started() {
    for arguments in [
        "server start-dev --port 0 --ip 127.0.0.1 --headless --log-format json --log-level error --dynamic-config-value a=b",
        "0 --enable-time-skipping",
    ] {
        let program = Program::start(arguments);
        program.check().await;
        program.end("-TERM");
    }
}

#[test]
fn it_does_not_listen_to_others_unasked() {
    let output = Command::new(env!("CARGO_BIN_EXE_temporal-embedded-server"))
        .args(["--port", "0", "--ip", "0.0.0.0"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("loopback") && words.contains("--expose"), "{words}");
}
