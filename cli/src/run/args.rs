//! The flags of `headroom run`.

use std::time::Duration;

use clap::Args;

use headroom_proto::v1::Constraint;

use super::constraint;
use super::docker::DockerArgs;
use crate::amount::{Cpus, Memory};
use crate::{exit, span};

/// The wire's bound on a task's id.
const MAX_NAME_BYTES: usize = 255;
/// What one task may ask for.
const MAX_PORTS: u32 = 1000;
/// What one task may ask for.
const MAX_GPUS: u32 = 1024;

/// Run a command somewhere in the cluster, as if it ran here
#[derive(Debug, Args)]
#[command(after_help = exit::RUN_HELP)]
pub(crate) struct RunArgs {
    /// The task's name [default: the program's name and a random number]
    #[arg(short, long, value_name = "NAME", value_parser = name)]
    pub(crate) name: Option<String>,
    /// CPUs it needs: 2, 0.5 or 500m
    #[arg(short, long, value_name = "CPUS", default_value = "1", allow_hyphen_values = true)]
    pub(super) cpus: Cpus,
    /// Memory it needs: 128MiB, 1.5GiB
    #[arg(short, long, value_name = "SIZE", default_value = "128MiB", allow_hyphen_values = true)]
    pub(super) memory: Memory,
    /// Disk it needs
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub(super) disk: Option<Memory>,
    /// GPUs it needs
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_GPUS)))]
    pub(super) gpus: Option<u32>,
    /// How many network ports it needs; it finds them in PORT0, PORT1 ... and all in PORTS
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_PORTS)))]
    pub(super) ports: Option<u32>,
    /// Nodes that will do: rack=r7, rack!=r7, rack=~r[0-9]+ (regular expression), rack!~r[0-9]+,
    /// rack (is set), !rack; @hostname, @region, @zone
    #[arg(long = "constraint", value_name = "CONSTRAINT", value_parser = constraint::parse)]
    pub(super) constraints: Vec<Constraint>,
    /// CPUs it may never pass [default: as many as are idle]
    #[arg(long, value_name = "CPUS", allow_hyphen_values = true)]
    pub(super) limit_cpus: Option<Cpus>,
    /// Memory it may never pass [default: what it needs]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub(super) limit_memory: Option<Memory>,
    /// The role whose share it uses
    #[arg(short, long, value_name = "ROLE", default_value = "*")]
    pub(super) role: String,
    /// Run on lent resources only; they may be taken back, and the task ended for it
    #[arg(long)]
    pub(crate) revocable: bool,
    /// Set a variable, or pass on one of this shell's
    #[arg(short, long = "env", value_name = "NAME[=VALUE]", value_parser = variable)]
    pub(super) env: Vec<(String, String)>,
    /// A file to fetch into its sandbox first, and unpack if it is an archive: http, https, or a path
    /// on the node; may be given several times
    #[arg(long = "uri", value_name = "URI")]
    pub(super) uris: Vec<String>,
    /// The user to run as [default: you; in a Docker container the image's]
    #[arg(short, long, value_name = "USER")]
    pub(super) user: Option<String>,
    /// From SIGTERM to SIGKILL when it is to end
    #[arg(long, value_name = "SPAN", default_value = "5s", value_parser = span::parse)]
    pub(super) grace: Duration,
    /// Give up when it has no place after this long [default: wait for ever]
    #[arg(long, value_name = "SPAN", value_parser = span::parse_positive)]
    pub(crate) timeout: Option<Duration>,
    /// Return when it runs, and print its id; it ends with `headroom kill`, or after 30 days
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Say on standard error what happens
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// The command and its arguments; all that follows belongs to it
    #[arg(value_name = "COMMAND", required_unless_present = "image", trailing_var_arg = true)]
    pub(super) command: Vec<String>,
    #[command(flatten)]
    pub(super) docker: DockerArgs,
}
pub(super) fn name(text: &str) -> Result<String, String> {
    match text {
        "" => Err("must not be empty".into()),
        "." | ".." => Err("is a directory's name".into()),
        _ if text.len() > MAX_NAME_BYTES => Err(format!("longer than {MAX_NAME_BYTES} bytes")),
        _ if text.chars().any(|c| c.is_control() || c == '/') => {
            Err("must have no slashes and no control characters".into())
        }
        _ => Ok(text.into()),
    }
}

/// `NAME=VALUE`, or `NAME` alone to pass on this process' value.
fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, value.to_string()),
        None => {
            let value = std::env::var(text)
                .map_err(|_| "not set here; write it as NAME=VALUE".to_string())?;
            (text, value)
        }
    };
    if name.is_empty() || name.contains('\0') || value.contains('\0') {
        return Err("a variable needs a name, and no NUL bytes; write it as NAME=VALUE".into());
    }
    Ok((name.into(), value))
}
#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        run: RunArgs,
    }

    pub(crate) fn parse(line: &[&str]) -> Result<RunArgs, clap::Error> {
        Line::try_parse_from([&["run"], line].concat()).map(|line| line.run)
    }

    #[test]
    fn wrong_amounts_name_their_flag() {
        let error = parse(&["--cpus", "-1", "true"]).expect_err("negative").to_string();
        assert!(error.contains("--cpus"), "{error}");
        for (flag, value) in [
            ("--cpus", "-1"),
            ("--cpus", "NaN"),
            ("--cpus", "0"),
            ("--cpus", "1e30"),
            ("--memory", "0MiB"),
            ("--memory", "128"),
            ("--memory", "-1GiB"),
            ("--disk", "infGiB"),
            ("--gpus", "0"),
            ("--ports", "0"),
            ("--ports", "70000"),
            ("--limit-cpus", "nan"),
            ("--limit-memory", "lots"),
            ("--grace", "soon"),
            ("--timeout", "0s"),
            ("--name", "a/b"),
            ("--name", ".."),
            ("--env", "=x"),
        ] {
            let line = format!("{flag}={value}");
            let error = parse(&[&line, "--", "true"]).expect_err(&line).to_string();
            assert!(error.contains(flag), "{error}");
        }
        assert!(parse(&[]).is_err());
        assert!(parse(&["--cpuz", "1", "--", "true"]).is_err());
    }
}
