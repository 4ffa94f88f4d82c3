//! `protos/*.proto` from a descriptor set, and the Rust of `temporal-protos` from `protos/*.proto`.

mod json;
mod model;
mod payloads;
mod render;

use crate::root;
use anyhow::{Context as _, bail};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What `cargo xtask protos` takes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Render protos/ anew from this `google.protobuf.FileDescriptorSet` first
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Write nothing; fail when what is committed is not what would be written
    #[arg(long)]
    check: bool,
}

/// Files that protobuf compilers carry themselves.
const WELL_KNOWN: &str = "google/protobuf/";

/// Fails when what is committed is not what would be written.
pub(crate) fn check() -> anyhow::Result<()> {
    run(&Options {
        from: None,
        check: true,
    })
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let protos = root().join("protos");
    if let Some(from) = &options.from {
        let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
        let set = FileDescriptorSet::decode(bytes.as_slice()).context("not a descriptor set")?;
        let mut texts = BTreeMap::new();
        for file in set.file.iter().filter(|file| !file.name().starts_with(WELL_KNOWN)) {
            texts.insert(PathBuf::from(file.name()), render::file(file));
        }
        write_all(&protos, &texts, options.check)?;
    }

    let mut files = Vec::new();
    find_protos(&protos, &mut files)?;
    files.sort();
    let set = protox::compile(&files, [&protos]).context("protos/ does not compile")?;
    let mut generated = generate(&set)?;
    let model = model::Model::new(&set);
    generated.insert(PathBuf::from("payloads.rs"), payloads::generate(&model));
    generated.insert(PathBuf::from("json.rs"), json::generate(&model)?);
    write_all(
        &root().join("crates/temporal-protos/src/generated"),
        &generated,
        options.check,
    )
}

fn generate(set: &FileDescriptorSet) -> anyhow::Result<BTreeMap<PathBuf, String>> {
    let folder = root().join("target/xtask-protos");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let mut config = prost_build::Config::new();
    config
        .out_dir(&folder)
        .bytes(["."])
        .btree_map(["."])
        .include_file("mod.rs");
    tonic_prost_build::configure()
        .build_transport(false)
        .client_mod_attribute(".", "#[cfg(feature = \"client\")]")
        .server_mod_attribute(".", "#[cfg(feature = \"server\")]")
        .out_dir(&folder)
        .compile_fds_with_config(set.clone(), config)?;
    let mut texts = BTreeMap::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let name = PathBuf::from(path.file_name().context("a generated file without a name")?);
        texts.insert(name, fs::read_to_string(&path)?);
    }
    Ok(texts)
}

fn find_protos(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            find_protos(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    Ok(())
}

/// Brings `folder` to exactly `texts`, or, for a check, complains of the first difference.
fn write_all(folder: &Path, texts: &BTreeMap<PathBuf, String>, check: bool) -> anyhow::Result<()> {
    let stale = |path: &Path| -> anyhow::Result<()> {
        let path = path.strip_prefix(root()).unwrap_or(path).display();
        bail!("{path} is stale: run `cargo xtask protos` and commit what it changes");
    };
    for (name, text) in texts {
        let path = folder.join(name);
        // A checkout on Windows may have other line ends.
        if fs::read_to_string(&path).is_ok_and(|present| present.replace("\r\n", "\n") == *text) {
            continue;
        }
        if check {
            return stale(&path);
        }
        fs::create_dir_all(path.parent().context("no folder")?)?;
        fs::write(&path, text)?;
        println!("wrote {}", path.display());
    }
    for path in leftovers(folder, texts)? {
        if check {
            return stale(&path);
        }
        fs::remove_file(&path)?;
        println!("removed {}", path.display());
    }
    Ok(())
}

/// Files below `folder` that are not among `texts`.
fn leftovers(folder: &Path, texts: &BTreeMap<PathBuf, String>) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.strip_prefix(folder).is_ok_and(|name| !texts.contains_key(name)) {
                found.push(path);
            }
        }
    }
    Ok(found)
}
