//! Which stream of each framework is the newest: every call names it, and older ones are refused.

use crate::mesos::http::refuse;
use axum::{
    http::{HeaderMap, StatusCode},
    response::Response,
};
use headroom_core::{command::Caller, ids::FrameworkId};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use uuid::Uuid;

/// The header that names a stream.
pub(super) const STREAM_ID: &str = "mesos-stream-id";

/// One standing stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) id: Uuid,
    pub(super) caller: Caller,
}

/// All standing streams; as many as there are subscribed frameworks.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions(Arc<Mutex<HashMap<FrameworkId, Stream>>>);

impl Sessions {
    pub(super) fn enter(&self, stream: Stream) {
        self.lock().insert(stream.caller.framework, stream);
    }

    /// Forgets a stream, unless a newer one stands.
    pub(super) fn leave(&self, stream: Stream) {
        let mut all = self.lock();
        if all.get(&stream.caller.framework) == Some(&stream) {
            all.remove(&stream.caller.framework);
        }
    }

    /// Who calls, if the call names the framework's standing stream. `known`: there is such a
    /// framework.
    pub(super) fn caller(
        &self,
        framework: FrameworkId,
        headers: &HeaderMap,
    ) -> Result<Caller, Box<Response>> {
        let Some(stream) = self.lock().get(&framework).copied() else {
            return Err(refuse(StatusCode::FORBIDDEN, "Framework is not subscribed"));
        };
        let named = headers.get(STREAM_ID).and_then(|id| id.to_str().ok());
        let Some(named) = named else {
            let why = "All non-subscribe calls should include the 'Mesos-Stream-Id' header";
            return Err(refuse(StatusCode::BAD_REQUEST, why));
        };
        if Uuid::parse_str(named) != Ok(stream.id) {
            let why = "The stream ID included in this request didn't match the stream ID currently \
                       associated with this framework";
            return Err(refuse(StatusCode::BAD_REQUEST, why));
        }
        Ok(stream.caller)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FrameworkId, Stream>> {
        // A panic elsewhere leaves the map whole: each change is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
