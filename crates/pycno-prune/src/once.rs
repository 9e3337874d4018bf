//! A table in a document, in which no key may stand twice: of two lists one would be followed and the other not.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

use crate::Axis;

type Kept = BTreeMap<Axis, Vec<usize>>;

/// Reads the lists of the parts that stay, by axis.
pub(crate) fn each<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Kept, D::Error> {
    deserializer.deserialize_map(Lists)
}

struct Lists;

impl<'de> Visitor<'de> for Lists {
    type Value = Kept;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("lists of the parts that stay, by kind of part")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Kept, A::Error> {
        let mut kept = Kept::new();
        while let Some((axis, list)) = access.next_entry::<Axis, Vec<usize>>()? {
            if kept.insert(axis, list).is_some() {
                return Err(A::Error::custom(format!("{} stands twice", axis.name())));
            }
        }
        Ok(kept)
    }
}
