use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::RequestError;

/// A value of a request's, tensor's or response's `parameters`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
#[allow(missing_docs)]
pub enum Parameter {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Number(f64),
    Text(String),
}

pub(crate) type Parameters = BTreeMap<String, Parameter>;

/// What a request asks for besides its tensors.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// The time it may take, from the parameter `timeout`, which counts microseconds; 0 is none.
    pub timeout: Option<Duration>,
    /// From the parameter `priority`: 1 is the highest, 0 the server's default.
    pub priority: u64,
}

impl Options {
    /// Reads the parameters that have a meaning here, and ignores those that nobody has reserved.
    ///
    /// # Errors
    /// One has the wrong type, or asks for sequences, which there are none of.
    pub fn from_parameters(parameters: &BTreeMap<String, Parameter>) -> Result<Options, RequestError> {
        let sequence = parameters.iter().find(|(name, value)| {
            // Clients send the neutral values of these without being asked to.
            let neutral = matches!(value, Parameter::Int(0) | Parameter::Uint(0) | Parameter::Bool(false));
            name.starts_with("sequence_") && !neutral
        });
        if let Some((name, _)) = sequence {
            return Err(RequestError::UnsupportedParameter(name.chars().take(32).collect()));
        }
        let micros = count(parameters, "timeout")?;
        Ok(Options {
            timeout: (micros > 0).then(|| Duration::from_micros(micros)),
            priority: count(parameters, "priority")?,
        })
    }
}

/// A parameter that counts something; 0 where it is missing.
pub(crate) fn count(parameters: &Parameters, name: &str) -> Result<u64, RequestError> {
    let value = match parameters.get(name) {
        None => Some(0),
        Some(Parameter::Int(value)) => u64::try_from(*value).ok(),
        Some(Parameter::Uint(value)) => Some(*value),
        Some(_) => None,
    };
    value.ok_or_else(|| RequestError::Parameter {
        name: name.to_owned(),
        expected: "a whole number that is not negative",
    })
}

/// A parameter that is true or false.
pub(crate) fn switch(parameters: &Parameters, name: &str) -> Result<Option<bool>, RequestError> {
    match parameters.get(name) {
        None => Ok(None),
        Some(Parameter::Bool(value)) => Ok(Some(*value)),
        Some(_) => Err(RequestError::Parameter {
            name: name.to_owned(),
            expected: "true or false",
        }),
    }
}
