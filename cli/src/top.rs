use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
/// Watch nodes and tasks live
#[derive(Debug, Args)]
pub(crate) struct TopArgs {}
pub(crate) async fn top(_a: &TopArgs, _c: &Client, _o: Output) -> Result<(), Failure> {
    Ok(())
}
