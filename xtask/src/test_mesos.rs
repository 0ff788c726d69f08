//! `cargo xtask test mesos`: the clients that others wrote for Mesos, against this Headroom.
//!
//! Installs them below the target folder, at exact versions, and runs `tests/tests/mesos_clients.rs`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::workspace;

/// `cargo xtask test` followed by this.
pub(crate) const WORD: &str = "mesos";

/// Set to 1, what cannot be installed is an error; else the tests are skipped.
const REQUIRED: &str = "HEADROOM_MESOS_REQUIRED";
const HTTP_PARSER: &str = "http-parser==0.9.0";
const BUILD_TOOLS: [&str; 3] = ["cython==3.1.4", "setuptools==80.9.0", "wheel==0.45.1"];
const PYTHON_CLIENTS: [&str; 2] = ["pymesos==0.3.15", "avmesos==0.4.2"];
const NODE_CLIENT: &str = "mesos-framework@0.5.3";
const PROGRAMS: [&str; 4] = ["python3", "cc", "node", "npm"];

pub(crate) fn run() -> Result<()> {
    let clients = workspace::target().join("mesos-clients");
    if let Err(problem) = install(&clients) {
        if env::var(REQUIRED).is_ok_and(|value| value == "1") {
            return Err(problem);
        }
        println!("skipped: the clients of Mesos cannot be installed: {problem:#}");
        return Ok(());
    }
    // Both choose the same packages as `cargo xtask test`: otherwise features differ, and all is
    // built again.
    let target = ["--test", "mesos_clients"];
    cargo(&[&["build", "--bins"][..], &target].concat(), &clients)?;
    let flags = ["--", "--ignored", "--show-output", "--test-threads", "2"];
    cargo(&[&["test"][..], &target, &flags].concat(), &clients)
}

fn cargo(arguments: &[&str], clients: &Path) -> Result<()> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments).current_dir(workspace::root());
    cargo.env("HEADROOM_MESOS_CLIENTS", clients);
    cargo.env("HEADROOM_TEST_PROGRAMS", workspace::target().join("debug"));
    if !cargo.status().context("cannot run cargo")?.success() {
        bail!("cargo {} failed", arguments.join(" "));
    }
    Ok(())
}

/// Installs the clients, unless these very versions are there.
fn install(clients: &Path) -> Result<()> {
    for program in PROGRAMS {
        if workspace::find_program(program).is_none() {
            bail!("{program} is not installed (Debian: python3-venv python3-dev gcc nodejs npm)");
        }
    }
    let versions = [&BUILD_TOOLS[..], &[HTTP_PARSER], &PYTHON_CLIENTS, &[NODE_CLIENT]].concat();
    let (versions, done) = (versions.join("\n"), clients.join("installed"));
    if fs::read_to_string(&done).is_ok_and(|installed| installed == versions) {
        return Ok(());
    }
    println!("installing into {}: {}", clients.display(), versions.replace('\n', " "));
    if clients.exists() {
        fs::remove_dir_all(clients)?;
    }
    fs::create_dir_all(clients)?;
    let clients = clients.canonicalize()?;
    install_python_clients(&clients)?;
    step(
        Command::new("npm")
            .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
            .arg(&clients)
            .arg(NODE_CLIENT),
    )?;
    fs::write(done, versions)?;
    Ok(())
}

fn install_python_clients(clients: &Path) -> Result<()> {
    let venv = clients.join("venv");
    step(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let pip = |arguments: &[&str]| {
        let mut pip = Command::new(venv.join("bin/pip"));
        pip.args(["--quiet", "--disable-pip-version-check"]).args(arguments).current_dir(clients);
        pip
    };
    step(pip(&["install"]).args(BUILD_TOOLS))?;
    let sdist = ["--no-deps", "--no-build-isolation", "--no-binary", ":all:", HTTP_PARSER];
    step(pip(&["download"]).args(sdist))?;
    let archive = file_that_ends(clients, ".tar.gz")?;
    step(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(clients))?;
    let source = PathBuf::from(archive.to_string_lossy().trim_end_matches(".tar.gz"));
    // The C that it brings is too old for Python since 3.11; Cython writes it anew.
    fs::remove_file(source.join("http_parser/parser.c"))?;
    let cython = venv.join("bin/cython");
    step(Command::new(cython).args(["-3", "http_parser/parser.pyx"]).current_dir(&source))?;
    step(pip(&["install", "--no-build-isolation"]).arg(&source))?;
    step(pip(&["install"]).args(PYTHON_CLIENTS))
}

fn file_that_ends(dir: &Path, ending: &str) -> Result<PathBuf> {
    let mut paths = fs::read_dir(dir)?.flatten().map(|entry| entry.path());
    let found = paths.find(|path| path.to_string_lossy().ends_with(ending));
    found.with_context(|| format!("no file {ending} in {}", dir.display()))
}

/// Runs one step to its end; what it says is shown only if it fails.
fn step(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{command:?} failed ({}):\n{}", output.status, String::from_utf8_lossy(&said).trim());
    }
    Ok(())
}
