//! The machine's files: a small initramfs that loads the disk's driver, and the disk with programs,
//! their libraries and busybox. A disk, because the kernel counts block I/O of disks only.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::{
    kernel::{Kernel, stem},
    programs::{self, Run},
};
use crate::{toolchain::output, workspace};

/// The first script, in the initramfs.
const INIT: &str = include_str!("init.sh");
/// The script that runs the tests, on the disk.
const GUEST: &str = include_str!("guest.sh");
/// Where busybox has less than what tests ask for.
const TOOLS: [&str; 12] = [
    "bash", "cut", "dash", "dd", "head", "seq", "setpriv", "setsid", "sleep", "tail", "taskset",
    "tr",
];
/// Taken along where they are installed; without them the tests of Docker are skipped.
const DOCKER: [&str; 5] = ["containerd", "containerd-shim-runc-v2", "docker", "dockerd", "runc"];
/// Room on the disk for what tests write.
const ROOM_MIB: u64 = 1024;
const PASSWD: &str =
    "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n";
const GROUP: &str = "root:x:0:\nnogroup:x:65534:\n";

/// What qemu is given.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) initramfs: PathBuf,
    pub(super) disk: PathBuf,
    /// The kernel's own words, for a look when something fails.
    pub(super) console: PathBuf,
    /// All that the guest said.
    pub(super) said: PathBuf,
}

/// Makes both.
pub(super) fn make(kernel: &Kernel, runs: &[Run], folder: &Path) -> Result<Image> {
    let image = Image {
        initramfs: folder.join("initramfs.cpio"),
        disk: folder.join("disk.ext4"),
        console: folder.join("console.log"),
        said: folder.join("guest.log"),
    };
    make_initramfs(kernel, &folder.join("initramfs"), &image.initramfs)?;
    make_disk(runs, &folder.join("disk"), &image.disk)?;
    Ok(image)
}

fn make_initramfs(kernel: &Kernel, root: &Path, archive: &Path) -> Result<()> {
    empty(root)?;
    copy(&program("busybox")?, &root.join("bin/busybox"))?;
    script(&root.join("init"), INIT)?;
    for dir in ["dev", "root", "modules"] {
        fs::create_dir_all(root.join(dir))?;
    }
    for (order, module) in kernel.modules.iter().enumerate() {
        let name = format!("modules/{order}-{}.ko", stem(module).unwrap_or_default());
        fs::write(root.join(name), unpacked(module)?)?;
    }
    let line = "find . | cpio --quiet --create --format newc --owner 0:0";
    let out = fs::File::create(archive)?;
    succeed(Command::new("sh").args(["-c", line]).current_dir(root).stdout(out))
}

/// A module's bytes; busybox' insmod takes them plain only.
fn unpacked(module: &Path) -> Result<Vec<u8>> {
    let decompressor = match module.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => return Ok(fs::read(module)?),
    };
    let mut command = Command::new(decompressor);
    let output = command.args(["-dc"]).arg(module).output();
    let output = output.with_context(|| format!("cannot run {decompressor}: install it"))?;
    if !output.status.success() {
        bail!("{}: {decompressor} refuses it", module.display());
    }
    Ok(output.stdout)
}

fn make_disk(runs: &[Run], root: &Path, disk: &Path) -> Result<()> {
    empty(root)?;
    for dir in ["dev", "proc", "sys", "tmp", "var/tmp", "etc", "root", "bin", "usr/bin"] {
        fs::create_dir_all(root.join(dir))?;
    }
    fs::write(root.join("etc/passwd"), PASSWD)?;
    fs::write(root.join("etc/group"), GROUP)?;
    copy(&program("busybox")?, &root.join("bin/busybox"))?;
    symlink("/usr/bin/dash", root.join("bin/sh"))?;
    script(&root.join("guest"), GUEST)?;
    let mut programs: Vec<(PathBuf, PathBuf)> = Vec::new();
    for tool in TOOLS {
        programs.push((program(tool)?, Path::new("/usr/bin").join(tool)));
    }
    for part in DOCKER.iter().filter_map(|name| Some((program(name).ok()?, name))) {
        programs.push((part.0, Path::new("/usr/bin").join(part.1)));
    }
    // Where they were built: tests remember the place.
    let built = ["headroom", "headroom-agent", "headroom-allocator"];
    let built = built.map(|name| programs::folder().join(name)).into_iter();
    let built = built.chain(runs.iter().map(|run| run.program.clone()));
    programs.extend(built.map(|path| (path.clone(), path)));
    let mut libraries = BTreeSet::new();
    for (from, to) in &programs {
        copy(from, &inside(root, to))?;
        libraries.extend(libraries_of(from));
    }
    for library in libraries {
        copy(&library, &inside(root, &library))?;
    }
    let line =
        |run: &Run| format!("{} {} {}\n", run.name, run.program.display(), run.arguments.join(" "));
    fs::write(root.join("runs"), runs.iter().map(line).collect::<String>())?;
    let folder = programs::folder();
    fs::write(root.join("programs"), folder.to_string_lossy().as_bytes())?;
    let used = output(Command::new("du").args(["-sm"]).arg(root))?;
    let used: u64 = used.split_whitespace().next().unwrap_or_default().parse()?;
    let _ = fs::remove_file(disk);
    let mut mke2fs = Command::new("mke2fs");
    mke2fs.args(["-q", "-t", "ext4", "-E", "root_owner=0:0", "-d"]).arg(root).arg(disk);
    succeed(mke2fs.arg(format!("{}M", used + ROOM_MIB)))
}

/// The shared libraries of a program, as ldd(1) finds them.
fn libraries_of(program: &Path) -> Vec<PathBuf> {
    let listing = output(Command::new("ldd").arg(program)).unwrap_or_default();
    let paths = listing.lines().filter_map(|line| {
        let path = line.rsplit("=> ").next()?.split_whitespace().next()?;
        path.starts_with('/').then(|| PathBuf::from(path))
    });
    paths.collect()
}

fn program(name: &str) -> Result<PathBuf> {
    workspace::find_program(name).with_context(|| format!("{name} is missing"))
}

fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn empty(dir: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir).with_context(|| format!("{}", dir.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::copy(from, to).with_context(|| format!("{} to {}", from.display(), to.display()))?;
    Ok(())
}

fn script(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status();
    let status = status.with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}
