//! What became of operations, as Mesos tells it.

use headroom_core::feedback::{OperationState, OperationStatus};
use headroom_proto::mesos::v1::{self, AgentId, OperationId, Uuid};

/// What a framework and operators are told of an operation.
pub(crate) fn operation_status_out(status: OperationStatus) -> v1::OperationStatus {
    use v1::OperationState as Wire;
    let state = match status.state {
        OperationState::Finished => Wire::OperationFinished,
        OperationState::Error => Wire::OperationError,
        OperationState::Unknown => Wire::OperationUnknown,
        OperationState::Recovering => Wire::OperationRecovering,
        OperationState::GoneByOperator => Wire::OperationGoneByOperator,
    };
    v1::OperationStatus {
        operation_id: Some(OperationId { value: status.id }),
        state: state.into(),
        message: Some(status.message).filter(|message| !message.is_empty()),
        uuid: status.uuid.map(|uuid| Uuid { value: uuid.to_vec().into() }),
        agent_id: status.agent.map(|agent| AgentId { value: agent.to_string() }),
        ..v1::OperationStatus::default()
    }
}
