//! The examples of the SDK, each run as a user runs it.

use std::path::{Path, PathBuf};
use temporal_integration_tests::env::skip;
use temporal_integration_tests::{run, server};
use tokio::process::Command;

fn crate_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/temporal-sdk")
}

/// The names of the examples.
fn examples() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(crate_folder().join("examples"))
        .expect("the SDK has examples")
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_stem()?.to_str()?.to_owned();
            path.extension()
                .is_some_and(|extension| extension == "rs")
                .then_some(name)
        })
        .collect();
    names.sort();
    names
}

/// The folder of the built examples, beside the test's own.
fn built() -> PathBuf {
    std::env::current_exe()
        .ok()
        .and_then(|binary| Some(binary.parent()?.parent()?.join("examples")))
        .expect("a test binary is in target/<profile>/deps")
}

/// What each prints somewhere.
const PRINTS: &[(&str, &str)] = &[
    ("hello_world", "Hello, Temporal!"),
    ("greeting", "the workflow ends with"),
];

/// S179: every example against the server of the suite. `cargo test` and `cargo build --examples` build them; those that are
/// not there are skipped.
#[test]
fn s179_each_example_runs() {
    let folder = built();
    run(async |env| {
        let address = server::address().await?;
        for name in examples() {
            let program = folder.join(&name).with_extension(std::env::consts::EXE_EXTENSION);
            if !program.exists() {
                skip(
                    env.test(),
                    &format!("{name} is not built: cargo build -p temporal-sdk --examples"),
                );
                continue;
            }
            let output = Command::new(program)
                .env("TEMPORAL_ADDRESS", address.trim_start_matches("http://"))
                .kill_on_drop(true)
                .output()
                .await?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{name} failed: {text}{complaint}");
            assert!(!text.trim().is_empty(), "{name} shows nothing");
            if let Some((_, expected)) = PRINTS.iter().find(|(example, _)| *example == name) {
                assert!(text.contains(expected), "{name} printed {text}");
            }
        }
        Ok(())
    });
}
