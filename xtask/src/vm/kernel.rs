//! A Debian kernel, downloaded and unpacked into the target folder; nothing is installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::toolchain::output;

const PREFIX: &str = "linux-image-";
/// Debian's kernels for virtual machines: small, and with BTF.
const SUFFIX: &str = "-cloud-amd64";
/// What a disk needs, in the order of loading; some kernels have some of them built in.
const MODULES: [&str; 6] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "virtio_blk",
];

/// One kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    /// As `uname -r` says it.
    pub(super) release: String,
    /// What qemu boots.
    pub(super) image: PathBuf,
    /// What the initramfs loads, in this order.
    pub(super) modules: Vec<PathBuf>,
}

impl Kernel {
    /// The newest kernel of a version or series: one that is here already, or Debian's.
    pub(super) fn find(version: &str, folder: &Path) -> Result<Self> {
        let here = folder.join("kernels");
        fs::create_dir_all(&here).with_context(|| format!("{}", here.display()))?;
        let names = here.read_dir()?.flatten().filter_map(|e| e.file_name().into_string().ok());
        let release = match newest(names, version) {
            Some(release) => release,
            None => download(version, &here)?,
        };
        let root = here.join(&release);
        let image = root.join("boot").join(format!("vmlinuz-{release}"));
        let tree = find_modules(&root, &release);
        let named = |name: &&str| tree.iter().find(|path| stem(path) == Some(*name)).cloned();
        let modules = MODULES.iter().filter_map(named).collect();
        Ok(Self { release, image, modules })
    }
}

/// Fetches Debian's package and unpacks it; tells its release.
fn download(version: &str, here: &Path) -> Result<String> {
    let listing = output(Command::new("apt-cache").args(["pkgnames", PREFIX]))?;
    let names = listing.lines().filter_map(|name| name.strip_prefix(PREFIX).map(str::to_owned));
    let names = names.filter(|name| name.ends_with(SUFFIX));
    let Some(release) = newest(names, version) else {
        bail!("apt knows no {PREFIX}{version}*{SUFFIX}: run `apt-get update`, or name another")
    };
    println!("downloading {PREFIX}{release}");
    let package = format!("{PREFIX}{release}");
    output(Command::new("apt-get").args(["download", &package]).current_dir(here))
        .with_context(|| format!("{package} can't be fetched: run `apt-get update`"))?;
    let files = here.read_dir()?.flatten().map(|entry| entry.path());
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with(&format!("{package}_"))
    };
    let archive = files.into_iter().find(is_ours).context("apt-get left no package")?;
    // Under another name until it is whole.
    let partial = here.join("unpacking");
    let _ = fs::remove_dir_all(&partial);
    output(Command::new("dpkg-deb").arg("-x").arg(&archive).arg(&partial))?;
    fs::rename(&partial, here.join(&release))?;
    fs::remove_file(&archive)?;
    Ok(release)
}

/// The newest of `names` that is of the version or series; packages that only point at others have
/// fewer numbers.
fn newest(names: impl Iterator<Item = String>, version: &str) -> Option<String> {
    let of_it = |name: &String| {
        let rest = name.strip_suffix(SUFFIX).and_then(|name| name.strip_prefix(version));
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    names.filter(of_it).filter(|name| numbers(name).len() > 3).max_by_key(|name| numbers(name))
}

fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

fn find_modules(root: &Path, release: &str) -> Vec<PathBuf> {
    // Newer packages have them below /usr.
    let roots = [root.to_owned(), root.join("usr")];
    let mut next: Vec<_> =
        roots.map(|root| root.join("lib/modules").join(release).join("kernel")).to_vec();
    let mut found = Vec::new();
    while let Some(dir) = next.pop() {
        for path in dir.read_dir().into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() { next.push(path) } else { found.push(path) }
        }
    }
    found
}

/// A module's name, however its file is compressed.
pub(super) fn stem(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.split_once(".ko").map(|(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_a_series_is_taken_and_no_other_series() {
        let names = [
            "6.1.0-9-cloud-amd64",
            "6.1.0-56-cloud-amd64",
            "6.1.0-57-amd64",
            "6.12-cloud-amd64",
            "6.12.100+deb12-cloud-amd64",
            "6.12.9+deb12-cloud-amd64",
        ];
        let of = |version| newest(names.iter().map(|name| (*name).to_owned()), version);
        assert_eq!(of("6.1").as_deref(), Some("6.1.0-56-cloud-amd64"));
        assert_eq!(of("6.12").as_deref(), Some("6.12.100+deb12-cloud-amd64"));
        assert_eq!(of("6.1.0-9").as_deref(), Some("6.1.0-9-cloud-amd64"));
        assert_eq!(of("5.10"), None);
    }
}
