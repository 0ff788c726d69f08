//! `headroom kill`: ends a task.

use std::time::Duration;

use clap::Args;
use headroom_proto::v1::OperatorKillRequest;
use serde::Serialize;

use crate::client::{Client, Subject};
use crate::failure::Failure;
use crate::output::Output;
use crate::span;

/// End a task: SIGTERM, then SIGKILL when its grace is over
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  headroom kill web-3f9a01
  headroom kill web-3f9a01 --grace 0s     at once

It returns when the allocator has taken the order; `headroom ps -a` shows the end.")]
pub(crate) struct KillArgs {
    /// The task's id
    #[arg(value_name = "TASK")]
    task: String,
    /// From SIGTERM to SIGKILL [default: what the task was started with]
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    grace: Option<Duration>,
    /// The framework's id, where several have a task of that name
    #[arg(long, value_name = "FRAMEWORK")]
    framework: Option<String>,
}

#[derive(Serialize)]
struct Ordered<'a> {
    task_id: &'a str,
    ordered: bool,
}

pub(crate) async fn kill(args: &KillArgs, client: &Client, output: Output) -> Result<(), Failure> {
    let request = OperatorKillRequest {
        task_id: args.task.clone(),
        framework_id: args.framework.clone().unwrap_or_default(),
        grace_ms: args.grace.map(span::millis),
    };
    let answer = client.operator().kill_task(request).await;
    answer.map_err(|e| client.failure("cannot kill it", &e, Subject::Task(&args.task)))?;
    output.either(&Ordered { task_id: &args.task, ordered: true }, || {
        format!("{} was told to end", args.task)
    })
}
