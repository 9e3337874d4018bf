//! A criterion in a config: its name, or a table of its name and options.

use serde::{
    Deserialize, Deserializer, Serialize as _, Serializer, de::Error as _, ser::Error as _,
};
use serde_json::{Map, Value};

use super::Criterion;

#[derive(Deserialize)]
#[serde(untagged, expecting = "criterion must be a name, or a table of name and options")]
enum Written {
    Name(String),
    Table(Map<String, Value>),
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Criterion, D::Error> {
    let table = match Written::deserialize(from)? {
        Written::Name(name) => Map::from_iter([("name".to_owned(), Value::String(name))]),
        Written::Table(table) => table,
    };
    Criterion::deserialize(Value::Object(table)).map_err(D::Error::custom)
}

pub(crate) fn serialize<S: Serializer>(criterion: &Criterion, to: S) -> Result<S::Ok, S::Error> {
    let table = serde_json::to_value(criterion).map_err(S::Error::custom)?;
    match table.as_object() {
        Some(only) if only.len() == 1 => criterion.method().name.serialize(to),
        _ => table.serialize(to),
    }
}
