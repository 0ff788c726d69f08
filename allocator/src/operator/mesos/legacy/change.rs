//! Old endpoints that change something: forms and JSON, as calls of the v1 API.

use crate::{
    mesos::http::refuse,
    operator::mesos::{Door, writes::write},
};
use axum::{
    body::Bytes,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use headroom_proto::mesos::{
    json,
    v1::{
        AgentId, FrameworkId, MachineId, Resource, WeightInfo,
        maintenance::Schedule,
        master::{Call, call, call::Type},
        quota::QuotaRequest,
    },
};
use prost::{Message, Name};
use std::collections::HashMap;

type Refused = Box<Response>;

fn wrong(why: impl Into<String>) -> Refused {
    refuse(StatusCode::BAD_REQUEST, why)
}

async fn change(door: &Door, call: Result<Call, Refused>) -> Response {
    let done = match call {
        Ok(call) => write(&door.0.driver, call).await,
        Err(refusal) => Err(refusal),
    };
    done.map_or_else(|refusal| *refusal, |code| code.into_response())
}

fn of(kind: Type) -> Call {
    Call { r#type: Some(kind.into()), ..Call::default() }
}

/// `a=b&c=d`, however the body calls itself.
fn form(body: &Bytes) -> HashMap<String, String> {
    form_urlencoded::parse(body).into_owned().collect()
}

fn take(form: &mut HashMap<String, String>, name: &str) -> Result<String, Refused> {
    form.remove(name)
        .ok_or_else(|| wrong(format!("Missing '{name}' query parameter in the request body")))
}

/// A JSON array of messages.
fn list<M: Message + Name + Default>(what: &str, text: &[u8]) -> Result<Vec<M>, Refused> {
    let values: Vec<serde_json::Value> = serde_json::from_slice(text)
        .map_err(|problem| wrong(format!("'{what}' is no JSON array: {problem}")))?;
    let messages = values.iter().enumerate().map(|(at, value)| {
        json::from_slice(value.to_string().as_bytes())
            .map_err(|problem| wrong(format!("'{what}[{at}]': {problem}")))
    });
    messages.collect()
}

fn on_agent(body: &Bytes, what: &str) -> Result<(AgentId, Vec<Resource>), Refused> {
    let mut form = form(body);
    let value = take(&mut form, "slaveId")?;
    let entries = list(what, take(&mut form, what)?.as_bytes())?;
    Ok((AgentId { value }, entries))
}

pub(super) async fn teardown(State(door): State<Door>, body: Bytes) -> Response {
    let call = take(&mut form(&body), "frameworkId").map(|value| Call {
        teardown: Some(call::Teardown { framework_id: FrameworkId { value } }),
        ..of(Type::Teardown)
    });
    change(&door, call).await
}

pub(super) async fn reserve(State(door): State<Door>, body: Bytes) -> Response {
    let source = || match form(&body).remove("source") {
        Some(text) => list("source", text.as_bytes()),
        None => Ok(Vec::new()),
    };
    let call = on_agent(&body, "resources").and_then(|(agent_id, resources)| {
        let reserve = call::ReserveResources { agent_id, source: source()?, resources };
        Ok(Call { reserve_resources: Some(reserve), ..of(Type::ReserveResources) })
    });
    change(&door, call).await
}

pub(super) async fn unreserve(State(door): State<Door>, body: Bytes) -> Response {
    let call = on_agent(&body, "resources").map(|(agent_id, resources)| Call {
        unreserve_resources: Some(call::UnreserveResources { agent_id, resources }),
        ..of(Type::UnreserveResources)
    });
    change(&door, call).await
}

pub(super) async fn create(State(door): State<Door>, body: Bytes) -> Response {
    let call = on_agent(&body, "volumes").map(|(agent_id, volumes)| Call {
        create_volumes: Some(call::CreateVolumes { agent_id, volumes }),
        ..of(Type::CreateVolumes)
    });
    change(&door, call).await
}

pub(super) async fn destroy(State(door): State<Door>, body: Bytes) -> Response {
    let call = on_agent(&body, "volumes").map(|(agent_id, volumes)| Call {
        destroy_volumes: Some(call::DestroyVolumes { agent_id, volumes }),
        ..of(Type::DestroyVolumes)
    });
    change(&door, call).await
}

pub(super) async fn weights(State(door): State<Door>, body: Bytes) -> Response {
    let call = list::<WeightInfo>("weights", &body).map(|weight_infos| Call {
        update_weights: Some(call::UpdateWeights { weight_infos }),
        ..of(Type::UpdateWeights)
    });
    change(&door, call).await
}

pub(super) async fn quota(State(door): State<Door>, body: Bytes) -> Response {
    let request = json::from_slice::<QuotaRequest>(&body);
    let call = request.map_err(|problem| wrong(problem.to_string())).map(|quota_request| Call {
        set_quota: Some(call::SetQuota { quota_request }),
        ..of(Type::SetQuota)
    });
    change(&door, call).await
}

/// `DELETE /quota/ROLE`.
pub(super) async fn no_quota(State(door): State<Door>, uri: Uri) -> Response {
    let call = role_of(&uri).map(|role| Call {
        remove_quota: Some(call::RemoveQuota { role }),
        ..of(Type::RemoveQuota)
    });
    change(&door, call).await
}

fn role_of(uri: &Uri) -> Result<String, Refused> {
    let role = uri.path().split_once("/quota/").map_or("", |(_, role)| role);
    if role.is_empty() {
        return Err(wrong("the path names no role: DELETE /quota/ROLE"));
    }
    Ok(role.to_owned())
}

pub(super) async fn schedule(State(door): State<Door>, body: Bytes) -> Response {
    let schedule =
        json::from_slice::<Schedule>(&body).map_err(|problem| wrong(problem.to_string()));
    let call = schedule.map(|schedule| Call {
        update_maintenance_schedule: Some(call::UpdateMaintenanceSchedule { schedule }),
        ..of(Type::UpdateMaintenanceSchedule)
    });
    change(&door, call).await
}

pub(super) async fn machines_down(State(door): State<Door>, body: Bytes) -> Response {
    let call = list::<MachineId>("machines", &body).map(|machines| Call {
        start_maintenance: Some(call::StartMaintenance { machines }),
        ..of(Type::StartMaintenance)
    });
    change(&door, call).await
}

pub(super) async fn machines_up(State(door): State<Door>, body: Bytes) -> Response {
    let call = list::<MachineId>("machines", &body).map(|machines| Call {
        stop_maintenance: Some(call::StopMaintenance { machines }),
        ..of(Type::StopMaintenance)
    });
    change(&door, call).await
}
