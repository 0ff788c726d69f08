//! `POST /api/v1/executor`: what executors call, and the stream of events to each.

use super::call::{Call, CallError, What, what};
use crate::tasks;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::post,
};
use headroom_proto::mesos::{
    format::{ContentTypeError, Format},
    recordio,
    v1::executor::{self, Event, event},
};
use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, Interval, interval_at},
};
use tracing::debug;

/// The body of a call may have so many bytes; results travel in updates.
pub const MAX_CALL_BYTES: usize = 8 << 20;
/// So many events wait for an executor to read them; one that reads no faster is cut off, and may come
/// back.
pub const MAX_EVENTS: usize = 4_096;
/// How often an executor is shown that its stream stands (Mesos: 30 min).
const HEARTBEAT: Duration = Duration::from_secs(30 * 60);

/// The pages of this door.
pub fn router(keeper: mpsc::WeakSender<tasks::Message>) -> Router {
    Router::new()
        .route("/api/v1/executor", post(call))
        .layer(DefaultBodyLimit::max(MAX_CALL_BYTES))
        .with_state(keeper)
}

async fn call(
    State(keeper): State<mpsc::WeakSender<tasks::Message>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match answer(&keeper, &headers, &body).await {
        Ok(response) => response,
        Err((code, why)) => (code, why + "\n").into_response(),
    }
}

type Refusal = (StatusCode, String);

async fn answer(
    keeper: &mpsc::WeakSender<tasks::Message>,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response, Refusal> {
    let message: executor::Call = read(headers, body)?;
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let format = Format::wanted(accepted);
    let (events, queue) = mpsc::channel(MAX_EVENTS);
    let framework_id = message.framework_id.value.clone();
    let executor_id = message.executor_id.value.clone();
    let what = what(message, || events).map_err(|error| refused(&error))?;
    if matches!(what, What::Heartbeat) {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    let stream = match &what {
        What::Subscribe { .. } => {
            Some(format.map_err(|problem| (StatusCode::NOT_ACCEPTABLE, problem.to_string()))?)
        }
        _ => None,
    };
    let (answer, answered) = oneshot::channel();
    let call = tasks::Message::Executor(Box::new(Call { framework_id, executor_id, what, answer }));
    let gone = || (StatusCode::SERVICE_UNAVAILABLE, "the agent is going".to_owned());
    keeper.upgrade().ok_or_else(gone)?.send(call).await.map_err(|_| gone())?;
    answered.await.map_err(|_| gone())?.map_err(|error| refused(&error))?;
    let Some(format) = stream else { return Ok(StatusCode::ACCEPTED.into_response()) };
    let heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    let headers = [(header::CONTENT_TYPE, format.media_type())];
    Ok((headers, Body::from_stream(Records { queue, heartbeat, format })).into_response())
}

fn read(headers: &HeaderMap, body: &Bytes) -> Result<executor::Call, Refusal> {
    let named = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let format = Format::of_content(named).map_err(|problem| {
        let code = match problem {
            ContentTypeError::Missing => StatusCode::BAD_REQUEST,
            ContentTypeError::Other => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        };
        (code, problem.to_string())
    })?;
    format.read(body).map_err(|problem| (StatusCode::BAD_REQUEST, problem))
}

fn refused(error: &CallError) -> Refusal {
    let code = match error {
        CallError::Wrong(_) => StatusCode::BAD_REQUEST,
        CallError::NotSubscribed => StatusCode::FORBIDDEN,
        CallError::Unknown => StatusCode::NOT_IMPLEMENTED,
        CallError::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    debug!("refused an executor's call: {error}");
    (code, error.to_string())
}

/// The events as records, one a piece.
struct Records {
    queue: mpsc::Receiver<Event>,
    heartbeat: Interval,
    format: Format,
}

impl tokio_stream::Stream for Records {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let event = match self.queue.poll_recv(context) {
            Poll::Ready(Some(event)) => event,
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {
                std::task::ready!(self.heartbeat.poll_tick(context));
                Event { r#type: Some(event::Type::Heartbeat.into()), ..Event::default() }
            }
        };
        Poll::Ready(Some(Ok(recordio::encode(&self.format.write(&event)).into())))
    }
}
