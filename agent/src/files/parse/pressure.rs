//! Pressure stall files: `some avg10=.. total=N`, and `full` alike.

use super::{digits, lines, words};

/// Stall time since boot or since the group was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// At least one task waited.
    pub some_us: Option<u64>,
    /// All waited (absent for cpu on older kernels).
    pub full_us: Option<u64>,
}

/// Parses the file.
pub fn pressure(text: &[u8]) -> Pressure {
    let mut found = Pressure::default();
    for line in lines(text) {
        let mut words = words(line);
        let field = match words.next() {
            Some(b"some") => &mut found.some_us,
            Some(b"full") => &mut found.full_us,
            _ => continue,
        };
        *field = words.find_map(|word| word.strip_prefix(b"total=")).and_then(digits);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_taken_and_lacking_ones_stay_absent() {
        let text =
            b"some avg10=0.18 avg60=0.11 avg300=1.26 total=19323137\nfull avg10=0.00 total=7\n";
        assert_eq!(pressure(text), Pressure { some_us: Some(19_323_137), full_us: Some(7) });
        assert_eq!(
            pressure(b"some avg10=0.00 total=1"),
            Pressure { some_us: Some(1), full_us: None }
        );
        assert_eq!(pressure(b"some total=-1\n"), Pressure::default());
    }
}
