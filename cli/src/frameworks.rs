//! `headroom frameworks` and `headroom teardown`.

use clap::Args;
use headroom_proto::v1::{FrameworkState, TeardownFrameworkRequest};
use serde::Serialize;

use crate::client::{Client, Subject};
use crate::failure::Failure;
use crate::output::{Output, Tone, cell, figure};
use crate::record::FrameworkRecord;
use crate::roles::percent;

#[derive(Serialize)]
struct Listing {
    frameworks: Vec<FrameworkRecord>,
}

pub(crate) async fn frameworks(client: &Client, output: Output) -> Result<(), Failure> {
    let mut frameworks = client.cluster(false).await?.frameworks;
    frameworks.sort_by(|a, b| a.name.cmp(&b.name).then(a.framework_id.cmp(&b.framework_id)));
    if output.json {
        let frameworks = frameworks.iter().map(FrameworkRecord::from).collect();
        return output.json(&Listing { frameworks });
    }
    if frameworks.is_empty() {
        return output.line("no frameworks; `headroom run -- echo hello` makes one for a moment");
    }
    let mut table = output.table(&[
        "FRAMEWORK",
        "NAME",
        "ROLE",
        "STATE",
        "TASKS",
        "WAITING",
        "OFFERS",
        "SHARE",
    ]);
    for framework in &frameworks {
        let (word, tone) = state(framework);
        table.add_row([
            cell(&framework.framework_id, Tone::Strong),
            cell(&framework.name, Tone::Plain),
            cell(&framework.role, Tone::Plain),
            cell(word, tone),
            figure(framework.tasks),
            figure(framework.wanted),
            figure(framework.offers),
            figure(percent(framework.dominant_share)),
        ]);
    }
    output.line(table)
}

fn state(framework: &FrameworkState) -> (&'static str, Tone) {
    match (framework.connected, framework.suppressed) {
        (false, _) => ("away", Tone::Attention),
        (true, true) => ("wants no offers", Tone::Faint),
        (true, false) => ("connected", Tone::Good),
    }
}

/// End a framework: its tasks are killed and it is forgotten
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  headroom frameworks                 find the id
  headroom teardown 7d0c6f1e-0003")]
pub(crate) struct TeardownArgs {
    /// The framework's id, or its name where only one has it
    #[arg(value_name = "FRAMEWORK")]
    framework: String,
}

pub(crate) async fn teardown(
    args: &TeardownArgs,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    let cluster = client.cluster(false).await?;
    let framework_id = find(&cluster.frameworks, &args.framework)?;
    let answer = client
        .operator()
        .teardown_framework(TeardownFrameworkRequest { framework_id: framework_id.clone() })
        .await;
    let subject = Subject::Framework(&args.framework);
    answer.map_err(|e| client.failure("cannot tear it down", &e, subject))?;
    let record = serde_json::json!({ "framework_id": framework_id, "torn_down": true });
    output.either(&record, || format!("{framework_id} was torn down, its tasks are being killed"))
}

/// By id, else by a name that only one has: nothing is torn down on a guess.
fn find(frameworks: &[FrameworkState], wanted: &str) -> Result<String, Failure> {
    if frameworks.iter().any(|f| f.framework_id == wanted) {
        return Ok(wanted.into());
    }
    let mut named = frameworks.iter().filter(|f| f.name == wanted);
    match (named.next(), named.count()) {
        (Some(one), 0) => Ok(one.framework_id.clone()),
        (Some(_), more) => Err(Failure::Call {
            action: "cannot tear it down",
            message: format!("{} frameworks are named {wanted:?}; give the id instead", more + 1),
        }),
        // The allocator may know one that has left our view; it has the last word.
        (None, _) => Ok(wanted.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_only_when_it_is_one() {
        let framework = |id: &str, name: &str| FrameworkState {
            framework_id: id.into(),
            name: name.into(),
            ..Default::default()
        };
        let all = [framework("1", "web"), framework("2", "batch"), framework("3", "batch")];
        assert_eq!(find(&all, "web").expect("one"), "1");
        assert_eq!(find(&all, "3").expect("id"), "3");
        assert_eq!(find(&all, "gone").expect("passed on"), "gone");
        assert!(find(&all, "batch").expect_err("two").to_string().contains("2 frameworks"));
    }
}
