//! `/files/browse`, `/files/read`, `/files/download` and `/files/debug`.

use super::{Asked, page, text};
use crate::{
    mesos::http::refuse,
    operator::mesos::{Door, files::FileError},
};
use axum::{
    body::Body,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use headroom_proto::mesos::files::{self as wire, NO_PATH, number, plain_name};
use serde::Deserialize;
use serde_json::json;

/// Which part of which file; numbers are texts, as what is wrong with them is told by Mesos' words.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Part {
    path: Option<String>,
    offset: Option<String>,
    length: Option<String>,
}

impl Part {
    fn path(&self) -> Result<&str, Box<Response>> {
        let path = self.path.as_deref().filter(|path| !path.is_empty());
        path.ok_or_else(|| refuse(StatusCode::BAD_REQUEST, NO_PATH))
    }
}

pub(in crate::operator::mesos) fn refused(error: &FileError) -> Box<Response> {
    let code = match error {
        FileError::NotFound => StatusCode::NOT_FOUND,
        FileError::NoFile(_) => StatusCode::BAD_REQUEST,
        FileError::Unreadable { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    };
    refuse(code, error.to_string())
}

/// What a directory holds; a file holds nothing, and there are no directories.
pub(super) async fn browse(
    State(door): State<Door>,
    Query(asked): Query<Asked>,
    Query(part): Query<Part>,
) -> Response {
    let found = part.path().and_then(|path| door.0.files.find(path).map_err(|e| refused(&e)));
    found.map_or_else(|refusal| *refusal, |_| page(text(&[(); 0]), &asked))
}

pub(super) async fn read(
    State(door): State<Door>,
    Query(asked): Query<Asked>,
    Query(part): Query<Part>,
) -> Response {
    let told = async {
        let (path, wrong) = (part.path()?, |why| refuse(StatusCode::BAD_REQUEST, why));
        let offset = number("offset", part.offset.as_deref()).map_err(wrong)?;
        let length = number("length", part.length.as_deref()).map_err(wrong)?;
        // Nothing said, or -1: how long is it?
        let length = if offset.is_none() { Some(0) } else { length };
        let read = door.0.files.read(path, offset.unwrap_or(0), length).await;
        let (size, data) = read.map_err(|error| refused(&error))?;
        let offset = offset.unwrap_or(size);
        let data = wire::text(data, offset, size);
        Ok::<_, Box<Response>>(json!({ "data": data, "offset": offset }))
    };
    told.await.map_or_else(|refusal| *refusal, |told| page(text(&told), &asked))
}

pub(super) async fn download(State(door): State<Door>, Query(part): Query<Part>) -> Response {
    let opened = async {
        let path = part.path()?;
        let opened = door.0.files.open(path).await.map_err(|error| refused(&error))?;
        let at = door.0.files.find(path).map_err(|error| refused(&error))?;
        Ok::<_, Box<Response>>((
            opened,
            plain_name(&at.file_name().unwrap_or_default().to_string_lossy()),
        ))
    };
    let (opened, name) = match opened.await {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    let headers = [
        (header::CONTENT_TYPE, "text/plain".to_owned()),
        (header::CONTENT_LENGTH, opened.size.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename={name}")),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, Body::from_stream(opened.pieces())).into_response()
}

pub(super) async fn debug(State(door): State<Door>, Query(asked): Query<Asked>) -> Response {
    page(text(&door.0.files.attached()), &asked)
}
