//! `headroom maintenance`: when machines are to be unavailable, and which are down.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use headroom_proto::v1::{
    GetMaintenanceRequest, InverseOfferAnswer, Machine, MaintainedMachine, Maintenance,
    MaintenanceWindow, SetMaintenanceRequest, StartMaintenanceRequest, StopMaintenanceRequest,
    Unavailability,
};
use serde::Serialize;

use crate::client::{Client, Subject};
use crate::failure::Failure;
use crate::output::{Output, Tone, cell};
use crate::span;

/// Show or change when machines are to be unavailable, and take them down and up
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  headroom maintenance                                  the schedule, and what frameworks said to it
  headroom maintenance schedule node7 --in 2h --for 30m ask frameworks to be off it by then
  headroom maintenance down node7                       end what is left, and let its agent in no more
  headroom maintenance up node7                         have it back, and out of the schedule")]
pub(crate) struct MaintenanceArgs {
    #[command(subcommand)]
    change: Option<Change>,
}

#[derive(Debug, Subcommand)]
enum Change {
    Schedule(ScheduleArgs),
    Cancel(CancelArgs),
    Down(DownArgs),
    Up(UpArgs),
}

/// Say when machines are to be unavailable; what was said of them before is void
#[derive(Debug, Args)]
struct ScheduleArgs {
    /// Machines, each by its name or IPv4 address
    #[arg(value_name = "MACHINE", required = true)]
    machines: Vec<String>,
    /// When it begins, in UTC: 2030-01-31T22:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time, required_unless_present = "from_now")]
    #[arg(conflicts_with = "from_now")]
    start: Option<SystemTime>,
    /// How long from now it begins
    #[arg(long = "in", id = "from_now", value_name = "SPAN", value_parser = span::parse)]
    from_now: Option<Duration>,
    /// How long it lasts [default: nobody knows]
    #[arg(long = "for", id = "lasting", value_name = "SPAN", value_parser = span::parse)]
    lasting: Option<Duration>,
}

/// Take machines out of the schedule
#[derive(Debug, Args)]
struct CancelArgs {
    /// Machines, each by its name or IPv4 address
    #[arg(value_name = "MACHINE", required = true)]
    machines: Vec<String>,
}

/// Take machines of the schedule down: their agents end all tasks and are refused
#[derive(Debug, Args)]
struct DownArgs {
    /// Machines, each by its name or IPv4 address
    #[arg(value_name = "MACHINE", required = true)]
    machines: Vec<String>,
}

/// Let the agents of machines that are down in again
#[derive(Debug, Args)]
struct UpArgs {
    /// Machines, each by its name or IPv4 address
    #[arg(value_name = "MACHINE", required = true)]
    machines: Vec<String>,
}

#[derive(Serialize)]
struct Listing {
    machines: Vec<MachineRecord>,
}

#[derive(Serialize)]
struct MachineRecord {
    hostname: Option<String>,
    ip: Option<String>,
    /// `draining` or `down`, as in Mesos.
    state: &'static str,
    start_ns: i64,
    duration_ns: Option<i64>,
    agent_ids: Vec<String>,
    answers: Vec<AnswerRecord>,
}

#[derive(Serialize)]
struct AnswerRecord {
    framework_id: String,
    framework: String,
    agent_id: String,
    /// `accepted` or `declined`; null: it has not answered.
    answer: Option<&'static str>,
}

fn time(text: &str) -> Result<SystemTime, String> {
    humantime::parse_rfc3339_weak(text)
        .map_err(|_| "not a time in UTC; write it as 2030-01-31T22:00:00Z".into())
}

fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

/// An IPv4 address is one; all else is a name, in small letters.
fn machine(text: &str) -> Machine {
    if text.parse::<std::net::Ipv4Addr>().is_ok() {
        return Machine { ip: text.to_owned(), ..Machine::default() };
    }
    Machine { hostname: text.to_lowercase(), ..Machine::default() }
}

/// The machine of the schedule that a person names; with several of that name it is none of them.
fn known(text: &str, schedule: &Maintenance) -> Machine {
    let named = machine(text);
    let all = schedule.machines.iter().filter_map(|known| known.machine.as_ref());
    let mut fit = all.filter(|known| {
        (!named.ip.is_empty() && known.ip == named.ip)
            || (!named.hostname.is_empty() && known.hostname == named.hostname)
    });
    match (fit.next(), fit.next()) {
        (Some(one), None) => one.clone(),
        _ => named.clone(),
    }
}

fn without(windows: Vec<MaintenanceWindow>, machines: &[Machine]) -> Vec<MaintenanceWindow> {
    let left = windows.into_iter().map(|mut window| {
        window.machines.retain(|machine| !machines.contains(machine));
        window
    });
    left.filter(|window| !window.machines.is_empty()).collect()
}

pub(crate) async fn maintenance(
    args: &MaintenanceArgs,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    let action = "cannot change the maintenance";
    let failed = |e| client.failure(action, &e, Subject::Nothing);
    let mut operator = client.operator();
    let before = operator.get_maintenance(GetMaintenanceRequest {}).await.map_err(failed)?;
    let before = before.into_inner();
    let all = |machines: &[String]| machines.iter().map(|text| known(text, &before)).collect();
    let after = match &args.change {
        None => before,
        Some(Change::Schedule(args)) => {
            let machines: Vec<Machine> = all(&args.machines);
            let start = args.start.unwrap_or_else(SystemTime::now);
            let start = start.duration_since(UNIX_EPOCH).unwrap_or_default();
            let start_ns = nanos(start + args.from_now.unwrap_or_default());
            let unavailability =
                Some(Unavailability { start_ns, duration_ns: args.lasting.map(nanos) });
            let mut windows = without(before.windows.clone(), &machines);
            windows.push(MaintenanceWindow { machines, unavailability });
            let request = SetMaintenanceRequest { windows };
            operator.set_maintenance(request).await.map_err(failed)?.into_inner()
        }
        Some(Change::Cancel(args)) => {
            let machines: Vec<Machine> = all(&args.machines);
            let windows = without(before.windows.clone(), &machines);
            let stays = |machine: &&Machine| {
                !before.windows.iter().any(|window| window.machines.contains(machine))
            };
            if let Some(machine) = machines.iter().find(stays) {
                return Err(Failure::NotFound {
                    kind: "machine in the schedule",
                    name: name(machine),
                    next: "`headroom maintenance` lists them",
                });
            }
            let request = SetMaintenanceRequest { windows };
            operator.set_maintenance(request).await.map_err(failed)?.into_inner()
        }
        Some(Change::Down(args)) => {
            let request = StartMaintenanceRequest { machines: all(&args.machines) };
            operator.start_maintenance(request).await.map_err(failed)?.into_inner()
        }
        Some(Change::Up(args)) => {
            let request = StopMaintenanceRequest { machines: all(&args.machines) };
            operator.stop_maintenance(request).await.map_err(failed)?.into_inner()
        }
    };
    show(&after, output)
}

fn show(schedule: &Maintenance, output: Output) -> Result<(), Failure> {
    if output.json {
        let machines = schedule.machines.iter().map(|one| record(one, schedule)).collect();
        return output.json(&Listing { machines });
    }
    if schedule.machines.is_empty() {
        return output.line("no maintenance is scheduled");
    }
    let mut table = output.table(&["MACHINE", "STATE", "FROM", "FOR", "AGENTS", "FRAMEWORKS"]);
    for one in &schedule.machines {
        let record = record(one, schedule);
        let tone = if one.down { Tone::Bad } else { Tone::Attention };
        table.add_row([
            cell(one.machine.as_ref().map(name).unwrap_or_default(), Tone::Strong),
            cell(if one.down { "down" } else { "scheduled" }, tone),
            cell(print_time(record.start_ns), Tone::Plain),
            cell(print_span(record.duration_ns), Tone::Plain),
            cell(record.agent_ids.join(", "), Tone::Plain),
            cell(answers(&one.answers), Tone::Plain),
        ]);
    }
    output.line(table)
}

fn record(one: &MaintainedMachine, schedule: &Maintenance) -> MachineRecord {
    let machine = one.machine.clone().unwrap_or_default();
    let window = schedule.windows.iter().find(|window| window.machines.contains(&machine));
    let when = window.and_then(|window| window.unavailability).unwrap_or_default();
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    MachineRecord {
        hostname: given(machine.hostname),
        ip: given(machine.ip),
        state: if one.down { "down" } else { "draining" },
        start_ns: when.start_ns,
        duration_ns: when.duration_ns,
        agent_ids: one.agent_ids.clone(),
        answers: one.answers.iter().map(answer).collect(),
    }
}

fn answer(said: &InverseOfferAnswer) -> AnswerRecord {
    AnswerRecord {
        framework_id: said.framework_id.clone(),
        framework: said.framework_name.clone(),
        agent_id: said.agent_id.clone(),
        answer: said.accepted.map(|yes| if yes { "accepted" } else { "declined" }),
    }
}

fn answers(all: &[InverseOfferAnswer]) -> String {
    let word = |said: &InverseOfferAnswer| {
        let word = answer(said).answer.unwrap_or("was asked");
        format!("{} {word}", said.framework_name)
    };
    let words: Vec<_> = all.iter().map(word).collect();
    if words.is_empty() { "-".into() } else { words.join(", ") }
}

fn name(machine: &Machine) -> String {
    match (machine.hostname.as_str(), machine.ip.as_str()) {
        ("", ip) => ip.to_owned(),
        (hostname, "") => hostname.to_owned(),
        (hostname, ip) => format!("{hostname} ({ip})"),
    }
}

fn print_time(ns: i64) -> String {
    let time =
        u64::try_from(ns).ok().and_then(|ns| UNIX_EPOCH.checked_add(Duration::from_nanos(ns)));
    time.map_or_else(
        || "before 1970".into(),
        |at| humantime::format_rfc3339_seconds(at).to_string(),
    )
}

fn print_span(ns: Option<i64>) -> String {
    let span = ns.map(|ns| Duration::from_nanos(u64::try_from(ns).unwrap_or(0)));
    span.map_or_else(|| "?".into(), span::print)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_found_in_the_schedule_by_either_name() {
        let both = Machine { hostname: "node7".into(), ip: "10.0.0.7".into() };
        let known_machine =
            MaintainedMachine { machine: Some(both.clone()), ..MaintainedMachine::default() };
        let schedule = Maintenance { machines: vec![known_machine], ..Maintenance::default() };
        assert_eq!(known("Node7", &schedule), both);
        assert_eq!(known("10.0.0.7", &schedule), both);
        assert_eq!(known("node8", &schedule), machine("node8"));
    }

    #[test]
    fn a_machine_has_one_window_only() {
        let [a, b] = ["a", "b"].map(machine);
        let window = |machines: &[&Machine]| MaintenanceWindow {
            machines: machines.iter().copied().cloned().collect(),
            unavailability: None,
        };
        let left = without(vec![window(&[&a]), window(&[&a, &b])], &[a]);
        assert_eq!(left, [window(&[&b])]);
    }

    #[test]
    fn times_read_back() {
        let at = time("2030-01-31T22:00:00Z").expect("a time");
        let since = at.duration_since(UNIX_EPOCH).expect("after 1970");
        assert_eq!(print_time(nanos(since)), "2030-01-31T22:00:00Z");
        assert!(time("tomorrow").is_err());
        assert_eq!((print_time(-1).as_str(), print_span(None).as_str()), ("before 1970", "?"));
    }
}
