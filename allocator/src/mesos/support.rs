//! What of Mesos' API is answered, and how what is not is refused. The tables are what the doors do;
//! docs/mesos.md has the same ones, which tests compare.

/// What becomes of a call, path, event or field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Support {
    /// As in Mesos.
    Yes,
    /// With this difference.
    But(&'static str),
    /// Refused with this sentence: a call with 501, a task with TASK_ERROR.
    NotYet(&'static str),
}

/// The rows of a table as docs/mesos.md has them; `refused`: how what is not there is refused.
#[cfg(test)]
pub(crate) fn rows<'a>(refused: &str, all: impl Iterator<Item = (&'a str, Support)>) -> String {
    use std::fmt::Write as _;
    all.fold(String::new(), |mut text, (name, support)| {
        let (answer, more) = match support {
            Support::Yes => ("yes", ""),
            Support::But(difference) => ("yes", difference),
            Support::NotYet(why) => (refused, why),
        };
        let _ = writeln!(text, "| `{name}` | {answer} | {more} |");
        text
    })
}
