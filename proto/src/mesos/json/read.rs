//! From JSON to messages.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use prost_reflect::{
    Cardinality, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value,
};
use serde_json::{Map, Number, Value as Json};

/// A value that its field cannot have.
pub(super) struct Wrong {
    pub(super) path: String,
    pub(super) problem: String,
}

impl Wrong {
    fn here(problem: impl Into<String>) -> Self {
        Self { path: String::new(), problem: problem.into() }
    }

    /// The same, seen from one message or list further out.
    fn below(mut self, step: &str) -> Self {
        let joint = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{step}{joint}{}", self.path);
        self
    }
}

pub(super) fn message(
    descriptor: &MessageDescriptor,
    object: &Map<String, Json>,
) -> Result<DynamicMessage, Wrong> {
    let mut message = DynamicMessage::new(descriptor.clone());
    for (name, value) in object {
        if let Some(field) = descriptor.get_field_by_name(name) {
            put(&mut message, &field, value).map_err(|wrong| wrong.below(name))?;
        }
    }
    Ok(message)
}

fn put(message: &mut DynamicMessage, field: &FieldDescriptor, json: &Json) -> Result<(), Wrong> {
    match json {
        Json::Null => Ok(()),
        Json::Object(entries) if field.is_map() => put_entries(message, field, entries),
        Json::Array(items) if field.is_list() => {
            items.iter().enumerate().try_for_each(|(index, item)| {
                put(message, field, item).map_err(|wrong| wrong.below(&format!("[{index}]")))
            })
        }
        _ if field.is_map() => Err(unexpected(json, "an object")),
        _ => {
            match single(field, json)? {
                None => {}
                Some(value) if field.is_list() => {
                    if let Value::List(items) = message.get_field_mut(field) {
                        items.push(value);
                    }
                }
                Some(value) => message.set_field(field, value),
            }
            Ok(())
        }
    }
}

fn put_entries(
    message: &mut DynamicMessage,
    field: &FieldDescriptor,
    entries: &Map<String, Json>,
) -> Result<(), Wrong> {
    let kind = field.kind();
    let Some(entry) = kind.as_message() else { return Ok(()) };
    let inner = entry.map_entry_value_field();
    for (key, json) in entries {
        let value = match json {
            Json::Null => None,
            json => single(&inner, json).map_err(|wrong| wrong.below(&format!("[{key}]")))?,
        };
        let value = value.unwrap_or_else(|| inner.default_value());
        if let Value::Map(map) = message.get_field_mut(field) {
            map.insert(MapKey::String(key.clone()), value);
        }
    }
    Ok(())
}

/// Taken in either form, unlike in Mesos.
const OPERATION_UUID: &str = "mesos.v1.scheduler.Call.AcknowledgeOperationStatus.uuid";

/// One value of the field; `None` is a name that its enumeration does not have.
fn single(field: &FieldDescriptor, json: &Json) -> Result<Option<Value>, Wrong> {
    let kind = field.kind();
    let value = match (&kind, json) {
        (Kind::Message(inner), Json::Object(object)) => {
            Some(Value::Message(message(inner, object)?))
        }
        (Kind::Enum(names), Json::String(name)) => match names.get_value_by_name(name) {
            Some(value) => Some(Value::EnumNumber(value.number())),
            None if field.cardinality() != Cardinality::Required => return Ok(None),
            None => None,
        },
        (Kind::String, Json::String(text)) => Some(Value::String(text.clone())),
        (Kind::Bytes, Json::String(text)) => Some(Value::Bytes(bytes(text)?.into())),
        // pymesos acknowledges operations with the UUID message that it was told.
        (Kind::Bytes, Json::Object(object)) if field.full_name() == OPERATION_UUID => {
            match object.get("value") {
                Some(Json::String(text)) => Some(Value::Bytes(bytes(text)?.into())),
                _ => None,
            }
        }
        (Kind::Bool, Json::Bool(value)) => Some(Value::Bool(*value)),
        (Kind::Bool, Json::String(text)) => text.trim().parse().ok().map(Value::Bool),
        (_, Json::Number(number)) => numeric(&kind, number),
        (_, Json::String(text)) => numeric_text(&kind, text),
        _ => None,
    };
    value.map(Some).ok_or_else(|| unexpected(json, wanted(&kind)))
}

fn numeric_text(kind: &Kind, text: &str) -> Option<Value> {
    let double = matches!(kind, Kind::Double);
    match text {
        "Infinity" if double => Some(Value::F64(f64::INFINITY)),
        "-Infinity" if double => Some(Value::F64(f64::NEG_INFINITY)),
        _ => numeric(kind, &serde_json::from_str(text).ok()?),
    }
}

fn numeric(kind: &Kind, number: &Number) -> Option<Value> {
    match kind {
        Kind::Double => number.as_f64().map(Value::F64),
        Kind::Int32 => integer(number).map(Value::I32),
        Kind::Int64 => integer(number).map(Value::I64),
        Kind::Uint32 => integer(number).map(Value::U32),
        Kind::Uint64 => integer(number).map(Value::U64),
        _ => None,
    }
}

/// The whole part, if `T` can hold it.
fn integer<T: TryFrom<i128>>(number: &Number) -> Option<T> {
    let whole = match (number.as_i64(), number.as_u64()) {
        (Some(value), _) => i128::from(value),
        (None, Some(value)) => i128::from(value),
        (None, None) => number.as_f64()? as i128,
    };
    T::try_from(whole).ok()
}

/// As lenient as Mesos: white space anywhere, padding or none, nothing read after padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

fn bytes(text: &str) -> Result<Vec<u8>, Wrong> {
    let body = text.split_once('=').map_or(text, |(body, _)| body);
    let decoded = if body.bytes().any(|byte| byte.is_ascii_whitespace()) {
        LENIENT.decode(body.split_ascii_whitespace().collect::<String>())
    } else {
        LENIENT.decode(body)
    };
    decoded.map_err(|error| Wrong::here(format!("not base64: {error}")))
}

fn wanted(kind: &Kind) -> String {
    match kind {
        Kind::Message(_) => "an object".to_owned(),
        Kind::Enum(names) => format!("a name of {}", names.full_name()),
        Kind::String => "a string".to_owned(),
        Kind::Bytes => "a string of base64".to_owned(),
        Kind::Bool => "true or false".to_owned(),
        Kind::Double => "a number".to_owned(),
        other => format!("a whole number ({other:?})").to_lowercase(),
    }
}

fn unexpected(json: &Json, wanted: impl AsRef<str>) -> Wrong {
    let got = match json {
        Json::Object(_) => "an object".to_owned(),
        Json::Array(_) => "an array".to_owned(),
        // Long ones are cut: the problem goes back to the caller and into logs.
        Json::String(text) => format!("{:?}", text.chars().take(40).collect::<String>()),
        other => other.to_string(),
    };
    Wrong::here(format!("{got} where {} is wanted", wanted.as_ref()))
}
