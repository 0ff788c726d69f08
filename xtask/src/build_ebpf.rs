//! Builds the kernel programs and writes them, with a note of what made them, where the agent embeds them from.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    prebuilt::{self, Note},
    strip,
    toolchain::{Route, Toolchain},
    workspace,
};

const TARGET: &str = "bpfel-unknown-none";
const BINARY: &str = "headroom-ebpf";

/// Options of the build.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Take this compiler instead of the first that is complete.
    #[arg(long, value_enum)]
    route: Option<Route>,
}

/// Builds, strips, writes.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let toolchain = Toolchain::find(arguments.route)?;
    let (rustc, linker) = toolchain.versions()?;
    println!("building with {rustc}, {linker}");
    let built = build(&toolchain)?;
    let bytes = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    let object = strip::strip(&bytes)?;
    let note = Note::new(&object, rustc, linker)?;
    prebuilt::write(&object, &note)?;
    println!("{}: {} bytes, sha256 {}", prebuilt::object().display(), object.len(), note.object);
    Ok(())
}

fn build(toolchain: &Toolchain) -> Result<PathBuf> {
    let target = workspace::target().join("ebpf");
    let mut command = Command::new(&toolchain.cargo);
    command
        .args(["build", "--release", "--locked", "--package", "headroom-agent-ebpf"])
        .args(["--bin", BINARY, "--target", TARGET, "-Z", "build-std=core"])
        .current_dir(workspace::root())
        // This build is not the one that runs us.
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTFLAGS")
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTC", &toolchain.rustc)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(toolchain))
        // One unit and no link-time trouble: the same object on every machine.
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "2")
        .env("CARGO_PROFILE_RELEASE_STRIP", "none")
        .env("PATH", path(toolchain)?);
    if toolchain.route == Route::Debian {
        // A stable compiler that is asked for the few unstable things this needs.
        command.env("RUSTC_BOOTSTRAP", "1");
    }
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("the kernel programs did not build ({status})");
    }
    Ok(target.join(TARGET).join("release").join(BINARY))
}

fn flags(toolchain: &Toolchain) -> OsString {
    let mut flags: Vec<OsString> = [
        // Linux 5.1: 32-bit jumps and registers.
        "-Ctarget-cpu=v3",
        // The BTF is made from debug information.
        "-Cdebuginfo=2",
        "-Clink-arg=--btf",
        // Only chooses a layout of `pt_regs`, which no program of ours sees: one object serves all machines.
        "--cfg=bpf_target_arch=\"x86_64\"",
    ]
    .map(OsString::from)
    .to_vec();
    flags.push(joined("-Clinker=", &toolchain.linker, ""));
    for (from, to) in &toolchain.sources {
        flags.push(joined("--remap-path-prefix=", from, &format!("={to}")));
    }
    flags.join(OsString::from("\x1f").as_os_str())
}

fn joined(before: &str, path: &Path, after: &str) -> OsString {
    let mut flag = OsString::from(before);
    flag.push(path);
    flag.push(after);
    flag
}

/// The compiler's own folder first: cargo runs `rustc` and `rustdoc` by name here and there.
fn path(toolchain: &Toolchain) -> Result<OsString> {
    let own = toolchain.cargo.parent().map(Path::to_path_buf);
    let rest = env::var_os("PATH").unwrap_or_default();
    Ok(env::join_paths(own.into_iter().chain(env::split_paths(&rest)))?)
}
