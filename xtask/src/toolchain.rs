//! Which compiler can build for the kernel here: it must come with the sources of `core`, and bpf-linker must
//! speak its LLVM's dialect.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::workspace;

/// The two ways to such a compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Route {
    /// Debian's packages of a newer Rust, whose LLVM Debian has too.
    Debian,
    /// rustup's nightly with its sources.
    Rustup,
}

/// A compiler and its cargo.
#[derive(Debug)]
pub(crate) struct Toolchain {
    pub(crate) route: Route,
    pub(crate) rustc: PathBuf,
    pub(crate) cargo: PathBuf,
    pub(crate) linker: PathBuf,
    /// Folders whose names must not show in the object, and what shows in their stead.
    pub(crate) sources: Vec<(PathBuf, &'static str)>,
}

/// Packages of the Debian route: Rust with sources, and what bpf-linker is built with.
pub(crate) const DEBIAN_PACKAGES: [&str; 8] = [
    "rustc-web",
    "cargo-web",
    "rust-web-src",
    "llvm-22-dev",
    "libpolly-22-dev",
    "zlib1g-dev",
    "libzstd-dev",
    "libxml2-dev",
];
/// Where Debian's LLVM is.
pub(crate) const DEBIAN_LLVM: &str = "/usr/lib/llvm-22";
/// The version known to work with both routes.
pub(crate) const LINKER_VERSION: &str = "0.13.0";

const NO_COMPILER: &str = "no compiler with the sources of `core`: run `cargo xtask setup`, or by hand \
    `rustup toolchain install nightly --component rust-src`";
const NO_LINKER: &str =
    "no bpf-linker: run `cargo xtask setup`, or by hand `cargo install bpf-linker`";

impl Toolchain {
    /// Finds a complete one; says in one line what is missing.
    pub(crate) fn find(wanted: Option<Route>) -> Result<Self> {
        let routes = match wanted {
            Some(route) => vec![route],
            None => vec![Route::Debian, Route::Rustup],
        };
        let found = routes.iter().find_map(|&route| Some((route, compiler(route)?)));
        let Some((route, (rustc, cargo))) = found else { bail!(NO_COMPILER) };
        let Some(linker) = workspace::find_program("bpf-linker") else { bail!(NO_LINKER) };
        let sources = sources(&rustc)?;
        Ok(Self { route, rustc, cargo, linker, sources })
    }

    /// The versions that made an object.
    pub(crate) fn versions(&self) -> Result<(String, String)> {
        Ok((
            output(Command::new(&self.rustc).arg("--version"))?,
            output(Command::new(&self.linker).arg("--version"))?,
        ))
    }
}

/// A route's compiler and cargo, if it has the sources of `core`.
pub(crate) fn compiler(route: Route) -> Option<(PathBuf, PathBuf)> {
    let (rustc, cargo) = match route {
        Route::Debian => (PathBuf::from("/usr/bin/rustc"), PathBuf::from("/usr/bin/cargo")),
        Route::Rustup => {
            let which = |tool| {
                output(Command::new("rustup").args(["which", "--toolchain", "nightly", tool]))
            };
            (PathBuf::from(which("rustc").ok()?), PathBuf::from(which("cargo").ok()?))
        }
    };
    let core = library(&rustc).ok()?.join("core/src/lib.rs");
    (core.is_file() && cargo.is_file()).then_some((rustc, cargo))
}

/// Where a compiler has the sources of the standard library.
fn library(rustc: &Path) -> Result<PathBuf> {
    let sysroot = output(Command::new(rustc).args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(sysroot).join("lib/rustlib/src/rust/library"))
}

fn sources(rustc: &Path) -> Result<Vec<(PathBuf, &'static str)>> {
    let library = library(rustc)?;
    let real = library.canonicalize().with_context(|| format!("{}", library.display()))?;
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let mut sources =
        vec![(workspace::root(), "headroom"), (library, "library"), (real, "library")];
    if let Some(registry) = home.map(|home| home.join("registry/src")) {
        // Below it is a folder for each registry, whose name differs between machines.
        for entry in registry.read_dir().into_iter().flatten().flatten() {
            sources.push((entry.path(), "crates"));
        }
    }
    Ok(sources)
}

/// What a command prints, trimmed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
