//! From messages to JSON.

use crate::mesos::POOL;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use prost_reflect::{
    Cardinality, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _,
    Value,
};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap as _, SerializeSeq as _},
};
use std::{collections::HashMap, sync::LazyLock};

/// What is written of one field.
struct Planned {
    field: FieldDescriptor,
    kind: Kind,
    /// Also when it is unset.
    always: bool,
}

/// The fields of every message, in the order of the `.proto` file, as Mesos writes them; looking it
/// up anew for each message takes longer than writing it.
static PLANS: LazyLock<HashMap<String, Vec<Planned>>> = LazyLock::new(|| {
    let plan = |message: MessageDescriptor| {
        let declared = message.descriptor_proto().field.iter();
        let numbers = declared.filter_map(|field| u32::try_from(field.number()).ok());
        let fields = numbers.filter_map(|number| message.get_field(number));
        let planned =
            |field: FieldDescriptor| Planned { kind: field.kind(), always: always(&field), field };
        (message.full_name().to_owned(), fields.map(planned).collect())
    };
    POOL.all_messages().map(plan).collect()
});

/// Whether the field is written though it is unset. A required one is only unset here as the value
/// of a map: `prost` leaves a message of nothing but zeros out of the entry.
fn always(field: &FieldDescriptor) -> bool {
    let source = field.field_descriptor_proto();
    let deprecated = || source.options.as_ref().is_some_and(|options| options.deprecated());
    field.cardinality() == Cardinality::Required
        || (source.default_value.is_some() && !deprecated())
}

/// A message as it is written.
pub(super) struct Written<'a>(pub(super) &'a DynamicMessage);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(message) = self;
        let mut map = serializer.serialize_map(None)?;
        let plan = PLANS.get(message.descriptor().full_name());
        for Planned { field, kind, always } in plan.into_iter().flatten() {
            if *always || message.has_field(field) {
                let value = message.get_field(field);
                map.serialize_entry(field.name(), &Entry(&value, kind))?;
            }
        }
        map.end()
    }
}

struct Entry<'a>(&'a Value, &'a Kind);

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(value, kind) = *self;
        match value {
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::I32(value) => serializer.serialize_i32(*value),
            Value::I64(value) => serializer.serialize_i64(*value),
            Value::U32(value) => serializer.serialize_u32(*value),
            Value::U64(value) => serializer.serialize_u64(*value),
            Value::F32(value) => number(f64::from(*value), serializer),
            Value::F64(value) => number(*value, serializer),
            Value::String(value) => serializer.serialize_str(value),
            Value::Bytes(value) => serializer.serialize_str(&STANDARD.encode(value)),
            Value::EnumNumber(number) => name(*number, kind, serializer),
            Value::Message(message) => Written(message).serialize(serializer),
            Value::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&Entry(item, kind))?;
                }
                list.end()
            }
            Value::Map(entries) => {
                let kind = entry_kind(kind);
                let mut sorted: Vec<_> = entries.iter().collect();
                sorted.sort_by_key(|(key, _)| key.as_str());
                let mut map = serializer.serialize_map(Some(sorted.len()))?;
                for (key, entry) in sorted {
                    map.serialize_entry(key.as_str().unwrap_or_default(), &Entry(entry, &kind))?;
                }
                map.end()
            }
        }
    }
}

/// The kind of the values of a map whose entries are of `kind`.
fn entry_kind(kind: &Kind) -> Kind {
    match kind {
        Kind::Message(entry) => entry.map_entry_value_field().kind(),
        other => other.clone(),
    }
}

fn number<S: Serializer>(value: f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() {
        return serializer.serialize_f64(value);
    }
    serializer.serialize_str(match value {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    })
}

/// A number without a name is written as it is.
fn name<S: Serializer>(number: i32, kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    match kind.as_enum().and_then(|kind| kind.get_value(number)) {
        Some(value) => serializer.serialize_str(value.name()),
        None => serializer.serialize_i32(number),
    }
}
