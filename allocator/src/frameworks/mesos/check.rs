//! Checks of tasks, as Mesos frameworks describe them and as they are told of them.

use super::task::command_in;
use headroom_core::tasks::CheckResult;
use headroom_proto::{
    mesos::v1::{
        CheckInfo, CheckStatusInfo, HealthCheck, check_info, check_status_info, health_check,
        network_info::Protocol,
    },
    v1::{self, check::Kind},
};

pub(super) fn health_in(given: &HealthCheck) -> Result<v1::HealthCheck, String> {
    let kind = match given.r#type() {
        health_check::Type::Command => Kind::Command(command_in(
            given.command.as_ref().ok_or("health_check.command is not set")?,
        )?),
        health_check::Type::Http => {
            let http = given.http.as_ref().ok_or("health_check.http is not set")?;
            if !http.statuses.is_empty() {
                return Err(
                    "health_check.http.statuses is not supported: 200 to 399 are well".to_owned()
                );
            }
            Kind::Http(v1::HttpCheck {
                port: http.port,
                path: http.path.clone().unwrap_or_default(),
                https: http.scheme.as_deref() == Some("https"),
                ipv6: http.protocol() == Protocol::IPv6,
            })
        }
        health_check::Type::Tcp => {
            let tcp = given.tcp.as_ref().ok_or("health_check.tcp is not set")?;
            Kind::Tcp(v1::TcpCheck { port: tcp.port, ipv6: tcp.protocol() == Protocol::IPv6 })
        }
        health_check::Type::Unknown => return Err("health_check.type is not known".to_owned()),
    };
    Ok(v1::HealthCheck {
        check: Some(v1::Check {
            kind: Some(kind),
            delay_ms: Some(millis("delay_seconds", given.delay_seconds())?),
            interval_ms: Some(millis("interval_seconds", given.interval_seconds())?),
            timeout_ms: Some(millis("timeout_seconds", given.timeout_seconds())?),
        }),
        consecutive_failures: Some(given.consecutive_failures()),
        grace_ms: Some(millis("grace_period_seconds", given.grace_period_seconds())?),
    })
}

pub(super) fn check_in(given: &CheckInfo) -> Result<v1::Check, String> {
    let kind = match given.r#type() {
        check_info::Type::Command => {
            let command = given.command.as_ref().ok_or("check.command is not set")?;
            Kind::Command(command_in(&command.command)?)
        }
        check_info::Type::Http => {
            let http = given.http.as_ref().ok_or("check.http is not set")?;
            Kind::Http(v1::HttpCheck {
                port: http.port,
                path: http.path.clone().unwrap_or_default(),
                ..v1::HttpCheck::default()
            })
        }
        check_info::Type::Tcp => {
            let tcp = given.tcp.as_ref().ok_or("check.tcp is not set")?;
            Kind::Tcp(v1::TcpCheck { port: tcp.port, ipv6: false })
        }
        check_info::Type::Unknown => return Err("check.type is not known".to_owned()),
    };
    Ok(v1::Check {
        kind: Some(kind),
        delay_ms: Some(millis("delay_seconds", given.delay_seconds())?),
        interval_ms: Some(millis("interval_seconds", given.interval_seconds())?),
        timeout_ms: Some(millis("timeout_seconds", given.timeout_seconds())?),
    })
}

/// A span of at most a year, in whole milliseconds.
fn millis(field: &str, seconds: f64) -> Result<u64, String> {
    const YEAR_S: f64 = 365.0 * 86_400.0;
    if !(0.0..=YEAR_S).contains(&seconds) {
        return Err(format!("{field}: {seconds} is no span of time of a check"));
    }
    Ok((seconds * 1_000.0).round() as u64)
}

pub(super) fn status_out(found: CheckResult) -> CheckStatusInfo {
    let of = |kind: check_info::Type| CheckStatusInfo {
        r#type: Some(kind.into()),
        ..CheckStatusInfo::default()
    };
    match found {
        CheckResult::Command(exit_code) => CheckStatusInfo {
            command: Some(check_status_info::Command { exit_code }),
            ..of(check_info::Type::Command)
        },
        CheckResult::Http(status_code) => CheckStatusInfo {
            http: Some(check_status_info::Http { status_code }),
            ..of(check_info::Type::Http)
        },
        CheckResult::Tcp(succeeded) => CheckStatusInfo {
            tcp: Some(check_status_info::Tcp { succeeded }),
            ..of(check_info::Type::Tcp)
        },
    }
}
