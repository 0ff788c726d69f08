//! Flags before variables before file before defaults; what is wrong is named.
#![allow(clippy::unwrap_used)]

use clap::Parser;
use headroom_allocator::{
    Config,
    config::{ConfigError, Overrides},
    log::LogFormat,
};
use std::{fs, path::PathBuf, process::Command, time::Duration};

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    overrides: Overrides,
}

fn with_file(text: &str, flags: &[&str]) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("allocator.toml");
    fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let given = ["test", "--config", &file].into_iter().chain(flags.iter().copied());
    Config::load(&Flags::try_parse_from(given).unwrap().overrides)
}

#[test]
fn a_file_sets_everything() {
    let config = with_file(
        r#"
        listen = "0.0.0.0:6000"
        state_dir = "/tmp/x"
        step = "500ms"
        offer_timeout = "1m"
        agent_timeout = "2m"
        [lending]
        enabled = false
        cpu_margin = 0.25
        memory_margin = 1
        [roles.batch]
        weight = 2
        opportunistic = true
        guarantee = { cpus = 2, mem = 1024 }
        limit = { cpus = 8.5 }
        [log]
        format = "json"
        level = "debug"
        file = "/tmp/x.log"
        "#,
        &[],
    )
    .unwrap();
    assert_eq!(config.listen.port(), 6_000);
    assert_eq!(config.state_dir, PathBuf::from("/tmp/x"));
    assert_eq!(config.roles["batch"].weight, 2.0);
    let quota = config.roles["batch"].quota().unwrap().unwrap();
    assert_eq!(quota.guarantee.cpus_milli(), 2_000);
    assert_eq!((quota.limit.cpus_milli(), quota.limit.gpus_milli()), (8_500, u64::MAX));
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.log.file, Some(PathBuf::from("/tmp/x.log")));
    let settings = config.settings();
    assert_eq!(settings.step, Duration::from_millis(500));
    assert_eq!(settings.cpu_margin_milli, 250);
    assert_eq!(settings.memory_margin_milli, 1_000);
    assert!(!settings.lending);
}

#[test]
fn defaults_are_the_cores() {
    let ours = Config::default().settings();
    let cores = headroom_core::machine::Settings::default();
    assert_eq!(format!("{ours:?}"), format!("{cores:?}"));
}

#[test]
fn flags_come_before_the_file() {
    let flags = ["--step", "2s", "--cpu-margin", "0.5", "--lending", "false"];
    let config = with_file("step = \"500ms\"\noffer_timeout = \"9s\"", &flags).unwrap();
    assert_eq!(config.step, Duration::from_secs(2));
    assert_eq!(config.offer_timeout, Duration::from_secs(9));
    assert_eq!(config.lending.cpu_margin, 0.5);
    assert!(!config.lending.enabled);
}

#[test]
fn wrong_keys_and_values_are_named() {
    for (text, named) in [
        ("stepp = \"1s\"", "stepp"),
        ("[lending]\nmargin = 1", "margin"),
        ("[roles.a]\nwieght = 1", "wieght"),
        ("step = \"0s\"", "step: 0s"),
        ("step = \"-1s\"", "step"),
        ("step = 1", "step"),
        ("offer_timeout = \"soon\"", "offer_timeout"),
        ("agent_timeout = \"0s\"", "agent_timeout"),
        ("state_dir = \"\"", "state_dir"),
        ("listen = \"here\"", "listen"),
        ("[lending]\ncpu_margin = 1.5", "lending.cpu_margin: 1.5"),
        ("[lending]\nmemory_margin = -0.1", "lending.memory_margin: -0.1"),
        ("[lending]\nmemory_margin = nan", "lending.memory_margin"),
        ("[roles.a]\nweight = 0", "roles.a.weight: 0"),
        ("[roles.a]\nlimit = { cpu = 1 }", "cpu"),
        ("[roles.a]\nlimit = { cpus = -1 }", "roles.a: cpus: -1"),
        ("[roles.a]\nguarantee = { mem = 2 }\nlimit = { mem = 1 }", "guarantee passes the limit"),
        ("[roles.\"a b\"]\nweight = 1", "a b"),
        ("[log]\nformat = \"xml\"", "xml"),
        ("[log]\nlevel = \"=loud=\"", "log.level"),
    ] {
        let problem = with_file(text, &[]).expect_err(text).to_string();
        assert!(problem.contains(named), "{text}: {problem}");
    }
    let problem = with_file("stepp = \"1s\"", &[]).unwrap_err().to_string();
    assert!(problem.contains("allocator.toml") && problem.contains("line 1"), "{problem}");
    let problem = Config::load(&Overrides {
        config: Some(PathBuf::from("/nowhere/x.toml")),
        ..Overrides::default()
    });
    assert!(problem.unwrap_err().to_string().contains("/nowhere/x.toml"));
}

/// Through the program itself: variables belong to a process.
#[test]
fn variables_come_between_flags_and_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("allocator.toml");
    fs::write(&file, "step = \"1s\"").unwrap();
    let run = |flags: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_headroom-allocator"))
            .arg("--config")
            .arg(&file)
            .args(flags)
            .env("HEADROOM_STEP", "7ms")
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let text = run(&[]);
    assert!(text.contains("step: 7ms"), "the variable did not come before the file: {text}");
    let text = run(&["--step", "8ms"]);
    assert!(text.contains("step: 8ms"), "the flag did not come before the variable: {text}");
}
