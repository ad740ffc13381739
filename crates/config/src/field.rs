use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};

/// A key of a configuration file, as found. Reading one never fails, so that every fault of a file can be reported, not
/// just the first.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Field<T> {
    /// The key is not in the file.
    #[default]
    Absent,
    /// The key has a value of another kind; says which.
    Wrong(&'static str),
    /// The value.
    Given(T),
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        let kind = value.type_str();
        // Environment variables are texts whatever they mean, so a text that spells a number is taken for the number.
        let spelled = value.as_str().and_then(|text| text.parse::<toml::Value>().ok());
        let read = T::deserialize(value).ok().or_else(|| T::deserialize(spelled?).ok());
        Ok(read.map_or(Field::Wrong(kind), Field::Given))
    }
}

/// The keys of a section that it doesn't have.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct UnknownKeys(pub(crate) BTreeMap<String, IgnoredAny>);
