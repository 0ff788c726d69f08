//! `memory.stat`, `memory.events` (v2) and `memory.oom_control` (v1).

use super::{keyed, lines};

/// File pages the kernel would drop first: usage less these is the working set. v1 lists the
/// group's own under the plain name and the whole subtree's, as v2 does, under `total_`.
pub fn inactive_file_bytes(text: &[u8]) -> Option<u64> {
    let mut plain = None;
    for (key, value) in lines(text).filter_map(keyed) {
        match key {
            b"total_inactive_file" => return Some(value),
            b"inactive_file" => plain = Some(value),
            _ => {}
        }
    }
    plain
}

/// Processes the kernel killed for memory: the same key in both versions' files.
pub fn oom_kills(text: &[u8]) -> Option<u64> {
    lines(text).filter_map(keyed).find(|(key, _)| *key == b"oom_kill").map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subtree_is_meant_in_both_versions() {
        let v1 = b"cache 1\ninactive_file 5\ntotal_cache 2\ntotal_inactive_file 9\n";
        assert_eq!(inactive_file_bytes(v1), Some(9));
        assert_eq!(inactive_file_bytes(b"anon 1\ninactive_file 5\n"), Some(5));
        assert_eq!(inactive_file_bytes(b"inactive_file five\n"), None);
        assert_eq!(oom_kills(b"oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), Some(3));
        assert_eq!(
            oom_kills(b"low 0\nhigh 0\nmax 7\noom 4\noom_kill 2\noom_group_kill 0\n"),
            Some(2)
        );
        assert_eq!(oom_kills(b"oom_kill_disable 0\n"), None);
    }
}
