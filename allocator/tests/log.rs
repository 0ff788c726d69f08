//! The log of a real allocator: where it goes, who may read it, and telling more for a while.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use support::{
    LONG,
    http::{asked, get, post},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_headroom-allocator");

/// An allocator whose log goes to a file.
struct Program {
    child: Child,
    address: SocketAddr,
    file: PathBuf,
}

impl Program {
    async fn start(dir: &Path, flags: &[&str]) -> Self {
        let file = dir.join("allocator.log");
        let before = fs::read_to_string(&file).unwrap_or_default().len();
        let mut command = Command::new(PROGRAM);
        command.args(["--listen", "127.0.0.1:0", "--state-dir"]).arg(dir.join("state"));
        command.arg("--log-file").arg(&file).args(flags);
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        let text = until(&file, |text| listens(&text[before..]).is_some()).await;
        let address = listens(&text[before..]).unwrap();
        Self { child, address, file }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in the line that tells it.
fn listens(text: &str) -> Option<SocketAddr> {
    let line = text.lines().find(|line| line.contains("listening"))?;
    line.split("address=").nth(1)?.split(' ').next()?.parse().ok()
}

/// What is in the file once it is as wanted.
async fn until(file: &Path, wanted: impl Fn(&str) -> bool) -> String {
    for _ in 0..LONG.as_millis() / 20 {
        let text = fs::read_to_string(file).unwrap_or_default();
        if wanted(&text) {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never came; {}", fs::read_to_string(file).unwrap_or_default());
}

#[tokio::test]
async fn it_is_appended_to_a_file_and_mesos_clients_read_it() {
    let dir = tempfile::tempdir().unwrap();
    drop(Program::start(dir.path(), &[]).await);
    let mut program = Program::start(dir.path(), &[]).await;
    let (address, file) = (program.address, program.file.display().to_string());
    let text = program.text();
    assert_eq!(text.matches("listening").count(), 2, "the first start's is still there: {text}");
    assert!(!text.contains('\u{1b}'), "no colours in a file: {text}");

    let read = get(address, "/files/read?path=/master/log&offset=0").await.json();
    assert_eq!(read, json!({ "data": text, "offset": 0 }));
    for how_long in ["/files/read?path=/master/log", "/files/read?path=/master/log&offset=-1"] {
        let told = get(address, how_long).await.json();
        assert_eq!(told, json!({ "data": "", "offset": text.len() }));
    }
    let part = get(address, "/master/files/read?path=/master/log/&offset=3&length=5").await.json();
    assert_eq!(part, json!({ "data": text[3..8], "offset": 3 }));
    let script = get(address, "/files/read?path=/master/log&offset=3&length=1&jsonp=f").await;
    assert_eq!(script.text(), format!("f({{\"data\":\"{}\",\"offset\":3}});", &text[3..4]));
    let beyond = get(address, "/files/read?path=/master/log&offset=100000000").await.json();
    assert_eq!(beyond, json!({ "data": "", "offset": 100_000_000 }));

    let call = |offset: usize, length: Option<usize>| json!({ "type": "READ_FILE", "read_file": { "path": "/master/log", "offset": offset, "length": length } });
    let read = post(address, &call(0, Some(4))).await.json();
    let in_base64 = json!({ "size": text.len(), "data": "MjAy" });
    assert_eq!((&text[..3], &read["read_file"]["size"]), ("202", &in_base64["size"]));
    assert!(read["read_file"]["data"].as_str().unwrap().starts_with("MjAy"), "{read}");
    let list = json!({ "type": "LIST_FILES", "list_files": { "path": "/master/log" } });
    assert_eq!(post(address, &list).await.json()["type"], "LIST_FILES");

    assert_eq!(get(address, "/files/debug").await.json(), json!({ "/master/log": file }));
    assert_eq!(get(address, "/state").await.json()["external_log_file"], file);
    assert_eq!(get(address, "/flags").await.json()["flags"]["external_log_file"], file);
    assert_eq!(get(address, "/files/browse?path=/master/log").await.json(), json!([]));
    for (path, status) in [
        ("/files/browse", 400),
        ("/files/browse?path=/master", 404),
        ("/files/browse?path=/master/log/x", 404),
        ("/files/read?offset=0", 400),
        ("/files/read?path=/etc/passwd", 404),
        ("/files/read?path=/master/log&offset=-2", 400),
        ("/files/read?path=/master/log&length=x", 400),
        ("/files/download?path=", 400),
        ("/files/download?path=/master/../master/log", 404),
    ] {
        assert_eq!(get(address, path).await.status, status, "{path}");
    }
    program.child.kill().unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut program.child.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!(said, "", "all of it is in the file");
}

#[tokio::test]
async fn a_long_log_is_read_in_parts_and_downloaded_whole() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]).await;
    let mut log = fs::OpenOptions::new().append(true).open(&program.file).unwrap();
    log.write_all("0123456789\n".repeat(30_000).as_bytes()).unwrap();
    let text = program.text();
    let read = get(program.address, "/files/read?path=/master/log&offset=10").await.json();
    assert_eq!(read["data"], text[10..10 + 65_536]);
    let read = json!({ "type": "READ_FILE", "read_file": { "path": "/master/log", "offset": 0 } });
    let read = post(program.address, &read).await.json();
    assert_eq!(read["read_file"]["size"], text.len());
    assert_eq!(read["read_file"]["data"].as_str().unwrap().len(), 65_536usize.div_ceil(3) * 4);
    let whole = get(program.address, "/files/download?path=/master/log").await;
    assert_eq!(whole.status, 200);
    assert!(whole.head.contains("content-disposition: attachment; filename=allocator.log"));
    assert!(whole.text() == text, "{} of {} bytes", whole.body.len(), text.len());
}

#[test]
fn a_file_that_can_not_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("none/x.log");
    let mut command = Command::new(PROGRAM);
    command.args(["--listen", "127.0.0.1:0", "--state-dir"]).arg(dir.path());
    let output = command.arg("--log-file").arg(&file).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(said.contains(&format!("log.file {}", file.display())), "{said}");
}

#[tokio::test]
async fn it_tells_more_for_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]).await;
    let address = program.address;
    let level = || async { asked(address, "GET_LOGGING_LEVEL").await["level"].clone() };
    let none = json!({ "type": "TEARDOWN", "teardown": { "framework_id": { "value": "F1-9" } } });
    let refused = || program.text().matches("refused:").count();
    assert_eq!(level().await, Value::from(0));
    assert_eq!(get(address, "/logging/toggle").await.text(), "0\n");
    assert_eq!(post(address, &none).await.status, 400);
    assert_eq!(refused(), 0, "{}", program.text());

    assert_eq!(get(address, "/logging/toggle?level=1&duration=1hrs").await.status, 200);
    assert_eq!(level().await, Value::from(1));
    assert_eq!(post(address, &none).await.status, 400);
    assert_eq!(refused(), 1, "{}", program.text());

    let set = |level: u32, nanoseconds: i64| json!({ "type": "SET_LOGGING_LEVEL", "set_logging_level": { "level": level, "duration": { "nanoseconds": nanoseconds } } });
    assert_eq!(post(address, &set(0, 0)).await.status, 200);
    assert_eq!(level().await, Value::from(0));
    assert_eq!(post(address, &none).await.status, 400);
    assert_eq!(refused(), 1, "as before");

    assert_eq!(post(address, &set(2, 1_000_000)).await.status, 200);
    until(&program.file, |text| text.contains("as much as is configured again")).await;
    assert_eq!(level().await, Value::from(0));

    let day_and_more = 25 * 3_600 * 1_000_000_000;
    assert_eq!(post(address, &set(1, day_and_more)).await.status, 400);
    assert_eq!(post(address, &set(1, -1)).await.status, 400);
    for (query, why) in [
        ("level=1", "Expecting 'duration=value' in query."),
        ("duration=1secs", "Expecting 'level=value' in query."),
        ("level=x&duration=1secs", "Failed to convert 'x' to number."),
        ("level=-1&duration=1secs", "Invalid level '-1'."),
        ("level=1&duration=1parsecs", "Invalid duration '1parsecs'."),
        ("level=1&duration=2days", "a log tells more for 1day at most"),
    ] {
        let answer = get(address, &format!("/logging/toggle?{query}")).await;
        assert_eq!((answer.status, answer.text()), (400, format!("{why}\n")), "{query}");
    }
    assert_eq!(level().await, Value::from(0));
}

#[tokio::test]
async fn it_tells_no_less_than_configured() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &["--log-level", "debug"]).await;
    let answer = get(program.address, "/logging/toggle?level=0&duration=1secs").await;
    assert_eq!((answer.status, answer.text()), (400, "'0' < original level.\n".to_owned()));
    assert_eq!(get(program.address, "/logging/toggle").await.text(), "1\n");
}
