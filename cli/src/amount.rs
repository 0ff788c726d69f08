//! Amounts of CPU and memory as people write and read them. Kept in thousandths, as the cluster
//! keeps them.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// The wire's bound on any amount.
const MAX: f64 = 1e9;
const MIB: f64 = 1024.0 * 1024.0;

/// CPUs, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cpus {
    thousandths: u64,
}

/// Memory or disk, in thousandths of a MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Memory {
    thousandths: u64,
}

impl Cpus {
    pub(crate) fn cpus(self) -> f64 {
        self.thousandths as f64 / 1000.0
    }
}

impl Memory {
    pub(crate) fn mib(self) -> f64 {
        self.thousandths as f64 / 1000.0
    }
}

impl Serialize for Cpus {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(self.cpus())
    }
}

impl Serialize for Memory {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(self.mib())
    }
}

impl FromStr for Cpus {
    type Err = String;

    /// `2`, `0.5` or `500m` (thousandths).
    fn from_str(text: &str) -> Result<Self, String> {
        let (number, factor) = match text.strip_suffix('m') {
            Some(number) => (number, 0.001),
            None => (text, 1.0),
        };
        let thousandths = thousandths(number, factor).map_err(|e| match e {
            Wrong::Number => "not a number; write CPUs as 2, 0.5 or 500m".to_string(),
            other => other.to_string(),
        })?;
        Ok(Cpus { thousandths })
    }
}

impl FromStr for Memory {
    type Err = String;

    /// `128MiB`, `1.5GiB`, `512M` (binary, as systemd and Docker read it) or `2GB` (decimal).
    fn from_str(text: &str) -> Result<Self, String> {
        let split = text.find(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E'));
        let split = split.unwrap_or(text.len());
        let (number, unit) = (text[..split].trim(), text[split..].trim());
        let bytes = unit_bytes(unit).ok_or_else(|| match unit {
            "" => format!("say the unit, such as {text}MiB or {text}GiB"),
            unit => format!("{unit:?} is not a unit of memory; write it as 128MiB or 1.5GiB"),
        })?;
        let thousandths = thousandths(number, bytes / MIB).map_err(|e| match e {
            Wrong::Number => "not a number with a unit; write it as 128MiB or 1.5GiB".to_string(),
            Wrong::TooMuch => "more than 1,000,000,000 MiB, which no node has".to_string(),
            Wrong::TooLittle => "less than a thousandth of a MiB".to_string(),
            other => other.to_string(),
        })?;
        Ok(Memory { thousandths })
    }
}

fn unit_bytes(unit: &str) -> Option<f64> {
    let bytes = match unit.to_ascii_lowercase().as_str() {
        "b" => 1.0,
        "k" | "ki" | "kib" => 1024.0,
        "m" | "mi" | "mib" => MIB,
        "g" | "gi" | "gib" => MIB * 1024.0,
        "t" | "ti" | "tib" => MIB * 1024.0 * 1024.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        _ => return None,
    };
    Some(bytes)
}

#[derive(Debug, thiserror::Error)]
enum Wrong {
    #[error("not a number")]
    Number,
    #[error("not a finite number")]
    Infinite,
    #[error("must be more than 0")]
    NotPositive,
    #[error("more than 1,000,000,000, which no node has")]
    TooMuch,
    #[error("less than 0.001, the smallest amount")]
    TooLittle,
}

fn thousandths(number: &str, factor: f64) -> Result<u64, Wrong> {
    let number: f64 = number.parse().map_err(|_| Wrong::Number)?;
    let amount = number * factor;
    if !number.is_finite() || !amount.is_finite() {
        return Err(Wrong::Infinite);
    }
    if amount <= 0.0 {
        return Err(Wrong::NotPositive);
    }
    if amount > MAX {
        return Err(Wrong::TooMuch);
    }
    match (amount * 1000.0).round() as u64 {
        0 => Err(Wrong::TooLittle),
        thousandths => Ok(thousandths),
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&cpus(self.cpus()))
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&memory(self.mib()))
    }
}

/// CPUs for a table: three significant decimals below ten, fewer above.
pub(crate) fn cpus(cpus: f64) -> String {
    let decimals = if cpus.abs() < 10.0 { 3 } else { 1 };
    trimmed(cpus, decimals)
}

/// Memory for a table, from MiB.
pub(crate) fn memory(mib: f64) -> String {
    const UNITS: [(&str, f64); 3] = [("TiB", 1024.0 * 1024.0), ("GiB", 1024.0), ("MiB", 1.0)];
    for (unit, size) in UNITS {
        if mib.abs() >= size {
            let amount = mib / size;
            let decimals = if amount.abs() < 10.0 { 2 } else { 1 };
            return format!("{} {unit}", trimmed(amount, decimals));
        }
    }
    if mib == 0.0 { "0".into() } else { format!("{} KiB", trimmed(mib * 1024.0, 1)) }
}

/// Milliseconds for a table.
pub(crate) fn millis(ms: f64) -> String {
    trimmed(ms, if ms.abs() < 10.0 { 2 } else { 0 })
}

/// What was not measured is a dash, never a zero.
pub(crate) fn measured(value: Option<f64>, print: fn(f64) -> String) -> String {
    value.map_or_else(|| "-".into(), print)
}

fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text.as_str(),
    };
    if text == "-0" { "0".into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cpus_as_people_write_them() {
        for (text, want) in [("2", 2.0), ("0.5", 0.5), ("500m", 0.5), ("1e2", 100.0), ("1m", 0.001)]
        {
            assert_eq!(text.parse::<Cpus>().expect(text).cpus(), want, "{text}");
        }
        for text in
            ["0", "-1", "NaN", "inf", "-inf", "1e10", "", "m", "two", "0.0001", "1 2", "0x10"]
        {
            assert!(text.parse::<Cpus>().is_err(), "{text} was taken");
        }
    }

    #[test]
    fn memory_as_people_write_it() {
        for (text, want) in [
            ("128MiB", 128.0),
            ("1.5GiB", 1536.0),
            ("512M", 512.0),
            ("2Gi", 2048.0),
            ("1 TiB", 1_048_576.0),
            ("1GB", 953.674),
            ("1MB", 0.954),
            ("4096 b", 0.004),
            ("1e3k", 0.977),
        ] {
            assert_eq!(text.parse::<Memory>().expect(text).mib(), want, "{text}");
        }
        for text in [
            "128",
            "0MiB",
            "-5GiB",
            "NaNMiB",
            "infGiB",
            "1e400GiB",
            "MiB",
            "1XiB",
            "1b",
            "99999999TiB",
            "é",
        ] {
            assert!(text.parse::<Memory>().is_err(), "{text} was taken");
        }
        assert!("128".parse::<Memory>().expect_err("no unit").contains("128MiB"));
    }

    #[test]
    fn printed_short() {
        assert_eq!(cpus(2.0), "2");
        assert_eq!(cpus(0.0004), "0");
        assert_eq!(cpus(12.345), "12.3");
        assert_eq!(cpus(100.0), "100");
        assert_eq!(memory(0.0), "0");
        assert_eq!(memory(0.5), "512 KiB");
        assert_eq!(memory(128.0), "128 MiB");
        assert_eq!(memory(1536.0), "1.5 GiB");
        assert_eq!(millis(1234.4), "1234");
        assert_eq!(measured(None, cpus), "-");
        assert_eq!(measured(Some(0.0), cpus), "0");
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in ".{0,24}") {
            let _ = text.parse::<Cpus>();
            let _ = text.parse::<Memory>();
        }

        #[test]
        fn thousandths_survive(n in 1_u64..=1_000_000_000_000) {
            let text = format!("{}.{:03}", n / 1000, n % 1000);
            prop_assert_eq!(text.parse::<Cpus>(), Ok(Cpus { thousandths: n }));
            prop_assert_eq!(format!("{text}MiB").parse::<Memory>(), Ok(Memory { thousandths: n }));
        }

        #[test]
        fn what_is_taken_is_positive_and_bounded(number in any::<f64>(), unit in "[KMGTkmgt]?(i?[Bb])?") {
            if let Ok(memory) = format!("{number}{unit}").parse::<Memory>() {
                prop_assert!(memory.mib() > 0.0 && memory.mib() <= MAX);
            }
            if let Ok(cpus) = number.to_string().parse::<Cpus>() {
                prop_assert!(cpus.cpus() > 0.0 && cpus.cpus() <= MAX);
            }
        }
    }
}
