//! The old endpoints: a path each, JSON, any method, `jsonp=`.

mod bag;
mod change;
mod files;
mod framework;
mod logging;
mod role;
mod shown;
mod slave;
mod state;
mod status;
mod task;

pub(super) use files::refused as file_refused;
pub(super) use role::weight;

use super::{Door, maintenance, metrics::metrics, table::PATHS, writes::refused};
use crate::mesos::support::Support;
use crate::{
    driver::CallError,
    mesos::{http::refuse, master::VERSION, paths::at, pieces},
};
use axum::{
    Router,
    body::Bytes,
    extract::{Extension, Query, State},
    http::{StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
    routing::{any, get, post},
};
use framework::Frameworks;
use headroom_proto::mesos::json as mesos_json;
use role::{QuotaStatus, Roles, weights};
use serde::{Deserialize, Serialize};
use serde_json::json;
use slave::Slaves;
use state::{State as WholeState, StateSummary};
use task::{Tasks, Wanted};
use tonic::transport::server::TcpConnectInfo;

/// Names of functions that `jsonp=` may give have so many bytes, at most.
const MAX_CALLBACK_BYTES: usize = 128;

/// What a question may carry behind its path.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    jsonp: Option<String>,
    slave_id: Option<String>,
    framework_id: Option<String>,
}

/// Adds all of them, those that are refused included.
pub(super) fn add(router: Router<Door>) -> Router<Door> {
    let router = at(router, "/state", &any(whole_state));
    let router = at(router, "/state-summary", &any(summary));
    let router = at(router, "/slaves", &any(slaves));
    let router = at(router, "/frameworks", &any(frameworks));
    let router = at(router, "/tasks", &any(tasks));
    let router = at(router, "/roles", &any(roles));
    let router = at(router, "/weights", &get(all_weights).put(change::weights));
    let quota = get(quota).post(change::quota).delete(change::no_quota);
    let router = at(router, "/quota", &quota);
    let router = at(router, "/version", &any(version));
    let router = at(router, "/metrics/snapshot", &any(all_metrics));
    let router = at(router, "/redirect", &any(redirect));
    let router = at(router, "/health", &any(health));
    let router = at(router, "/flags", &any(flags));
    let router = at(router, "/maintenance/schedule", &get(schedule).post(change::schedule));
    let router = at(router, "/maintenance/status", &any(maintenance_status));
    let router = at(router, "/machine/down", &post(change::machines_down));
    let router = at(router, "/machine/up", &post(change::machines_up));
    let router = at(router, "/teardown", &post(change::teardown));
    let router = at(router, "/reserve", &post(change::reserve));
    let router = at(router, "/unreserve", &post(change::unreserve));
    let router = at(router, "/create-volumes", &post(change::create));
    let router = at(router, "/destroy-volumes", &post(change::destroy));
    let router = at(router, "/files/browse", &any(files::browse));
    let router = at(router, "/files/read", &any(files::read));
    let router = at(router, "/files/download", &any(files::download));
    let router = at(router, "/files/debug", &any(files::debug));
    let router = at(router, "/logging/toggle", &any(logging::toggle));
    PATHS.iter().fold(router, |router, (path, support)| match support {
        Support::NotYet(why) => at(router, path, &any(move || async move { not_yet(why) })),
        Support::Yes | Support::But(_) => router,
    })
}

fn not_yet(why: &str) -> Response {
    *refuse(StatusCode::NOT_IMPLEMENTED, why)
}

/// JSON, or a call of the function that was named with it.
fn page(text: impl Into<Bytes>, asked: &Asked) -> Response {
    let Some(callback) = asked.jsonp.as_deref().filter(|name| !name.is_empty()) else {
        let body = pieces::body(text.into());
        return ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._$".contains(&byte);
    if callback.len() > MAX_CALLBACK_BYTES || !callback.bytes().all(is_name) {
        return *refuse(StatusCode::BAD_REQUEST, "jsonp: names no function");
    }
    let text = text.into();
    let mut script = Vec::with_capacity(text.len() + callback.len() + 3);
    script.extend_from_slice(callback.as_bytes());
    script.push(b'(');
    script.extend_from_slice(&text);
    script.extend_from_slice(b");");
    ([(header::CONTENT_TYPE, "text/javascript")], pieces::body(script.into())).into_response()
}

fn text(value: &impl Serialize) -> Vec<u8> {
    // All keys are strings, so there is nothing that could fail.
    serde_json::to_vec(value).unwrap_or_default()
}

fn answered(written: Result<Bytes, CallError>, asked: &Asked) -> Response {
    match written {
        Ok(text) => page(text, asked),
        Err(error) => *refused(&error),
    }
}

async fn whole_state(
    State(door): State<Door>,
    connection: Option<Extension<TcpConnectInfo>>,
    uri: Uri,
    Query(asked): Query<Asked>,
) -> Response {
    let (master, of) = (door.master(connection), door.clone());
    let address = master.address;
    let written = door.written(format!("{uri} {address}"), move |snapshot| {
        text(&WholeState::of(snapshot, &master, of.started_s(), &of.0.flags))
    });
    answered(written.await, &asked)
}

async fn summary(
    State(door): State<Door>,
    connection: Option<Extension<TcpConnectInfo>>,
    uri: Uri,
    Query(asked): Query<Asked>,
) -> Response {
    let master = door.master(connection);
    let question = format!("{uri} {}", master.address);
    let written =
        door.written(question, move |snapshot| text(&StateSummary::of(snapshot, &master)));
    answered(written.await, &asked)
}

/// `/slaves/ID` and `/slaves?slave_id=ID` are about one; what is no id of ours is about none.
async fn slaves(
    State(door): State<Door>,
    connection: Option<Extension<TcpConnectInfo>>,
    uri: Uri,
    Query(asked): Query<Asked>,
) -> Response {
    let master = door.master(connection);
    let last = uri.path().trim_end_matches('/').rsplit('/').next();
    let named = last.and_then(|last| last.parse().ok());
    let wanted = match asked.slave_id.as_deref().filter(|id| !id.is_empty()) {
        Some(id) => Some(id.parse().unwrap_or(headroom_core::ids::AgentId::from_number(0))),
        None => named,
    };
    let question = format!("{uri} {}", master.address);
    let written =
        door.written(question, move |snapshot| text(&Slaves::of(snapshot, &master, wanted)));
    answered(written.await, &asked)
}

async fn frameworks(State(door): State<Door>, uri: Uri, Query(asked): Query<Asked>) -> Response {
    let id = asked.framework_id.as_deref().filter(|id| !id.is_empty());
    let nobody = headroom_core::ids::FrameworkId::from_number(0);
    let wanted = id.map(|id| id.parse().unwrap_or(nobody));
    let written =
        door.written(uri.to_string(), move |snapshot| text(&Frameworks::of(snapshot, wanted)));
    answered(written.await, &asked)
}

async fn tasks(
    State(door): State<Door>,
    uri: Uri,
    Query(asked): Query<Asked>,
    Query(wanted): Query<Wanted>,
) -> Response {
    answered(
        door.written(uri.to_string(), move |snapshot| text(&Tasks::of(snapshot, &wanted))).await,
        &asked,
    )
}

async fn roles(State(door): State<Door>, uri: Uri, Query(asked): Query<Asked>) -> Response {
    answered(door.written(uri.to_string(), |snapshot| text(&Roles::of(snapshot))).await, &asked)
}

async fn all_weights(State(door): State<Door>, uri: Uri, Query(asked): Query<Asked>) -> Response {
    answered(door.written(uri.to_string(), |snapshot| text(&weights(snapshot))).await, &asked)
}

async fn quota(State(door): State<Door>, uri: Uri, Query(asked): Query<Asked>) -> Response {
    answered(
        door.written(uri.to_string(), |snapshot| text(&QuotaStatus::of(snapshot))).await,
        &asked,
    )
}

async fn all_metrics(State(door): State<Door>, uri: Uri, Query(asked): Query<Asked>) -> Response {
    let around = door.around();
    let written = door.written(uri.to_string(), move |snapshot| text(&metrics(snapshot, &around)));
    answered(written.await, &asked)
}

async fn version(Query(asked): Query<Asked>) -> Response {
    page(text(&json!({ "version": VERSION })), &asked)
}

async fn flags(State(door): State<Door>, Query(asked): Query<Asked>) -> Response {
    page(text(&json!({ "flags": door.0.flags })), &asked)
}

async fn health(State(door): State<Door>) -> StatusCode {
    match door.0.driver.runs() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn schedule(State(door): State<Door>, uri: Uri, Query(asked): Query<Asked>) -> Response {
    let written = door.written(uri.to_string(), |snapshot| {
        mesos_json::to_string(&maintenance::schedule(&snapshot.maintenance)).into_bytes()
    });
    answered(written.await, &asked)
}

async fn maintenance_status(
    State(door): State<Door>,
    uri: Uri,
    Query(asked): Query<Asked>,
) -> Response {
    let written = door.written(uri.to_string(), |snapshot| {
        mesos_json::to_string(&maintenance::status(snapshot)).into_bytes()
    });
    answered(written.await, &asked)
}

/// To the leader, which is this one: without a scheme, as Mesos does.
async fn redirect(
    State(door): State<Door>,
    connection: Option<Extension<TcpConnectInfo>>,
    uri: Uri,
) -> Response {
    let address = door.master(connection).address;
    let rest = uri.path().split_once("/redirect").map_or("", |(_, rest)| rest);
    let location = format!("//{address}{rest}");
    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response()
}
