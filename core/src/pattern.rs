//! Regular expressions that a whole text must match, as Mesos' `TextMatches` does (RE2's
//! `FullMatch`, `src/master/allocator/mesos/offer_constraints_filter.cpp`).
//!
//! As in RE2, `\d`, `\w`, `\s` and `\b` are of ASCII, `$` is the end of the text, and there are no
//! look-arounds or back-references: time grows with the text only. Not known, other than in RE2,
//! are Unicode classes (`\p{..}`), `\Q..\E` and `\C`; they are refused, never misread. Letters
//! outside of ASCII have case also under `(?i)`.

use regex_lite::{Regex, RegexBuilder};
use std::fmt;
use thiserror::Error;

/// An expression has at most so many bytes.
pub const MAX_PATTERN_BYTES: usize = 1_024;
/// A compiled expression has at most so many bytes (Mesos' `offer_constraints_re2_max_mem`); some
/// hundred letters.
pub const MAX_PROGRAM_BYTES: usize = 4_096;

/// An expression that a whole text matches or not.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    program: Regex,
}

/// Why an expression is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PatternError {
    /// It is none, or one with what is not known here.
    #[error("{text:?} is no regular expression that is known here: {problem}")]
    Syntax {
        /// The expression.
        text: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A bound.
    #[error(
        "the regular expression {0:?} is too complex: compiled it has more than \
         {MAX_PROGRAM_BYTES} bytes; say it shorter, or as several constraints"
    )]
    TooComplex(String),
    /// A bound.
    #[error("a regular expression has {0} bytes, at most {MAX_PATTERN_BYTES} are taken")]
    TooLong(usize),
}

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// It is not well formed, or passes a bound.
    pub fn new(text: impl Into<String>) -> Result<Self, PatternError> {
        let text = text.into();
        if text.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::TooLong(text.len()));
        }
        // By itself first: `a)(b` must not become good by what is put round it.
        Regex::new(&text).map_err(|error| syntax(&text, &error))?;
        let whole = format!(r"\A(?:{text})\z");
        let program = RegexBuilder::new(&whole).size_limit(MAX_PROGRAM_BYTES).build();
        let program = program.map_err(|error| match Regex::new(&whole) {
            Ok(_) => PatternError::TooComplex(text.clone()),
            Err(_) => syntax(&text, &error),
        })?;
        Ok(Self { text, program })
    }

    /// Whether all of `value` matches.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        self.program.is_match(value)
    }

    /// The expression as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn syntax(text: &str, error: &regex_lite::Error) -> PatternError {
    PatternError::Syntax { text: text.to_owned(), problem: error.to_string() }
}

/// Patterns of one text are one.
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_text_must_match() {
        for (pattern, good, bad) in [
            ("r7", "r7", "r77"),
            ("r7", "r7", "xr7"),
            ("r7|r8", "r8", "r7r8"),
            ("a|ab", "ab", "abb"),
            (r"rack-\d+", "rack-17", "rack-٣"),
            ("", "", "x"),
            (".*", "what ever", "two\nlines"),
            ("(?i)EU-.", "eu-é", "eu-"),
            ("(?m)^a$", "a", "a\nb"),
            ("[^/]+", "né", "a/b"),
        ] {
            let pattern = Pattern::new(pattern).unwrap();
            assert!(pattern.matches(good), "{pattern} on {good:?}");
            assert!(!pattern.matches(bad), "{pattern} on {bad:?}");
        }
    }

    #[test]
    fn what_is_no_expression_or_too_large_a_one_is_refused() {
        for bad in ["(", "a)(b", "[", "a**b(", r"\p{L}", r"\Qa\E", r"(a)\1", "(?=a)b", "(?x)a #"] {
            let error = Pattern::new(bad).unwrap_err();
            assert!(matches!(error, PatternError::Syntax { .. }), "{bad}: {error}");
            assert!(error.to_string().contains("is no regular expression"), "{error}");
        }
        for large in ["a{200}".to_owned(), "(ab?){90}".to_owned(), "x".repeat(200)] {
            assert_eq!(Pattern::new(&*large), Err(PatternError::TooComplex(large)));
        }
        let long = Pattern::new("x".repeat(MAX_PATTERN_BYTES + 1)).unwrap_err();
        assert_eq!(long, PatternError::TooLong(MAX_PATTERN_BYTES + 1));
        // A size that no machine should be made to build.
        let error = Pattern::new("((((a{999}){999}){999}){999}){999}").unwrap_err();
        assert!(error.to_string().contains("exceeded"), "{error}");
        assert!(Pattern::new("[a-z0-9-]+[.]{1,3}(one|two|three)[.]example[.]com").is_ok());
        assert!(Pattern::new("n".repeat(99)).is_ok(), "as Mesos: some hundred letters");
    }
}
