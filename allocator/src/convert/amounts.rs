//! Amounts: resources, usage, ports.

use super::{Wrong, wrong};
use headroom_core::{
    command::Usage,
    ports::Ports,
    quota::{Quota, UNLIMITED},
    resources::{AmountError, Amounts, Resources},
};
use headroom_proto::v1;
use std::fmt::Display;

pub(crate) fn resources_in(
    field: impl Display,
    given: Option<&v1::Resources>,
) -> Result<Resources, Wrong> {
    let Some(given) = given else { return Err(wrong(field, "is missing")) };
    let units = [given.cpus, given.memory_mib, given.disk_mib, given.gpus];
    let amounts = Amounts::from_units(units).map_err(|problem| wrong(&field, problem))?;
    let mut ranges = Vec::with_capacity(given.ports.len());
    for range in &given.ports {
        match (u16::try_from(range.first), u16::try_from(range.last)) {
            (Ok(first), Ok(last)) => ranges.push((first, last)),
            _ => {
                let problem = format!("{}-{} are no ports (0-65535)", range.first, range.last);
                return Err(wrong(format_args!("{field}.ports"), problem));
            }
        }
    }
    let ports = Ports::from_ranges(&ranges).ok_or_else(|| wrong(&field, AmountError::Ports))?;
    Ok(Resources { amounts, ports })
}

pub(crate) fn resources_out(resources: &Resources) -> v1::Resources {
    let ports = resources.ports.ranges().iter();
    v1::Resources {
        ports: ports
            .map(|(first, last)| v1::PortRange { first: (*first).into(), last: (*last).into() })
            .collect(),
        ..amounts_out(resources.amounts)
    }
}

pub(crate) fn amounts_out(amounts: Amounts) -> v1::Resources {
    let [cpus, memory_mib, disk_mib, gpus] = amounts.units();
    v1::Resources { cpus, memory_mib, disk_mib, gpus, ports: Vec::new() }
}

pub(crate) fn usage_in(field: impl Display, given: Option<&v1::Usage>) -> Result<Usage, Wrong> {
    let Some(given) = given else { return Ok(Usage::default()) };
    let units = [given.cpus.unwrap_or(0.0), given.memory_mib.unwrap_or(0.0), 0.0, 0.0];
    let amounts = Amounts::from_units(units).map_err(|problem| wrong(field, problem))?;
    Ok(Usage {
        cpus_milli: given.cpus.map(|_| amounts.cpus_milli()),
        memory_milli_mib: given.memory_mib.map(|_| amounts.memory_milli_mib()),
    })
}

pub(crate) fn usage_out(usage: Usage) -> v1::Usage {
    v1::Usage {
        cpus: usage.cpus_milli.map(thousandths),
        memory_mib: usage.memory_milli_mib.map(thousandths),
    }
}

/// A role's quota; none: it has none.
pub(crate) fn quota_in(
    guarantee: Option<&v1::Resources>,
    limit: Option<v1::Limit>,
) -> Result<Option<Quota>, Wrong> {
    let guaranteed = match guarantee {
        Some(_) => resources_in("guarantee", guarantee)?,
        None => Resources::default(),
    };
    if !guaranteed.ports.is_empty() {
        return Err(wrong("guarantee", "names ports; a quota has amounts only"));
    }
    let v1::Limit { cpus, memory_mib, disk_mib, gpus } = limit.unwrap_or_default();
    let given = [cpus, memory_mib, disk_mib, gpus];
    let amounts = Amounts::from_units(given.map(|amount| amount.unwrap_or(0.0)));
    let amounts = amounts.map_err(|problem| wrong("limit", problem))?;
    let mut limit = UNLIMITED;
    for (at, amount) in given.into_iter().enumerate() {
        if amount.is_some() {
            limit.0[at] = amounts.0[at];
        }
    }
    let quota = Quota { guarantee: guaranteed.amounts, limit };
    Ok((quota != Quota::default()).then_some(quota))
}

/// A limit as it is told; none: there is no limit.
pub(crate) fn limit_out(limit: Amounts) -> Option<v1::Limit> {
    let [cpus, memory_mib, disk_mib, gpus] =
        limit.0.map(|amount| (amount < u64::MAX).then(|| thousandths(amount)));
    (limit != UNLIMITED).then_some(v1::Limit { cpus, memory_mib, disk_mib, gpus })
}

pub(crate) fn thousandths(value: u64) -> f64 {
    value as f64 / 1_000.0
}

/// A number of CPUs as thousandths.
pub(crate) fn cpus_milli(field: &str, cpus: Option<f64>) -> Result<Option<u64>, Wrong> {
    let Some(cpus) = cpus else { return Ok(None) };
    let amounts = Amounts::from_units([cpus, 0.0, 0.0, 0.0]);
    amounts.map(|amounts| Some(amounts.cpus_milli())).map_err(|problem| wrong(field, problem))
}
