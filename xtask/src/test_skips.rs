//! Reads `cargo test -- --show-output` line by line and keeps, of what passing tests printed, only
//! why they were skipped.

/// Where in the output of a test program we are.
#[derive(Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Elsewhere,
    /// What passing tests printed: it can look like anything.
    Printed,
    /// Their names, after the heading came again.
    Names,
}

/// The reader.
#[derive(Debug, Default)]
pub(crate) struct Skips {
    part: Part,
    test: String,
}

impl Skips {
    /// What to print for a line.
    pub(crate) fn pass(&mut self, line: &str) -> Option<String> {
        let is_over = line == "failures:" || line.starts_with("test result:");
        match self.part {
            Part::Elsewhere if line == "successes:" => self.part = Part::Printed,
            Part::Printed if line == "successes:" => self.part = Part::Names,
            Part::Names if is_over => self.part = Part::Elsewhere,
            _ => {}
        }
        if self.part == Part::Elsewhere {
            return Some(line.to_owned());
        }
        let name = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----"));
        if let Some(name) = name {
            name.clone_into(&mut self.test);
        }
        let why = line.strip_prefix("skipped: ")?;
        Some(format!("skipped {}: {why}", self.test))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_stay_and_other_output_of_passing_tests_goes() {
        let output = "\
test a ... ok

successes:

---- a stdout ----
skipped: needs root

---- b stdout ----
chatter
test result: of another run

successes:
    a

failures:

---- c stdout ----
skipped: is here no verdict

test result: FAILED. 1 passed; 1 failed";
        let mut skips = Skips::default();
        let kept: Vec<String> = output.lines().filter_map(|line| skips.pass(line)).collect();
        let want = "\
test a ... ok

skipped a: needs root
failures:

---- c stdout ----
skipped: is here no verdict

test result: FAILED. 1 passed; 1 failed";
        assert_eq!(kept.join("\n"), want);
    }
}
