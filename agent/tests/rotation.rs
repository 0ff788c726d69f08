//! Output that grows too long, while tasks go on writing it.

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use headroom_agent::containers::Layout;
use headroom_agent::logs;
use headroom_agent::sandboxes::{Cuts, Rotation};
use headroom_proto::v1::ReadFile;
use support::{Bench, can_run, exited, shell, wait_exit};

const MANY: Rotation = Rotation { bytes: 40_000, files: 1_000 };

/// All that is left of an output, oldest first.
fn whole(sandbox: &Path, stream: &str) -> String {
    let mut parts = vec![fs::read_to_string(sandbox.join(stream)).expect("output")];
    for at in 1.. {
        match fs::read_to_string(sandbox.join(format!("{stream}.{at}"))) {
            Ok(part) => parts.push(part),
            Err(_) => break,
        }
    }
    parts.reverse();
    parts.concat()
}

/// Whether files here can be cut from their front.
fn can_cut(dir: &Path) -> bool {
    use nix::fcntl::{FallocateFlags, fallocate};
    let path = dir.join("probe");
    fs::write(&path, vec![1; 1 << 20]).expect("written");
    let file = fs::File::options().write(true).open(&path).expect("open");
    let cut = fallocate(&file, FallocateFlags::FALLOC_FL_COLLAPSE_RANGE, 0, 1 << 16).is_ok();
    fs::remove_file(path).expect("removed");
    cut
}

/// Reads an output to its end as `headroom logs` does, piece by piece.
fn followed(layout: &Layout, task: &str) -> (String, bool) {
    let (mut offset, mut text) = (0, Vec::new());
    loop {
        let request = ReadFile {
            framework_id: "f-1".into(),
            task_id: task.into(),
            file: "stdout".into(),
            offset,
            max_bytes: 7_001,
            ..Default::default()
        };
        let chunk = logs::read(layout, &request);
        assert_eq!(chunk.error, "");
        if chunk.data.is_empty() {
            return (String::from_utf8(text).expect("utf-8"), chunk.ended);
        }
        offset = chunk.next_offset;
        text.extend(chunk.data);
    }
}

#[test]
fn nothing_is_lost_and_offsets_go_on() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let layout = Layout::new(bench.state.path());
    let lines = 60_000;
    let spec = shell(&format!("i=0; while [ $i -lt {lines} ]; do i=$((i+1)); echo line $i; done"));
    let container = bench.containers.launch(&spec).expect("launch");
    let mut moved = 0;
    let cut = || MANY.apply(&layout, &spec.id, container.sandbox()).expect("cut");
    while container.exit().expect("exit").is_none() {
        moved += cut();
    }
    assert_eq!(wait_exit(&container).outcome, exited(0));
    moved += cut();
    assert!(moved > 0, "it was never cut");
    assert_eq!(Cuts::load(&layout, &spec.id), Cuts { stdout: moved, stderr: 0 });
    assert!(fs::metadata(container.sandbox().join("stdout")).expect("there").len() <= MANY.bytes);
    if !can_cut(bench.state.path()) {
        return println!("skipped: this file system can't cut files, so some may be lost");
    }
    let all: String = (1..=lines).map(|line| format!("line {line}\n")).collect();
    assert!(whole(container.sandbox(), "stdout") == all, "something was lost");
    let (text, ended) = followed(&layout, &spec.task);
    assert!(text == all && ended, "{} of {} bytes were read", text.len(), all.len());
}

#[test]
fn old_output_goes_and_readers_skip_it() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let layout = Layout::new(bench.state.path());
    let spec = shell(
        "for i in 1 2 3 4 5 6; do head -c 100000 /dev/zero | tr '\\0' $i; \
                      while [ ! -e go$i ]; do sleep 0.01; done; done",
    );
    let container = bench.containers.launch(&spec).expect("launch");
    let small = Rotation { bytes: 50_000, files: 3 };
    let size =
        |name: &str| fs::metadata(container.sandbox().join(name)).map_or(0, |data| data.len());
    for i in 1..=6 {
        assert!(support::wait(|| size("stdout") >= 100_000), "it does not write");
        assert!(small.apply(&layout, &spec.id, container.sandbox()).expect("cut") > 0);
        fs::write(container.sandbox().join(format!("go{i}")), "").expect("go");
    }
    assert_eq!(wait_exit(&container).outcome, exited(0));
    assert!(size("stdout.1") > 0 && size("stdout.2") > 0 && size("stdout.3") == 0);
    let left = size("stdout") + size("stdout.1") + size("stdout.2");
    assert_eq!(Cuts::load(&layout, &spec.id).stdout + size("stdout"), 600_000);
    let (text, ended) = followed(&layout, &spec.task);
    assert!(ended && text.len() as u64 == left && text.ends_with('6'), "{} of {left}", text.len());
    // Of its user, as the output itself.
    let owner = fs::metadata(container.sandbox()).expect("there").uid();
    assert_eq!(fs::metadata(container.sandbox().join("stdout.1")).expect("there").uid(), owner);
}

#[test]
fn what_a_task_puts_in_its_outputs_place_is_left_alone() {
    let state = tempfile::tempdir().expect("a directory");
    let layout = Layout::new(state.path());
    let sandbox = layout.runs("a", "f", "t").join("c");
    fs::create_dir_all(&sandbox).expect("a sandbox");
    let others = state.path().join("others");
    fs::write(&others, vec![b'x'; 100_000]).expect("a file");
    let apply = || MANY.apply(&layout, "c", &sandbox);
    symlink(&others, sandbox.join("stdout")).expect("a link");
    fs::hard_link(&others, sandbox.join("stderr")).expect("a second name");
    assert_eq!(apply().expect("nothing to do"), 0);
    fs::remove_file(sandbox.join("stdout")).expect("removed");
    nix::unistd::mkfifo(&sandbox.join("stdout"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    assert_eq!(apply().expect("nothing to do"), 0);
    assert_eq!(fs::metadata(&others).expect("there").len(), 100_000);
    // A link in the place of an older file is replaced, not followed.
    fs::remove_file(sandbox.join("stdout")).expect("removed");
    fs::write(sandbox.join("stdout"), vec![b'y'; 100_000]).expect("output");
    symlink(&others, sandbox.join("stdout.1")).expect("a link");
    assert!(apply().expect("cut") > 0);
    let kept = fs::read(&others).expect("there");
    assert!(kept.len() == 100_000 && kept.iter().all(|byte| *byte == b'x'));
    assert_eq!(MANY.apply(&layout, "c", Path::new("/no")).expect("nothing there"), 0);
}
