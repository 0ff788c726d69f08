//! What HTTP says around the messages: codes for what is wrong (Mesos' own, src/master/http.cpp).

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use headroom_proto::mesos::format::ContentTypeError;
use prost::{Message, Name};

pub(crate) use headroom_proto::mesos::format::Format;

/// A refusal in words.
pub(crate) fn refuse(code: StatusCode, why: impl Into<String>) -> Box<Response> {
    let text = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Box::new((code, text, why.into() + "\n").into_response())
}

/// The message of a request.
pub(crate) fn read<M: Message + Name + Default>(
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<M, Box<Response>> {
    // A header that is no text names no format either.
    let named = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let format = Format::of_content(named).map_err(|problem| {
        let code = match problem {
            ContentTypeError::Missing => StatusCode::BAD_REQUEST,
            ContentTypeError::Other => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        };
        refuse(code, problem.to_string())
    })?;
    format.read(body).map_err(|problem| refuse(StatusCode::BAD_REQUEST, problem))
}

/// The format that answers are wanted in.
pub(crate) fn wanted(headers: &HeaderMap) -> Result<Format, Box<Response>> {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    Format::wanted(accepted)
        .map_err(|problem| refuse(StatusCode::NOT_ACCEPTABLE, problem.to_string()))
}
