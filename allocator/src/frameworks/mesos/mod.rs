//! Frameworks by Mesos' v1 scheduler API: `POST /api/v1/scheduler` (docs/mesos.md says what of it).

mod call;
mod check;
mod container;
mod event;
mod framework;
mod group;
mod sessions;
pub(crate) mod status;
mod stream;
mod table;
mod task;

use crate::mesos::http::{Format, read, refuse, wanted};
use crate::mesos::{master::Master, paths};
use crate::{
    agents::Directory,
    driver::{CallError, Driver},
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Extension, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::post,
};
use call::{CallFault, commands_in};
use event::Teller;
use framework::{Traits, framework_in};
use headroom_core::{
    command::{Caller, Command},
    ids::FrameworkId,
    machine::Refusal,
};
use headroom_proto::mesos::v1::{
    self,
    scheduler::{Call, call::Type},
};
use sessions::{STREAM_ID, Sessions, Stream};
use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
};
use stream::{HEARTBEAT, Records, record};
use tonic::transport::server::TcpConnectInfo;
use tracing::{info, warn};
use uuid::Uuid;

/// The body of a call may have so many bytes: some frameworks send programs along with their tasks.
pub const MAX_CALL_BYTES: usize = 32 << 20;

/// The door.
#[derive(Clone, Debug)]
pub struct Door {
    driver: Driver,
    directory: Directory,
    sessions: Sessions,
    epoch: u32,
    hostname: String,
}

impl Door {
    /// A door to `driver`; `hostname` is what clients are told of this machine.
    #[must_use]
    pub fn new(driver: Driver, directory: Directory, epoch: u32, hostname: String) -> Self {
        Self { driver, directory, sessions: Sessions::default(), epoch, hostname }
    }

    /// Its paths.
    pub(crate) fn routes(self) -> Router {
        let router = paths::at(Router::new(), "/api/v1/scheduler", &post(scheduler));
        router.layer(DefaultBodyLimit::max(MAX_CALL_BYTES)).with_state(self)
    }

    fn master(&self, connection: Option<&TcpConnectInfo>) -> Master {
        let local = connection.and_then(TcpConnectInfo::local_addr);
        Master {
            epoch: self.epoch,
            address: local.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            hostname: self.hostname.clone(),
            directory: self.directory.clone(),
        }
    }

    /// The answer to a SUBSCRIBE: a stream. What is wrong with the framework is its first event.
    async fn subscribe(
        &self,
        headers: &HeaderMap,
        call: Call,
        connection: Option<&TcpConnectInfo>,
    ) -> Result<Response, Box<Response>> {
        if headers.contains_key(STREAM_ID) {
            let why = "Subscribe calls should not include the 'Mesos-Stream-Id' header";
            return Err(refuse(StatusCode::BAD_REQUEST, why));
        }
        let format = wanted(headers)?;
        let missing = || refuse(StatusCode::BAD_REQUEST, "Expecting 'subscribe' to be present");
        let subscribe = call.subscribe.ok_or_else(missing)?;
        let info = &subscribe.framework_info;
        let (given, own) = (id_of(call.framework_id.as_ref()), id_of(info.id.as_ref()));
        if given != own {
            let why = "'framework_id' differs from 'subscribe.framework_info.id'";
            return Err(refuse(StatusCode::BAD_REQUEST, why));
        }
        let known = framework_in(info, subscribe.offer_constraints.as_ref());
        let (id, core_info) = match (own.map(str::parse::<FrameworkId>).transpose(), known) {
            (Ok(id), Ok(info)) => (id, info),
            (Err(problem), _) => return Ok(turned_away(format, &problem.to_string())),
            (_, Err(problem)) => return Ok(turned_away(format, &problem)),
        };
        let stream_id = Uuid::new_v4();
        let (high, low) = stream_id.as_u64_pair();
        let session = high ^ low.rotate_left(32);
        let suppressed = subscribe.suppressed_roles.clone();
        let subscribed = self.driver.subscribe(id, core_info, suppressed, session).await;
        let (framework, feed) = match subscribed {
            Ok(subscribed) => subscribed,
            Err(CallError::Refused(Refusal::UnknownFramework(_))) => {
                return Ok(turned_away(format, "Framework has been removed"));
            }
            Err(CallError::Refused(refusal)) => {
                return Ok(turned_away(format, &refusal.to_string()));
            }
            Err(error) => return Err(unavailable(&error)),
        };
        let traits = Traits::of(info);
        info!(%framework, name = traits.name, "subscribed by the Mesos API");
        let stream = Stream { id: stream_id, caller: Caller { framework, session } };
        self.sessions.enter(stream);
        let heartbeat_s = HEARTBEAT.as_secs_f64();
        let teller = Teller { master: self.master(connection), traits, heartbeat_s };
        let (sessions, driver) = (self.sessions.clone(), self.driver.clone());
        let records = Records::new(feed, format, teller, stream, sessions, driver);
        let headers = [
            (header::CONTENT_TYPE.as_str(), format.media_type().to_owned()),
            (STREAM_ID, stream_id.to_string()),
        ];
        Ok((headers, Body::from_stream(records)).into_response())
    }

    /// Every other call: taken (202), or refused with the reason.
    async fn call(&self, headers: &HeaderMap, call: Call) -> Result<Response, Box<Response>> {
        let Some(id) = id_of(call.framework_id.as_ref()) else {
            return Err(refuse(StatusCode::BAD_REQUEST, "Expecting 'framework_id' to be present"));
        };
        let unknown = || refuse(StatusCode::BAD_REQUEST, "Framework cannot be found");
        let framework = id.parse::<FrameworkId>().map_err(|_| unknown())?;
        let known = self
            .driver
            .query(move |machine, _| machine.state().frameworks.contains_key(&framework));
        if !known.await.map_err(|error| unavailable(&error))? {
            return Err(unknown());
        }
        let caller = self.sessions.caller(framework, headers)?;
        let call_type = call.r#type();
        let commands = commands_in(caller, call).map_err(|fault| match fault {
            CallFault::Wrong(why) => refuse(StatusCode::BAD_REQUEST, why),
            CallFault::Unsupported(why) => refuse(StatusCode::NOT_IMPLEMENTED, why),
        })?;
        let is_update = call_type == Type::UpdateFramework;
        for command in commands {
            self.carry_out(command).await?;
        }
        let code = if is_update { StatusCode::OK } else { StatusCode::ACCEPTED };
        Ok(code.into_response())
    }

    /// An operation that can't be done is dropped and what was launched beside it goes on, as in
    /// Mesos: a task on what the operation would have made is told that it is an error.
    async fn carry_out(&self, command: Command) -> Result<(), Box<Response>> {
        let without = match &command {
            Command::Operate(caller, offers, deeds, refusal) if !deeds.operations.is_empty() => {
                let mut deeds = deeds.clone();
                deeds.operations.clear();
                Some((*caller, offers.clone(), deeds, *refusal))
            }
            _ => None,
        };
        match (self.driver.call(command).await, without) {
            (Ok(_), _) => Ok(()),
            (Err(CallError::Refused(fault)), Some((caller, offers, mut deeds, refusal))) => {
                warn!("dropped the operations of a call: {fault}");
                deeds.left_out = Some(fault.to_string());
                let without = Command::Operate(caller, offers, deeds, refusal);
                self.driver.call(without).await.map(|_| ()).map_err(|error| refused(&error))
            }
            (Err(error), _) => Err(refused(&error)),
        }
    }
}

fn id_of(id: Option<&v1::FrameworkId>) -> Option<&str> {
    id.map(|id| id.value.as_str()).filter(|id| !id.is_empty())
}

fn unavailable(error: &CallError) -> Box<Response> {
    refuse(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

fn refused(error: &CallError) -> Box<Response> {
    match error {
        CallError::Refused(Refusal::WrongSession(_)) => {
            refuse(StatusCode::FORBIDDEN, error.to_string())
        }
        CallError::Refused(_) => refuse(StatusCode::BAD_REQUEST, error.to_string()),
        CallError::NotDurable(_) | CallError::Stopped => unavailable(error),
    }
}

/// A stream that says what is wrong, and ends.
fn turned_away(format: Format, why: &str) -> Response {
    info!("turned a framework away: {why}");
    let headers = [
        (header::CONTENT_TYPE.as_str(), format.media_type().to_owned()),
        (STREAM_ID, Uuid::new_v4().to_string()),
    ];
    let only = record(format, &event::error(why));
    let records = tokio_stream::once(Ok::<_, Infallible>(only));
    (headers, Body::from_stream(records)).into_response()
}

async fn scheduler(
    State(door): State<Door>,
    connection: Option<Extension<TcpConnectInfo>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let connection = connection.map(|Extension(connection)| connection);
    let answer = match read::<Call>(&headers, &body) {
        Err(refusal) => Err(refusal),
        Ok(call) => match call.r#type() {
            Type::Unknown => Err(refuse(StatusCode::NOT_IMPLEMENTED, "Unknown call type")),
            Type::Subscribe => door.subscribe(&headers, call, connection.as_ref()).await,
            _ => door.call(&headers, call).await,
        },
    };
    answer.unwrap_or_else(|refusal| *refusal)
}
