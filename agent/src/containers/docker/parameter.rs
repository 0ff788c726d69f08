//! The parameters of a Docker container that are known: flags of `docker run`, each put where the
//! API has it. What would take the container out of our control group, or out of what the task
//! was given, is not among them.

use bollard::models::{ContainerCreateBody, DeviceMapping, HostConfig, ResourcesUlimits};

/// The keys that are understood, for the message about one that is not.
pub(super) const KNOWN: &str = "add-host, cap-add, cap-drop, device, dns, entrypoint, env, \
    hostname, init, label, memory-swap, read-only, security-opt, shm-size, tmpfs, ulimit, user, \
    workdir";
/// Labels that begin so are the agent's.
pub(super) const OWN_LABELS: &str = "headroom.";

/// Adds one parameter to the container; the error is a sentence.
pub(super) fn apply(body: &mut ContainerCreateBody, key: &str, value: &str) -> Result<(), String> {
    let wrong = |what: &str| format!("the Docker parameter {key}={value:?} {what}");
    let host = body.host_config.get_or_insert_with(HostConfig::default);
    let text = value.to_owned();
    match key {
        "add-host" => add(&mut host.extra_hosts, text),
        "cap-add" => add(&mut host.cap_add, text),
        "cap-drop" => add(&mut host.cap_drop, text),
        "device" => add(&mut host.devices, device(value).ok_or_else(|| wrong("names no device"))?),
        "dns" => add(&mut host.dns, text),
        "entrypoint" => body.entrypoint = Some(vec![text]),
        "env" => add(&mut body.env, text),
        "hostname" => body.hostname = Some(text),
        "init" => host.init = Some(switch(value).ok_or_else(|| wrong(NO_SWITCH))?),
        "label" => {
            let (name, value) = value.split_once('=').unwrap_or((value, ""));
            if name.is_empty() || name.starts_with(OWN_LABELS) {
                return Err(wrong("is not a label that a task can set"));
            }
            body.labels.get_or_insert_default().insert(name.to_owned(), value.to_owned());
        }
        "memory-swap" => {
            host.memory_swap = Some(match value {
                "-1" => -1,
                _ => bytes(value).ok_or_else(|| wrong(NO_SIZE))?,
            });
        }
        "read-only" => {
            host.readonly_rootfs = Some(switch(value).ok_or_else(|| wrong(NO_SWITCH))?);
        }
        "security-opt" => add(&mut host.security_opt, text),
        "shm-size" => host.shm_size = Some(bytes(value).ok_or_else(|| wrong(NO_SIZE))?),
        "tmpfs" => {
            let (path, options) = value.split_once(':').unwrap_or((value, ""));
            host.tmpfs.get_or_insert_default().insert(path.to_owned(), options.to_owned());
        }
        "ulimit" => {
            let limit = ulimit(value).ok_or_else(|| wrong("is not NAME=SOFT or NAME=SOFT:HARD"))?;
            add(&mut host.ulimits, limit);
        }
        "user" => body.user = Some(text),
        "workdir" => body.working_dir = Some(text),
        _ => {
            return Err(format!(
                "the Docker parameter {key:?} is not one of those that can be given: {KNOWN}"
            ));
        }
    }
    Ok(())
}

const NO_SWITCH: &str = "is neither true nor false";
const NO_SIZE: &str = "is no size such as 67108864, 64m or 1g";

fn add<T>(list: &mut Option<Vec<T>>, item: T) {
    list.get_or_insert_default().push(item);
}

/// A flag without a value is set.
fn switch(value: &str) -> Option<bool> {
    match value {
        "" | "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// Bytes, or with one of Docker's units: b, k, m, g, each in either case.
fn bytes(value: &str) -> Option<i64> {
    let lower = value.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &lower[digits.len()..] {
        "" | "b" => 0,
        "k" | "kb" => 10,
        "m" | "mb" => 20,
        "g" | "gb" => 30,
        _ => return None,
    };
    digits.parse::<i64>().ok().filter(|n| *n >= 0)?.checked_mul(1 << shift)
}

/// `HOST[:CONTAINER][:rwm]`.
fn device(value: &str) -> Option<DeviceMapping> {
    let mut parts: Vec<&str> = value.split(':').collect();
    let is_permissions = |part: &str| !part.is_empty() && part.chars().all(|c| "rwm".contains(c));
    let permissions = match parts.last() {
        Some(last) if parts.len() > 1 && is_permissions(last) => parts.pop(),
        _ => None,
    };
    let (host, inside) = match parts[..] {
        [host] => (host, host),
        [host, inside] => (host, inside),
        _ => return None,
    };
    (host.starts_with('/') && inside.starts_with('/')).then(|| DeviceMapping {
        path_on_host: Some(host.to_owned()),
        path_in_container: Some(inside.to_owned()),
        cgroup_permissions: Some(permissions.unwrap_or("rwm").to_owned()),
    })
}

/// `NAME=SOFT[:HARD]`.
fn ulimit(value: &str) -> Option<ResourcesUlimits> {
    let (name, limits) = value.split_once('=')?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    (!name.is_empty()).then_some(())?;
    Some(ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(soft.parse().ok()?),
        hard: Some(hard.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(parameters: &[(&str, &str)]) -> Result<ContainerCreateBody, String> {
        let mut body = ContainerCreateBody::default();
        parameters.iter().try_for_each(|(key, value)| apply(&mut body, key, value))?;
        Ok(body)
    }

    #[test]
    fn every_known_key_is_put_somewhere() {
        let value = |key: &str| match key {
            "device" => "/dev/null",
            "init" | "read-only" => "true",
            "memory-swap" | "shm-size" => "64m",
            "ulimit" => "nofile=1024",
            _ => "a=b",
        };
        for key in KNOWN.split(", ").map(str::trim) {
            let body = with(&[(key, value(key))]).unwrap_or_else(|e| panic!("{e}"));
            let empty = ContainerCreateBody {
                host_config: Some(HostConfig::default()),
                ..ContainerCreateBody::default()
            };
            assert_ne!(body, empty, "{key} changes nothing");
        }
    }

    #[test]
    fn values_are_read_as_docker_reads_them() {
        let body = with(&[
            ("shm-size", "64M"),
            ("memory-swap", "-1"),
            ("ulimit", "nofile=1024:2048"),
            ("device", "/dev/a:/dev/b:r"),
            ("device", "/dev/a:/dev/b"),
            ("init", ""),
            ("tmpfs", "/run:rw,size=1m"),
            ("label", "a"),
        ])
        .expect("all known");
        let host = body.host_config.expect("a host part");
        assert_eq!((host.shm_size, host.memory_swap), (Some(64 << 20), Some(-1)));
        let limit = &host.ulimits.expect("limits")[0];
        assert_eq!((limit.soft, limit.hard), (Some(1024), Some(2048)));
        let devices = host.devices.expect("devices");
        assert_eq!(devices[0].cgroup_permissions.as_deref(), Some("r"));
        assert_eq!(devices[1].cgroup_permissions.as_deref(), Some("rwm"));
        assert_eq!(devices[1].path_in_container.as_deref(), Some("/dev/b"));
        assert_eq!(host.init, Some(true));
        assert_eq!(host.tmpfs.expect("tmpfs")["/run"], "rw,size=1m");
        assert_eq!(body.labels.expect("labels")["a"], "");
    }

    #[test]
    fn others_are_refused_with_what_there_is() {
        for (key, value, word) in [
            ("cgroup-parent", "/", "ulimit"),
            ("memory", "1g", "ulimit"),
            ("pid", "host", "can be given"),
            ("privileged", "", "can be given"),
            ("label", "headroom.agent=x", "label"),
            ("init", "maybe", "true nor false"),
            ("shm-size", "1x", "size"),
            ("shm-size", "-1", "size"),
            ("shm-size", "99999999999g", "size"),
            ("ulimit", "nofile", "SOFT"),
            ("device", "null", "device"),
        ] {
            let error = with(&[(key, value)]).expect_err(key);
            assert!(error.contains(word) && error.contains(key), "{error}");
        }
    }
}
