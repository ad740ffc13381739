//! From the integers that are revealed to the numbers the client asked for.

use crate::{Array, Decode, Integers, Output, Plan};

/// Integers that do not match the plan's outputs: a fault of whoever rebuilt them.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// Another number of outputs.
    #[error("the plan has {expected} outputs but {found} were rebuilt")]
    Count {
        /// Outputs of the plan.
        expected: usize,
        /// Vectors given.
        found: usize,
    },
    /// Another number of elements.
    #[error("output `{output}` has {expected} elements for this batch but {found} were rebuilt")]
    Length {
        /// The output.
        output: String,
        /// Elements by the plan and the batch.
        expected: usize,
        /// Elements given.
        found: usize,
    },
}

impl Plan {
    /// The client's arrays: every integer `v` of the revealed values stands for `v / 2^fraction_bits`, on which the
    /// output's last computation is done in `f64`.
    ///
    /// # Errors
    /// When the vectors are not those of the plan's outputs for this batch.
    pub fn decode(&self, batch: u32, revealed: &[Integers]) -> Result<Vec<Array>, DecodeError> {
        if revealed.len() != self.outputs.len() {
            return Err(DecodeError::Count {
                expected: self.outputs.len(),
                found: revealed.len(),
            });
        }
        let outputs = self.outputs.iter().zip(revealed);
        outputs
            .map(|(output, integers)| self.decode_output(batch as usize, output, integers))
            .collect()
    }

    fn decode_output(&self, batch: usize, output: &Output, integers: &Integers) -> Result<Array, DecodeError> {
        let value = self.value(output.value);
        let mismatch = DecodeError::Length {
            output: output.name.clone(),
            expected: batch * value.elements(),
            found: integers.len(),
        };
        if integers.len() != batch * value.elements() {
            return Err(mismatch);
        }
        let unit = (-f64::from(value.fraction_bits)).exp2();
        let mut numbers: Vec<f64> = integers.iter().map(|&integer| integer as f64 * unit).collect();
        output.decode.apply(&output.shape, &mut numbers);
        let leading = output.batched.then_some(batch);
        let shape = leading
            .into_iter()
            .chain(output.shape.iter().map(|&size| size as usize));
        Array::new(shape.collect(), numbers.iter().map(|&number| number as f32).collect()).map_err(|_| mismatch)
    }
}

impl Decode {
    /// The client's last computation, in place, on the numbers of one or more outputs of shape `sample`.
    pub fn apply(self, sample: &[u32], numbers: &mut [f64]) {
        match self {
            Decode::Identity | Decode::Label => {}
            Decode::Sigmoid => numbers.iter_mut().for_each(|number| *number = sigmoid(*number)),
            Decode::Softmax { axis } => along(sample, axis, numbers, |lane| {
                let log_total = log_sum_exp(lane);
                lane.iter_mut().for_each(|number| *number = (*number - log_total).exp());
            }),
            Decode::LogSoftmax { axis } => along(sample, axis, numbers, |lane| {
                let log_total = log_sum_exp(lane);
                lane.iter_mut().for_each(|number| *number -= log_total);
            }),
        }
    }
}

/// Never takes the exponential of a positive number, so it neither overflows nor cancels.
fn sigmoid(x: f64) -> f64 {
    let small = (-x.abs()).exp();
    if x >= 0.0 {
        1.0 / (1.0 + small)
    } else {
        small / (1.0 + small)
    }
}

/// `ln(sum of e^x)`, with the largest taken out so that nothing overflows.
fn log_sum_exp(lane: &[f64]) -> f64 {
    let largest = lane.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = lane.iter().map(|x| (x - largest).exp()).sum();
    largest + total.ln()
}

/// Runs `change` on every line of elements along `axis` of the samples.
fn along(sample: &[u32], axis: u32, numbers: &mut [f64], change: impl Fn(&mut [f64])) {
    let axis = axis as usize;
    let size = sample[axis] as usize;
    let stride: usize = sample[axis + 1..].iter().map(|&size| size as usize).product();
    let mut lane = vec![0.0; size];
    for block in numbers.chunks_exact_mut(size * stride) {
        for offset in 0..stride {
            let places = (0..size).map(|i| offset + i * stride);
            lane.iter_mut()
                .zip(places.clone())
                .for_each(|(number, place)| *number = block[place]);
            change(&mut lane);
            places.zip(&lane).for_each(|(place, &number)| block[place] = number);
        }
    }
}

#[cfg(test)]
mod tests {
    use tercet_ring::RingKind;

    use super::*;
    use crate::testkit::PlanBuilder;

    /// Decodes integers of 4 fractional bits and shape [2, 3].
    fn decode(decode: Decode, batch: u32, integers: &[i64]) -> Result<Vec<f32>, DecodeError> {
        let mut builder = PlanBuilder::new(RingKind::Z64);
        let value = builder.input(&[2, 3], 4, 62);
        builder.output_as(value, decode);
        let plan = builder.build();
        let mut arrays = plan.decode(batch, &[Integers::new(integers.to_vec())])?;
        Ok(arrays.pop().expect("the plan has an output").into_data())
    }

    fn assert_close(found: &[f32], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} is not {expected}");
        }
    }

    #[test]
    fn integers_are_divided_by_their_scale() {
        let numbers = decode(Decode::Identity, 1, &[16, -8, 1, 0, 160, -16]).expect("six elements");
        assert_eq!(numbers, [1.0, -0.5, 0.0625, 0.0, 10.0, -1.0]);
    }

    #[test]
    fn sigmoid_is_exact_at_both_ends() {
        let numbers = decode(Decode::Sigmoid, 1, &[0, 1 << 60, -(1 << 60), 16, -16, 32]).expect("six elements");
        let one = 1.0 / (1.0 + (-1.0_f64).exp());
        assert_close(
            &numbers,
            &[0.5, 1.0, 0.0, one, 1.0 - one, 1.0 / (1.0 + (-2.0_f64).exp())],
        );
    }

    #[test]
    fn softmax_follows_its_axis_and_does_not_overflow() {
        let large = 1 << 40;
        let integers = [large, large + 16, 0, large, large, 0, 16, 16, 16, 16, 32, 48];
        let odds = |x: f64| x.exp() / (x.exp() + 1.0);
        let by_column = decode(Decode::Softmax { axis: 0 }, 2, &integers).expect("two samples");
        assert_close(&by_column[..6], &[0.5, odds(1.0), 0.5, 0.5, odds(-1.0), 0.5]);
        assert_close(
            &by_column[6..],
            &[0.5, odds(-1.0), odds(-2.0), 0.5, odds(1.0), odds(2.0)],
        );
        let by_row = decode(Decode::Softmax { axis: 1 }, 2, &integers).expect("two samples");
        assert_close(&by_row[..6], &[odds(-1.0), odds(1.0), 0.0, 0.5, 0.5, 0.0]);
        assert_close(&by_row[6..9], &[1.0 / 3.0; 3]);
    }

    #[test]
    fn log_softmax_keeps_small_probabilities_apart() {
        let numbers =
            decode(Decode::LogSoftmax { axis: 1 }, 1, &[0, -16_000, -32_000, 16, 16, 16]).expect("six elements");
        assert_close(
            &numbers,
            &[0.0, -1000.0, -2000.0, -(3.0_f64.ln()), -(3.0_f64.ln()), -(3.0_f64.ln())],
        );
    }

    #[test]
    fn other_lengths_are_refused() {
        let length = DecodeError::Length {
            output: "output_0".to_owned(),
            expected: 12,
            found: 6,
        };
        assert_eq!(decode(Decode::Identity, 2, &[0; 6]), Err(length));
    }
}
