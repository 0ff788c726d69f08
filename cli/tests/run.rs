//! The real `headroom` binary against a pocket allocator that runs real processes.

mod pocket;

use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pocket::{Mischief, Pocket};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// Far beyond what any of this takes; only a hang reaches it.
const HANG: Duration = Duration::from_secs(60);

struct House {
    pocket: Pocket,
    _directory: TempDir,
}

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl House {
    async fn open(mischief: Mischief) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let pocket = Pocket::serve(directory.path().into(), mischief).await;
        House { pocket, _directory: directory }
    }

    fn start(&self, line: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_headroom"))
            .args(["--address", &self.pocket.address])
            .args(line)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("started")
    }

    async fn run(&self, line: &[&str]) -> Ended {
        end(self.start(line)).await
    }

    /// Waits until the pocket allocator has seen the call.
    async fn called(&self, call: &str) {
        let seen = async {
            while !self.pocket.calls().iter().any(|seen| seen == call) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let calls = || format!("{call} never came: {:?}", self.pocket.calls());
        tokio::time::timeout(HANG, seen).await.unwrap_or_else(|_| panic!("{}", calls()));
    }

    fn count(&self, call: &str) -> usize {
        self.pocket.calls().iter().filter(|seen| *seen == call).count()
    }
}

async fn end(child: Child) -> Ended {
    let output = tokio::time::timeout(HANG, child.wait_with_output()).await.expect("hangs");
    let output = output.expect("output");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("utf-8"),
        stderr: String::from_utf8(output.stderr).expect("utf-8"),
    }
}

fn signal(child: &Child, signal: Signal) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).expect("runs");
    kill(Pid::from_raw(pid), signal).expect("signalled");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_and_exit_code_are_the_task_s_own() {
    let house = House::open(Mischief::default()).await;
    let ended = house
        .run(
            &["run", "--ports", "2", "--env", "WHO=world", "--", "sh", "-c"]
                .into_iter()
                .chain(["echo hello $WHO on $PORT0 and $PORT1; echo oh >&2; exit 3"])
                .collect::<Vec<_>>(),
        )
        .await;
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert_eq!(ended.stdout, "hello world on 31000 and 31001\n");
    assert_eq!(ended.stderr, "oh\n");
    let calls = house.pocket.calls();
    let want = ["accept large", "decline small", "suppress", "teardown"];
    assert!(want.iter().all(|call| calls.iter().any(|seen| seen == call)), "{calls:?}");
    // Running and failed.
    assert_eq!(house.count("acknowledge"), 2, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_s_number_is_added_to_128() {
    let house = House::open(Mischief::default()).await;
    let ended = house.run(&["run", "--", "sh", "-c", "kill -SEGV $$"]).await;
    assert_eq!(ended.code, Some(139));
    assert!(ended.stderr.contains("SIGSEGV"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_interrupt_asks_and_the_second_kills() {
    let house = House::open(Mischief::default()).await;
    let line = ["run", "--", "sh", "-c", "trap 'echo politely' TERM; while :; do sleep 0.1; done"];
    let child = house.start(&line);
    house.called("acknowledge").await;
    // The shell needs a moment to set its trap.
    tokio::time::sleep(Duration::from_millis(300)).await;
    signal(&child, Signal::SIGINT);
    house.called("kill None").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    signal(&child, Signal::SIGINT);
    let ended = end(child).await;
    assert_eq!(house.count("kill Some(0)"), 1);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(137), "politely\n"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_while_waiting_withdraws() {
    let house = House::open(Mischief { no_offers: true, ..Default::default() }).await;
    let child = house.start(&["run", "--", "true"]);
    house.called("request 1").await;
    signal(&child, Signal::SIGTERM);
    assert_eq!(end(child).await.code, Some(143));
    assert_eq!(house.count("teardown"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_is_explained_once_and_given_up_in_time() {
    let house = House::open(Mischief { no_offers: true, ..Default::default() }).await;
    let ended = house.run(&["run", "--timeout", "5s", "--", "true"]).await;
    assert_eq!(ended.code, Some(125));
    assert_eq!(ended.stderr.matches("no node is large enough").count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("found no place within 5s"), "{}", ended.stderr);
    assert_eq!(house.count("teardown"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_stream_is_taken_up_again() {
    let house = House::open(Mischief { break_when_running: true, ..Default::default() }).await;
    let ended = house.run(&["run", "--", "sh", "-c", "echo one; sleep 2; echo two; exit 7"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(7), "one\ntwo\n"), "{}", ended.stderr);
    assert_eq!(house.count("subscribe \"f-1\""), 1, "{:?}", house.pocket.calls());
    assert_eq!((house.count("reconcile"), house.count("accept large")), (1, 1));
    assert!(ended.stderr.contains("the task goes on"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_that_never_arrived_is_done_again() {
    for mischief in [
        Mischief { lose_first_launch: true, ..Default::default() },
        Mischief { first_offer_gone: true, ..Default::default() },
    ] {
        let house = House::open(mischief).await;
        let ended = house.run(&["run", "--", "echo", "once"]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "once\n"), "{}", ended.stderr);
        assert_eq!(house.count("accept large"), 2, "{:?}", house.pocket.calls());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_pipe_ends_the_task() {
    let house = House::open(Mischief::default()).await;
    let mut child = house.start(&["run", "--", "sh", "-c", "while :; do echo y; sleep 0.05; done"]);
    house.called("acknowledge").await;
    drop(child.stdout.take());
    // 128 + SIGPIPE, as a local command would end.
    assert_eq!(end(child).await.code, Some(141));
    assert_eq!(house.count("kill None"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_interrupt_does_not_wait_even_where_a_call_hangs() {
    let house = House::open(Mischief { kill_hangs: true, ..Default::default() }).await;
    let child = house.start(&["run", "--", "sleep", "20"]);
    house.called("acknowledge").await;
    for _ in 0..3 {
        signal(&child, Signal::SIGINT);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let ended = end(child).await;
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert_eq!(house.count("teardown"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_loses_nothing() {
    let house = House::open(Mischief::default()).await;
    let child = house.start(&["run", "--", "seq", "100000"]);
    house.called("acknowledge").await;
    // Longer than the patience with output that does not come.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let ended = end(child).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout.lines().count(), 100_000);
    assert!(ended.stdout.ends_with("\n100000\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_a_line_an_event() {
    let house = House::open(Mischief::default()).await;
    let ended = house.run(&["run", "--json", "--name", "j", "--", "echo", "größe 💡"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let lines: Vec<serde_json::Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let text: String = lines
        .iter()
        .filter(|line| line["event"] == "output" && line["stream"] == "stdout")
        .map(|line| line["text"].as_str().expect("text"))
        .collect();
    assert_eq!(text, "größe 💡\n");
    let last = lines.last().expect("a line");
    assert_eq!((last["event"].as_str(), last["exit_code"].as_i64()), (Some("ended"), Some(0)));
    assert!(lines.iter().all(|line| line["task_id"] == "j"), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn detached_it_returns_and_the_framework_stays() {
    let house = House::open(Mischief::default()).await;
    let ended = house.run(&["run", "--detach", "--name", "d", "--", "echo", "later"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "d\n"), "{}", ended.stderr);
    assert_eq!(house.count("teardown"), 0);
    let logs = house.run(&["logs", "-f", "d"]).await;
    assert_eq!((logs.code, logs.stdout.as_str()), (Some(0), "later\n"), "{}", logs.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_of_a_busy_task_come_to_an_end() {
    let house = House::open(Mischief::default()).await;
    let busy = "echo begin; while :; do echo y; sleep 0.01; done";
    let child = house.start(&["run", "--name", "b", "--", "sh", "-c", busy]);
    house.called("acknowledge").await;
    let logs = house.run(&["logs", "b"]).await;
    assert!(logs.code == Some(0) && logs.stdout.starts_with("begin\n"), "{}", logs.stderr);
    let tail = house.run(&["logs", "-n", "1", "b"]).await;
    assert!(tail.code == Some(0) && tail.stdout.lines().count() <= 1, "{}", tail.stdout);
    signal(&child, Signal::SIGINT);
    end(child).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_of_the_other_commands() {
    let house = House::open(Mischief::default()).await;
    for (line, code, said) in [
        (&["logs", "nobody"][..], 4, "no task named \"nobody\""),
        (&["kill", "nobody"], 4, "headroom ps -a"),
        (&["why", "nobody"], 4, "no task, framework or node"),
        (&["drain", "nobody"], 4, "headroom agents"),
        (&["role", "reset", "x"], 1, "may be older"),
        (&["role", "set", "x"], 2, "--weight"),
        (&["top"], 2, "--once"),
        (&["ps"], 0, ""),
        (&["status"], 0, ""),
        (&["top", "--once"], 0, ""),
    ] {
        let ended = house.run(line).await;
        assert_eq!(ended.code, Some(code), "{line:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{line:?}: {}", ended.stderr);
    }
    for line in [&["ps", "--json"][..], &["status", "--json"], &["top", "--once", "--json"]] {
        let ended = house.run(line).await;
        serde_json::from_str::<serde_json::Value>(&ended.stdout).expect("one JSON object");
    }
}
