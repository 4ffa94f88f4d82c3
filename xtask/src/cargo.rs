//! What the chores ask of cargo.

use crate::root;
use anyhow::{Context as _, bail};
use serde_json::Value;
use std::process::{Command, Stdio};

/// A cargo command in the repository's top folder, of the same toolchain as this program.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    // What `cargo run` set for this program is not meant for the one it starts.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") || text == "CARGO_BIN_NAME" {
            command.env_remove(&name);
        }
    }
    command
}

/// What a cargo command prints.
pub(crate) fn output(arguments: &[&str]) -> anyhow::Result<String> {
    let output = command(arguments)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("`cargo {}` failed", arguments.join(" "));
    }
    String::from_utf8(output.stdout).context("cargo printed something that is not text")
}

/// The members of the workspace, as `cargo metadata` describes them.
pub(crate) fn members() -> anyhow::Result<Vec<Package>> {
    let text = output(&["metadata", "--format-version", "1", "--no-deps"])?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata has no packages")?;
    Ok(packages.iter().map(Package::new).collect())
}

/// One member of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its folder, relative to the top of the repository, with slashes.
    pub(crate) folder: String,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) benches: Vec<Bench>,
}

pub(crate) struct Dependency {
    pub(crate) name: String,
    /// For tests, examples and benches only.
    pub(crate) development: bool,
}

pub(crate) struct Bench {
    pub(crate) name: String,
    pub(crate) features: Vec<String>,
}

impl Package {
    fn new(package: &Value) -> Self {
        let manifest = text(&package["manifest_path"]).replace('\\', "/");
        let top = root().to_string_lossy().replace('\\', "/");
        let folder = manifest.trim_start_matches(&top).trim_start_matches('/');
        let dependency = |dependency: &Value| Dependency {
            name: text(&dependency["name"]),
            development: dependency["kind"] == "dev",
        };
        let bench = |target: &Value| Bench {
            name: text(&target["name"]),
            features: each(&target["required-features"]).map(text).collect(),
        };
        Self {
            name: text(&package["name"]),
            folder: folder.trim_end_matches("/Cargo.toml").to_owned(),
            dependencies: each(&package["dependencies"]).map(dependency).collect(),
            benches: each(&package["targets"])
                .filter(|target| each(&target["kind"]).any(|kind| kind == "bench"))
                .map(bench)
                .collect(),
        }
    }
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
