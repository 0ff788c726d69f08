//! Pure parsers of counter files. What is not understood is `None`, never zero and never a panic.

mod cpu;
mod io;
mod memory;
mod node;
mod pressure;

pub use cpu::{CpuStat, cpu_stat, cpu_usage_ns};
pub use io::{IoTotals, io_stat, throttle_table};
pub use memory::{inactive_file_bytes, oom_kills};
pub use node::{CpuTimes, MemInfo, cpu_times, mem_info};
pub use pressure::{Pressure, pressure};

/// A file that holds one number.
pub fn number(text: &[u8]) -> Option<u64> {
    digits(text.trim_ascii())
}

/// The number behind `key` in a flat keyed file.
pub fn value_of(text: &[u8], key: &[u8]) -> Option<u64> {
    lines(text).filter_map(keyed).find(|(found, _)| *found == key).map(|(_, value)| value)
}

/// All of `word` as a decimal number.
fn digits(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty())
}

/// `key value` of a flat keyed file.
fn keyed(line: &[u8]) -> Option<(&[u8], u64)> {
    let mut words = words(line);
    Some((words.next()?, digits(words.next()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Everything a kernel file may look like, and what it never should.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        let word = prop_oneof![
            Just("cpu".to_owned()),
            Just("some total=".to_owned()),
            Just("8:0 Read ".to_owned()),
            Just("8:0 rbytes=".to_owned()),
            Just("Total ".to_owned()),
            Just("usage_usec ".to_owned()),
            Just("MemTotal: ".to_owned()),
            any::<u64>().prop_map(|number| number.to_string()),
            Just("99999999999999999999999".to_owned()),
            Just("\n".to_owned()),
            Just(" ".to_owned()),
            ".{0,4}",
        ];
        let words = prop::collection::vec(word, 0..24).prop_map(|words| words.concat().into());
        prop_oneof![words, prop::collection::vec(any::<u8>(), 0..200)]
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in text()) {
            let _ = (number(&text), cpu_stat(&text), io_stat(&text), throttle_table(&text));
            let _ = (inactive_file_bytes(&text), oom_kills(&text), pressure(&text));
            let _ = (cpu_times(&text), mem_info(&text));
        }

        #[test]
        fn a_number_comes_back_and_nothing_else_does(value: u64) {
            prop_assert_eq!(number(format!("{value}\n").as_bytes()), Some(value));
            prop_assert_eq!(number(format!("-{value}").as_bytes()), None);
            let text = format!("usage_usec 1\nthrottled_time {value}\n");
            prop_assert_eq!(cpu_stat(text.as_bytes()).throttled_ns, Some(value));
        }
    }

    #[test]
    fn a_number_out_of_range_is_absent() {
        assert_eq!(number(b"18446744073709551616"), None);
        assert_eq!(number(b""), None);
        assert_eq!(number(b"max\n"), None);
    }
}
