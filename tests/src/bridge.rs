//! A network bridge of the test's own, which its Docker daemon puts containers at.

use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

/// Networks of the node that are taken for tests: `10.213.N.0/24` for the bridge and
/// `10.214.N.0/24` for a network that is made at Docker.
const NUMBERS: u32 = 250;
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Removed with it.
#[derive(Debug)]
pub struct Bridge {
    name: String,
    number: u32,
}

impl Bridge {
    /// Makes one; none, and said why, where that is not allowed.
    #[must_use]
    pub fn new() -> Option<Self> {
        let pid = std::process::id();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // The guard knows it by the beginning of its name.
        let name = format!("hr{pid}b{count}");
        let taken = ip(&["-o", "address"]).unwrap_or_default();
        let is_free = |number: &u32| !taken.contains(&format!(" 10.213.{number}."));
        let number = (0..NUMBERS).map(|n| (pid * 7 + count + n) % NUMBERS).find(is_free)?;
        let bridge = Self { name, number };
        let made = ip(&["link", "add", &bridge.name, "type", "bridge"])
            .and_then(|_| {
                ip(&["address", "add", &format!("{}/24", bridge.gateway()), "dev", &bridge.name])
            })
            .and_then(|_| ip(&["link", "set", &bridge.name, "up"]));
        if made.is_none() {
            println!("skipped: no network bridge can be made here (ip, of Debian's iproute2)");
        }
        made.map(|_| bridge)
    }

    /// As the kernel knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The node's address at it.
    #[must_use]
    pub fn gateway(&self) -> String {
        format!("10.213.{}.1", self.number)
    }

    /// What `docker network create` is told for another one, which goes with this one.
    #[must_use]
    pub fn other(&self) -> [String; 4] {
        let name = format!("com.docker.network.bridge.name={}", self.other_name());
        ["--opt".into(), name, "--subnet".into(), format!("10.214.{}.0/24", self.number)]
    }

    fn other_name(&self) -> String {
        self.name.replacen('b', "u", 1)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        for name in [&self.name, &self.other_name()] {
            if fs::exists(format!("/sys/class/net/{name}")).unwrap_or(true) {
                let _ = ip(&["link", "delete", name]);
            }
        }
    }
}

fn ip(arguments: &[&str]) -> Option<String> {
    let output = Command::new("ip").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
