//! `io.stat` (v2) and `blkio.throttle.io_service_bytes` / `io_serviced` (v1).

use super::{digits, lines, words};

/// Totals over all devices. A group that did no I/O yet has none listed: that is zero, not absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IoTotals {
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// Requests read.
    pub reads: u64,
    /// Requests written.
    pub writes: u64,
}

/// v2: `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0` for each device.
pub fn io_stat(text: &[u8]) -> Option<IoTotals> {
    let mut totals = IoTotals::default();
    for line in lines(text) {
        for word in words(line).skip(1) {
            let Some(at) = word.iter().position(|byte| *byte == b'=') else { continue };
            let (key, value) = (&word[..at], &word[at + 1..]);
            let field = match key {
                b"rbytes" => &mut totals.read_bytes,
                b"wbytes" => &mut totals.write_bytes,
                b"rios" => &mut totals.reads,
                b"wios" => &mut totals.writes,
                _ => continue,
            };
            *field = field.checked_add(digits(value)?)?;
        }
    }
    Some(totals)
}

/// v1: `8:0 Read 1`, `8:0 Write 2` and more for each device, then `Total 3`. Gives (read, write).
pub fn throttle_table(text: &[u8]) -> Option<(u64, u64)> {
    let (mut read, mut write) = (0_u64, 0_u64);
    let mut total = false;
    for line in lines(text) {
        let mut words = words(line);
        let (first, second) = (words.next(), words.next());
        total |= first == Some(b"Total");
        let sum = match second {
            Some(b"Read") => &mut read,
            Some(b"Write") => &mut write,
            _ => continue,
        };
        *sum = sum.checked_add(digits(words.next()?)?)?;
    }
    // The last line is always there: without it this is some other file.
    total.then_some((read, write))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_summed() {
        let v2 = b"8:16 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=9 dios=9\n8:0 rbytes=1 wbytes=2 rios=1 wios=1\n8:32 \n";
        let totals = IoTotals { read_bytes: 11, write_bytes: 22, reads: 2, writes: 3 };
        assert_eq!(io_stat(v2), Some(totals));
        assert_eq!(io_stat(b""), Some(IoTotals::default()));
        assert_eq!(io_stat(b"8:0 rbytes=x"), None);
        let v1 = b"8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 1\n8:0 Total 12288\n8:16 Read 1\nTotal 12289\n";
        assert_eq!(throttle_table(v1), Some((4097, 8192)));
        assert_eq!(throttle_table(b"Total 0\n"), Some((0, 0)));
        assert_eq!(throttle_table(b""), None);
    }
}
