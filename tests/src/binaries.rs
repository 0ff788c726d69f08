//! The product's programs: where the test run's driver put them, or built here once.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// Set by `cargo xtask test`, which has built them already.
const FOLDER: &str = "HEADROOM_TEST_PROGRAMS";

/// A program by its name.
pub(crate) fn find(name: &str) -> PathBuf {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| env::var_os(FOLDER).map_or_else(build, PathBuf::from)).join(name)
}

/// Builds into the target folder and profile that this test was built into.
fn build() -> PathBuf {
    let own = env::current_exe().expect("a test has a path");
    let folder = own.ancestors().nth(2).expect("target/<profile>/deps/<test>").to_owned();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--bins"]).current_dir(root);
    cargo.env("CARGO_TARGET_DIR", folder.parent().expect("a target folder"));
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().expect("cargo").success(), "the programs do not build");
    folder
}
