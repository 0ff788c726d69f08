//! Checks and time limits of tasks, kept by their supervisors: no agent runs in these tests.

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use headroom_agent::containers::{
    Check, CheckKind, Command, Container, ContainerSpec, Duties, Found, HealthCheck,
};
use headroom_agent::supervisor::{Checked, EndCause};
use support::{Bench, can_run, output, procs, shell, wait, wait_exit};

fn every_moment(kind: CheckKind) -> Check {
    Check { kind, delay_ms: 0, interval_ms: 30, timeout_ms: 5_000 }
}

fn command(line: &str) -> CheckKind {
    CheckKind::Command { command: Command::Shell(line.into()), env: Default::default(), user: None }
}

fn with_health(line: &str, check: Check) -> ContainerSpec {
    let health = HealthCheck { check, consecutive_failures: 3, grace_ms: 0 };
    ContainerSpec { duties: Duties { health: Some(health), ..Duties::default() }, ..shell(line) }
}

fn with_check(line: &str, kind: CheckKind) -> ContainerSpec {
    let duties = Duties { check: Some(every_moment(kind)), ..Duties::default() };
    ContainerSpec { duties, ..shell(line) }
}

fn until(container: &Container, what: impl Fn(&Checked) -> bool) -> Checked {
    let mut found = None;
    let is_so = wait(|| {
        found = container.checked();
        found.as_ref().is_some_and(&what)
    });
    let log = std::fs::read_to_string(container.dir().join("supervisor.log")).unwrap_or_default();
    assert!(is_so, "waited in vain: {found:?}; {log}");
    found.expect("found")
}

#[test]
fn a_task_that_runs_too_long_is_ended_at_once() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let duties = Duties { max_completion_ms: Some(200), ..Duties::default() };
    let line = "trap '' TERM; while :; do sleep 0.05; done";
    let (_, exit) = bench.run(&ContainerSpec { duties, ..shell(line) });
    assert_eq!(exit.cause, Some(EndCause::Overdue));
    assert!(exit.forced, "{exit:?}");
    let duties = Duties { max_completion_ms: Some(600_000), ..Duties::default() };
    let (_, exit) = bench.run(&ContainerSpec { duties, ..shell("true") });
    assert_eq!((exit.cause, exit.kill_requested), (None, false));
}

#[test]
fn a_command_looks_from_within_and_ends_a_task_that_fails_it() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let look = "id -un > who; cat /proc/self/cgroup > where; echo looked >&2; test -e well";
    let spec = ContainerSpec {
        user: Some("nobody".into()),
        ..with_health("touch well; sleep 1000", every_moment(command(look)))
    };
    let container = bench.containers.launch(&spec).expect("launch");
    // At first it may be quicker than the task.
    let well = until(&container, |checked| checked.healthy == Some(true));
    assert_eq!(well.failures, 0);
    assert_eq!(output(&container, "who"), "nobody\n");
    let id = format!("guaranteed/{}", spec.id);
    assert!(output(&container, "where").contains(&id), "{}", output(&container, "where"));
    assert!(output(&container, "stderr").contains("looked"));
    std::fs::remove_file(container.sandbox().join("well")).expect("unwell");
    let exit = wait_exit(&container);
    assert_eq!(exit.cause, Some(EndCause::Unhealthy));
    assert!(exit.kill_requested, "{exit:?}");
    let last = container.checked().expect("told");
    assert_eq!((last.healthy, last.failures), (Some(false), 3));
    assert_eq!(last.sequence, well.sequence + 3, "each failure is told");
    assert!(procs(&container).is_empty());
}

#[test]
fn a_look_that_hangs_is_a_failure_and_leaves_nothing() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let hangs = Check { timeout_ms: 150, ..every_moment(command("sleep 1000 & sleep 1000")) };
    let container =
        bench.containers.launch(&with_health("exec sleep 1000", hangs)).expect("launch");
    let first = until(&container, |checked| checked.failures == 1);
    assert_eq!(first.healthy, Some(false));
    let exit = wait_exit(&container);
    assert_eq!((exit.cause, exit.forced), (Some(EndCause::Unhealthy), false));
    assert!(procs(&container).is_empty());
    // One that can't even be executed fails as well.
    let argv = CheckKind::Command {
        command: Command::Argv(vec!["/no/such/program".into()]),
        env: Default::default(),
        user: None,
    };
    let (_, exit) = bench.run(&with_health("exec sleep 1000", every_moment(argv)));
    assert_eq!(exit.cause, Some(EndCause::Unhealthy));
}

#[test]
fn failures_in_the_first_grace_do_not_count_until_it_was_well_once() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let mut spec =
        with_health("sleep 1000", every_moment(command("echo x >> looks; test -e well")));
    if let Some(health) = &mut spec.duties.health {
        health.grace_ms = 3_600_000;
    }
    let container = bench.containers.launch(&spec).expect("launch");
    assert!(wait(|| output(&container, "looks").lines().count() > 6), "it is not looked at");
    assert_eq!(container.checked(), None, "a failure was told");
    std::fs::write(container.sandbox().join("well"), "").expect("well");
    until(&container, |checked| checked.healthy == Some(true));
    std::fs::remove_file(container.sandbox().join("well")).expect("unwell");
    assert_eq!(wait_exit(&container).cause, Some(EndCause::Unhealthy));
}

#[test]
fn ports_are_looked_at_from_the_node() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let status = Arc::new(AtomicU32::new(200));
    let served = Arc::clone(&status);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let read = stream.read(&mut head).unwrap_or(0);
            let asked = head[..read].starts_with(b"GET /well HTTP/1.1");
            let code = if asked { served.load(Ordering::Relaxed) } else { 404 };
            let _ = write!(stream, "HTTP/1.1 {code} x\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let http = CheckKind::Http { port, path: "/well".into(), https: false, ipv6: false };
    let container = bench.containers.launch(&with_check("sleep 1000", http)).expect("launch");
    until(&container, |checked| checked.check == Some(Found::Http(Some(200))));
    status.store(503, Ordering::Relaxed);
    let told = until(&container, |checked| checked.check == Some(Found::Http(Some(503))));
    assert_eq!((told.healthy, told.is_health), (None, false), "a check ends nothing");
    container.kill(Some(0)).expect("kill");
    assert_eq!(wait_exit(&container).cause, None);

    let open = CheckKind::Tcp { port, ipv6: false };
    let container = bench.containers.launch(&with_check("sleep 1000", open)).expect("launch");
    until(&container, |checked| checked.check == Some(Found::Tcp(Some(true))));
    // Nobody listens on port 1 here.
    let closed = CheckKind::Tcp { port: 1, ipv6: false };
    let container = bench.containers.launch(&with_check("sleep 1000", closed)).expect("launch");
    until(&container, |checked| checked.check == Some(Found::Tcp(Some(false))));
}
