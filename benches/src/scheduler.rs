//! A framework as Mesos' API sees it: JSON over HTTP, one connection for events and one for calls.

use crate::{fault::Fault, wire::LONG};
use headroom_proto::mesos::recordio::Decoder;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::{net::TcpStream, time::timeout};

const PATH: &str = "/api/v1/scheduler";
const JSON: &str = "application/json";
const STREAM_ID: &str = "Mesos-Stream-Id";
const LONGEST_EVENT: usize = 64 << 20;

/// A subscribed framework.
#[derive(Debug)]
pub(crate) struct Scheduler {
    events: Incoming,
    records: Decoder,
    calls: SendRequest<Full<Bytes>>,
    stream_id: String,
    id: String,
}

impl Scheduler {
    /// Subscribes and waits for SUBSCRIBED.
    pub(crate) async fn subscribe(address: SocketAddr, name: &str) -> Result<Self, Fault> {
        let mut stream = connect(address).await?;
        let info = json!({ "user": "root", "name": name });
        let body = json!({ "type": "SUBSCRIBE", "subscribe": { "framework_info": info } });
        let answer = send(&mut stream, &body, "").await?;
        let stream_id = answer.headers().get(STREAM_ID).and_then(|id| id.to_str().ok());
        let stream_id = stream_id.unwrap_or_default().to_owned();
        if answer.status() != 200 {
            return Err(Fault::Core(format!("SUBSCRIBE: {}", answer.status())));
        }
        let mut scheduler = Self {
            events: answer.into_body(),
            records: Decoder::new(LONGEST_EVENT),
            calls: connect(address).await?,
            stream_id,
            id: String::new(),
        };
        let event = scheduler.event("SUBSCRIBED").await?;
        scheduler.id = text(&event["subscribed"]["framework_id"]);
        Ok(scheduler)
    }

    /// The next event.
    pub(crate) async fn event(&mut self, what: &str) -> Result<Value, Fault> {
        let wrong = |problem: &dyn std::fmt::Display| Fault::Core(format!("events: {problem}"));
        loop {
            if let Some(record) = self.records.next_record().map_err(|error| wrong(&error))? {
                return serde_json::from_slice(&record).map_err(|error| wrong(&error));
            }
            let frame = timeout(LONG, self.events.frame()).await;
            let frame = frame.ok().flatten().ok_or_else(|| Fault::Waited(what.to_owned()))?;
            let frame = frame.map_err(|error| wrong(&error))?;
            self.records.push(frame.data_ref().map_or(&[], |piece| &piece[..]));
        }
    }

    /// The next event of this type.
    pub(crate) async fn until(&mut self, kind: &str) -> Result<Value, Fault> {
        loop {
            let event = self.event(kind).await?;
            if event["type"] == kind {
                return Ok(event);
            }
            if event["type"] == "ERROR" {
                return Err(Fault::Core(text(&event["error"]["message"])));
            }
        }
    }

    /// A call of this framework's.
    pub(crate) async fn call(&mut self, kind: &str, said: Value) -> Result<(), Fault> {
        let mut body = json!({ "type": kind, "framework_id": { "value": self.id } });
        body[kind.to_lowercase()] = said;
        let answer = send(&mut self.calls, &body, &self.stream_id).await?;
        let status = answer.status();
        let said = answer.into_body().collect().await.map_err(|error| lost(kind, &error))?;
        if status == 202 {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&said.to_bytes()).into_owned();
        Err(Fault::Core(format!("{kind}: {status}: {said}")))
    }

    /// Takes note of an update, if it asks for that.
    pub(crate) async fn acknowledge(&mut self, update: &Value) -> Result<(), Fault> {
        let status = &update["update"]["status"];
        if status["uuid"].is_null() {
            return Ok(());
        }
        let said = json!({
            "agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": status["uuid"] });
        self.call("ACKNOWLEDGE", said).await
    }
}

/// An id or any text.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().or_else(|| value["value"].as_str()).unwrap_or_default().to_owned()
}

/// CPUs and MiB as Mesos writes them.
pub(crate) fn resources(cpus: f64, mem: f64) -> Value {
    let scalar = |name: &str, value: f64| json!({ "name": name, "type": "SCALAR", "scalar": { "value": value } });
    json!([scalar("cpus", cpus), scalar("mem", mem)])
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, Fault> {
    let path = || address.to_string();
    let stream =
        TcpStream::connect(address).await.map_err(Fault::io("cannot connect to", path()))?;
    stream.set_nodelay(true).map_err(Fault::io("cannot set up", path()))?;
    let (sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|error| lost("a connection", &error))?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn send(
    stream: &mut SendRequest<Full<Bytes>>,
    body: &Value,
    stream_id: &str,
) -> Result<Response<Incoming>, Fault> {
    let mut request = Request::post(PATH).header("Host", "bench");
    request = request.header("Content-Type", JSON).header("Accept", JSON);
    if !stream_id.is_empty() {
        request = request.header(STREAM_ID, stream_id);
    }
    let request = request.body(Full::new(Bytes::from(body.to_string())));
    let request = request.map_err(|error| lost("a call", &error))?;
    stream.ready().await.map_err(|error| lost("a call", &error))?;
    let answer = timeout(LONG, stream.send_request(request)).await;
    let answer = answer.map_err(|_| Fault::Waited("an answer".to_owned()))?;
    answer.map_err(|error| lost("a call", &error))
}

fn lost(what: &str, error: &dyn std::error::Error) -> Fault {
    Fault::Core(format!("{what}: {error}"))
}
