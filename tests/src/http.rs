//! The least of an HTTP client: one GET a connection.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use crate::{Json, LONG};

/// The status and the body of what is answered for a path with its query.
///
/// # Panics
/// Nobody answers.
#[must_use]
pub fn get(address: &str, path: &str) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(LONG)).expect("a timeout");
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").expect("sent");
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("an answer");
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, all[end + 4..].to_vec())
}

/// The JSON that is answered, or null.
#[must_use]
pub fn get_json(address: &str, path: &str) -> Json {
    let (status, body) = get(address, path);
    if status == 200 { serde_json::from_slice(&body).unwrap_or_default() } else { Json::Null }
}
