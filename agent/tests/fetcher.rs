//! Fetching files for tasks: real servers, real archives, real containers.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use headroom_agent::containers::ContainerSpec;
use headroom_agent::fetcher::{self, Fetch, FetchError, Uri};
use headroom_agent::supervisor::Outcome;
use support::{Bench, can_run, exited, output, procs, shell, wait, wait_exit};

/// What is served under which path, with an entity tag or without; and what was asked.
#[derive(Default)]
struct Files {
    bodies: BTreeMap<String, (Vec<u8>, Option<String>)>,
    asked: Vec<(String, u16)>,
}

/// An HTTP server of the test's own. `/stall` sends half and then nothing, `/short` breaks off,
/// `/moved/X` sends on to X.
#[derive(Clone)]
struct Server {
    address: SocketAddr,
    files: Arc<Mutex<Files>>,
}

impl Server {
    fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let server = Server { address, files: Arc::default() };
        let own = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = own.clone();
                std::thread::spawn(move || server.answer(stream));
            }
        });
        server
    }

    fn put(&self, path: &str, body: &[u8], etag: Option<&str>) -> String {
        let file = (body.to_vec(), etag.map(str::to_owned));
        self.files.lock().expect("files").bodies.insert(path.to_owned(), file);
        format!("http://{}{path}", self.address)
    }

    /// The status codes that were answered for a path.
    fn answers(&self, path: &str) -> Vec<u16> {
        let files = self.files.lock().expect("files");
        files.asked.iter().filter(|(asked, _)| asked == path).map(|(_, status)| *status).collect()
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let known = head.lines().find_map(|line| line.strip_prefix("if-none-match: "));
        let file = self.files.lock().expect("files").bodies.get(&path).cloned();
        let (status, more, body) = match file {
            _ if path.starts_with("/moved") => {
                (302, format!("Location: {}\r\n", &path["/moved".len()..]), Vec::new())
            }
            None => (404, String::new(), Vec::new()),
            Some((_, Some(etag))) if known == Some(etag.as_str()) => {
                (304, String::new(), Vec::new())
            }
            Some((body, etag)) => {
                (200, etag.map_or(String::new(), |etag| format!("ETag: {etag}\r\n")), body)
            }
        };
        self.files.lock().expect("files").asked.push((path.clone(), status));
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {length}\r\n");
        let _ = stream.write_all(format!("{head}{more}\r\n").as_bytes());
        let half = ["/stall", "/short"].contains(&path.as_str());
        let _ = stream.write_all(if half { &body[..length / 2] } else { &body });
        if path == "/stall" {
            std::thread::sleep(Duration::from_secs(60));
        }
    }
}

fn uri(value: &str) -> Uri {
    let value = value.to_owned();
    Uri { value, extract: true, executable: false, cache: false, output_file: None }
}

fn fetch(uris: &[Uri], sandbox: &std::path::Path) -> Result<(), FetchError> {
    fetcher::run(&Fetch { stall_ms: 500, ..Fetch::default() }, uris, sandbox, |_| {})
}

/// A tar archive with files by their names.
fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        // Any name, also one that the writer would refuse.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(text.len() as u64);
        header.set_mode(0o755);
        header.set_cksum();
        archive.append(&header, text.as_bytes()).expect("packed");
    }
    archive.into_inner().expect("whole")
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).expect("packed");
    encoder.finish().expect("whole")
}

fn bzip2(data: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(data).expect("packed");
    encoder.finish().expect("whole")
}

fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o750);
    for (name, text) in files {
        archive.start_file(*name, options).expect("a file");
        archive.write_all(text.as_bytes()).expect("packed");
    }
    archive.finish().expect("whole").into_inner()
}

#[test]
fn every_kind_of_archive_is_unpacked_and_what_is_none_is_left() {
    let server = Server::start();
    let sandbox = tempfile::tempdir().expect("a sandbox");
    let of = |name: &'static str| tar(&[(name, name)]);
    let uris = [
        server.put("/a.tar", &of("deep/a"), None),
        server.put("/b.tar.gz", &gzip(&of("b")), None),
        server.put("/c.tgz", &gzip(&of("c")), None),
        server.put("/d.tar.bz2", &bzip2(&of("d")), None),
        server.put("/e.tbz2", &bzip2(&of("e")), None),
        server.put("/f.zip", &zip(&[("in/f", "in/f")]), None),
        server.put("/g.gz", &gzip(b"g"), None),
        server.put("/plain", b"plain", None),
    ];
    fetch(&uris.map(|value| uri(&value)), sandbox.path()).expect("fetched");
    let read = |name: &str| fs::read_to_string(sandbox.path().join(name)).unwrap_or_default();
    for name in ["deep/a", "b", "c", "d", "e", "in/f", "g", "plain"] {
        assert_eq!(read(name), name);
    }
    let mode = |name: &str| fs::metadata(sandbox.path().join(name)).expect(name).mode() & 0o777;
    assert_eq!((mode("b"), mode("in/f")), (0o755, 0o750));
    // As Mesos, the archive itself stays.
    assert!(sandbox.path().join("a.tar").exists());
}

#[test]
fn xz_archives_are_unpacked() {
    let sandbox = tempfile::tempdir().expect("a sandbox");
    let packed = sandbox.path().join("from.tar");
    fs::write(&packed, tar(&[("x", "x")])).expect("written");
    let done = std::process::Command::new("xz").arg(&packed).status();
    if !done.is_ok_and(|status| status.success()) {
        return println!("skipped: there is no xz to pack with");
    }
    let value = packed.with_extension("tar.xz").display().to_string();
    let to = Uri { output_file: Some("to.txz".into()), ..uri(&value) };
    fetch(&[to], sandbox.path()).expect("fetched");
    assert_eq!(fs::read_to_string(sandbox.path().join("x")).expect("unpacked"), "x");
}

#[test]
fn names_modes_and_redirections_are_as_asked() {
    let server = Server::start();
    let sandbox = tempfile::tempdir().expect("a sandbox");
    let run = server.put("/run.tar", b"#!/bin/sh\n", None);
    let other = server.put("/other.tar", &tar(&[("x", "x")]), None);
    let moved = format!("http://{}/moved/run.tar", server.address);
    let uris = [
        Uri { executable: true, output_file: Some("bin/run".into()), ..uri(&run) },
        Uri { extract: false, ..uri(&other) },
        Uri { extract: false, output_file: Some("moved".into()), ..uri(&moved) },
    ];
    fetch(&uris, sandbox.path()).expect("fetched");
    let at = |name: &str| sandbox.path().join(name);
    assert_eq!(fs::metadata(at("bin/run")).expect("there").permissions().mode() & 0o777, 0o755);
    assert!(at("other.tar").exists() && !at("x").exists());
    assert_eq!(fs::read(at("moved")).expect("there"), b"#!/bin/sh\n");
}

#[test]
fn what_fails_is_named_with_what_to_do() {
    let server = Server::start();
    let sandbox = tempfile::tempdir().expect("a sandbox");
    let long = vec![b'x'; 1 << 20];
    let cases = [
        (format!("http://{}/none", server.address), "the server answers 404"),
        (server.put("/stall", &long, None), "check that this node reaches the server"),
        (server.put("/short", &long, None), "check that this node reaches the server"),
        ("http://127.0.0.1:1/x".to_owned(), "check that this node reaches the server"),
        ("/no/such/file".to_owned(), "No such file"),
        (sandbox.path().display().to_string(), "no plain file"),
        ("hdfs://h/x".to_owned(), "only http://, https://, file:// and absolute paths"),
        (server.put("/bad.tar.gz", b"no archive", None), "set extract to false"),
        (server.put("/bad.zip", b"no archive", None), "set extract to false"),
        (server.put("/out.tar", &tar(&[("../out", "x")]), None), "outside of the sandbox"),
        (
            server.put("/root.tar", &tar(&[("/tmp/headroom-out", "x")]), None),
            "outside of the sandbox",
        ),
        (server.put("/out.zip", &zip(&[("../out", "x")]), None), "outside of the sandbox"),
    ];
    for (value, words) in cases {
        let fault = fetch(&[uri(&value)], sandbox.path()).expect_err(&value).to_string();
        assert!(fault.contains(&value) && fault.contains(words), "{fault}");
    }
    assert!(!sandbox.path().parent().expect("a parent").join("out").exists());
    assert!(!std::path::Path::new("/tmp/headroom-out").exists());
}

#[test]
fn an_archive_does_not_write_through_a_link_that_leads_out() {
    let server = Server::start();
    let (sandbox, outside) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    archive.append_link(&mut header, "way", outside.path()).expect("a link");
    let links = archive.into_inner().expect("whole");
    let links = server.put("/links.tar", &links, None);
    for (name, packed) in
        [("/through.tar", tar(&[("way/x", "x")])), ("/through.zip", zip(&[("way/x", "x")]))]
    {
        let through = server.put(name, &packed, None);
        let fault = fetch(&[uri(&links), uri(&through)], sandbox.path()).expect_err(name);
        assert!(fault.to_string().contains(&through), "{fault}");
        assert_eq!(fs::read_dir(outside.path()).expect("there").count(), 0);
    }
}

#[test]
fn a_bomb_is_stopped_at_the_tasks_bound() {
    let server = Server::start();
    let sandbox = tempfile::tempdir().expect("a sandbox");
    let zeros = vec![0_u8; 8 << 20];
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(zeros.len() as u64);
    archive.append_data(&mut header, "zeros", zeros.as_slice()).expect("packed");
    let tarred = archive.into_inner().expect("whole");
    let bombs = [
        server.put("/bomb.gz", &gzip(&zeros), None),
        server.put("/bomb.tgz", &gzip(&tarred), None),
        server.put("/bomb.zip", &zip(&[("z", &"0".repeat(8 << 20))]), None),
        server.put("/plain", &zeros, None),
    ];
    for value in bombs {
        let bound = Fetch { task_bytes: 1 << 20, ..Fetch::default() };
        let fault = fetcher::run(&bound, &[uri(&value)], sandbox.path(), |_| {}).expect_err(&value);
        assert!(matches!(fault, FetchError::TooMuch { bytes, .. } if bytes == 1 << 20), "{fault}");
    }
}

#[test]
fn copies_are_kept_while_they_are_the_newest_and_there_is_room() {
    let server = Server::start();
    let (cache, sandbox) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
    let settings =
        Fetch { cache: Some(cache.path().to_owned()), cache_bytes: 250_000, ..Fetch::default() };
    let get = |value: &str| {
        let uri = Uri { cache: true, ..uri(value) };
        fetcher::run(&settings, &[uri], sandbox.path(), |_| {}).expect("fetched");
        fs::read(sandbox.path().join(value.rsplit('/').next().expect("a name"))).expect("there")
    };
    let body = |of: u8| vec![of; 100_000];
    let one = server.put("/one", &body(1), Some("\"v1\""));
    assert_eq!((get(&one), get(&one)), (body(1), body(1)));
    assert_eq!(server.answers("/one"), [200, 304]);
    server.put("/one", &body(7), Some("\"v2\""));
    assert_eq!(get(&one), body(7));
    assert_eq!(server.answers("/one"), [200, 304, 200]);
    // A server without tags: the length must do.
    let two = server.put("/two", &body(2), None);
    assert_eq!((get(&two), get(&two)), (body(2), body(2)));
    // The third has no room beside both: the one that was not used for longest goes.
    let three = server.put("/three", &body(3), Some("\"v1\""));
    std::thread::sleep(Duration::from_millis(20));
    get(&two);
    get(&three);
    let kept = || -> u64 {
        let copies = fs::read_dir(cache.path()).expect("there").flatten();
        copies
            .map(|copy| fs::metadata(copy.path().join("content")).map_or(0, |data| data.len()))
            .sum()
    };
    assert_eq!(kept(), 200_000);
    get(&one);
    assert_eq!(server.answers("/one"), [200, 304, 200, 200], "it had to go");
    // What would take all of it is not kept at all, and is fetched all the same.
    let big = server.put("/big", &vec![9; 300_000], Some("\"v1\""));
    assert_eq!(get(&big).len(), 300_000);
    assert_eq!(kept(), 200_000);
    assert_eq!(fetcher::make_room(&[cache.path().to_owned()], 0).expect("room"), 0);
    assert_eq!(kept(), 0);
}

#[test]
fn many_at_once_fetch_one_copy() {
    let server = Server::start();
    let cache = tempfile::tempdir().expect("a cache");
    let value = server.put("/shared", &vec![5; 1 << 20], Some("\"v1\""));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let sandbox = tempfile::tempdir().expect("a sandbox");
                let settings = Fetch { cache: Some(cache.path().to_owned()), ..Fetch::default() };
                let uri = Uri { cache: true, ..uri(&value) };
                fetcher::run(&settings, &[uri], sandbox.path(), |_| {}).expect("fetched");
                let data = fs::read(sandbox.path().join("shared")).expect("there");
                assert!(data.len() == 1 << 20 && data.iter().all(|byte| *byte == 5));
            });
        }
    });
    let answers = server.answers("/shared");
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
}

#[test]
fn a_task_finds_its_files_owned_by_its_user() {
    if !can_run() {
        return;
    }
    let (bench, server) = (Bench::new(), Server::start());
    let packed =
        server.put("/app.tar.gz", &gzip(&tar(&[("app/run", "#!/bin/sh\nid -un\n")])), None);
    let kept = server.put("/data", b"data", Some("\"v1\""));
    let spec = ContainerSpec {
        uris: vec![uri(&packed), Uri { cache: true, ..uri(&kept) }],
        user: Some("nobody".into()),
        ..shell("./app/run; cat data; stat -c %U app/run data")
    };
    for _ in 0..2 {
        let (container, exit) = bench.run(&ContainerSpec { id: unique(), ..spec.clone() });
        assert_eq!(exit.outcome, exited(0), "{}", output(&container, "stderr"));
        assert_eq!(output(&container, "stdout"), "nobody\ndatanobody\nnobody\n");
        assert!(output(&container, "stderr").contains(&format!("fetched {kept}")));
    }
    assert_eq!(server.answers("/data"), [200, 304]);
}

#[test]
fn a_tasks_user_can_fetch_no_more_than_it_can_read() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let secret = bench.state.path().join("secret");
    fs::write(&secret, "secret").expect("written");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("private");
    let value = secret.display().to_string();
    let spec = ContainerSpec {
        uris: vec![uri(&value)],
        user: Some("nobody".into()),
        ..shell("cat secret")
    };
    let (container, exit) = bench.run(&spec);
    let Outcome::NotStarted(why) = &exit.outcome else { panic!("{exit:?}") };
    assert!(why.contains(&value) && why.contains("Permission denied"), "{why}");
    assert!(container.is_starting(), "it never ran");
    // The agent's own user may.
    let (container, exit) = bench.run(&ContainerSpec { user: None, id: unique(), ..spec });
    assert_eq!((exit.outcome, output(&container, "stdout").as_str()), (exited(0), "secret"));
}

#[test]
fn a_kill_ends_a_fetch_and_others_start_meanwhile() {
    if !can_run() {
        return;
    }
    let (bench, server) = (Bench::new(), Server::start());
    let stall = server.put("/stall", &vec![0; 1 << 20], None);
    let spec = ContainerSpec { uris: vec![uri(&stall)], ..shell("echo never") };
    let container = bench.containers.launch(&spec).expect("launch");
    assert!(wait(|| !server.answers("/stall").is_empty()), "it is not being fetched");
    assert_eq!(procs(&container).len(), 1, "the fetch is charged to the task");
    assert_eq!(bench.run(&shell("true")).1.outcome, exited(0));
    container.kill(None).expect("kill");
    let exit = wait_exit(&container);
    assert!(exit.kill_requested && !exit.forced, "{exit:?}");
    assert!(matches!(exit.outcome, Outcome::NotStarted(_)), "{exit:?}");
    assert_eq!(output(&container, "stdout"), "");
}

#[test]
fn memory_for_a_fetch_is_the_tasks() {
    if !can_run() {
        return;
    }
    let (bench, server) = (Bench::new(), Server::start());
    let value = server.put("/data", &vec![1; 32 << 20], None);
    // What is written is charged to the task, and dropped again when it has no room: no failure.
    let spec = ContainerSpec {
        uris: vec![uri(&value)],
        memory_bytes: 24 << 20,
        ..shell("stat -c %s data")
    };
    let (container, exit) = bench.run(&spec);
    assert_eq!(exit.outcome, exited(0), "{exit:?} {}", output(&container, "stderr"));
    assert_eq!(output(&container, "stdout").trim(), (32 << 20).to_string());
    assert!(exit.usage.memory_peak_bytes.is_some_and(|peak| peak > 8 << 20), "{exit:?}");
}

fn unique() -> String {
    uuid::Uuid::new_v4().to_string()
}
