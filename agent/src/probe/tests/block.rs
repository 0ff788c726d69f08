//! Block bytes and latency.

use std::{
    fs,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    thread::sleep,
    time::Duration,
};

use super::{
    BLKIO, UNIFIED,
    account::unified,
    loaded,
    loads::{WRITE_BYTES, direct_writer},
    skip,
};
use crate::probe::{BlockKey, BlockOp, ProbeConfig, workload::Cgroup};

#[test]
fn block_bytes_match_the_kernels_account() {
    if skip() {
        return;
    }
    let on_v2 = unified();
    if !on_v2 && !Path::new(BLKIO).exists() {
        println!("skipped: needs the io controller on v2 or blkio on v1");
        return;
    }
    if on_v2 {
        fs::write(Path::new(UNIFIED).join("cgroup.subtree_control"), "+io").unwrap();
    }
    let name = format!("headroom-test-{}-block", std::process::id());
    let root = Path::new(if on_v2 { UNIFIED } else { BLKIO });
    let cgroup = Cgroup::create(&root.join(&name)).unwrap();
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let path = folder.path().join("data");
    if !on_v2 {
        // v1 counts only for devices with a limit: one that is never reached, on our own cgroup.
        let device = fs::metadata(folder.path()).unwrap().dev();
        let limit = format!("{}:{} {}", libc::major(device), libc::minor(device), u64::MAX / 2);
        fs::write(cgroup.path().join("blkio.throttle.write_bps_device"), limit).unwrap();
    }
    let probe = loaded(&ProbeConfig::default());
    let mut key = BlockKey::new(cgroup.inode().unwrap());
    let file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(libc::O_DIRECT)
        .open(&path)
        .unwrap();
    let mut writer = direct_writer(&cgroup, &file, 64).unwrap();
    writer.wait().unwrap();
    sleep(Duration::from_millis(50));
    let ours = probe.block(&mut key).unwrap();
    let file = if on_v2 { "io.stat" } else { "blkio.throttle.io_service_bytes" };
    let text = fs::read_to_string(cgroup.path().join(file)).unwrap();
    let of = |word: &str| -> u64 {
        let lines = text.lines().filter_map(|line| line.split_once(word));
        let bytes = lines.map(|(_, rest)| rest.split_whitespace().next().unwrap());
        bytes.map(|bytes| bytes.parse::<u64>().unwrap()).sum()
    };
    let [read, write] = if on_v2 { [" rbytes=", " wbytes="] } else { [" Read ", " Write "] };
    let (reads, writes) = (of(read), of(write));
    println!(
        "block: wrote {} of {writes} bytes, read {} of {reads}, {} requests, p50 {:?} p99 {:?} ns, mean {} ns, unstamped {}",
        ours.bytes[BlockOp::Write as usize],
        ours.bytes[BlockOp::Read as usize],
        ours.ops[BlockOp::Write as usize],
        ours.write_latency.quantile_ns(0.5),
        ours.write_latency.quantile_ns(0.99),
        ours.latency_ns[1] / ours.ops[1].max(1),
        ours.unstamped,
    );
    assert!(writes >= 64 * WRITE_BYTES as u64, "the kernel saw the writes");
    assert_eq!(ours.bytes[BlockOp::Write as usize], writes);
    assert_eq!(ours.bytes[BlockOp::Read as usize], reads);
    assert_eq!(ours.write_latency.count() + ours.unstamped, ours.ops[BlockOp::Write as usize]);
    assert_eq!(ours.errors, [0; 3]);
}
