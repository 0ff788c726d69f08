//! Where things are: the workspace, its target directory, its own tools.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The folder of the workspace's Cargo.toml.
pub(crate) fn root() -> PathBuf {
    // Cargo says where it runs us from; a binary run by itself remembers where it was built.
    let xtask = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let xtask = xtask.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    xtask.parent().map_or_else(|| xtask.clone(), Path::to_path_buf)
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(target) => root().join(target),
        None => root().join("target"),
    }
}

/// Where tools that only this workspace needs are installed.
pub(crate) fn tools() -> PathBuf {
    target().join("tools")
}

/// A program among the workspace's tools or on the path.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let ours = std::iter::once(tools().join("bin"));
    ours.chain(env::split_paths(&path)).map(|folder| folder.join(name)).find(|file| file.is_file())
}
