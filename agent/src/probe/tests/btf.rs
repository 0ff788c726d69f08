//! The reader of kernel types on a small file of our own making.

use crate::probe::btf::{
    BtfError, HEADER_BYTES, KIND_STRUCT, KIND_TYPEDEF, KIND_UNION, KernelBtf, MAGIC,
};

/// Builds a small BTF file.
#[derive(Default)]
struct Builder {
    types: Vec<u8>,
    strings: Vec<u8>,
}

impl Builder {
    fn name(&mut self, name: &str) -> u32 {
        if self.strings.is_empty() {
            self.strings.push(0);
        }
        if name.is_empty() {
            return 0;
        }
        let at = self.strings.len() as u32;
        self.strings.extend_from_slice(name.as_bytes());
        self.strings.push(0);
        at
    }

    fn push(&mut self, words: &[u32]) {
        for word in words {
            self.types.extend_from_slice(&word.to_ne_bytes());
        }
    }

    fn composite(&mut self, kind: u32, name: &str, members: &[(&str, u32, u32)]) {
        let name = self.name(name);
        self.push(&[name, (kind << 24) | members.len() as u32, 64]);
        for (member, target, bits) in members {
            let member = self.name(member);
            self.push(&[member, *target, *bits]);
        }
    }

    fn finish(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [
            u32::from(MAGIC) | (1 << 16),
            HEADER_BYTES as u32,
            0,
            self.types.len() as u32,
            self.types.len() as u32,
            self.strings.len() as u32,
        ] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        bytes.extend(self.types);
        bytes.extend(self.strings);
        bytes
    }
}

/// 1: int, 2: union { a, b }, 3: typedef of 4, 4: struct inner, 5: struct outer
fn sample() -> Builder {
    let mut builder = Builder::default();
    let int = builder.name("int");
    builder.push(&[int, 1 << 24, 4, 32]);
    builder.composite(KIND_UNION, "", &[("a", 1, 0), ("b", 1, 0)]);
    let alias = builder.name("inner_t");
    builder.push(&[alias, KIND_TYPEDEF << 24, 4]);
    builder.composite(KIND_STRUCT, "inner", &[("x", 1, 0), ("y", 1, 32)]);
    builder.composite(
        KIND_STRUCT,
        "outer",
        &[("first", 1, 0), ("", 2, 64), ("embedded", 3, 128), ("odd", 1, 195)],
    );
    builder
}

#[test]
fn finds_plain_unnamed_and_embedded_fields() {
    let btf = KernelBtf::parse(sample().finish()).unwrap();
    assert_eq!(btf.offset("outer.first").unwrap(), 0);
    assert_eq!(btf.offset("outer.b").unwrap(), 8);
    assert_eq!(btf.offset("outer.embedded.y").unwrap(), 20);
    assert_eq!(btf.first_offset(&["outer.gone", "outer.embedded"]).unwrap(), 16);
}

#[test]
fn names_what_is_missing() {
    let btf = KernelBtf::parse(sample().finish()).unwrap();
    let error = btf.offset("outer.embedded.z").unwrap_err();
    assert_eq!(error.to_string(), "this kernel has no field outer.embedded.z");
    assert!(matches!(btf.offset("outer.odd"), Err(BtfError::Missing { .. })));
}

#[test]
fn refuses_two_structs_that_disagree_and_takes_two_that_agree() {
    let mut builder = sample();
    builder.composite(KIND_STRUCT, "outer", &[("first", 1, 0), ("embedded", 3, 256)]);
    let btf = KernelBtf::parse(builder.finish()).unwrap();
    assert!(matches!(btf.offset("outer.embedded.y"), Err(BtfError::Ambiguous { .. })));
    assert_eq!(btf.offset("outer.first").unwrap(), 0);
}

#[test]
fn refuses_damage() {
    let whole = sample().finish();
    assert!(matches!(KernelBtf::parse(Vec::new()), Err(BtfError::Damaged { .. })));
    for length in 0..whole.len() {
        assert!(KernelBtf::parse(whole[..length].to_vec()).is_err(), "cut at {length}");
    }
}
