//! Fields that a message must have; `prost` gives a missing one its zero value without a word.

use prost_reflect::{
    Cardinality, DynamicMessage, FieldDescriptor, Kind, ReflectMessage as _, Value,
};

/// The path of the first required field that `message`, or a message inside it, does not have:
/// `accept.operations[0].launch.task_infos[2].task_id`.
pub(super) fn missing(message: &DynamicMessage) -> Option<String> {
    let required = |field: &FieldDescriptor| field.cardinality() == Cardinality::Required;
    let absent = |field: &FieldDescriptor| !message.has_field(field) || nameless(message, field);
    if let Some(field) = message.descriptor().fields().find(|f| required(f) && absent(f)) {
        return Some(field.name().to_owned());
    }
    message.fields().find_map(|(field, value)| inside(&field, value))
}

fn inside(field: &FieldDescriptor, value: &Value) -> Option<String> {
    let name = field.name();
    match value {
        Value::Message(message) => missing(message).map(|path| format!("{name}.{path}")),
        Value::List(items) => items.iter().enumerate().find_map(|(index, item)| {
            let path = missing(item.as_message()?)?;
            Some(format!("{name}[{index}].{path}"))
        }),
        Value::Map(entries) => entries.iter().find_map(|(key, entry)| {
            let path = missing(entry.as_message()?)?;
            Some(format!("{name}[{}].{path}", key.as_str().unwrap_or_default()))
        }),
        _ => None,
    }
}

/// A number that the enumeration does not have counts as absent, as in every reader of proto2.
fn nameless(message: &DynamicMessage, field: &FieldDescriptor) -> bool {
    let Kind::Enum(kind) = field.kind() else { return false };
    let value = message.get_field(field);
    value.as_enum_number().is_some_and(|number| kind.get_value(number).is_none())
}
