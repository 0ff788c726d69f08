//! The committed object and its note: from which sources and by which tools it was made.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::workspace;

/// Written beside the object.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// SHA-256 of everything the object is made from.
    pub(crate) sources: String,
    /// SHA-256 of the object.
    pub(crate) object: String,
    /// The compiler's own words.
    pub(crate) rustc: String,
    /// The linker's own words.
    pub(crate) linker: String,
}

impl Note {
    pub(crate) fn new(object: &[u8], rustc: String, linker: String) -> Result<Self> {
        Ok(Self { sources: hash_sources()?, object: hex(Sha256::digest(object)), rustc, linker })
    }
}

/// Where the agent embeds it from.
pub(crate) fn object() -> PathBuf {
    folder().join("headroom.bpf.o")
}

fn note() -> PathBuf {
    folder().join("headroom.bpf.json")
}

fn folder() -> PathBuf {
    workspace::root().join("agent-ebpf/prebuilt")
}

/// Writes both files.
pub(crate) fn write(bytes: &[u8], made: &Note) -> Result<()> {
    fs::create_dir_all(folder())?;
    fs::write(object(), bytes).with_context(|| format!("cannot write {}", object().display()))?;
    let text = format!("{}\n", serde_json::to_string_pretty(made)?);
    fs::write(note(), text).with_context(|| format!("cannot write {}", note().display()))
}

/// Fails if the object is not of these sources.
pub(crate) fn check() -> Result<()> {
    let text = fs::read_to_string(note()).with_context(|| format!("{}", note().display()))?;
    let made: Note =
        serde_json::from_str(&text).with_context(|| format!("{}", note().display()))?;
    let bytes = fs::read(object()).with_context(|| format!("{}", object().display()))?;
    ensure!(
        hex(Sha256::digest(&bytes)) == made.object,
        "{} is not the object its note speaks of: run `cargo xtask build-ebpf`",
        object().display()
    );
    if hash_sources()? != made.sources {
        bail!("agent-ebpf changed since its object was built: run `cargo xtask build-ebpf`");
    }
    println!("the kernel programs are of these sources ({}, {})", made.rustc, made.linker);
    Ok(())
}

/// Every source of the crate, and the locked versions of the crates it is built with.
fn hash_sources() -> Result<String> {
    let root = workspace::root();
    let mut files = vec![root.join("agent-ebpf/Cargo.toml")];
    let sources = root.join("agent-ebpf/src");
    for entry in fs::read_dir(&sources).with_context(|| format!("{}", sources.display()))? {
        files.push(entry?.path());
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let bytes = fs::read(&file).with_context(|| format!("{}", file.display()))?;
        hash.update(file.strip_prefix(&root)?.as_os_str().as_encoded_bytes());
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    let lock = fs::read_to_string(root.join("Cargo.lock")).context("Cargo.lock")?;
    for package in lock.split("[[package]]").filter(|text| text.contains("name = \"aya-ebpf")) {
        hash.update(package.trim());
    }
    Ok(hex(hash.finalize()))
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
