//! What a run says about itself: sentences on standard error, or JSON lines on standard output.

use headroom_proto::v1::{TaskStatus, WhyAnswer};
use serde_json::{Value, json};

use super::ending::Ending;
use crate::output::{Output, Tone, paint};
use crate::state;

/// `headroom why` names them all.
const MOST_NODES: usize = 3;

/// Speaks for one task.
#[derive(Debug, Clone)]
pub(crate) struct Teller {
    output: Output,
    verbose: bool,
    task_id: String,
}

impl Teller {
    pub(crate) fn new(output: Output, verbose: bool, task_id: &str) -> Self {
        Teller { output, verbose, task_id: task_id.into() }
    }

    /// The task id where output is to be JSON.
    pub(crate) fn json_task(&self) -> Option<String> {
        self.output.json.then(|| self.task_id.clone())
    }

    /// Of interest to those who asked for it.
    pub(crate) fn detail(&self, event: &str, text: &str, fields: Value) {
        if self.output.json || self.verbose {
            self.say(event, text, fields);
        }
    }

    /// Of interest to everybody.
    pub(crate) fn say(&self, event: &str, text: &str, fields: Value) {
        if !self.output.json {
            let text = paint(format!("headroom: {text}"), Tone::Faint, self.output.color_errors);
            eprintln!("{text}");
            return;
        }
        let mut line = json!({ "event": event, "task_id": self.task_id });
        if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
            line.extend(fields);
        }
        // A reader that went away is noticed where the task's output is written.
        let _ = self.output.json(&line);
    }

    /// A change of the task's state.
    pub(crate) fn state(&self, status: &TaskStatus) {
        let word = state::state_word(status.state);
        let reason = state::reason_word(status.reason);
        let mut text = format!("{} is {word}", self.task_id);
        if !status.message.is_empty() {
            text += &format!(" ({})", status.message);
        }
        let fields = json!({
            "state": word, "reason": reason, "agent_id": said(&status.agent_id),
            "message": said(&status.message), "exit_code": status.exit_code,
            "signal": status.signal,
        });
        if word == "unreachable" {
            self.say("state", &format!("{text}; it may still run, waiting for its node"), fields);
        } else {
            self.detail("state", &text, fields);
        }
    }

    /// Why there is no place yet.
    pub(crate) fn why(&self, answer: &WhyAnswer) {
        let fields = json!({
            "summary": answer.summary, "impossible": answer.impossible, "hints": answer.hints,
        });
        let word = if answer.impossible { "" } else { "waiting: " };
        let mut text = format!("{word}{}", answer.summary);
        for agent in answer.agents.iter().take(MOST_NODES) {
            text += &format!("\nheadroom:   {}: {}", agent.hostname, agent.reason);
        }
        for hint in &answer.hints {
            text += &format!("\nheadroom:   {hint}");
        }
        self.say("waiting", &text, fields);
    }

    /// The last word.
    pub(crate) fn ending(&self, ending: &Ending) {
        if self.output.json {
            let fields = json!({
                "exit_code": ending.code, "message": ending.message, "hint": ending.hint,
            });
            return self.say("ended", "", fields);
        }
        if let Some(message) = &ending.message {
            let color = self.output.color_errors;
            eprintln!("{} {} {message}", paint("headroom:", Tone::Bad, color), self.task_id);
            if let Some(hint) = ending.hint {
                eprintln!("{} {hint}", paint("    next:", Tone::Faint, color));
            }
        }
    }
}

fn said(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
