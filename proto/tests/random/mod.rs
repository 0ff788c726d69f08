//! Messages and damage from a seed.
#![allow(dead_code, clippy::unwrap_used)]

use headroom_proto::mesos::FILE_DESCRIPTOR_SET;
use prost::{Message, Name};
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    Value,
};
use std::{fs, path::Path, sync::LazyLock};

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap());

/// Optional fields are only set down to here.
const MAX_DEPTH: u32 = 5;

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// A random message in which everything is set that has a default.
pub(crate) fn message<M: Message + Name + Default>(seed: u64) -> M {
    let descriptor = POOL.get_message_by_name(&M::full_name()).unwrap();
    filled(&descriptor, 0, &mut Dice(seed)).transcode_to().unwrap()
}

fn filled(descriptor: &MessageDescriptor, depth: u32, dice: &mut Dice) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        let wanted = field.cardinality() == Cardinality::Required
            || field.field_descriptor_proto().default_value.is_some()
            || (depth < MAX_DEPTH && dice.below(4) == 0);
        if wanted {
            let value = value(&field, depth + 1, dice);
            message.set_field(&field, value);
        }
    }
    message
}

fn value(field: &FieldDescriptor, depth: u32, dice: &mut Dice) -> Value {
    let kind = field.kind();
    if field.is_map() {
        let inner = kind.as_message().unwrap().map_entry_value_field().kind();
        let keys = 1 + dice.below(3);
        return Value::Map(
            (0..keys)
                .map(|key| (MapKey::String(format!("k{key}")), single(&inner, depth, dice)))
                .collect(),
        );
    }
    if field.is_list() {
        let items = 1 + dice.below(3);
        return Value::List((0..items).map(|_| single(&kind, depth, dice)).collect());
    }
    single(&kind, depth, dice)
}

fn single(kind: &Kind, depth: u32, dice: &mut Dice) -> Value {
    let number = dice.next() >> dice.below(64);
    match kind {
        Kind::Message(inner) => Value::Message(filled(inner, depth, dice)),
        Kind::Enum(names) => {
            let index = dice.below(names.values().len());
            Value::EnumNumber(names.values().nth(index).unwrap().number())
        }
        Kind::String => {
            Value::String(["", "a", "é\n\"\\", "\u{0}\u{10ffff}"][dice.below(4)].into())
        }
        Kind::Bytes => Value::Bytes(number.to_le_bytes()[..dice.below(9)].to_vec().into()),
        Kind::Bool => Value::Bool(number & 1 == 1),
        Kind::Double => match dice.below(8) {
            0 => Value::F64(f64::INFINITY),
            1 => Value::F64(f64::NEG_INFINITY),
            // Never 0: see `wire`.
            _ => Value::F64((number as f64 + 1.0) / 1e3),
        },
        Kind::Int32 => Value::I32(number as i32),
        Kind::Int64 => Value::I64(number as i64),
        Kind::Uint32 => Value::U32(number as u32),
        Kind::Uint64 => Value::U64(number),
        other => panic!("{other:?} is not used on this wire"),
    }
}

/// All files of `tests/corpus`.
pub(crate) fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let files = fs::read_dir(folder).unwrap();
    files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
}

/// `bytes` with a few of them changed, left out, or repeated.
pub(crate) fn damaged(seed: u64, bytes: &[u8]) -> Vec<u8> {
    let mut dice = Dice(seed);
    let mut bytes = bytes.to_vec();
    for _ in 0..=dice.below(4) {
        if bytes.is_empty() {
            break;
        }
        let at = dice.below(bytes.len());
        match dice.below(4) {
            0 => bytes[at] = dice.next() as u8,
            1 => drop(bytes.remove(at)),
            2 => bytes.truncate(at),
            _ => bytes.insert(at, bytes[at]),
        }
    }
    bytes
}
