//! Which calls, events, operations and parts of tasks frameworks have by Mesos' API.

use crate::mesos::support::Support::{self, But, NotYet, Yes};
use headroom_proto::mesos::v1::{offer::operation, scheduler::call};

/// What frameworks call.
pub(super) const CALLS: [(call::Type, Support); 17] = [
    (call::Type::Subscribe, But("at most 250 roles; what is wrong is the first event, ERROR")),
    (call::Type::Teardown, Yes),
    (call::Type::Accept, But("operations are done before launches, all or none of them")),
    (call::Type::Decline, Yes),
    (call::Type::AcceptInverseOffers, Yes),
    (call::Type::DeclineInverseOffers, Yes),
    (call::Type::Revive, Yes),
    (call::Type::Kill, Yes),
    (call::Type::Shutdown, Yes),
    (call::Type::Acknowledge, Yes),
    (call::Type::AcknowledgeOperationStatus, Yes),
    (call::Type::Reconcile, Yes),
    (call::Type::ReconcileOperations, But("operations of before a restart are unknown")),
    (call::Type::Message, Yes),
    (call::Type::Request, But("taken and ignored, as in Mesos")),
    (call::Type::Suppress, But("standing offers of the role are taken back")),
    (call::Type::UpdateFramework, Yes),
];

/// What an ACCEPT may do. One that is refused refuses the call.
pub(super) const OPERATIONS: [(operation::Type, Support); 10] = [
    (operation::Type::Launch, Yes),
    (operation::Type::LaunchGroup, Yes),
    (operation::Type::Reserve, But("without `source`: unreserve first")),
    (operation::Type::Unreserve, Yes),
    (operation::Type::Create, But("on the agent's own disk")),
    (operation::Type::Destroy, Yes),
    (operation::Type::GrowVolume, NotYet("volumes keep their size")),
    (operation::Type::ShrinkVolume, NotYet("volumes keep their size")),
    (operation::Type::CreateDisk, NotYet("there are no storage plug-ins")),
    (operation::Type::DestroyDisk, NotYet("there are no storage plug-ins")),
];

/// Why a call is refused, if it is.
pub(super) fn call_refusal(wanted: call::Type) -> Option<&'static str> {
    refusal(CALLS.iter().find(|(known, _)| *known == wanted).map(|(_, support)| *support))
}

/// Why an operation is refused, if it is.
pub(super) fn operation_refusal(wanted: operation::Type) -> Option<&'static str> {
    refusal(OPERATIONS.iter().find(|(known, _)| *known == wanted).map(|(_, support)| *support))
}

const fn refusal(support: Option<Support>) -> Option<&'static str> {
    match support {
        Some(Yes | But(_)) => None,
        Some(NotYet(why)) => Some(why),
        None => Some("it is not known"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesos::support::rows;

    #[test]
    fn the_documentation_has_the_same_tables() {
        let page = include_str!("../../../../docs/mesos.md");
        let calls = rows("501", CALLS.iter().map(|(call, s)| (call.as_str_name(), *s)));
        let operations = rows("501", OPERATIONS.iter().map(|(one, s)| (one.as_str_name(), *s)));
        for table in [calls, operations] {
            assert!(page.contains(&table), "docs/mesos.md lacks these rows:\n{table}");
        }
    }

    #[test]
    fn all_have_their_rows() {
        for number in 1..100 {
            if let Ok(call) = call::Type::try_from(number) {
                let rows = CALLS.iter().filter(|(known, _)| *known == call).count();
                assert_eq!(rows, 1, "{}", call.as_str_name());
            }
            if let Ok(one) = operation::Type::try_from(number) {
                let rows = OPERATIONS.iter().filter(|(known, _)| *known == one).count();
                assert_eq!(rows, 1, "{}", one.as_str_name());
            }
        }
    }
}
