//! The agent's HTTP server over real sockets.

mod http;

use headroom_agent::web::{self, Door};
use http::{Answer, get};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// A server of the test's own, for as long as the test's process lives.
fn serve(router: axum::Router) -> SocketAddr {
    let door = Door::open(Some("127.0.0.1:0"), "").expect("a port").expect("a server");
    let address = door.address();
    std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(web::run(door, router));
    });
    address
}

#[test]
fn it_is_well_and_says_what_it_speaks_with_and_without_the_actors_name() {
    let address = serve(web::router());
    for prefix in ["", "/slave(1)", "/slave%281%29"] {
        let Answer { status, body, .. } = get(address, &format!("{prefix}/health"));
        assert_eq!((status, body.as_slice()), (200, &b""[..]));
        let answer = get(address, &format!("{prefix}/version"));
        assert_eq!(answer.json()["version"], "1.11.0");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    assert_eq!(get(address, "/nowhere").status, 404);
    let script = get(address, "/version?jsonp=angular.callbacks._0");
    assert_eq!(script.header("content-type"), Some("text/javascript"));
    let text = String::from_utf8(script.body).expect("utf-8");
    assert!(text.starts_with("angular.callbacks._0({") && text.ends_with("});"), "{text}");
    assert_eq!(get(address, "/version?jsonp=alert(1)//").status, 400);
}

#[test]
fn connections_beyond_the_bound_wait_until_one_ends() {
    let address = serve(web::router());
    let mut held: Vec<TcpStream> = (0..web::MAX_CONNECTIONS)
        .map(|_| TcpStream::connect(address).expect("a connection"))
        .collect();
    // Each is accepted: it gets an answer and stays.
    for stream in &mut held {
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
        let mut first = [0; 12];
        stream.read_exact(&mut first).expect("an answer");
        assert_eq!(&first, b"HTTP/1.1 200");
    }
    let mut one_more = TcpStream::connect(address).expect("in the kernel's queue");
    one_more.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    one_more.set_read_timeout(Some(std::time::Duration::from_millis(300))).expect("a timeout");
    let mut first = [0; 12];
    assert!(one_more.read_exact(&mut first).is_err(), "the bound did not hold");
    held.pop();
    one_more.set_read_timeout(Some(http::PATIENCE)).expect("a timeout");
    one_more.read_exact(&mut first).expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 200");
}
