//! JSON of Mesos messages: what is written and what is read, by the rules of Mesos.

mod random;

use headroom_proto::mesos::{
    json::{JsonError, from_slice, to_string},
    v1::{
        CommandInfo, Filters, FrameworkId, FrameworkInfo, HealthCheck, MasterInfo, Offer, Resource,
        TaskState, TaskStatus, Value, framework_info, master,
        scheduler::{Call, Event, call, event},
        task_status, value,
    },
};
use proptest::prelude::*;

fn read(text: &str) -> Result<Call, JsonError> {
    from_slice(text.as_bytes())
}

fn problem(text: &str) -> String {
    read(text).expect_err(text).to_string()
}

#[test]
fn unset_defaults_are_written_unless_deprecated() {
    let info = FrameworkInfo { user: "root".into(), name: "n".into(), ..Default::default() };
    let text = r#"{"user":"root","name":"n","failover_timeout":0.0,"checkpoint":false}"#;
    assert_eq!(to_string(&info), text);
    assert_eq!(to_string(&CommandInfo::default()), r#"{"shell":true}"#);
    assert_eq!(to_string(&Filters::default()), r#"{"refuse_seconds":5.0}"#);
    let check = r#"{"delay_seconds":15.0,"interval_seconds":10.0,"timeout_seconds":20.0,"consecutive_failures":3,"grace_period_seconds":10.0}"#;
    assert_eq!(to_string(&HealthCheck::default()), check);
    let master = MasterInfo { id: "m".into(), ip: 0x0100_007f, port: 5050, ..Default::default() };
    assert_eq!(to_string(&master), r#"{"id":"m","ip":16777343,"port":5050}"#);
    // `role` has a default and is deprecated: only written when set.
    let mut resource = scalar("cpus", 1.5);
    let text = r#"{"name":"cpus","type":"SCALAR","scalar":{"value":1.5}}"#;
    assert_eq!(to_string(&resource), text);
    resource.role = Some("*".into());
    let text = r#"{"name":"cpus","type":"SCALAR","scalar":{"value":1.5},"role":"*"}"#;
    assert_eq!(to_string(&resource), text);
}

#[test]
fn bytes_names_and_maps() {
    let status = TaskStatus {
        task_id: headroom_proto::mesos::v1::TaskId { value: "a/\"b\"\n".into() },
        state: TaskState::TaskRunning.into(),
        source: Some(task_status::Source::Agent.into()),
        uuid: Some(vec![0, 255, 62, 63].into()),
        timestamp: Some(1.25e9),
        ..Default::default()
    };
    let text = r#"{"task_id":{"value":"a/\"b\"\n"},"state":"TASK_RUNNING","source":"SOURCE_AGENT","timestamp":1250000000.0,"uuid":"AP8+Pw=="}"#;
    assert_eq!(to_string(&status), text);
    let task = headroom_proto::mesos::v1::TaskInfo {
        name: "t".into(),
        limits: [
            ("mem".to_owned(), value::Scalar { value: f64::INFINITY }),
            ("cpus".to_owned(), value::Scalar { value: 0.1 }),
            ("gpus".to_owned(), value::Scalar { value: 0.0 }),
        ]
        .into(),
        ..Default::default()
    };
    let text = r#"{"name":"t","task_id":{"value":""},"agent_id":{"value":""},"limits":{"cpus":{"value":0.1},"gpus":{"value":0.0},"mem":{"value":"Infinity"}}}"#;
    assert_eq!(to_string(&task), text);
}

#[test]
fn events_nest_as_clients_expect() {
    let offer = Offer {
        id: headroom_proto::mesos::v1::OfferId { value: "O1-1".into() },
        framework_id: FrameworkId { value: "F1-1".into() },
        agent_id: headroom_proto::mesos::v1::AgentId { value: "A1-1".into() },
        hostname: "h".into(),
        resources: vec![scalar("mem", 32.0)],
        ..Default::default()
    };
    let offers = Event {
        r#type: Some(event::Type::Offers.into()),
        offers: Some(event::Offers { offers: vec![offer] }),
        ..Default::default()
    };
    let text = r#"{"type":"OFFERS","offers":{"offers":[{"id":{"value":"O1-1"},"framework_id":{"value":"F1-1"},"agent_id":{"value":"A1-1"},"hostname":"h","resources":[{"name":"mem","type":"SCALAR","scalar":{"value":32.0}}]}]}}"#;
    assert_eq!(to_string(&offers), text);
    let heartbeat = Event { r#type: Some(event::Type::Heartbeat.into()), ..Default::default() };
    assert_eq!(to_string(&heartbeat), r#"{"type":"HEARTBEAT"}"#);
    // An empty message that is set is not an unset one.
    let mut revocable = scalar("cpus", 1.0);
    revocable.revocable = Some(Default::default());
    assert!(to_string(&revocable).ends_with(r#""revocable":{}}"#));
}

#[test]
fn a_subscription_is_read() {
    let call = read(include_str!("corpus/subscribe.json")).unwrap();
    assert_eq!(call.r#type(), call::Type::Subscribe);
    let info = call.subscribe.unwrap().framework_info;
    assert_eq!(info.failover_timeout, Some(100.0));
    assert_eq!(info.webui_url, None);
    let types: Vec<_> = info.capabilities.iter().map(|c| c.r#type).collect();
    let gpus = framework_info::capability::Type::GpuResources.into();
    assert_eq!(types, [Some(gpus), None], "an unknown name is unset");
}

#[test]
fn numbers_and_booleans_may_be_strings() {
    let call = read(include_str!("corpus/accept.json")).unwrap();
    let accept = call.accept.unwrap();
    assert_eq!(accept.offer_ids.len(), 2);
    assert_eq!(accept.filters.unwrap().refuse_seconds(), 4_294_967_295.0);
    let task = accept.operations[0].launch.clone().unwrap().task_infos.remove(0);
    assert_eq!(task.data.as_deref(), Some(&b"hello"[..]));
    assert_eq!(task.resources[0].scalar.unwrap().value, 0.5);
    let range = &task.resources[1].ranges.as_ref().unwrap().range[0];
    assert_eq!((range.begin, range.end), (31_000, 31_001));
    assert_eq!(task.command.unwrap().shell, Some(true));
    assert_eq!(task.kill_policy.unwrap().grace_period.unwrap().nanoseconds, 5_000_000_000);
    assert_eq!(task.limits["mem"].value, f64::INFINITY);
    assert_eq!(task.limits["cpus"].value, 2.0);
}

#[test]
fn one_value_may_stand_for_a_list_of_it() {
    let call = read(r#"{"type":"REVIVE","revive":{"roles":"a"}}"#).unwrap();
    assert_eq!(call.revive.unwrap().roles, ["a"]);
    let call = read(r#"{"type":"REVIVE","revive":{"roles":["a",null,["b"]]}}"#).unwrap();
    assert_eq!(call.revive.unwrap().roles, ["a", "b"]);
}

#[test]
fn what_is_wrong_is_named_with_its_path() {
    let cases = [
        (r#"{"type":"KILL","kill":{}}"#, "missing required field: kill.task_id"),
        (
            r#"{"accept":{"offer_ids":[{"value":"a"},{}]}}"#,
            "missing required field: accept.offer_ids[1].value",
        ),
        (r#"{"kill":5}"#, "kill: 5 where an object is wanted"),
        (r#"{"kill":{"task_id":{"value":1}}}"#, "kill.task_id.value: 1 where a string is wanted"),
        (
            r#"{"accept":{"offer_ids":[{"value":"a"},{"value":{}}]}}"#,
            "accept.offer_ids[1].value: an object where a string is wanted",
        ),
        (r#"{"type":3}"#, "type: 3 where a name of mesos.v1.scheduler.Call.Type is wanted"),
        (
            r#"{"kill":{"task_id":{"value":"t"},"kill_policy":{"grace_period":{"nanoseconds":"x"}}}}"#,
            "kill.kill_policy.grace_period.nanoseconds: \"x\" where a whole number (int64) is wanted",
        ),
        (
            r#"{"message":{"agent_id":{"value":"a"},"executor_id":{"value":"e"},"data":"%"}}"#,
            "message.data: not base64: Invalid symbol 37, offset 0.",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(problem(text), expected);
    }
    assert!(
        problem(include_str!("corpus/uuid_object.json"))
            .starts_with("acknowledge.uuid: an object where")
    );
    for text in ["", "[]", "5", "{} {}", "{", include_str!("corpus/deep.json")] {
        assert!(matches!(read(text), Err(JsonError::Malformed { .. })), "{text}");
    }
}

#[test]
fn a_name_that_a_required_enumeration_lacks_is_an_error() {
    let text = br#"{"name":"cpus","type":"SCALAR_2"}"#;
    let error = from_slice::<Resource>(text).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"type: "SCALAR_2" where a name of mesos.v1.Value.Type is wanted"#
    );
}

#[test]
fn whole_numbers_must_fit() {
    let text = |port: &str| format!(r#"{{"id":"m","ip":1,"port":{port}}}"#);
    let read = |port: &str| from_slice::<MasterInfo>(text(port).as_bytes()).map(|info| info.port);
    assert_eq!(read("4294967295"), Ok(u32::MAX));
    assert_eq!(read("\"7\""), Ok(7));
    assert_eq!(read("7.9"), Ok(7), "the whole part, as in Mesos");
    for port in ["-1", "4294967296", "1e300", "\"\"", "true"] {
        assert!(matches!(read(port), Err(JsonError::Field { .. })), "{port}");
    }
}

#[test]
fn too_deep_is_an_error() {
    let text = include_bytes!("corpus/parents.json");
    let deep = from_slice::<headroom_proto::mesos::v1::ContainerStatus>(text);
    assert!(matches!(deep, Err(JsonError::Malformed { .. })), "{deep:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn what_is_written_is_read_back(seed: u64) {
        let call: Call = random::message(seed);
        prop_assert_eq!(from_slice::<Call>(to_string(&call).as_bytes()), Ok(call));
        let event: Event = random::message(seed);
        prop_assert_eq!(from_slice::<Event>(to_string(&event).as_bytes()), Ok(event));
        let response: master::Response = random::message(seed);
        let text = to_string(&response);
        prop_assert!(!text.contains('\n'));
        prop_assert_eq!(from_slice::<master::Response>(text.as_bytes()), Ok(response));
    }

    #[test]
    fn no_text_makes_it_panic(seed: u64, noise: Vec<u8>) {
        let _ = from_slice::<Call>(&noise);
        for file in random::corpus() {
            let _ = from_slice::<Call>(&random::damaged(seed, &file));
        }
    }
}

fn scalar(name: &str, value: f64) -> Resource {
    Resource {
        name: name.into(),
        r#type: value::Type::Scalar.into(),
        scalar: Some(value::Scalar { value }),
        ..Default::default()
    }
}

#[test]
fn text_values_are_read() {
    let value: Value = from_slice(br#"{"type":"TEXT","text":{"value":"\u00e9"}}"#).unwrap();
    assert_eq!(value.text.unwrap().value, "é");
}
