//! How much the log tells: SET_LOGGING_LEVEL.

use crate::{
    log::{RaiseError, raise},
    mesos::http::refuse,
};
use axum::{
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use headroom_proto::mesos::v1::master::call::SetLoggingLevel;
use std::time::Duration;

pub(super) fn refused(error: &RaiseError) -> Box<Response> {
    let code = match error {
        RaiseError::Lower(_) | RaiseError::TooLong => StatusCode::BAD_REQUEST,
        RaiseError::NoLog | RaiseError::Filter(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    refuse(code, error.to_string())
}

pub(super) fn set(wish: &SetLoggingLevel) -> Result<Response, Box<Response>> {
    let nanoseconds = wish.duration.nanoseconds;
    let span = u64::try_from(nanoseconds).map_err(|_| {
        refuse(StatusCode::BAD_REQUEST, format!("Invalid duration '{nanoseconds}ns'."))
    })?;
    raise(wish.level, Duration::from_nanos(span)).map_err(|error| refused(&error))?;
    Ok(StatusCode::OK.into_response())
}
