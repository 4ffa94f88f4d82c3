//! `cargo xtask layers`: the crates depend only downwards, and the core can do no I/O.

use crate::{cargo, root};
use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The crates from the bottom up. A crate may depend on those before it.
const LAYERS: [&str; 7] = [
    "temporal-protos",
    "temporal-core",
    "temporal-client",
    "temporal-sdk-macros",
    "temporal-guard",
    "temporal-sdk",
    "temporal-testing",
];

/// Crates that depend on none of ours: what they do is of use to every layer.
const ALONE: [&str; 3] = ["temporal-protos", "temporal-sdk-macros", "temporal-guard"];

/// The heart, which must stay without I/O.
const CORE: &str = "temporal-core";

/// All that the core may be built from. Each is `no_std` with the features used here, so has no clock, thread, file,
/// socket or randomness to offer.
const CORE_TREE: [&str; 17] = [
    "allocator-api2",
    "bytes",
    "equivalent",
    "foldhash",
    "hashbrown",
    "itoa",
    "memchr",
    "prost",
    "prost-types",
    "ryu",
    "serde",
    "serde_core",
    "serde_json",
    "temporal-core",
    "temporal-protos",
    "thiserror",
    "zmij",
];

/// Crates a user's build of the SDK pulls in at most.
const SDK_TREE: usize = 150;

pub(crate) fn run() -> anyhow::Result<()> {
    let mut complaints = Vec::new();
    directions(&cargo::members()?, &mut complaints);
    core_tree(tree(CORE, "normal,no-proc-macro")?, &mut complaints);
    core_source(&root().join("crates").join(CORE).join("src"), &mut complaints)?;
    let size = sdk_tree(&mut complaints)?;
    core_without_std(&mut complaints)?;
    if !complaints.is_empty() {
        bail!("the layers are broken:\n- {}", complaints.join("\n- "));
    }
    println!("layers: every crate depends downwards, {CORE} does no I/O, temporal-sdk is built from {size} crates");
    Ok(())
}

/// Every dependency on a crate of ours must point downwards.
fn directions(members: &[cargo::Package], complaints: &mut Vec<String>) {
    let height = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    for package in members {
        if !package.folder.starts_with("crates/") {
            continue;
        }
        let Some(own) = height(&package.name) else {
            complaints.push(format!(
                "{} has no layer: give it its place in LAYERS in xtask/src/layers.rs, and in docs/architecture.md",
                package.name
            ));
            continue;
        };
        // Tests may reach upwards: an example of the SDK runs on the embedded server.
        for dependency in package.dependencies.iter().filter(|dependency| !dependency.development) {
            let Some(other) = height(&dependency.name) else {
                continue;
            };
            if other >= own || ALONE.contains(&package.name.as_str()) {
                complaints.push(format!(
                    "{0} depends on {1}, which is not beneath it: remove `{1}` from [dependencies] in {2}/Cargo.toml, \
                     and move what was needed of it down, or the code that needs it up",
                    package.name, dependency.name, package.folder
                ));
            }
        }
    }
}

/// Only known crates are under the core, and none of them with its `std` feature.
fn core_tree(tree: BTreeMap<String, Vec<String>>, complaints: &mut Vec<String>) {
    let (known, unknown): (Vec<_>, Vec<_>) = tree
        .into_iter()
        .partition(|(name, _)| CORE_TREE.contains(&name.as_str()));
    if let Some((first, _)) = unknown.first() {
        let names: Vec<&str> = unknown.iter().map(|(name, _)| name.as_str()).collect();
        complaints.push(format!(
            "{CORE} is built from {} (`cargo tree -p {CORE} -e normal -i {first}` shows why): take that out, or, if it \
             is no_std and has neither I/O, clock, thread nor randomness, add it to CORE_TREE in xtask/src/layers.rs",
            names.join(", ")
        ));
    }
    for (name, features) in known {
        if features.iter().any(|feature| feature == "std") {
            complaints.push(format!(
                "{CORE} turns on the feature `std` of {name} (`cargo tree -p {CORE} -e features -i {name}` shows \
                 where): use `default-features = false` and `alloc`"
            ));
        }
    }
}

/// The core's source says `#![no_std]` and does not bring `std` back.
fn core_source(source: &Path, complaints: &mut Vec<String>) -> anyhow::Result<()> {
    let lib = source.join("lib.rs");
    let text = fs::read_to_string(&lib).with_context(|| format!("cannot read {}", lib.display()))?;
    if !text.lines().any(|line| line.trim() == "#![no_std]") {
        complaints.push(format!(
            "crates/{CORE}/src/lib.rs does not say `#![no_std]` (without a condition): put that line above its modules"
        ));
    }
    let mut files = Vec::new();
    rust_files(source, &mut files)?;
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut previous = "";
        for (index, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("extern crate std") && !previous.contains("cfg(test)") {
                let place = file.strip_prefix(root()).unwrap_or(&file).display();
                complaints.push(format!(
                    "{place}:{}: `extern crate std` brings in what the core must not have: use `core` and `alloc`, or \
                     put `#[cfg(test)]` on the line above if only tests need it",
                    index + 1
                ));
            }
            previous = line;
        }
    }
    Ok(())
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            rust_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

/// The SDK stays quick to build.
fn sdk_tree(complaints: &mut Vec<String>) -> anyhow::Result<usize> {
    let size = tree("temporal-sdk", "normal,build")?.len();
    if size >= SDK_TREE {
        complaints.push(format!(
            "temporal-sdk is built from {size} crates, {SDK_TREE} is the limit: `cargo tree -p temporal-sdk -e normal` \
             lists them"
        ));
    }
    Ok(size)
}

/// Where a target without `std` is installed, the core is built for it: the last word on `no_std`.
fn core_without_std(complaints: &mut Vec<String>) -> anyhow::Result<()> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let rustc = std::process::Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .context("cannot run rustc")?;
    let folder = String::from_utf8_lossy(&rustc.stdout).trim().to_owned();
    if folder.is_empty() || !Path::new(&folder).exists() {
        println!("layers: {TARGET} is not installed, so {CORE} was not built for it (`rustup target add {TARGET}`)");
        return Ok(());
    }
    let arguments = ["check", "--quiet", "--package", CORE, "--target", TARGET];
    if !cargo::command(&arguments).status()?.success() {
        complaints.push(format!(
            "{CORE} does not build for {TARGET}: `cargo {}`",
            arguments.join(" ")
        ));
    }
    Ok(())
}

/// The crates that a package is built from on any platform, with the features turned on.
fn tree(package: &str, edges: &str) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let format = "{p}|{f}";
    let arguments = [
        "tree",
        "-p",
        package,
        "-e",
        edges,
        "--prefix",
        "none",
        "--format",
        format,
        "--no-dedupe",
    ];
    let mut crates = BTreeMap::new();
    for line in cargo::output(&arguments)?.lines() {
        let (package, features) = line.split_once('|').unwrap_or((line, ""));
        let name = package.split(' ').next().unwrap_or_default();
        let features = features.split(',').filter(|feature| !feature.is_empty());
        crates
            .entry(name.to_owned())
            .or_insert_with(Vec::new)
            .extend(features.map(str::to_owned));
    }
    Ok(crates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::{Dependency, Package};

    fn package(name: &str, dependency: &str, development: bool) -> Package {
        Package {
            name: name.to_owned(),
            folder: format!("crates/{name}"),
            dependencies: vec![Dependency {
                name: dependency.to_owned(),
                development,
            }],
            benches: Vec::new(),
        }
    }

    fn complaints_about(members: &[Package]) -> Vec<String> {
        let mut complaints = Vec::new();
        directions(members, &mut complaints);
        complaints
    }

    #[test]
    fn dependencies_point_downwards() {
        let fine = [
            package("temporal-client", "temporal-core", false),
            package("temporal-sdk", "temporal-testing", true),
            package("temporal-sdk", "tokio", false),
        ];
        assert_eq!(complaints_about(&fine), Vec::<String>::new());
        for (upper, lower) in [
            ("temporal-testing", "temporal-core"),
            ("temporal-sdk", "temporal-client"),
            ("temporal-protos", "temporal-sdk-macros"),
        ] {
            let complaints = complaints_about(&[package(lower, upper, false)]);
            assert_eq!(complaints.len(), 1, "{complaints:?}");
            assert!(complaints[0].starts_with(&format!("{lower} depends on {upper}, which is not beneath it")));
        }
        let complaints = complaints_about(&[package("temporal-new", "serde", false)]);
        assert!(complaints[0].contains("has no layer"), "{complaints:?}");
    }

    #[test]
    fn the_core_takes_neither_io_nor_std() {
        let mut complaints = Vec::new();
        let tree = [
            ("bytes", vec![]),
            ("prost", vec!["std"]),
            ("tokio", vec![]),
            ("tonic", vec![]),
        ];
        let tree = tree.map(|(name, features)| (name.to_owned(), features.into_iter().map(str::to_owned).collect()));
        core_tree(tree.into(), &mut complaints);
        assert_eq!(complaints.len(), 2, "{complaints:?}");
        assert!(complaints[0].contains("tokio, tonic"), "{complaints:?}");
        assert!(complaints[1].contains("feature `std` of prost"), "{complaints:?}");
    }

    #[test]
    fn the_core_does_not_bring_std_back() {
        let folder = std::env::temp_dir().join(format!("layers-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut complaints = Vec::new();
        fs::write(folder.join("lib.rs"), "#![no_std]\n#[cfg(test)]\nextern crate std;\n").unwrap();
        core_source(&folder, &mut complaints).unwrap();
        assert_eq!(complaints, Vec::<String>::new());
        fs::write(folder.join("lib.rs"), "extern crate std;\n").unwrap();
        core_source(&folder, &mut complaints).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(complaints.len(), 2, "{complaints:?}");
        assert!(complaints[1].contains("lib.rs:1: `extern crate std`"), "{complaints:?}");
    }
}
