//! From a client's numbers to the integers that are shared.

use crate::limits::BATCH_MAX;
use crate::{Array, Input, Integers, Plan};

/// A client's inputs as integers, one vector per input of the plan, samples outermost.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// Samples in the query.
    pub batch: u32,
    /// The inputs in the plan's order.
    pub inputs: Vec<Integers>,
}

/// Inputs that the model cannot take: the client's fault.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum EncodeError {
    /// Another number of inputs.
    #[error("the model takes {expected} input(s) ({names}) but {found} were given")]
    Count {
        /// Inputs of the model.
        expected: usize,
        /// Their names.
        names: String,
        /// Arrays given.
        found: usize,
    },
    /// Another shape.
    #[error("input `{input}` must have shape {expected} but has shape {found:?}")]
    Shape {
        /// The input.
        input: String,
        /// The shape it must have; `n` stands for the batch.
        expected: String,
        /// The shape it has.
        found: Vec<usize>,
    },
    /// Two inputs with different numbers of samples.
    #[error(
        "input `{input}` holds {found} samples but the inputs before it hold {expected}; give every input the same batch"
    )]
    Batch {
        /// The later input.
        input: String,
        /// Samples of the earlier ones.
        expected: u32,
        /// Samples of this one.
        found: usize,
    },
    /// No samples, or more than one session may hold.
    #[error("input `{input}` holds {found} samples; a query takes 1 to {BATCH_MAX}")]
    BatchSize {
        /// The input.
        input: String,
        /// Its samples.
        found: usize,
    },
    /// NaN or an infinity.
    #[error("input `{input}` holds a value that is not a number at index {index:?}; replace or drop it")]
    NotFinite {
        /// The input.
        input: String,
        /// Where, along each axis.
        index: Vec<usize>,
    },
    /// A number outside the range that the plan's bounds were computed for.
    #[error(
        "input `{input}` holds {value} at index {index:?}, outside the range [{low}, {high}] that the model was compiled for"
    )]
    OutOfRange {
        /// The input.
        input: String,
        /// Where, along each axis.
        index: Vec<usize>,
        /// The number.
        value: f32,
        /// The smallest allowed.
        low: f64,
        /// The largest allowed.
        high: f64,
    },
}

impl Plan {
    /// Checks the inputs of a query and rounds every number `x` to the integer nearest to `x * 2^fraction_bits`.
    ///
    /// An input without a batch axis beside others that have one is repeated for every sample. The rounding is at most
    /// half a unit, `2^-(fraction_bits + 1)`, off.
    ///
    /// # Errors
    /// What is wrong first, with the input's name and the place of the element.
    pub fn encode(&self, arrays: &[Array]) -> Result<Encoded, EncodeError> {
        if arrays.len() != self.inputs.len() {
            let names: Vec<&str> = self.inputs.iter().map(|input| input.name.as_str()).collect();
            return Err(EncodeError::Count {
                expected: self.inputs.len(),
                names: names.join(", "),
                found: arrays.len(),
            });
        }
        let mut batch = None;
        for (input, array) in self.inputs.iter().zip(arrays) {
            check_shape(input, array)?;
            if input.batched {
                batch = Some(check_batch(input, array.shape()[0], batch)?);
            }
        }
        let batch = batch.unwrap_or(1);
        let inputs = self.inputs.iter().zip(arrays);
        let inputs = inputs.map(|(input, array)| {
            let one = quantise(input, array)?;
            if input.batched || batch == 1 {
                return Ok(one);
            }
            Ok(Integers::new(one.repeat(batch as usize)))
        });
        Ok(Encoded {
            batch,
            inputs: inputs.collect::<Result<_, EncodeError>>()?,
        })
    }
}

fn check_shape(input: &Input, array: &Array) -> Result<(), EncodeError> {
    let sample = array.shape().get(usize::from(input.batched)..);
    let equal = sample.is_some_and(|sample| {
        sample.len() == input.shape.len()
            && sample
                .iter()
                .zip(&input.shape)
                .all(|(&found, &size)| found == size as usize)
    });
    if equal {
        return Ok(());
    }
    let batch = input.batched.then(|| "n".to_owned());
    let sizes: Vec<String> = batch
        .into_iter()
        .chain(input.shape.iter().map(u32::to_string))
        .collect();
    Err(EncodeError::Shape {
        input: input.name.clone(),
        expected: format!("[{}]", sizes.join(", ")),
        found: array.shape().to_vec(),
    })
}

fn check_batch(input: &Input, samples: usize, expected: Option<u32>) -> Result<u32, EncodeError> {
    let name = || input.name.clone();
    let batch = u32::try_from(samples)
        .ok()
        .filter(|batch| (1..=BATCH_MAX).contains(batch));
    let batch = batch.ok_or_else(|| EncodeError::BatchSize {
        input: name(),
        found: samples,
    })?;
    match expected {
        Some(expected) if expected != batch => Err(EncodeError::Batch {
            input: name(),
            expected,
            found: samples,
        }),
        _ => Ok(batch),
    }
}

fn quantise(input: &Input, array: &Array) -> Result<Integers, EncodeError> {
    let scale = f64::from(input.fraction_bits).exp2();
    let (low, high) = input.range;
    let one = |(position, &value): (usize, &f32)| {
        let number = f64::from(value);
        if !number.is_finite() {
            return Err(EncodeError::NotFinite {
                input: input.name.clone(),
                index: index_of(position, array.shape()),
            });
        }
        if number < low || number > high {
            return Err(EncodeError::OutOfRange {
                input: input.name.clone(),
                index: index_of(position, array.shape()),
                value,
                low,
                high,
            });
        }
        Ok((number * scale).round() as i64)
    };
    array.data().iter().enumerate().map(one).collect()
}

/// The index along each axis of the element at a row-major position.
fn index_of(position: usize, shape: &[usize]) -> Vec<usize> {
    let mut rest = position;
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&size| {
            let along = rest % size;
            rest /= size;
            along
        })
        .collect();
    index.reverse();
    index
}
