//! Protobuf of Mesos messages: required fields are asked for.

mod random;

use headroom_proto::mesos::{
    FILE_DESCRIPTOR_SET,
    v1::{
        executor, master,
        scheduler::{Call, Event, call},
    },
    wire::{WireError, decode},
};
use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{DescriptorPool, Kind};

#[test]
fn a_missing_required_field_is_named() {
    // Field 6, a message of two bytes: field 1, an empty message.
    let kill = [0x32, 0x02, 0x0a, 0x00];
    assert!(Call::decode(&kill[..]).is_ok(), "prost alone does not mind");
    let missing = |path: &str| Err(WireError::Missing { path: path.into() });
    assert_eq!(decode::<Call>(&kill), missing("kill.task_id.value"));
    // Field 4, then field 1 twice: with a value, and without.
    let accept = [0x22, 0x07, 0x0a, 0x03, 0x0a, 0x01, b'a', 0x0a, 0x00];
    assert_eq!(decode::<Call>(&accept), missing("accept.offer_ids[1].value"));
    let error = decode::<executor::Call>(&[]).unwrap_err();
    assert_eq!(error.to_string(), "missing required field: executor_id");
}

#[test]
fn a_number_without_a_name_is_absent() {
    // Field 2, an enumeration: 99.
    let call = decode::<Call>(&[0x10, 99]).unwrap();
    assert_eq!(call.r#type(), call::Type::Unknown);
    // Resource: name "a", the required type 99.
    let resource = [0x0a, 0x01, b'a', 0x10, 99];
    let error = decode::<headroom_proto::mesos::v1::Resource>(&resource).unwrap_err();
    assert_eq!(error, WireError::Missing { path: "type".into() });
}

#[test]
fn unknown_fields_are_skipped() {
    let mut bytes =
        Call { r#type: Some(call::Type::Revive.into()), ..Default::default() }.encode_to_vec();
    // Field 1000, two bytes.
    bytes.extend([0xc2, 0x3e, 0x02, 1, 2]);
    assert_eq!(decode::<Call>(&bytes).unwrap().r#type(), call::Type::Revive);
}

#[test]
fn what_json_takes_for_granted_holds() {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    for message in pool.all_messages() {
        if message.is_map_entry() {
            assert_eq!(message.map_entry_key_field().kind(), Kind::String, "{message:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn what_is_encoded_is_decoded(seed: u64) {
        let call: Call = random::message(seed);
        prop_assert_eq!(decode::<Call>(&call.encode_to_vec()), Ok(call));
        let event: Event = random::message(seed);
        prop_assert_eq!(decode::<Event>(&event.encode_to_vec()), Ok(event));
        let call: executor::Call = random::message(seed);
        prop_assert_eq!(decode::<executor::Call>(&call.encode_to_vec()), Ok(call));
        let response: master::Response = random::message(seed);
        prop_assert_eq!(decode::<master::Response>(&response.encode_to_vec()), Ok(response));
    }

    #[test]
    fn no_bytes_make_it_panic(seed: u64, noise: Vec<u8>) {
        let _ = decode::<Call>(&noise);
        let call: Call = random::message(seed);
        let _ = decode::<Call>(&random::damaged(seed, &call.encode_to_vec()));
    }
}
