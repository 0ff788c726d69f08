//! Spans of time as people write and read them.

use std::time::Duration;

/// `5s`, `10m`, `1h 30m`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "not a span of time; write it as 5s, 10m or 1h30m".into())
}

/// As [`parse`], but not zero.
pub(crate) fn parse_positive(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        Duration::ZERO => Err("must be more than 0".into()),
        span => Ok(span),
    }
}

/// Whole milliseconds for the wire; what does not fit is the longest that does.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The two largest units: `3h 12m`, `45s`, `900ms`.
pub(crate) fn print(span: Duration) -> String {
    let rounded = match span.as_secs() {
        0 => Duration::from_millis(millis(span)),
        seconds => Duration::from_secs(seconds),
    };
    let text = humantime::format_duration(rounded).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// An age in milliseconds.
pub(crate) fn print_millis(ms: u64) -> String {
    print(Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_as_people_write_them() {
        assert_eq!(parse("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(parse("0s"), Ok(Duration::ZERO));
        assert_eq!(parse("1h30m"), Ok(Duration::from_secs(5400)));
        for text in ["", "5", "-5s", "NaNs", "infs", "soon", "99999999999999999999s"] {
            assert!(parse(text).is_err(), "{text} was taken");
        }
        assert!(parse_positive("0s").is_err());
    }

    #[test]
    fn printed_short() {
        assert_eq!(print(Duration::from_secs(3 * 3600 + 12 * 60 + 5)), "3h 12m");
        assert_eq!(print(Duration::from_millis(45_900)), "45s");
        assert_eq!(print(Duration::from_millis(900)), "900ms");
        assert_eq!(print(Duration::ZERO), "0s");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,24}") {
            let _ = parse(&text);
        }

        #[test]
        fn every_span_prints_at_most_two_units(ms in any::<u64>()) {
            prop_assert!(print_millis(ms).split(' ').count() <= 2);
        }
    }
}
