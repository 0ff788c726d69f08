//! Plain HTTP/1.1 questions, as Mesos' clients ask them.

use super::LONG;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Status, head and body of an answer.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub async fn open(address: SocketAddr, line: &str, headers: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!("{line} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    stream
}

pub async fn ask(address: SocketAddr, line: &str, headers: &str, body: &[u8]) -> Answer {
    let headers = format!("{headers}Connection: close\r\n");
    let mut stream = open(address, line, &headers, body).await;
    let mut all = Vec::new();
    timeout(LONG, stream.read_to_end(&mut all)).await.expect("no answer").unwrap();
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(all[..end].to_vec()).unwrap().to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(!head.contains("chunked"), "clients take a body without length for a stream\n{head}");
    Answer { status, head, body: all[end + 4..].to_vec() }
}

pub async fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, &format!("GET {path}"), "", b"").await
}

pub const JSON: &str = "Content-Type: application/json\r\n";

pub async fn post(address: SocketAddr, body: &Value) -> Answer {
    ask(address, "POST /api/v1", JSON, body.to_string().as_bytes()).await
}

/// The answer to a call that only names its type.
pub async fn asked(address: SocketAddr, kind: &str) -> Value {
    post(address, &json!({ "type": kind })).await.json()[kind.to_ascii_lowercase()].clone()
}
