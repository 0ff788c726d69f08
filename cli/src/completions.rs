//! `headroom completions`: a shell's completion script.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::failure::Failure;
use crate::output::Output;

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  headroom completions bash > /etc/bash_completion.d/headroom
  headroom completions zsh  > ~/.zfunc/_headroom
  headroom completions fish > ~/.config/fish/completions/headroom.fish")]
pub(crate) struct CompletionsArgs {
    shell: Shell,
}

pub(crate) fn completions(args: &CompletionsArgs, output: Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "headroom", &mut script);
    let script = String::from_utf8_lossy(&script);
    let record = serde_json::json!({ "shell": args.shell.to_string(), "script": script });
    output.either(&record, || script.trim_end().to_string())
}
