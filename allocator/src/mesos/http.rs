//! What HTTP says around the messages: formats, and codes for what is wrong (Mesos' own,
//! src/master/http.cpp).

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use headroom_proto::mesos::{json, wire};
use prost::{Message, Name};

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Protobuf,
}

impl Format {
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => "application/x-protobuf",
        }
    }

    fn of(media_type: &str) -> Option<Self> {
        [Self::Json, Self::Protobuf].into_iter().find(|one| one.media_type() == media_type)
    }

    pub(crate) fn write<M: Message + Name>(self, message: &M) -> Vec<u8> {
        match self {
            Self::Json => json::to_string(message).into_bytes(),
            Self::Protobuf => message.encode_to_vec(),
        }
    }

    fn read<M: Message + Name + Default>(self, body: &[u8]) -> Result<M, String> {
        match self {
            Self::Json => json::from_slice(body).map_err(|problem| problem.to_string()),
            Self::Protobuf => wire::decode(body).map_err(|problem| problem.to_string()),
        }
    }
}

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
    let Some(media_type) = headers.get(header::CONTENT_TYPE) else {
        return Err(refuse(StatusCode::BAD_REQUEST, "the Content-Type is missing"));
    };
    let format = media_type.to_str().ok().and_then(Format::of).ok_or_else(|| {
        let why = "the Content-Type must be application/json or application/x-protobuf";
        refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, why)
    })?;
    format.read(body).map_err(|problem| refuse(StatusCode::BAD_REQUEST, problem))
}

/// The format that answers are wanted in: JSON wherever that will do.
pub(crate) fn wanted(headers: &HeaderMap) -> Result<Format, Box<Response>> {
    let accepted: Vec<_> = headers.get_all(header::ACCEPT).iter().collect();
    let ranges = || {
        let texts = accepted.iter().filter_map(|value| value.to_str().ok());
        // Weights are not looked at, as Mesos does not either beyond an order of its own.
        texts
            .flat_map(|text| text.split(','))
            .map(|range| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    };
    if accepted.is_empty()
        || ranges().any(|range| ["*/*", "application/*", "application/json"].contains(&&*range))
    {
        return Ok(Format::Json);
    }
    if ranges().any(|range| range == Format::Protobuf.media_type()) {
        return Ok(Format::Protobuf);
    }
    let why = "the Accept header must allow application/json or application/x-protobuf";
    Err(refuse(StatusCode::NOT_ACCEPTABLE, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(text: Option<&str>) -> Result<Format, StatusCode> {
        let mut headers = HeaderMap::new();
        if let Some(text) = text {
            headers.insert(header::ACCEPT, text.parse().unwrap());
        }
        wanted(&headers).map_err(|refusal| refusal.status())
    }

    #[test]
    fn json_wherever_it_will_do() {
        assert_eq!(accept(None), Ok(Format::Json));
        assert_eq!(accept(Some("*/*")), Ok(Format::Json));
        assert_eq!(accept(Some("application/x-protobuf, application/json")), Ok(Format::Json));
        assert_eq!(accept(Some("application/x-protobuf")), Ok(Format::Protobuf));
        assert_eq!(accept(Some("text/html")), Err(StatusCode::NOT_ACCEPTABLE));
    }
}
