//! Who we are at a registry, as the `docker` command keeps it in its `config.json`, and kept it in
//! `.dockercfg` before.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bollard::auth::DockerCredentials;
use serde::Deserialize;

/// A longer file is none of these.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Where images come from that name no registry, and its other names.
const HUB: &str = "docker.io";
const HUB_TOO: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];
/// Where a task may have such files fetched to, below its sandbox.
const IN_SANDBOX: [&str; 2] = [".docker/config.json", ".dockercfg"];

#[derive(Deserialize)]
struct Entry {
    /// `USER:PASSWORD`, in base64.
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

/// What the registry of `image` is told: by the task's own file, or else by the agent's. The error is
/// a sentence.
pub(super) fn of_image(
    image: &str,
    sandbox: &Path,
    of_agent: Option<&Path>,
) -> Result<Option<DockerCredentials>, String> {
    let registry = registry_of(image);
    let own = IN_SANDBOX.iter().filter_map(|name| within(sandbox, name));
    for file in own.chain(of_agent.map(Path::to_owned)) {
        if let Some(found) = read(&file, registry)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The file, if it is there and no link leads out of the sandbox: the supervisor reads more than its task may.
fn within(sandbox: &Path, name: &str) -> Option<PathBuf> {
    let file = sandbox.join(name).canonicalize().ok()?;
    file.starts_with(sandbox.canonicalize().ok()?).then_some(file)
}

fn read(file: &Path, registry: &str) -> Result<Option<DockerCredentials>, String> {
    let told = |fault: &dyn std::fmt::Display| {
        format!("the registries' credentials in {} cannot be used: {fault}", file.display())
    };
    let mut text = String::new();
    let read =
        File::open(file).and_then(|file| file.take(MAX_FILE_BYTES).read_to_string(&mut text));
    read.map_err(|fault: io::Error| told(&fault))?;
    let all: serde_json::Value = serde_json::from_str(&text).map_err(|fault| told(&fault))?;
    let entries = all.get("auths").unwrap_or(&all);
    let entries: BTreeMap<String, serde_json::Value> =
        Deserialize::deserialize(entries).map_err(|fault: serde_json::Error| told(&fault))?;
    let Some((key, entry)) = entries.into_iter().find(|(key, _)| host_of(key) == registry) else {
        return Ok(None);
    };
    let entry: Entry = serde_json::from_value(entry).map_err(|fault| told(&fault))?;
    credentials(key, entry).map(Some).map_err(|fault| told(&fault))
}

fn credentials(server: String, entry: Entry) -> Result<DockerCredentials, String> {
    let Entry { auth, mut username, mut password, identitytoken } = entry;
    if let Some(auth) = auth.filter(|auth| !auth.is_empty()) {
        let both = BASE64.decode(auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let both = both.as_deref().and_then(|both| both.split_once(':'));
        let (user, secret) = both.ok_or_else(|| format!("`auth` of {server} is damaged"))?;
        (username, password) = (Some(user.to_owned()), Some(secret.to_owned()));
    }
    Ok(DockerCredentials {
        username,
        password,
        identitytoken,
        serveraddress: Some(server),
        ..DockerCredentials::default()
    })
}

/// By Docker's rule the first part of a name is a registry if it could be a host.
fn registry_of(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host_of(host),
        _ => HUB,
    }
}

/// Keys may be addresses, such as `https://index.docker.io/v1/`.
fn host_of(key: &str) -> &str {
    let bare = key.trim_start_matches("https://").trim_start_matches("http://");
    let host = bare.split('/').next().unwrap_or(bare);
    if HUB_TOO.contains(&host) { HUB } else { host }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn auth(user: &str, password: &str) -> String {
        BASE64.encode(format!("{user}:{password}"))
    }

    #[test]
    fn a_registry_is_found_by_any_of_its_names() {
        for (image, registry) in [
            ("busybox", "docker.io"),
            ("team/app:1", "docker.io"),
            ("index.docker.io/team/app", "docker.io"),
            ("localhost/app", "localhost"),
            ("host:5000/team/app:2", "host:5000"),
            ("registry.example.org/app@sha256:0a", "registry.example.org"),
        ] {
            assert_eq!(registry_of(image), registry);
        }
        for key in ["https://index.docker.io/v1/", "docker.io", "http://registry-1.docker.io"] {
            assert_eq!(host_of(key), "docker.io");
        }
    }

    #[test]
    fn the_task_s_own_file_goes_before_the_agent_s() {
        let dir = tempfile::tempdir().expect("a directory");
        let sandbox = dir.path().join("sandbox");
        fs::create_dir_all(sandbox.join(".docker")).expect("directories");
        let of_agent = dir.path().join("config.json");
        let entry =
            |user| format!(r#""https://host:5000/v2/": {{"auth": {:?}}}"#, auth(user, "a:b"));
        fs::write(&of_agent, format!(r#"{{"auths": {{{}}}, "credsStore": "x"}}"#, entry("agent")))
            .expect("a file");
        let user = |image: &str| {
            let found = of_image(image, &sandbox, Some(&of_agent)).expect("readable");
            found.map(|found| (found.username.expect("a user"), found.password.expect("a word")))
        };
        assert_eq!(user("other:5000/app"), None);
        assert_eq!(user("host:5000/app"), Some(("agent".into(), "a:b".into())));
        fs::write(sandbox.join(".dockercfg"), format!("{{{}}}", entry("task"))).expect("a file");
        assert_eq!(user("host:5000/app"), Some(("task".into(), "a:b".into())));
        // A link out of the sandbox is passed over.
        fs::remove_file(sandbox.join(".dockercfg")).expect("removed");
        std::os::unix::fs::symlink(&of_agent, sandbox.join(".docker/config.json")).expect("a link");
        assert_eq!(user("host:5000/app"), Some(("agent".into(), "a:b".into())));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("config.json");
        let fault = || of_image("h:1/app", dir.path(), Some(&file)).expect_err("no credentials");
        assert!(fault().contains("config.json") && fault().contains("No such file"), "{}", fault());
        fs::write(&file, r#"{"auths": {"h:1": {"auth": "AAAA"}}}"#).expect("a file");
        assert!(fault().contains("damaged"), "{}", fault());
    }
}
