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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tercet_ring::RingKind;

    use super::*;
    use crate::testkit::PlanBuilder;

    /// Inputs `input_0` of [2, 2] at 8 bits and `input_1` of [3] at 0 bits, which has no batch axis if `fixed`.
    fn plan(fixed: bool) -> Plan {
        let mut builder = PlanBuilder::new(RingKind::Z64);
        let first = builder.input(&[2, 2], 8, 12);
        builder.input(&[3], 0, 10);
        builder.output(first);
        let mut plan = builder.build();
        plan.inputs[1].batched = !fixed;
        plan
    }

    fn array(shape: &[usize], data: &[f32]) -> Array {
        Array::new(shape.to_vec(), data.to_vec()).expect("shape and data agree")
    }

    fn error(first: Array, second: Array) -> EncodeError {
        plan(false).encode(&[first, second]).expect_err("the inputs are wrong")
    }

    fn good() -> [Array; 2] {
        [
            array(&[1, 2, 2], &[0.0, 1.0, -1.0, 0.5]),
            array(&[1, 3], &[1.0, 2.0, 3.0]),
        ]
    }

    #[test]
    fn numbers_are_rounded_to_the_nearest_integer() {
        let eighths = array(&[1, 2, 2], &[1.0, -0.5, 0.001_953_125, 0.001_9]);
        let [_, second] = good();
        let encoded = plan(false).encode(&[eighths, second]).expect("sound inputs");
        assert_eq!(encoded.batch, 1);
        // Half a unit is rounded away from zero.
        assert_eq!(encoded.inputs[0][..], [256, -128, 1, 0]);
        assert_eq!(encoded.inputs[1][..], [1, 2, 3]);
    }

    #[test]
    fn an_input_without_a_batch_is_repeated_for_every_sample() {
        let first = array(&[2, 2, 2], &[0.0; 8]);
        let second = array(&[3], &[1.0, 2.0, 3.0]);
        let encoded = plan(true).encode(&[first, second]).expect("sound inputs");
        assert_eq!((encoded.batch, &encoded.inputs[1][..]), (2, &[1, 2, 3, 1, 2, 3][..]));
    }

    #[test]
    fn wrong_shapes_and_batches_are_refused() {
        let [first, second] = good();
        let shape = |found: &[usize]| EncodeError::Shape {
            input: "input_0".to_owned(),
            expected: "[n, 2, 2]".to_owned(),
            found: found.to_vec(),
        };
        assert_eq!(error(array(&[2, 2], &[0.0; 4]), second.clone()), shape(&[2, 2]));
        assert_eq!(error(array(&[1, 4], &[0.0; 4]), second.clone()), shape(&[1, 4]));
        assert_eq!(error(array(&[], &[0.0]), second.clone()), shape(&[]));
        let two = array(&[2, 2, 2], &[0.0; 8]);
        let batch = EncodeError::Batch {
            input: "input_1".to_owned(),
            expected: 2,
            found: 1,
        };
        assert_eq!(error(two, second.clone()), batch);
        let none = EncodeError::BatchSize {
            input: "input_0".to_owned(),
            found: 0,
        };
        assert_eq!(error(array(&[0, 2, 2], &[]), second), none);
        let count = plan(false).encode(&[first]).expect_err("an input is missing");
        assert_eq!(
            count.to_string(),
            "the model takes 2 input(s) (input_0, input_1) but 1 were given"
        );
    }

    #[test]
    fn numbers_that_cannot_be_encoded_are_named_by_their_index() {
        let [_, second] = good();
        let mut data = [0.0; 8];
        data[6] = f32::NAN;
        let not_finite = |index: &[usize]| EncodeError::NotFinite {
            input: "input_0".to_owned(),
            index: index.to_vec(),
        };
        let second_of_two = array(&[2, 3], &[0.0; 6]);
        assert_eq!(error(array(&[2, 2, 2], &data), second_of_two), not_finite(&[1, 1, 0]));
        let infinite = array(&[1, 2, 2], &[0.0, f32::INFINITY, 0.0, 0.0]);
        assert_eq!(error(infinite, second.clone()), not_finite(&[0, 0, 1]));
        let beyond = array(&[1, 2, 2], &[0.0, 0.0, -16.5, 0.0]);
        let out_of_range = EncodeError::OutOfRange {
            input: "input_0".to_owned(),
            index: vec![0, 1, 0],
            value: -16.5,
            low: -4095.0 / 256.0,
            high: 4095.0 / 256.0,
        };
        assert_eq!(error(beyond, second), out_of_range);
    }

    proptest! {
        #[test]
        fn decoding_is_within_half_a_unit_of_what_was_encoded(numbers in prop::collection::vec(-15.9_f32..15.9, 4)) {
            let [_, second] = good();
            let plan = plan(false);
            let encoded = plan.encode(&[array(&[1, 2, 2], &numbers), second]).expect("sound inputs");
            let decoded = plan.decode(1, &encoded.inputs[..1]).expect("the output is the input");
            prop_assert_eq!(decoded[0].shape(), [1, 2, 2]);
            for (decoded, number) in decoded[0].data().iter().zip(&numbers) {
                prop_assert!((decoded - number).abs() <= 0.5 / 256.0);
            }
        }
    }
}
