//! The two ways a message is written, and which one HTTP's headers ask for.

use super::{json, wire};
use prost::{Message, Name};
use thiserror::Error;

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As [`json`].
    Json,
    /// As [`wire`].
    Protobuf,
}

/// Why a body cannot be read as its Content-Type says.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ContentTypeError {
    /// 400.
    #[error("the Content-Type is missing")]
    Missing,
    /// 415.
    #[error("the Content-Type must be application/json or application/x-protobuf")]
    Other,
}

/// The formats that an answer may have are none of ours: 406.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the Accept header must allow application/json or application/x-protobuf")]
pub struct NotAcceptable;

impl Format {
    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => "application/x-protobuf",
        }
    }

    /// The format of a body; Mesos compares the whole text.
    ///
    /// # Errors
    /// There is no such header, or it names another type.
    pub fn of_content(content_type: Option<&str>) -> Result<Self, ContentTypeError> {
        let named = content_type.ok_or(ContentTypeError::Missing)?;
        let known = [Self::Json, Self::Protobuf].into_iter().find(|one| one.media_type() == named);
        known.ok_or(ContentTypeError::Other)
    }

    /// The format that an answer is wanted in, by the values of the Accept headers: JSON wherever that
    /// will do. Weights are not looked at.
    ///
    /// # Errors
    /// Neither will do.
    pub fn wanted<'a>(accept: impl IntoIterator<Item = &'a str>) -> Result<Self, NotAcceptable> {
        let ranges = accept.into_iter().flat_map(|text| text.split(','));
        let ranges = ranges.map(|range| range.split(';').next().unwrap_or_default().trim());
        let ranges: Vec<_> = ranges.map(str::to_ascii_lowercase).collect();
        let json =
            |range: &String| ["*/*", "application/*", "application/json"].contains(&&**range);
        if ranges.is_empty() || ranges.iter().any(json) {
            return Ok(Self::Json);
        }
        let protobuf = ranges.iter().any(|range| range == Self::Protobuf.media_type());
        if protobuf { Ok(Self::Protobuf) } else { Err(NotAcceptable) }
    }

    /// Writes a message.
    pub fn write<M: Message + Name>(self, message: &M) -> Vec<u8> {
        match self {
            Self::Json => json::to_string(message).into_bytes(),
            Self::Protobuf => message.encode_to_vec(),
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// The body is no such message; the sentence names the field.
    pub fn read<M: Message + Name + Default>(self, body: &[u8]) -> Result<M, String> {
        match self {
            Self::Json => json::from_slice(body).map_err(|problem| problem.to_string()),
            Self::Protobuf => wire::decode(body).map_err(|problem| problem.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_wherever_it_will_do() {
        let wanted = |texts: &[&'static str]| Format::wanted(texts.iter().copied());
        assert_eq!(wanted(&[]), Ok(Format::Json));
        assert_eq!(wanted(&["*/*"]), Ok(Format::Json));
        assert_eq!(wanted(&["application/x-protobuf, application/json"]), Ok(Format::Json));
        assert_eq!(wanted(&["application/x-protobuf;q=1"]), Ok(Format::Protobuf));
        assert_eq!(wanted(&["text/html"]), Err(NotAcceptable));
    }

    #[test]
    fn the_content_type_is_compared_whole() {
        assert_eq!(Format::of_content(Some("application/json")), Ok(Format::Json));
        assert_eq!(Format::of_content(None), Err(ContentTypeError::Missing));
        let charset = Format::of_content(Some("application/json; charset=utf-8"));
        assert_eq!(charset, Err(ContentTypeError::Other));
    }
}
