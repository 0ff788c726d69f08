//! The committed generated code is what the `.proto` files give.
//!
//! `HEADROOM_REGENERATE=1 cargo test -p headroom-proto --test drift` writes it anew.

use prost::Message as _;
use std::{fs, path::Path};

const SOURCES: [&str; 6] = ["resources", "container", "task", "agent", "scheduler", "operator"];
const GENERATED: [&str; 2] = ["headroom.v1.rs", "headroom.v1.bin"];

#[test]
fn generated_code_matches_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fresh = tempfile::tempdir().unwrap();
    let sources = SOURCES.map(|name| root.join(format!("headroom/v1/{name}.proto")));
    let set = protox::compile(sources, [root]).unwrap();
    fs::write(fresh.path().join("headroom.v1.bin"), set.encode_to_vec()).unwrap();
    tonic_prost_build::configure()
        .build_transport(false)
        .btree_map(".")
        .out_dir(fresh.path())
        .compile_fds(set)
        .unwrap();
    for name in GENERATED {
        let committed = root.join("src/gen").join(name);
        let new = fs::read(fresh.path().join(name)).unwrap();
        if std::env::var_os("HEADROOM_REGENERATE").is_some() {
            fs::write(&committed, new).unwrap();
        } else {
            assert!(
                fs::read(&committed).is_ok_and(|old| old == new),
                "{} is not what the .proto files give; write it anew with\n  \
                 HEADROOM_REGENERATE=1 cargo test -p headroom-proto --test drift",
                committed.display()
            );
        }
    }
}
