//! What the guest says, made into one line a test, and whether all is well.
//!
//! The guest frames the output of each test program (`@@ run NAME`, `@@ end NAME CODE SECONDS`) and
//! says `@@ over` at the end; a program's exit code is what counts.

use anyhow::{Result, bail};

use crate::test_skips::Skips;

/// The reader.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    program: String,
    skips: Skips,
    /// Of the running program: tests in their order, and whether each passed.
    tests: Vec<(String, &'static str)>,
    skipped: Vec<(String, String)>,
    /// From `failures:` on, as it was said.
    failures: Vec<String>,
    passed: usize,
    left_out: usize,
    failed: Vec<String>,
    over: bool,
}

impl Verdict {
    /// Takes a line; gives what to print now.
    pub(super) fn pass(&mut self, line: &str) -> Vec<String> {
        if let Some(rest) = line.strip_prefix("@@ ") {
            let mut words = rest.split(' ');
            match words.next() {
                Some("run") => self.begin(words.next().unwrap_or_default()),
                Some("end") => return self.end(words.nth(1), words.next()),
                Some("over") => self.over = true,
                _ => return vec![rest.to_owned()],
            }
            return Vec::new();
        }
        if let Some(line) = self.skips.pass(line) {
            self.note(line);
        }
        Vec::new()
    }

    fn begin(&mut self, program: &str) {
        program.clone_into(&mut self.program);
        self.skips = Skips::default();
        self.tests.clear();
        self.skipped.clear();
        self.failures.clear();
    }

    fn note(&mut self, line: String) {
        if !self.failures.is_empty() || line == "failures:" {
            return self.failures.push(line);
        }
        if let Some((test, why)) = line.strip_prefix("skipped ").and_then(|l| l.split_once(": ")) {
            return self.skipped.push((test.to_owned(), why.to_owned()));
        }
        let Some((test, rest)) = line.strip_prefix("test ").and_then(|l| l.split_once(" ... "))
        else {
            return;
        };
        // What a child writes meanwhile stands in between.
        let word = ["ok", "FAILED", "ignored"].into_iter().find(|word| rest.ends_with(word));
        self.tests.push((test.to_owned(), word.unwrap_or("?")));
    }

    fn end(&mut self, code: Option<&str>, seconds: Option<&str>) -> Vec<String> {
        let mut lines = Vec::new();
        let why = |test: &String| self.skipped.iter().find(|(t, _)| t == test).map(|(_, why)| why);
        for (test, word) in &self.tests {
            let mut line = format!("{word:<8}{} {test}", self.program);
            if let Some(why) = why(test) {
                line = format!("{:<8}{} {test}: {why}", "skipped", self.program);
                self.left_out += 1;
            } else if *word == "ok" {
                self.passed += 1;
            }
            lines.push(line);
        }
        lines.append(&mut self.failures);
        let (code, seconds) = (code.unwrap_or("?"), seconds.unwrap_or("?"));
        if code != "0" {
            lines.push(format!("FAILED  {} ended with {code}", self.program));
            self.failed.push(self.program.clone());
        }
        lines.push(format!("        {} took {seconds} s", self.program));
        lines
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// The last word.
    pub(super) fn conclude(&self) -> Result<()> {
        println!("{} passed, {} skipped", self.passed, self.left_out);
        if !self.failed.is_empty() {
            bail!("failed: {}", self.failed.join(", "));
        }
        if self.passed == 0 {
            bail!("no test ran");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> (Vec<String>, Verdict) {
        let mut verdict = Verdict::default();
        let lines = text.lines().flat_map(|line| verdict.pass(line)).collect();
        (lines, verdict)
    }

    #[test]
    fn each_test_gets_a_line_and_a_skip_its_reason() {
        let (lines, verdict) = told(
            "@@ run agent/unit\ntest a ... ok\ntest b ... ok\n\nsuccesses:\n\n---- b stdout ----\n\
             skipped: no freezer\n\nsuccesses:\n    a\n    b\n\ntest result: ok. 2 passed\n\
             @@ end agent/unit 0 7\n@@ over",
        );
        let want = [
            "ok      agent/unit a",
            "skipped agent/unit b: no freezer",
            "        agent/unit took 7 s",
        ];
        assert_eq!(lines, want);
        assert!(verdict.is_over() && verdict.conclude().is_ok());
    }

    #[test]
    fn the_exit_code_counts_even_if_no_line_says_so() {
        let (lines, verdict) = told(
            "@@ run p\ntest a ... chatter FAILED\n\nfailures:\n\n---- a stdout ----\nwhy\n\
             @@ end p 101 1\n@@ run q\ntest b ... ok\n@@ end q 143 9\n@@ over",
        );
        assert!(lines.contains(&"FAILED  p a".to_owned()) && lines.contains(&"why".to_owned()));
        let error = verdict.conclude().expect_err("two failed").to_string();
        assert_eq!(error, "failed: p, q");
        assert!(told("@@ over").1.conclude().is_err(), "nothing ran");
    }
}
