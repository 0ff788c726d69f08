//! A registry of images of the test's own that asks who wants them (Debian's package docker-registry).

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{House, daemon::Daemon, docker::is_installed, patience::wait_until};

const USER: &str = "someone";
/// The user and the password `p~s?w>rd~~??>>`, in whose message to Docker the two alphabets of base64 differ.
const AUTH: &str = "c29tZW9uZTpwfnM/dz5yZH5+Pz8+Pg==";
/// Of that password, by bcrypt.
const HASH: &str = "$2b$05$abcdefghijklmnopqrstuuVqVmfhKHn9eqKqcQhkhjOprAMbSQ3Ui";

/// Ends with it.
#[derive(Debug)]
pub struct Registry {
    _daemon: Daemon,
    house: House,
    address: String,
}

impl Registry {
    /// Starts one; none, and said so, where it is not installed.
    ///
    /// # Panics
    /// It ends by itself.
    #[must_use]
    pub fn start() -> Option<Self> {
        if !is_installed("docker-registry") {
            println!("skipped: Debian's package docker-registry is not installed");
            return None;
        }
        let house = House::new();
        let bound = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
        let address = bound.to_string();
        let users = house.write("users", &format!("{USER}:{HASH}\n"));
        let config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {:?}}}}}\n\
             http: {{addr: {address:?}}}\n\
             auth: {{htpasswd: {{realm: test, path: {users:?}}}}}\n",
            house.path().join("images"),
        );
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(house.write("registry.yml", &config)).stdin(Stdio::null());
        let mut daemon = Daemon::start(command, &house.path().join("registry.log"));
        wait_until("the registry answers", || {
            assert!(!daemon.has_ended(), "docker-registry ended: {}", daemon.log());
            std::net::TcpStream::connect(&address).is_ok()
        });
        Some(Self { _daemon: daemon, house, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A file as `docker login` writes it, for this registry.
    #[must_use]
    pub fn credentials(&self) -> String {
        format!(r#"{{"auths": {{{:?}: {{"auth": {AUTH:?}}}}}}}"#, self.address)
    }

    /// The folder that `docker --config` takes, with such a file in it.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        let file = self.house.write("config.json", &self.credentials());
        file.parent().map(Path::to_owned).unwrap_or_default()
    }
}
