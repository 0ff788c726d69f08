//! What is done for a task while it runs: from the wire, with Mesos' defaults, and what came of it back.

use super::{OrderError, command_of};
use crate::containers::{Check, CheckKind, Duties, Found, HealthCheck};
use headroom_proto::v1 as wire;

/// Mesos: CheckInfo and HealthCheck in mesos.proto.
const DELAY_MS: u64 = 15_000;
const INTERVAL_MS: u64 = 10_000;
const TIMEOUT_MS: u64 = 20_000;
const CONSECUTIVE_FAILURES: u32 = 3;
const GRACE_MS: u64 = 10_000;

pub(super) fn duties(
    max_completion_ms: Option<u64>,
    health: Option<wire::HealthCheck>,
    given: Option<wire::Check>,
) -> Result<Duties, OrderError> {
    let health = health.map(|health| {
        Ok(HealthCheck {
            check: check(health.check.ok_or(OrderError::Missing("check of health_check"))?)?,
            consecutive_failures: health.consecutive_failures.unwrap_or(CONSECUTIVE_FAILURES),
            grace_ms: health.grace_ms.unwrap_or(GRACE_MS),
        })
    });
    let check = given.map(check).transpose()?;
    Ok(Duties { max_completion_ms, health: health.transpose()?, check })
}

fn check(given: wire::Check) -> Result<Check, OrderError> {
    use wire::check::Kind;
    let port = |port: u32| u16::try_from(port).map_err(|_| OrderError::Missing("port of a check"));
    let kind = match given.kind.ok_or(OrderError::Missing("kind of a check"))? {
        Kind::Command(command) => CheckKind::Command {
            env: command.environment,
            user: Some(command.user).filter(|user| !user.is_empty()),
            command: command_of(command.shell, command.argv),
        },
        Kind::Http(http) => CheckKind::Http {
            port: port(http.port)?,
            path: http.path,
            https: http.https,
            ipv6: http.ipv6,
        },
        Kind::Tcp(tcp) => CheckKind::Tcp { port: port(tcp.port)?, ipv6: tcp.ipv6 },
    };
    Ok(Check {
        kind,
        delay_ms: given.delay_ms.unwrap_or(DELAY_MS),
        interval_ms: given.interval_ms.unwrap_or(INTERVAL_MS),
        timeout_ms: given.timeout_ms.unwrap_or(TIMEOUT_MS),
    })
}

/// What a check found, as the wire says it.
#[must_use]
pub fn found(found: Found) -> wire::CheckStatus {
    use wire::check_status::Kind;
    let kind = match found {
        Found::Command(exit_code) => Kind::Command(wire::CommandResult { exit_code }),
        Found::Http(status_code) => Kind::Http(wire::HttpResult { status_code }),
        Found::Tcp(succeeded) => Kind::Tcp(wire::TcpResult { succeeded }),
    };
    wire::CheckStatus { kind: Some(kind) }
}
