//! `/files/browse`, `/files/read` and `/files/download`: what tasks have in their sandboxes.

use super::{
    answer,
    listing::Names,
    sandbox::{Inside, SandboxError},
};
use crate::containers::Layout;
use axum::{
    Router,
    body::Body,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::any,
};
use headroom_proto::mesos::files::{MAX_READ_BYTES, NO_PATH, number, plain_name, text};
use nix::sys::stat::FileStat;
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::FileExt as _,
};
use tokio::{sync::mpsc, task::spawn_blocking};
use tokio_stream::wrappers::ReceiverStream;

/// A download goes out in pieces of this size, two of them in memory.
const PIECE_BYTES: usize = 64 << 10;

pub(super) fn router(layout: Layout) -> Router {
    Router::new()
        .route("/files/browse", any(browse))
        .route("/files/read", any(read))
        .route("/files/download", any(download))
        .with_state(layout)
}

/// What a request may say; numbers are texts here, as what is wrong with them is told by Mesos' words.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    path: Option<String>,
    offset: Option<String>,
    length: Option<String>,
    jsonp: Option<String>,
}

#[derive(Serialize)]
struct Piece {
    data: String,
    offset: u64,
}

async fn browse(State(layout): State<Layout>, Query(asked): Query<Asked>) -> Response {
    let Some(path) = asked.path.filter(|path| !path.is_empty()) else {
        return answer::plain(StatusCode::BAD_REQUEST, NO_PATH);
    };
    let listed = off_thread(move || {
        let entries = Inside::find(&layout, &path)?.entries()?;
        let mut names = Names::default();
        let above = path.trim_end_matches('/');
        let info =
            |(name, found): (String, FileStat)| names.info(format!("{above}/{name}"), &found);
        Ok(entries.into_iter().map(info).collect::<Vec<_>>())
    });
    match listed.await {
        Ok(listing) => answer::json(&listing, asked.jsonp.as_deref()),
        Err(refused) => refused,
    }
}

async fn read(State(layout): State<Layout>, Query(asked): Query<Asked>) -> Response {
    let Some(path) = asked.path.filter(|path| !path.is_empty()) else {
        return answer::plain(StatusCode::BAD_REQUEST, NO_PATH);
    };
    let (offset, length) = match (
        number("offset", asked.offset.as_deref().map(str::trim)),
        number("length", asked.length.as_deref().map(str::trim)),
    ) {
        (Ok(offset), Ok(length)) => (offset, length),
        (Err(wrong), _) | (_, Err(wrong)) => return answer::plain(StatusCode::BAD_REQUEST, &wrong),
    };
    let piece = off_thread(move || {
        let (file, size) = Inside::find(&layout, &path)?.file("read")?;
        // Nothing said, or -1: how long is it?
        let Some(offset) = offset else { return Ok(Piece { data: String::new(), offset: size }) };
        let length = length.unwrap_or(u64::MAX).min(size.saturating_sub(offset));
        let data = read_at(&file, offset, length.min(MAX_READ_BYTES))
            .map_err(|fault| SandboxError::Invalid(format!("Failed to read '{path}': {fault}.")))?;
        Ok(Piece { data: text(data, offset, size), offset })
    });
    match piece.await {
        Ok(piece) => answer::json(&piece, asked.jsonp.as_deref()),
        Err(refused) => refused,
    }
}

async fn download(State(layout): State<Layout>, Query(asked): Query<Asked>) -> Response {
    let Some(path) = asked.path.filter(|path| !path.is_empty()) else {
        return answer::plain(StatusCode::BAD_REQUEST, NO_PATH);
    };
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let opened = off_thread(move || Inside::find(&layout, &path)?.file("download"));
    let (file, size) = match opened.await {
        Ok(opened) => opened,
        Err(refused) => return refused,
    };
    let headers = [
        (header::CONTENT_TYPE, media_type(&name).to_owned()),
        (header::CONTENT_LENGTH, size.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename={}", plain_name(&name))),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, Body::from_stream(pieces(file, size))).into_response()
}

/// The file in pieces, read as the other side takes them.
fn pieces(file: File, size: u64) -> ReceiverStream<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel(1);
    spawn_blocking(move || {
        let mut rest = file.take(size);
        loop {
            let mut piece = Vec::new();
            let read = rest.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece);
            if matches!(read, Ok(0)) || sender.blocking_send(read.map(|_| piece)).is_err() {
                return;
            }
        }
    });
    ReceiverStream::new(receiver)
}

/// Runs what waits for the disk where it holds up nobody, and makes answers of what goes wrong.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SandboxError> + Send + 'static,
) -> Result<T, Response> {
    let done = spawn_blocking(work).await;
    match done {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(fault)) => {
            let status = match &fault {
                SandboxError::NotFound => StatusCode::NOT_FOUND,
                SandboxError::Invalid(_) => StatusCode::BAD_REQUEST,
                SandboxError::System { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            };
            Err(answer::plain(status, &fault.to_string()))
        }
        Err(_) => Err(answer::plain(StatusCode::INTERNAL_SERVER_ERROR, "The agent stops.")),
    }
}

fn read_at(file: &File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut data = vec![0; usize::try_from(length).unwrap_or(0)];
    let mut filled = 0;
    while filled < data.len() {
        match file.read_at(&mut data[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            Err(fault) => return Err(fault),
        }
    }
    data.truncate(filled);
    Ok(data)
}

/// By the name's end; only what no browser runs.
fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, end)| end) {
        Some("txt" | "log") => "text/plain",
        Some("json") => "application/json",
        Some("gz" | "tgz") => "application/gzip",
        Some("tar") => "application/x-tar",
        Some("zip") => "application/zip",
        Some("png") => "image/png",
        Some("pdf") => "application/pdf",
        _ => "application/octet-stream",
    }
}
