//! Checks of running tasks: whether they can be made, and what they found.

use super::{Wrong, task::command_in, wrong};
use headroom_core::tasks::CheckResult;
use headroom_proto::v1::{self, check::Kind, check_status::Kind as Found};

/// A health check that can be made.
pub(super) fn health_in(
    field: &dyn Fn(&str) -> String,
    health: &v1::HealthCheck,
) -> Result<(), Wrong> {
    let check =
        health.check.as_ref().ok_or_else(|| wrong(field("health_check.check"), "is missing"))?;
    if health.consecutive_failures == Some(0) {
        return Err(wrong(
            field("health_check.consecutive_failures"),
            "is 0: nothing may fail less",
        ));
    }
    check_in(field, "health_check.check", check)
}

/// A check that can be made.
pub(super) fn check_in(
    field: &dyn Fn(&str) -> String,
    name: &str,
    check: &v1::Check,
) -> Result<(), Wrong> {
    let port = match &check.kind {
        None => return Err(wrong(field(name), "says neither command, http nor tcp")),
        Some(Kind::Command(command)) if !command.uris.is_empty() => {
            return Err(wrong(field(name), "can't fetch: name its files in the task's command"));
        }
        Some(Kind::Command(command)) => {
            return command_in(&|part| field(&format!("{name}.{part}")), command, false);
        }
        Some(Kind::Http(http)) if http.path.contains(['\r', '\n', ' ', '\0']) => {
            return Err(wrong(field(name), format_args!("{:?} is no path", http.path)));
        }
        Some(Kind::Http(http)) => http.port,
        Some(Kind::Tcp(tcp)) => tcp.port,
    };
    match u16::try_from(port) {
        Ok(1..) => Ok(()),
        _ => Err(wrong(field(name), format_args!("{port} is no port"))),
    }
}

pub(super) fn result_in(status: v1::CheckStatus) -> Option<CheckResult> {
    Some(match status.kind? {
        Found::Command(found) => CheckResult::Command(found.exit_code),
        Found::Http(found) => CheckResult::Http(found.status_code),
        Found::Tcp(found) => CheckResult::Tcp(found.succeeded),
    })
}

pub(super) fn result_out(result: CheckResult) -> v1::CheckStatus {
    let kind = match result {
        CheckResult::Command(exit_code) => Found::Command(v1::CommandResult { exit_code }),
        CheckResult::Http(status_code) => Found::Http(v1::HttpResult { status_code }),
        CheckResult::Tcp(succeeded) => Found::Tcp(v1::TcpResult { succeeded }),
    };
    v1::CheckStatus { kind: Some(kind) }
}
