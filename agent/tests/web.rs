//! The agent's HTTP server over real sockets.

mod http;

use headroom_agent::config::Config;
use headroom_agent::containers::Layout;
use headroom_agent::web::{self, About, Door, Sources};
use headroom_proto::v1::Hello;
use http::{Answer, get};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::json;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;

/// What an agent without tasks shows.
fn pages(layout: &Layout) -> axum::Router {
    let config = Config { state_dir: layout.state().to_owned(), ..Config::default() };
    let address = SocketAddr::from(([127, 0, 0, 1], 5051));
    let about = About::new(&config, &Hello::default(), address);
    let (keeper, _) = tokio::sync::mpsc::channel(1);
    let (_, report) = tokio::sync::watch::channel(None);
    web::router(&Sources::new(about, keeper.downgrade(), report))
}

fn nothing() -> axum::Router {
    pages(&Layout::new("/nonexistent"))
}

/// A server of the test's own, for as long as the test's process lives.
fn serve(router: axum::Router) -> SocketAddr {
    let door = Door::open(Some("127.0.0.1:0"), "", std::path::Path::new(""))
        .expect("a port")
        .expect("a server");
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
    let address = serve(nothing());
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
    let address = serve(nothing());
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

/// Sandboxes with all that a task could put into one.
fn sandboxes() -> (tempfile::TempDir, Layout) {
    let state = tempfile::tempdir().expect("a directory");
    let layout = Layout::new(state.path());
    let runs = layout.runs("A1", "F1", "t1");
    let sandbox = runs.join("c1");
    fs::create_dir_all(sandbox.join("deep/er")).expect("directories");
    fs::create_dir_all(layout.runs("A1", "F1", "t2").join("c2")).expect("directories");
    fs::create_dir_all(layout.meta()).expect("directories");
    symlink("c1", runs.join("latest")).expect("a link");
    fs::write(sandbox.join("stdout"), "0123456789").expect("a file");
    fs::write(sandbox.join("deep/er/data.bin"), [0xff; 3]).expect("a file");
    fs::write(layout.runs("A1", "F1", "t2").join("c2/secret"), "of another").expect("a file");
    fs::write(layout.meta().join("agent.json"), "secret").expect("a file");
    symlink("/etc/passwd", sandbox.join("passwd")).expect("a link");
    symlink("../../../../../../../../meta/agent.json", sandbox.join("meta")).expect("a link");
    symlink("/", sandbox.join("root")).expect("a link");
    symlink("../../../t2/runs/c2", sandbox.join("other")).expect("a link");
    symlink("deep/er", sandbox.join("inner")).expect("a link");
    symlink("loop", sandbox.join("loop")).expect("a link");
    symlink("/proc/self/root/etc/passwd", sandbox.join("magic")).expect("a link");
    mkfifo(&sandbox.join("pipe"), Mode::S_IRWXU).expect("a pipe");
    (state, layout)
}

#[test]
fn a_sandbox_is_browsed_read_and_downloaded_as_mesos_does() {
    let (_state, layout) = sandboxes();
    let address = serve(pages(&layout));
    let place = layout.runs("A1", "F1", "t1").join("c1").display().to_string();
    for path in [&place, "/frameworks/F1/executors/t1/runs/latest"] {
        let listing = get(address, &format!("/files/browse?path={path}")).json();
        let names: Vec<_> = listing.as_array().expect("a list").iter().collect();
        let paths: Vec<_> =
            names.iter().map(|info| info["path"].as_str().expect("a path")).collect();
        assert!(paths.contains(&format!("{path}/stdout").as_str()), "{paths:?}");
        assert!(paths.is_sorted());
        let stdout = names.iter().find(|info| info["path"] == format!("{path}/stdout"));
        let stdout = stdout.expect("stdout");
        assert_eq!((stdout["size"].as_u64(), stdout["nlink"].as_u64()), (Some(10), Some(1)));
        assert_eq!((&stdout["mode"], &stdout["uid"]), (&"-rw-r--r--".into(), &user().into()));
        assert!(stdout["mtime"].is_f64() && stdout["gid"].is_string());
        let inner = names.iter().find(|info| info["path"] == format!("{path}/inner"));
        assert_eq!(inner.expect("a link inside")["mode"], "drwxr-xr-x");
        // Nothing of what it leads to is told.
        let passwd = names.iter().find(|info| info["path"] == format!("{path}/passwd"));
        assert_eq!(passwd.expect("a link out")["mode"], "lrwxrwxrwx");
    }
    let read =
        |rest: &str| get(address, &format!("/slave(1)/files/read?path={place}/stdout{rest}"));
    assert_eq!(read("").json(), json!({"data": "", "offset": 10}));
    assert_eq!(read("&offset=-1&length=5").json(), json!({"data": "", "offset": 10}));
    assert_eq!(read("&offset=3&length=4").json(), json!({"data": "3456", "offset": 3}));
    assert_eq!(read("&offset=3").json(), json!({"data": "3456789", "offset": 3}));
    assert_eq!(read("&offset=3&length=-1").json(), json!({"data": "3456789", "offset": 3}));
    assert_eq!(read("&offset=30&length=4").json(), json!({"data": "", "offset": 30}));
    assert_eq!(read("&offset=0&jsonp=f").text(), r#"f({"data":"0123456789","offset":0});"#);
    for (rest, words) in [
        ("&offset=-2", "Negative offset provided: -2.\n"),
        ("&length=-2&offset=0", "Negative length provided: -2.\n"),
        ("&offset=x", "Failed to parse offset: Failed to convert 'x' to number.\n"),
    ] {
        let answer = read(rest);
        assert_eq!((answer.status, answer.text().as_str()), (400, words));
    }
    let file = get(address, &format!("/files/download?path={place}/inner/data.bin"));
    assert_eq!((file.status, file.body.as_slice()), (200, &[0xff; 3][..]));
    assert_eq!(file.header("content-disposition"), Some("attachment; filename=data.bin"));
    assert_eq!(file.header("content-type"), Some("application/octet-stream"));
    assert_eq!(file.header("content-length"), Some("3"));
    let bytes = get(address, &format!("/files/read?path={place}/inner/data.bin&offset=0"));
    assert_eq!(bytes.json()["data"], "\u{fffd}\u{fffd}\u{fffd}");
    for page in ["browse", "read", "download"] {
        let answer = get(address, &format!("/files/{page}"));
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (400, "Expecting 'path=value' in query.\n")
        );
        let answer = get(address, &format!("/files/{page}?path={place}/missing&offset=0"));
        assert_eq!((answer.status, answer.text().as_str()), (404, ""));
    }
    let answer = get(address, &format!("/files/read?path={place}/deep&offset=0"));
    assert_eq!((answer.status, answer.text().as_str()), (400, "Cannot read a directory.\n"));
    let answer = get(address, &format!("/files/download?path={place}/deep"));
    assert_eq!((answer.status, answer.text().as_str()), (400, "Cannot download a directory.\n"));
    assert_eq!(get(address, &format!("/files/browse?path={place}/stdout")).json(), json!([]));
}

#[test]
fn nothing_outside_the_sandbox_is_ever_served() {
    let (state, layout) = sandboxes();
    let address = serve(pages(&layout));
    let runs = layout.runs("A1", "F1", "t1").display().to_string();
    let virtual_runs = "/frameworks/F1/executors/t1/runs";
    let state = state.path().display().to_string();
    let inside = [
        "passwd",
        "meta",
        "root/etc/passwd",
        "other/secret",
        "magic",
        "loop",
        "../../../../../../../..",
        "../../t2/runs/c2/secret",
        "%2e%2e/%2e%2e/%2e%2e/t2/runs/c2/secret",
        "root/../../../etc/passwd",
        "deep/../../c1/../../../t2/runs/c2/secret",
        "pipe",
    ];
    let mut paths: Vec<String> = inside.iter().map(|path| format!("{runs}/c1/{path}")).collect();
    paths.extend(inside.iter().map(|path| format!("{virtual_runs}/latest/{path}")));
    paths.extend(
        ["/etc/passwd", "/", ".", "..", "etc/passwd", "//etc/passwd", "%00"].map(String::from),
    );
    paths.extend(
        ["/meta/agent.json", "/slaves", "/slaves/A1/frameworks"].map(|at| format!("{state}{at}")),
    );
    paths.push(format!("{state}/slaves/../meta/agent.json"));
    paths.push(format!("{state}/slaves/A1/frameworks/../../../meta/agent.json"));
    paths.push(format!("{state}/slaves/../frameworks/F1/executors/t1/runs/c1/stdout"));
    paths.push(format!("{runs}/../runs/c1/stdout"));
    paths.push("/frameworks/../executors/t1/runs/latest/stdout".into());
    for path in paths {
        for page in ["read", "download"] {
            let answer = get(address, &format!("/files/{page}?path={path}&offset=0"));
            assert!([400, 404].contains(&answer.status), "{page} {path}: {answer:?}");
        }
        let answer = get(address, &format!("/files/browse?path={path}"));
        let is_empty = answer.status == 200 && answer.json() == json!([]);
        assert!(is_empty || [400, 404].contains(&answer.status), "{path}: {answer:?}");
    }
}

fn user() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).expect("users");
    user.expect("this one").name
}
