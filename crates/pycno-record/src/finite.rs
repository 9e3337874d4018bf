//! Looks through a value for numbers JSON cannot hold; `serde_json` would write them as `null`.

use std::fmt;

use serde::ser::{self, Serialize, Serializer};

use crate::RecordError;

/// Refuses a value that holds a `NaN` or an infinity anywhere, and says where.
pub(crate) fn check(value: &impl Serialize) -> Result<(), RecordError> {
    let mut walk = Walk { place: Vec::new() };
    value.serialize(&mut walk).map_err(|found| RecordError::NotFinite {
        at: walk.place.concat().trim_start_matches('.').to_owned(),
        value: found.0,
    })
}

/// Serializes to nothing; knows where it is. After an error it still points there.
struct Walk {
    place: Vec<String>,
}

/// The number found, which is not finite.
#[derive(Debug)]
struct Found(f64);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not finite", self.0)
    }
}

impl std::error::Error for Found {}

impl ser::Error for Found {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(f64::NAN)
    }
}

impl Walk {
    fn inside<T: Serialize + ?Sized>(&mut self, step: String, value: &T) -> Result<(), Found> {
        self.place.push(step);
        value.serialize(&mut *self)?;
        self.place.pop();
        Ok(())
    }
}

/// A list or map being walked: its walk, the items seen, the last key.
struct Items<'a> {
    walk: &'a mut Walk,
    seen: usize,
    key: String,
}

/// Kinds of value that hold no number.
macro_rules! no_number {
    ($($name:ident($($kind:ty),*);)*) => {
        $(fn $name(self, $(_: $kind),*) -> Result<(), Found> { Ok(()) })*
    };
}

/// Kinds of value that hold others.
macro_rules! holders {
    ($($name:ident($($kind:ty),*) -> $holder:ident;)*) => {
        $(fn $name(self, $(_: $kind),*) -> Result<Self::$holder, Found> {
            Ok(Items { walk: self, seen: 0, key: String::new() })
        })*
    };
}

impl<'a> Serializer for &'a mut Walk {
    type Ok = ();
    type Error = Found;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Items<'a>;
    type SerializeStruct = Items<'a>;
    type SerializeStructVariant = Items<'a>;

    no_number! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    holders! {
        serialize_seq(Option<usize>) -> SerializeSeq;
        serialize_tuple(usize) -> SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant;
        serialize_map(Option<usize>) -> SerializeMap;
        serialize_struct(&'static str, usize) -> SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant;
    }

    fn serialize_f32(self, value: f32) -> Result<(), Found> {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Result<(), Found> {
        if value.is_finite() { Ok(()) } else { Err(Found(value)) }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Found> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Found> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Found> {
        value.serialize(self)
    }
}

/// Lists: the step is the index.
macro_rules! lists {
    ($($kind:ident $next:ident;)*) => {$(
        impl ser::$kind for Items<'_> {
            type Ok = ();
            type Error = Found;

            fn $next<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Found> {
                let step = format!("[{}]", self.seen);
                self.seen += 1;
                self.walk.inside(step, value)
            }

            fn end(self) -> Result<(), Found> {
                Ok(())
            }
        }
    )*};
}

lists! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

/// Structs: the step is the field's name.
macro_rules! structs {
    ($($kind:ident)*) => {$(
        impl ser::$kind for Items<'_> {
            type Ok = ();
            type Error = Found;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), Found> {
                self.walk.inside(format!(".{key}"), value)
            }

            fn end(self) -> Result<(), Found> {
                Ok(())
            }
        }
    )*};
}

structs! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Items<'_> {
    type Ok = ();
    type Error = Found;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Found> {
        let text = serde_json::to_string(key).unwrap_or_default();
        text.trim_matches('"').clone_into(&mut self.key);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Found> {
        let step = format!(".{}", self.key);
        self.walk.inside(step, value)
    }

    fn end(self) -> Result<(), Found> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(serde::Serialize)]
    enum Shape {
        Unit,
        Newtype(f64),
        Tuple(f64, f64),
        Struct { x: Option<f64> },
    }

    #[track_caller]
    fn checked(value: &impl Serialize, expect: Option<&str>) {
        let found = check(value).err().map(|error| match error {
            RecordError::NotFinite { at, .. } => at,
            other => other.to_string(),
        });
        assert_eq!(found.as_deref(), expect);
    }

    #[test]
    fn the_place_of_the_number_is_named() {
        let nan = f64::NAN;
        checked(&[1.0, 2.0], None);
        checked(&vec![1.0, nan], Some("[1]"));
        checked(&BTreeMap::from([("a", vec![(1u8, f32::INFINITY)])]), Some("a[0][1]"));
        checked(&[Shape::Unit, Shape::Newtype(nan)], Some("[1]"));
        checked(&Shape::Tuple(0.0, nan), Some("[1]"));
        checked(&[Shape::Struct { x: None }, Shape::Struct { x: Some(nan) }], Some("[1].x"));
    }
}
