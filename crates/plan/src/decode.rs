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
        apply(output.decode, &output.shape, &mut numbers);
        let leading = output.batched.then_some(batch);
        let shape = leading
            .into_iter()
            .chain(output.shape.iter().map(|&size| size as usize));
        Array::new(shape.collect(), numbers.iter().map(|&number| number as f32).collect()).map_err(|_| mismatch)
    }
}

fn apply(decode: Decode, sample: &[u32], numbers: &mut [f64]) {
    match decode {
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
