//! Installs what building the kernel programs needs, and says what it does. Whatever is there already is left.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail};

use crate::{
    toolchain::{DEBIAN_LLVM, DEBIAN_PACKAGES, LINKER_VERSION, Route, compiler, output},
    workspace,
};

/// Options of the set-up.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only print what would be done.
    #[arg(long)]
    dry_run: bool,
}

/// A thing to do: what it is for, and the command.
struct Step {
    why: &'static str,
    command: Command,
}

/// Does what is not done yet.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let route =
        if Path::new("/etc/debian_version").exists() { Route::Debian } else { Route::Rustup };
    let steps: Vec<Step> =
        [compiler_step(route), linker_step(route)].into_iter().flatten().collect();
    if steps.is_empty() {
        println!("everything is here: `cargo xtask build-ebpf` will work");
        return Ok(());
    }
    for (index, step) in steps.into_iter().enumerate() {
        println!("[{}] {}: {:?}", index + 1, step.why, step.command);
        if !arguments.dry_run {
            perform(step)?;
        }
    }
    Ok(())
}

fn perform(mut step: Step) -> Result<()> {
    let program = step.command.get_program().to_owned();
    if program == "apt-get" && !nix::unistd::geteuid().is_root() {
        bail!("this step needs root: run it yourself with sudo, then `cargo xtask setup` again");
    }
    let status = step.command.status().with_context(|| format!("cannot run {program:?}"))?;
    if !status.success() {
        bail!("{}: {program:?} failed ({status})", step.why);
    }
    Ok(())
}

/// A compiler with the sources of `core`.
fn compiler_step(route: Route) -> Option<Step> {
    let mut command;
    match route {
        Route::Debian => {
            let missing: Vec<&str> =
                DEBIAN_PACKAGES.into_iter().filter(|name| !installed(name)).collect();
            if missing.is_empty() {
                return None;
            }
            command = Command::new("apt-get");
            command.args(["install", "-y", "--no-install-recommends"]).args(missing);
        }
        Route::Rustup => {
            if compiler(route).is_some() {
                return None;
            }
            command = Command::new("rustup");
            command.args(["toolchain", "install", "nightly", "--profile", "minimal"]);
            command.args(["--component", "rust-src"]);
        }
    }
    Some(Step { why: "a compiler with the sources of `core`", command })
}

fn installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Status}", package]);
    output(&mut query).is_ok_and(|status| status == "installed")
}

/// bpf-linker, among the workspace's own tools.
fn linker_step(route: Route) -> Option<Step> {
    if workspace::find_program("bpf-linker").is_some() {
        return None;
    }
    let mut command = Command::new("cargo");
    command.args(["install", "bpf-linker", "--locked", "--version", LINKER_VERSION]);
    command.arg("--root").arg(workspace::tools());
    if route == Route::Debian {
        command.args(["--no-default-features", "--features", "llvm-22"]);
        command.env("LLVM_PREFIX", DEBIAN_LLVM).env("LLVM_SYS_221_PREFIX", DEBIAN_LLVM);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let first = std::iter::once(Path::new(DEBIAN_LLVM).join("bin"));
        if let Ok(path) = std::env::join_paths(first.chain(std::env::split_paths(&path))) {
            command.env("PATH", path);
        }
    }
    Some(Step { why: "the linker for kernel programs, a minute or two", command })
}
