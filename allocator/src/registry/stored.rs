//! How records look on disk: a key that names the thing, and JSON a person can read.

use headroom_core::{
    command::FrameworkInfo,
    effect::Record,
    ids::{AgentId, FrameworkId},
    maintenance::{MachineId, Maintenance, Unavailability, Window},
    quota::{Quota, UNLIMITED},
    resources::{Amounts, KINDS},
    standing::{Drain, Standing},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::time::Duration;

#[derive(Serialize, Deserialize)]
struct StoredFramework {
    name: String,
    /// In place of `roles`, in records of an allocator that knew of one role only.
    #[serde(default, skip_serializing)]
    role: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    user: String,
    failover_timeout_ms: u64,
    accepts_revocable: bool,
    only_revocable: bool,
    #[serde(default)]
    says_wants: bool,
    /// What a Mesos framework said of itself, encoded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    mesos: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct StoredAgent {
    hostname: String,
}

#[derive(Serialize, Deserialize)]
struct StoredRole {
    weight_milli: u64,
    opportunistic: bool,
}

/// Thousandths of each kind, in the core's order; a kind without a limit has none.
#[derive(Serialize, Deserialize)]
struct StoredQuota {
    guarantee_milli: [u64; KINDS],
    limit_milli: [Option<u64>; KINDS],
}

/// What operators decided about an agent.
#[derive(Serialize, Deserialize)]
#[serde(tag = "standing", rename_all = "snake_case")]
enum StoredStanding {
    Deactivated,
    Draining(StoredDrain),
    Drained(StoredDrain),
    Gone,
}

#[derive(Serialize, Deserialize)]
struct StoredDrain {
    max_grace_ms: Option<u64>,
    mark_gone: bool,
}

impl From<Drain> for StoredDrain {
    fn from(drain: Drain) -> Self {
        let ms = |grace: Duration| u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        Self { max_grace_ms: drain.max_grace.map(ms), mark_gone: drain.mark_gone }
    }
}

impl From<StoredDrain> for Drain {
    fn from(stored: StoredDrain) -> Self {
        let max_grace = stored.max_grace_ms.map(Duration::from_millis);
        Self { max_grace, mark_gone: stored.mark_gone }
    }
}

impl StoredStanding {
    fn of(standing: Standing) -> Option<Self> {
        Some(match standing {
            Standing::Active => return None,
            Standing::Deactivated => Self::Deactivated,
            Standing::Draining(drain) => Self::Draining(drain.into()),
            Standing::Drained(drain) => Self::Drained(drain.into()),
            Standing::Gone => Self::Gone,
        })
    }
}

impl From<StoredStanding> for Standing {
    fn from(stored: StoredStanding) -> Self {
        match stored {
            StoredStanding::Deactivated => Self::Deactivated,
            StoredStanding::Draining(drain) => Self::Draining(drain.into()),
            StoredStanding::Drained(drain) => Self::Drained(drain.into()),
            StoredStanding::Gone => Self::Gone,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct StoredMaintenance {
    windows: Vec<StoredWindow>,
}

#[derive(Serialize, Deserialize)]
struct StoredWindow {
    start_ns: i64,
    duration_ns: Option<i64>,
    machines: Vec<StoredMachine>,
}

#[derive(Serialize, Deserialize)]
struct StoredMachine {
    hostname: String,
    ip: String,
    down: bool,
}

impl StoredMaintenance {
    fn of(maintenance: &Maintenance) -> Self {
        let machine = |machine: &MachineId| StoredMachine {
            hostname: machine.hostname.clone(),
            ip: machine.ip.clone(),
            down: maintenance.down().contains(machine),
        };
        let windows = maintenance.windows().iter().map(|window| StoredWindow {
            start_ns: window.unavailability.start_ns,
            duration_ns: window.unavailability.duration_ns,
            machines: window.machines.iter().map(machine).collect(),
        });
        Self { windows: windows.collect() }
    }
}

impl From<StoredMaintenance> for Maintenance {
    fn from(stored: StoredMaintenance) -> Self {
        let mut down = std::collections::BTreeSet::new();
        let windows = stored.windows.into_iter().map(|window| {
            let machines = window.machines.into_iter().map(|stored| {
                let machine = MachineId::new(&stored.hostname, &stored.ip);
                if stored.down {
                    down.insert(machine.clone());
                }
                machine
            });
            let machines = machines.collect();
            let StoredWindow { start_ns, duration_ns, .. } = window;
            Window { machines, unavailability: Unavailability { start_ns, duration_ns } }
        });
        let windows = windows.collect();
        Self::new(windows, down)
    }
}

/// What a record is of: a later record of the same key replaces it.
pub(crate) fn key(record: &Record) -> String {
    match record {
        Record::Framework(id, _) | Record::FrameworkRemoved(id) => format!("framework/{id}"),
        Record::Agent(id, _) | Record::AgentRemoved(id) => format!("agent/{id}"),
        Record::Reservations(id, _) => format!("reservations/{id}"),
        Record::Maintenance(_) => "maintenance/schedule".to_owned(),
        Record::Standing(id, _) => format!("standing/{id}"),
        Record::Role(name, ..) | Record::RoleReset(name) => format!("role/{name}"),
        Record::Quota(name, _) | Record::QuotaRemoved(name) => format!("quota/{name}"),
    }
}

/// The value under its key; none: nothing is there any more.
pub(super) fn encode(record: &Record) -> Option<Vec<u8>> {
    match record {
        Record::Framework(_, info) => json(&StoredFramework {
            name: info.name.clone(),
            role: None,
            roles: info.roles.clone(),
            user: info.user.clone(),
            failover_timeout_ms: u64::try_from(info.failover_timeout.as_millis())
                .unwrap_or(u64::MAX),
            accepts_revocable: info.accepts_revocable,
            only_revocable: info.only_revocable,
            says_wants: info.says_wants,
            mesos: info.payload.clone(),
        }),
        Record::Agent(_, hostname) => json(&StoredAgent { hostname: hostname.clone() }),
        Record::Role(_, weight_milli, opportunistic) => {
            json(&StoredRole { weight_milli: *weight_milli, opportunistic: *opportunistic })
        }
        Record::Maintenance(maintenance) if maintenance.windows().is_empty() => None,
        Record::Maintenance(maintenance) => json(&StoredMaintenance::of(maintenance)),
        Record::Standing(_, standing) => json(&StoredStanding::of(*standing)?),
        Record::Reservations(_, parts) if parts.is_empty() => None,
        Record::Reservations(_, parts) => json(parts),
        Record::Quota(_, quota) => json(&StoredQuota {
            guarantee_milli: quota.guarantee.0,
            limit_milli: quota.limit.0.map(|limit| (limit < u64::MAX).then_some(limit)),
        }),
        Record::FrameworkRemoved(_)
        | Record::AgentRemoved(_)
        | Record::RoleReset(_)
        | Record::QuotaRemoved(_) => None,
    }
}

/// Texts and numbers always have a JSON form, so none stands only for a removed record.
fn json<T: Serialize>(value: &T) -> Option<Vec<u8>> {
    serde_json::to_vec(value).ok()
}

pub(super) fn decode(key: &str, value: &[u8]) -> Result<Record, String> {
    let (kind, name) = key.split_once('/').ok_or("the key names no kind")?;
    match kind {
        "framework" => {
            let id: FrameworkId = name.parse().map_err(|error| format!("{error}"))?;
            let stored: StoredFramework = from_json(value)?;
            let info = FrameworkInfo {
                name: stored.name,
                roles: stored.role.into_iter().chain(stored.roles).collect(),
                user: stored.user,
                failover_timeout: Duration::from_millis(stored.failover_timeout_ms),
                accepts_revocable: stored.accepts_revocable,
                only_revocable: stored.only_revocable,
                says_wants: stored.says_wants,
                payload: stored.mesos,
                // It says them anew when it comes back, and is offered nothing before.
                ..FrameworkInfo::default()
            };
            Ok(Record::Framework(id, info))
        }
        "agent" => {
            let id: AgentId = name.parse().map_err(|error| format!("{error}"))?;
            Ok(Record::Agent(id, from_json::<StoredAgent>(value)?.hostname))
        }
        // After "agent": their agents are known by then.
        "reservations" => {
            let id: AgentId = name.parse().map_err(|error| format!("{error}"))?;
            Ok(Record::Reservations(id, from_json(value)?))
        }
        "maintenance" => {
            let stored: StoredMaintenance = from_json(value)?;
            Ok(Record::Maintenance(stored.into()))
        }
        "standing" => {
            let id: AgentId = name.parse().map_err(|error| format!("{error}"))?;
            Ok(Record::Standing(id, from_json::<StoredStanding>(value)?.into()))
        }
        "role" => {
            let stored: StoredRole = from_json(value)?;
            Ok(Record::Role(name.to_owned(), stored.weight_milli, stored.opportunistic))
        }
        "quota" => {
            let stored: StoredQuota = from_json(value)?;
            let mut limit = UNLIMITED;
            for (kind, stored) in limit.0.iter_mut().zip(stored.limit_milli) {
                *kind = stored.unwrap_or(*kind);
            }
            let quota = Quota { guarantee: Amounts(stored.guarantee_milli), limit };
            Ok(Record::Quota(name.to_owned(), quota))
        }
        other => Err(format!("{other:?} is no kind of record")),
    }
}

fn from_json<T: DeserializeOwned>(value: &[u8]) -> Result<T, String> {
    serde_json::from_slice(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_decided_about_an_agent_comes_back() {
        let id = AgentId::from_number(7);
        let drain = Drain { max_grace: Some(Duration::from_secs(9)), mark_gone: true };
        for standing in [
            Standing::Deactivated,
            Standing::Draining(drain),
            Standing::Drained(Drain::default()),
            Standing::Gone,
        ] {
            let record = Record::Standing(id, standing);
            assert_eq!(decode(&key(&record), &encode(&record).unwrap()), Ok(record));
        }
        assert_eq!(encode(&Record::Standing(id, Standing::Active)), None);
        let machines = vec![MachineId::new("a", ""), MachineId::new("b", "10.0.0.1")];
        let unavailability = Unavailability { start_ns: 5, duration_ns: Some(7) };
        let down = machines[1..].iter().cloned().collect();
        let record =
            Record::Maintenance(Maintenance::new(vec![Window { machines, unavailability }], down));
        assert_eq!(decode(&key(&record), &encode(&record).unwrap()), Ok(record));
    }

    #[test]
    fn a_framework_of_one_role_is_still_read_and_one_of_several_comes_back() {
        let old = br#"{"name":"f","role":"web","user":"u","failover_timeout_ms":1000,
            "accepts_revocable":true,"only_revocable":false}"#;
        let Ok(Record::Framework(id, info)) = decode("framework/F1-7", old) else {
            panic!("not read")
        };
        assert_eq!(
            (info.roles.as_slice(), info.accepts_revocable),
            (&["web".to_owned()][..], true)
        );
        let roles = vec!["web".to_owned(), "db/a".to_owned()];
        let several = Record::Framework(id, FrameworkInfo { roles, ..info });
        let value = encode(&several).unwrap();
        assert_eq!(decode(&key(&several), &value), Ok(several));
    }
}
