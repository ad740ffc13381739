use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroize;

use crate::datatype::Datatype;

/// The `data` of a JSON tensor, nested by its shape or flat: row-major numbers, without the tree that a general reader would build.
///
/// Depth is bounded by the JSON reader's own limit.
#[derive(Default)]
pub(crate) struct Elements(pub Vec<f32>);

impl Drop for Elements {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<'de> Deserialize<'de> for Elements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut elements = Elements::default();
        deserializer.deserialize_seq(Level(&mut elements.0))?;
        Ok(elements)
    }
}

/// One level of nesting.
struct Level<'a>(&'a mut Vec<f32>);

/// A number, or a further level.
struct Item<'a>(&'a mut Vec<f32>);

impl<'de> Visitor<'de> for Level<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while sequence.next_element_seed(Item(self.0))?.is_some() {}
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, true or false")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.0.push(f32::from(u8::from(value)));
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.0.push(value as f32);
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.0.push(value as f32);
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.0.push(value as f32);
        Ok(())
    }

    // The reader's own message would repeat the text.
    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Err(E::custom("text where a number, true or false is due"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<(), A::Error> {
        Level(self.0).visit_seq(sequence)
    }
}

/// The elements of an output as JSON numbers of its datatype, flat.
pub(crate) struct Flat<'a> {
    pub datatype: Datatype,
    pub elements: &'a [f32],
}

impl Serialize for Flat<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.datatype {
            Datatype::Bool => serializer.collect_seq(self.elements.iter().map(|&element| element != 0.0)),
            Datatype::Fp16 | Datatype::Bf16 | Datatype::Fp32 | Datatype::Fp64 => {
                serializer.collect_seq(self.elements.iter())
            }
            _ => serializer.collect_seq(self.elements.iter().map(|&element| element.round() as i64)),
        }
    }
}
