//! Answers in the forms that Mesos' pages use: JSON, its JSONP, and plain lines.

use axum::{
    extract::{FromRequestParts, Query},
    http::{HeaderName, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;

const JSON: &str = "application/json";
const SCRIPT: &str = "text/javascript";
const TEXT: &str = "text/plain; charset=utf-8";
/// The longest name of a script's function.
const MAX_CALLBACK_BYTES: usize = 128;
/// What a browser must not take for a page, though a task wrote it.
const NO_SNIFF: (HeaderName, &str) = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");

/// `value` as JSON; with the query parameter `jsonp`, as a script that calls that function with it.
pub(super) fn json(value: &impl Serialize, jsonp: Option<&str>) -> Response {
    let Ok(text) = serde_json::to_string(value) else {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "the answer can't be written as JSON");
    };
    match jsonp {
        None => ([(header::CONTENT_TYPE, JSON), NO_SNIFF], text).into_response(),
        Some(name) if is_callback(name) => {
            let script = format!("{name}({text});");
            ([(header::CONTENT_TYPE, SCRIPT), NO_SNIFF], script).into_response()
        }
        Some(_) => plain(StatusCode::BAD_REQUEST, "Expecting the name of a function in 'jsonp'."),
    }
}

/// The query parameter that any page takes.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Jsonp {
    jsonp: Option<String>,
}

impl Jsonp {
    pub(super) fn json(&self, value: &impl Serialize) -> Response {
        json(value, self.jsonp.as_deref())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Jsonp {
    type Rejection = Infallible;

    /// A query that makes no sense is one that asks for nothing.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let query = Query::<Self>::from_request_parts(parts, state).await;
        Ok(query.map_or_else(|_| Self::default(), |Query(jsonp)| jsonp))
    }
}

/// A line of text.
pub(super) fn plain(status: StatusCode, line: &str) -> Response {
    let text = if line.is_empty() { String::new() } else { format!("{line}\n") };
    (status, [(header::CONTENT_TYPE, TEXT), NO_SNIFF], text).into_response()
}

/// Names like `angular.callbacks._0`: anything else would be a script of somebody's own.
fn is_callback(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_$.[]".contains(&byte);
    !name.is_empty() && name.len() <= MAX_CALLBACK_BYTES && name.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_called() {
        assert!(is_callback("JSON_CALLBACK") && is_callback("angular.callbacks._0"));
        for bad in ["", "alert(1)//", "a;b", "a b", "<x>"] {
            assert!(!is_callback(bad), "{bad:?}");
        }
    }
}
