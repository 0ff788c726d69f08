//! Several amounts in one word, as quotas and reservations need them: `cpus=2,memory=1GiB`.

use std::str::FromStr;

use headroom_proto::v1::{Limit, Resources};

use crate::amount::{Cpus, Memory, cpus, memory};

/// One node has no more.
const MAX_GPUS: u32 = 1_000_000;

/// Amounts of some kinds; a kind that is not named is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Quantities {
    cpus: Option<Cpus>,
    memory: Option<Memory>,
    disk: Option<Memory>,
    gpus: Option<u32>,
}

impl FromStr for Quantities {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Quantities::default();
        for part in text.split(',').map(str::trim) {
            let (kind, amount) = part.split_once('=').ok_or_else(|| {
                format!("{part:?} is not KIND=AMOUNT; write cpus=2,memory=1GiB,disk=5GiB,gpus=1")
            })?;
            let wrong = |problem: String| format!("{kind}: {problem}");
            let twice = match kind.trim() {
                "cpus" => all.cpus.replace(amount.parse().map_err(wrong)?).is_some(),
                "memory" | "mem" => all.memory.replace(amount.parse().map_err(wrong)?).is_some(),
                "disk" => all.disk.replace(amount.parse().map_err(wrong)?).is_some(),
                "gpus" => {
                    let gpus = amount.parse().ok().filter(|gpus| (1..=MAX_GPUS).contains(gpus));
                    let gpus = gpus.ok_or_else(|| wrong("GPUs are given whole".into()))?;
                    all.gpus.replace(gpus).is_some()
                }
                _ => {
                    return Err(format!("{kind:?} is none of cpus, memory, disk and gpus"));
                }
            };
            if twice {
                return Err(wrong("is there twice".into()));
            }
        }
        Ok(all)
    }
}

impl From<Quantities> for Resources {
    fn from(given: Quantities) -> Self {
        Resources {
            cpus: given.cpus.map_or(0.0, Cpus::cpus),
            memory_mib: given.memory.map_or(0.0, Memory::mib),
            disk_mib: given.disk.map_or(0.0, Memory::mib),
            gpus: given.gpus.map_or(0.0, f64::from),
            ports: Vec::new(),
        }
    }
}

impl From<Quantities> for Limit {
    fn from(given: Quantities) -> Self {
        Limit {
            cpus: given.cpus.map(Cpus::cpus),
            memory_mib: given.memory.map(Memory::mib),
            disk_mib: given.disk.map(Memory::mib),
            gpus: given.gpus.map(f64::from),
        }
    }
}

/// Amounts for a person: only those that are there.
pub(crate) fn resources(given: Option<&Resources>) -> String {
    let limit = given.map(|given| Limit {
        cpus: Some(given.cpus).filter(|amount| *amount > 0.0),
        memory_mib: Some(given.memory_mib).filter(|amount| *amount > 0.0),
        disk_mib: Some(given.disk_mib).filter(|amount| *amount > 0.0),
        gpus: Some(given.gpus).filter(|amount| *amount > 0.0),
    });
    let mut text = self::limit(limit.as_ref());
    let ports: u32 = given.map_or(0, |given| {
        given.ports.iter().map(|range| range.last.saturating_sub(range.first) + 1).sum()
    });
    if ports > 0 {
        text = if text == "-" { String::new() } else { text + ", " };
        text += &format!("{ports} ports");
    }
    text
}

/// Limits for a person.
pub(crate) fn limit(given: Option<&Limit>) -> String {
    let Some(given) = given else { return "-".into() };
    let parts = [
        given.cpus.map(|amount| format!("{} CPUs", cpus(amount))),
        given.memory_mib.map(|amount| format!("{} memory", memory(amount))),
        given.disk_mib.map(|amount| format!("{} disk", memory(amount))),
        given.gpus.map(|amount| format!("{amount} GPUs")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "-".into() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_by_kind() {
        let all: Quantities = "cpus=2, memory=1GiB,disk=5GiB,gpus=1".parse().expect("a word");
        let resources = Resources::from(all);
        assert_eq!((resources.cpus, resources.memory_mib, resources.gpus), (2.0, 1024.0, 1.0));
        assert_eq!(super::resources(Some(&resources)), "2 CPUs, 1 GiB memory, 5 GiB disk, 1 GPUs");
        let limit = Limit::from("mem=64MiB".parse::<Quantities>().expect("a word"));
        assert_eq!((limit.cpus, limit.memory_mib), (None, Some(64.0)));
        assert_eq!(super::limit(Some(&limit)), "64 MiB memory");
        for text in
            ["", "cpus", "cpus=0", "cpus=1,cpus=2", "gpus=0.5", "ports=1", "memory=5", "cpus=-1"]
        {
            assert!(text.parse::<Quantities>().is_err(), "{text} was taken");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(cpus|mem|gpus)?[=,.0-9a-zA-Z-]{0,16}") {
            let _ = text.parse::<Quantities>();
        }
    }
}
