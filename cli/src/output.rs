//! What a command writes: a table or a line for a person, JSON for a program; colour or not.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::failure::Failure;

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    Auto,
    Always,
    Never,
}

impl ColorChoice {
    /// <https://no-color.org>: any value but the empty one means no.
    pub(crate) fn decide(self, terminal: bool) -> bool {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        match self {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !dumb && !set("NO_COLOR"),
        }
    }
}

/// How this process writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) color: bool,
    /// Colour on standard error.
    pub(crate) color_errors: bool,
}

/// A text's meaning, which gives its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Attention,
    Bad,
    Faint,
    Strong,
}

impl Output {
    pub(crate) fn new(json: bool, choice: ColorChoice) -> Self {
        let color = choice.decide(io::stdout().is_terminal());
        Output { json, color, color_errors: choice.decide(io::stderr().is_terminal()) }
    }

    /// One JSON value on one line.
    pub(crate) fn json<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        let line = serde_json::to_string(value)
            .map_err(|e| Failure::Io { action: "cannot write JSON", source: e.into() })?;
        self.line(line)
    }

    /// One line of text.
    pub(crate) fn line(&self, text: impl Display) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{text}")
            .and_then(|()| stdout.flush())
            .map_err(|source| Failure::Io { action: "cannot write the output", source })
    }

    /// JSON where asked for, else the text.
    pub(crate) fn either<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if self.json { self.json(value) } else { self.line(text()) }
    }

    /// A table without lines, as wide as the terminal.
    pub(crate) fn table(&self, headings: &[&str]) -> Table {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        if io::stdout().is_terminal() {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        // Our own decision on colour counts, not the table's guess from the terminal.
        if self.color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table.set_header(headings.iter().map(|h| cell(h, Tone::Strong)));
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table
    }

    /// Text with the colour of its meaning, where standard output is coloured.
    pub(crate) fn paint(&self, text: impl Display, tone: Tone) -> String {
        paint(text, tone, self.color)
    }
}

/// Text with the colour of its meaning.
pub(crate) fn paint(text: impl Display, tone: Tone, color: bool) -> String {
    let code = match tone {
        _ if !color => return text.to_string(),
        Tone::Plain => return text.to_string(),
        Tone::Good => "32",
        Tone::Attention => "33",
        Tone::Bad => "31",
        Tone::Faint => "2",
        Tone::Strong => "1",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// A table's cell.
pub(crate) fn cell(text: impl ToString, tone: Tone) -> Cell {
    let cell = Cell::new(text);
    match tone {
        Tone::Plain => cell,
        Tone::Good => cell.fg(Color::DarkGreen),
        Tone::Attention => cell.fg(Color::DarkYellow),
        Tone::Bad => cell.fg(Color::DarkRed),
        Tone::Faint => cell.add_attribute(Attribute::Dim),
        Tone::Strong => cell.add_attribute(Attribute::Bold),
    }
}

/// A table's cell for a figure.
pub(crate) fn figure(text: impl ToString) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// Standard error, for a failure: what, then what to do next.
pub(crate) fn report(failure: &Failure, code: u8, output: Output) {
    if output.json {
        let line = serde_json::json!({
            "error": failure.to_string(), "next": failure.next(), "exit_code": code,
        });
        eprintln!("{line}");
        return;
    }
    eprintln!("{} {failure}", paint("error:", Tone::Bad, output.color_errors));
    if let Some(next) = failure.next() {
        eprintln!("{} {next}", paint(" next:", Tone::Faint, output.color_errors));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_wins_over_the_terminal() {
        assert!(ColorChoice::Always.decide(false));
        assert!(!ColorChoice::Never.decide(true));
        assert!(!ColorChoice::Auto.decide(false));
    }

    #[test]
    fn no_escape_codes_without_colour() {
        let output = Output { json: false, color: false, color_errors: false };
        let mut table = output.table(&["TASK", "STATE"]);
        table.add_row([cell("a", Tone::Bad), cell("lost", Tone::Good)]);
        assert!(!table.to_string().contains('\x1b'));
        assert_eq!(output.paint("x", Tone::Bad), "x");
        let coloured = Output { color: true, ..output };
        assert!(coloured.paint("x", Tone::Bad).contains('\x1b'));
    }
}
