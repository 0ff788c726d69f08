//! A Docker daemon of the test's own, with one small image, cleared up with the test.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::{
    mount::{MntFlags, umount2},
    sys::signal::Signal,
};

use crate::{Bridge, House, Settings, daemon::Daemon, patience::wait_until};

/// The image that is there: busybox, and the file `/marker`.
pub const IMAGE: &str = "headroom-test/busybox:1";
const BUSYBOX: [&str; 2] = ["/usr/bin/busybox", "/bin/busybox"];
const APPLETS: [&str; 12] =
    ["sh", "echo", "cat", "sleep", "tail", "id", "env", "touch", "hostname", "head", "wc", "ls"];

/// See the module.
#[derive(Debug)]
pub struct Docker {
    daemon: Option<Daemon>,
    flags: Vec<&'static str>,
    bridge: Option<Bridge>,
    house: House,
}

impl Docker {
    /// Starts one and makes the image; none, and said why, where the programs are not installed.
    #[must_use]
    pub fn start(flags: &[&'static str]) -> Option<Self> {
        Self::start_at(flags, None)
    }

    /// The same with a bridge; ports of the node that lead to containers are those of 127.0.0.1.
    #[must_use]
    pub fn start_bridged(flags: &[&'static str]) -> Option<Self> {
        Self::start_at(flags, Some(Bridge::new()?))
    }

    fn start_at(flags: &[&'static str], bridge: Option<Bridge>) -> Option<Self> {
        let busybox = BUSYBOX.iter().find(|path| Path::new(path).is_file());
        let (Some(busybox), true) = (busybox, is_installed("dockerd") && is_installed("docker"))
        else {
            println!("skipped: Debian's packages docker.io and busybox-static are not installed");
            return None;
        };
        let mut docker = Self { daemon: None, flags: flags.to_vec(), bridge, house: House::new() };
        docker.start_again();
        docker.import(Path::new(busybox), IMAGE, &[]);
        Some(docker)
    }

    /// Starts it where it was.
    ///
    /// # Panics
    /// It does not answer.
    pub fn start_again(&mut self) {
        let dir = self.house.path();
        let mut command = Command::new("dockerd");
        let bridge = self.bridge.as_ref().map_or("none", Bridge::name);
        command.args(["--iptables=false", "--bridge", bridge, "--storage-driver=vfs"]);
        command.args(["--ip", "127.0.0.1"]);
        command.args(["--exec-opt", "native.cgroupdriver=cgroupfs"]);
        // A containerd of the machine's would otherwise be shared.
        let namespace = dir.file_name().expect("a name").to_string_lossy().into_owned();
        command.args(["--containerd-namespace", &namespace]);
        command.args(["--containerd-plugins-namespace", &format!("{namespace}-plugins")]);
        command.arg("--data-root").arg(dir.join("data"));
        command.arg("--exec-root").arg(dir.join("exec"));
        command.arg("--pidfile").arg(dir.join("pid"));
        command.arg("--host").arg(format!("unix://{}", self.socket().display())).args(&self.flags);
        command.stdin(Stdio::null());
        let mut daemon = Daemon::start(command, &dir.join("dockerd.log"));
        wait_until("Docker answers", || {
            assert!(!daemon.has_ended(), "dockerd ended: {}", daemon.log());
            self.command(&["version"]).output().is_ok_and(|output| output.status.success())
        });
        self.daemon = Some(daemon);
    }

    /// Stops it; what it does to containers its flags say.
    pub fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.signal(Signal::SIGTERM);
            let _ = daemon.wait();
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.house.path().join("docker.sock")
    }

    /// The settings with an agent that uses it.
    #[must_use]
    pub fn settings(&self, settings: Settings) -> Settings {
        settings.agent(&format!("docker_socket = {:?}\n", self.socket()))
    }

    /// The bridge its containers are at.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn bridge(&self) -> &Bridge {
        self.bridge.as_ref().expect("a bridge")
    }

    /// Ends it at once, as a crash would.
    pub fn crash(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.signal(Signal::SIGKILL);
            let _ = daemon.wait();
        }
        // Its containerd ends with it; where nobody reaps that, the next daemon takes it for alive.
        let _ = fs::remove_file(self.house.path().join("exec/containerd/containerd.pid"));
    }

    /// What `docker ARGUMENTS` prints.
    ///
    /// # Panics
    /// It fails.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("docker");
        assert!(output.status.success(), "docker {arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The names of all containers, ended ones too.
    #[must_use]
    pub fn containers(&self) -> Vec<String> {
        let names = self.run(&["ps", "--all", "--format", "{{.Names}}"]);
        names.lines().map(str::to_owned).collect()
    }

    /// The image again with a change, such as `CMD ["ls"]`.
    pub fn image_with(&self, name: &str, change: &str) {
        let busybox = BUSYBOX.iter().find(|path| Path::new(path).is_file()).expect("busybox");
        self.import(Path::new(busybox), name, &["--change", change]);
    }

    fn import(&self, busybox: &Path, name: &str, options: &[&str]) {
        let root = tempfile::tempdir_in(self.house.path()).expect("a directory");
        let bin = root.path().join("bin");
        fs::create_dir_all(&bin).expect("a directory");
        fs::create_dir(root.path().join("tmp")).expect("a directory");
        fs::copy(busybox, bin.join("busybox")).expect("busybox");
        for applet in APPLETS {
            symlink("busybox", bin.join(applet)).expect("an applet");
        }
        fs::write(root.path().join("marker"), "in the image\n").expect("a marker");
        let archive = self.house.path().join("image.tar");
        let mut tar = Command::new("tar");
        tar.arg("-cf").arg(&archive).arg("-C").arg(root.path()).arg(".");
        assert!(tar.status().expect("tar").success());
        let archive = archive.to_string_lossy().into_owned();
        let _ = self.run(&[&["import"], options, &[&archive, name]].concat());
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.arg("--host").arg(format!("unix://{}", self.socket().display())).args(arguments);
        command.stdin(Stdio::null());
        command
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.signal(Signal::SIGTERM);
            // Its own children are ended with the house if it hangs.
            if !std::thread::panicking() {
                let _ = daemon.wait();
            }
        }
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        let ours = places.filter(|place| Path::new(place).starts_with(self.house.path()));
        for place in ours.collect::<Vec<_>>().into_iter().rev() {
            let _ = umount2(place, MntFlags::MNT_DETACH);
        }
    }
}

pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}
