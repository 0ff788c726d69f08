//! The committed generated code is what the `.proto` files give.
//!
//! `HEADROOM_REGENERATE=1 cargo test -p headroom-proto --test drift` writes it anew.
#![allow(clippy::unwrap_used)]

use prost::Message as _;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorSet};
use std::{fs, path::Path};

const HEADROOM: [&str; 6] = ["resources", "container", "task", "agent", "scheduler", "operator"];
const MESOS: [&str; 8] =
    ["mesos", "scheduler", "executor", "master", "agent", "allocator", "maintenance", "quota"];

#[test]
fn generated_code_matches_the_sources() {
    let fresh = tempfile::tempdir().unwrap();
    let set = compiled("headroom/v1", &HEADROOM, &fresh.path().join("headroom.v1.bin"));
    tonic_prost_build::configure()
        .build_transport(false)
        .btree_map(".")
        .out_dir(fresh.path())
        .compile_fds(set)
        .unwrap();
    let mut set = compiled("mesos/v1", &MESOS, &fresh.path().join("mesos.v1.bin"));
    for file in &mut set.file {
        // Clients still speak what Mesos calls deprecated; only the JSON has to know.
        file.enum_type.iter_mut().for_each(undeprecate);
        file.message_type.iter_mut().for_each(undeprecate_fields);
    }
    prost_build::Config::new()
        .enable_type_names()
        .bytes(["."])
        .btree_map(["."])
        .out_dir(fresh.path())
        .compile_fds(set)
        .unwrap();
    let mut files = 0;
    for entry in fs::read_dir(fresh.path()).unwrap() {
        compare(&entry.unwrap().path());
        files += 1;
    }
    assert_eq!(files, 2 + 1 + MESOS.len());
}

fn compiled(folder: &str, names: &[&str], descriptors: &Path) -> FileDescriptorSet {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = names.iter().map(|name| root.join(folder).join(name).with_extension("proto"));
    let set = protox::compile(sources, [root]).unwrap();
    fs::write(descriptors, set.encode_to_vec()).unwrap();
    set
}

fn undeprecate_fields(message: &mut DescriptorProto) {
    message.field.iter_mut().filter_map(|field| field.options.as_mut()).for_each(|options| {
        options.deprecated = None;
    });
    message.enum_type.iter_mut().for_each(undeprecate);
    message.nested_type.iter_mut().for_each(undeprecate_fields);
}

fn undeprecate(names: &mut EnumDescriptorProto) {
    names.value.iter_mut().filter_map(|value| value.options.as_mut()).for_each(|options| {
        options.deprecated = None;
    });
}

fn compare(fresh: &Path) {
    let name = fresh.file_name().unwrap();
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gen").join(name);
    let new = fs::read(fresh).unwrap();
    if std::env::var_os("HEADROOM_REGENERATE").is_some() {
        fs::write(&committed, new).unwrap();
        return;
    }
    assert!(
        fs::read(&committed).is_ok_and(|old| old == new),
        "{} is not what the .proto files give; write it anew with\n  \
         HEADROOM_REGENERATE=1 cargo test -p headroom-proto --test drift",
        committed.display()
    );
}
