//! `headroom` on the command line. This file only parses and dispatches: a file a command.

mod address;
mod agents;
mod amount;
mod client;
mod completions;
mod exit;
mod failure;
mod frameworks;
mod kill;
mod log;
mod logs;
mod maintenance;
mod output;
mod ps;
mod quantities;
mod quota;
mod record;
mod reserve;
mod roles;
mod run;
mod signals;
mod simulate;
mod span;
mod state;
mod status;
mod top;
mod up;
mod version;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use headroom_agent::supervisor;

use crate::address::Address;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{ColorChoice, Output};

/// Where `--help` puts the flags that every command has.
const GLOBAL: &str = "Global options";

/// Share one cluster by what its tasks really use
#[derive(Debug, Parser)]
#[command(name = "headroom", version, after_help = exit::HELP, max_term_width = 100)]
#[command(propagate_version = true, disable_help_subcommand = true, subcommand_required = true)]
struct Cli {
    /// The allocator's address
    #[arg(long, global = true, help_heading = GLOBAL, env = "HEADROOM_ADDRESS")]
    #[arg(value_name = "ADDRESS", default_value = address::DEFAULT, hide_env_values = true)]
    address: Address,
    /// Print JSON: one object, or lines of them where the command streams
    #[arg(long, global = true, help_heading = GLOBAL)]
    json: bool,
    /// Colour: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(long, global = true, help_heading = GLOBAL, value_enum, value_name = "WHEN")]
    #[arg(default_value = "auto", hide_possible_values = true)]
    color: ColorChoice,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(Box<up::UpArgs>),
    Run(Box<run::args::RunArgs>),
    Ps(ps::PsArgs),
    Logs(logs::LogsArgs),
    Kill(kill::KillArgs),
    Why(why::WhyArgs),
    /// Show the cluster on one page: nodes, work, waste and waiting
    Status,
    Top(top::TopArgs),
    /// List roles, their weights and rights
    Roles,
    Role(roles::RoleArgs),
    Quota(quota::QuotaArgs),
    /// List what nodes keep for roles
    Reservations,
    Reserve(reserve::ReserveArgs),
    Unreserve(reserve::UnreserveArgs),
    Volume(reserve::VolumeArgs),
    /// List nodes and what operators have decided about them
    Agents,
    Deactivate(agents::DeactivateArgs),
    Drain(agents::DrainArgs),
    Reactivate(agents::ReactivateArgs),
    Gone(agents::GoneArgs),
    Maintenance(maintenance::MaintenanceArgs),
    /// List frameworks
    Frameworks,
    Teardown(frameworks::TeardownArgs),
    Simulate(simulate::SimulateArgs),
    Completions(completions::CompletionsArgs),
    /// Supervise one container (an agent starts it)
    #[command(name = supervisor::SUBCOMMAND, hide = true)]
    Supervise {
        directory: PathBuf,
    },
    /// Print the version
    Version,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Before anything else: a supervisor forks, and must have no runtime and no other thread.
    if let Command::Supervise { directory } = &cli.command {
        return supervisor::run(directory);
    }
    let output = Output::new(cli.json, cli.color);
    let is_run = matches!(cli.command, Command::Run(_));
    match dispatch(cli, output) {
        Ok(code) => code.into(),
        Err(failure) if failure.is_closed_pipe() => exit::OK.into(),
        Err(failure) => {
            let code = if is_run { failure.code_of_run() } else { failure.code() };
            output::report(&failure, code, output);
            code.into()
        }
    }
}

fn dispatch(cli: Cli, output: Output) -> Result<u8, Failure> {
    match cli.command {
        Command::Completions(args) => completions::completions(&args, output)?,
        Command::Simulate(args) => simulate::simulate(&args, output)?,
        Command::Version => version::version(output)?,
        command => {
            let runtime = tokio::runtime::Runtime::new()
                .map_err(|source| Failure::Io { action: "cannot start", source })?;
            let answer = runtime.block_on(ask(command, &cli.address, output));
            // A reader of output may be stuck in a pipe that nobody empties.
            runtime.shutdown_background();
            return answer;
        }
    }
    Ok(exit::OK)
}

/// The commands that talk to an allocator.
async fn ask(command: Command, address: &Address, output: Output) -> Result<u8, Failure> {
    match &command {
        Command::Run(args) => return run::run(args, address, output).await,
        Command::Up(args) => return up::up(args, output).await.map(|()| exit::OK),
        _ => {}
    }
    let client = Client::connect(address).await?;
    match &command {
        Command::Ps(args) => ps::ps(args, &client, output).await?,
        Command::Logs(args) => logs::logs(args, &client, output).await?,
        Command::Kill(args) => kill::kill(args, &client, output).await?,
        Command::Why(args) => return why::why(args, &client, output).await,
        Command::Status => status::status(&client, output).await?,
        Command::Top(args) => top::top(args, &client, output).await?,
        Command::Roles => roles::roles(&client, output).await?,
        Command::Role(args) => roles::role(args, &client, output).await?,
        Command::Quota(args) => quota::quota(args, &client, output).await?,
        Command::Reservations => reserve::reservations(&client, output).await?,
        Command::Reserve(args) => reserve::reserve(args, &client, output).await?,
        Command::Unreserve(args) => reserve::unreserve(args, &client, output).await?,
        Command::Volume(args) => reserve::volume(args, &client, output).await?,
        Command::Agents => agents::agents(&client, output).await?,
        Command::Deactivate(args) => agents::deactivate(args, &client, output).await?,
        Command::Drain(args) => agents::drain(args, &client, output).await?,
        Command::Reactivate(args) => agents::reactivate(args, &client, output).await?,
        Command::Gone(args) => agents::gone(args, &client, output).await?,
        Command::Maintenance(args) => maintenance::maintenance(args, &client, output).await?,
        Command::Frameworks => frameworks::frameworks(&client, output).await?,
        Command::Teardown(args) => frameworks::teardown(args, &client, output).await?,
        // Dispatched before the runtime or above.
        Command::Run(_)
        | Command::Up(_)
        | Command::Completions(_)
        | Command::Simulate(_)
        | Command::Supervise { .. }
        | Command::Version => {}
    }
    Ok(exit::OK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_a_sentence_of_help() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
        }
    }

    #[test]
    fn global_flags_stand_anywhere() {
        let cli = Cli::try_parse_from(["headroom", "ps", "--json", "--address", "node7"]);
        let cli = cli.expect("a line");
        assert!(cli.json);
        assert_eq!(cli.address.to_string(), "http://node7:5050");
        assert!(Cli::try_parse_from(["headroom"]).is_err());
    }
}
