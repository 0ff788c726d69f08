//! `headroom top`: nodes and tasks, live.

mod board;
mod history;
mod keys;
mod once;
mod rows;
mod screen;
mod view;

use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Args;
use headroom_proto::v1::Cluster;
use tokio::sync::mpsc;

use self::board::Board;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use crate::span;

/// Watch nodes and tasks live: what is requested, used, forecast, lent, and who waits
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  headroom top
  headroom top --once                     one look, for a script or a ticket
  headroom top --json --interval 5s       a line of JSON every five seconds

Keys: q quits, arrows select, Tab changes the list, c m w t n sort, r reverses, Enter shows one
node's tasks, ? explains.

Columns: CPU and MEMORY are what there is (nodes) or was requested (tasks); REQ requested, LENT lent,
USED measured, FCST the forecast peak; of the last step (1 s unless set otherwise) and in
milliseconds: WAIT waited for a CPU, summed over threads, P99 of single waits, THR stopped by a
quota. A dash is what could not be measured.")]
pub(crate) struct TopArgs {
    /// Print once and return
    #[arg(long)]
    once: bool,
    /// Between two looks
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = interval)]
    interval: Duration,
}

/// More often than this tells nothing new: agents report once a step.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

fn interval(text: &str) -> Result<Duration, String> {
    match span::parse(text)? {
        interval if interval < SHORTEST_INTERVAL => Err("must be at least 100ms".into()),
        interval => Ok(interval),
    }
}

pub(crate) async fn top(args: &TopArgs, client: &Client, output: Output) -> Result<(), Failure> {
    if args.once {
        return once::print(&client.cluster(false).await?, output);
    }
    if output.json {
        loop {
            once::print(&client.cluster(false).await?, output)?;
            tokio::time::sleep(args.interval).await;
        }
    }
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let text = "top needs a terminal; without one use `headroom top --once` or --json";
        return Err(Failure::Usage(text.into()));
    }
    let board = Board::new(client.address().to_string(), client.cluster(false).await?);
    screen::show(board, &mut looks(client, args.interval), output.color).await
}

/// What the allocator answered, again and again; the newest few at most are kept.
fn looks(client: &Client, interval: Duration) -> mpsc::Receiver<Result<Cluster, Failure>> {
    let (tell, looks) = mpsc::channel(2);
    let client = client.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(interval).await;
            if tell.send(client.cluster(false).await).await.is_err() {
                return;
            }
        }
    });
    looks
}
