//! Batches of any size: split into sessions, and put together again.

use tercet_plan::{Array, Input, Output};

use crate::exit::{ExitCode, Failure};

/// Samples of the arrays: the first axis of the first input that has a batch axis, or one.
pub fn samples(inputs: &[Input], arrays: &[Array]) -> usize {
    let batched = inputs.iter().zip(arrays).find(|(input, _)| input.batched);
    batched
        .and_then(|(_, array)| array.shape().first().copied())
        .unwrap_or(1)
}

/// Parts of at most `most` samples, in order. Inputs without a batch axis go with every part.
///
/// Arrays whose shapes don't fit go as one part: the check of a query says what is wrong with them.
pub fn split(inputs: &[Input], arrays: &[Array], most: usize) -> Vec<Vec<Array>> {
    let count = samples(inputs, arrays);
    let batched = || inputs.iter().zip(arrays).filter(|(input, _)| input.batched);
    let fits = inputs.len() == arrays.len() && batched().all(|(_, array)| array.shape().first() == Some(&count));
    if !fits || most == 0 || count <= most {
        return vec![arrays.to_vec()];
    }
    let part = |start: usize| {
        let end = (start + most).min(count);
        let of = |(input, array): (&Input, &Array)| {
            if input.batched {
                rows(array, start, end)
            } else {
                array.clone()
            }
        };
        inputs.iter().zip(arrays).map(of).collect()
    };
    (0..count).step_by(most).map(part).collect()
}

/// A batch of `count` samples: the first ones of the arrays, and from the start again where there are fewer. Inputs without a batch axis stay.
///
/// Arrays without samples stay as they are: the check of a query says what is wrong with them.
pub fn cycle(inputs: &[Input], arrays: &[Array], count: usize) -> Vec<Array> {
    let of = |(input, array): (&Input, &Array)| {
        let samples = array.shape().first().copied().unwrap_or(0);
        if !input.batched || samples == 0 {
            return array.clone();
        }
        let size = array.data().len() / samples;
        let mut shape = array.shape().to_vec();
        shape[0] = count;
        let data = array.data().iter().copied().cycle().take(count * size).collect();
        Array::new(shape, data).expect("whole samples fill their shape")
    };
    inputs.iter().zip(arrays).map(of).collect()
}

/// Outputs of the parts, sample after sample. Outputs without a batch axis are those of the first part.
pub fn join(outputs: &[Output], parts: Vec<Vec<Array>>) -> Result<Vec<Array>, Failure> {
    let missing = || {
        Failure::new(
            ExitCode::Internal,
            "a part of the batch has not all outputs; this is a fault of the program",
        )
    };
    let joined = outputs.iter().enumerate().map(|(index, output)| {
        let pieces: Vec<&Array> = parts
            .iter()
            .map(|part| part.get(index))
            .collect::<Option<_>>()
            .ok_or_else(missing)?;
        let first = *pieces.first().ok_or_else(missing)?;
        if !output.batched {
            return Ok(first.clone());
        }
        let mut shape = first.shape().to_vec();
        shape[0] = pieces.iter().map(|piece| piece.shape()[0]).sum();
        let data = pieces.iter().flat_map(|piece| piece.data()).copied().collect();
        Array::new(shape, data).map_err(|reason| Failure::new(ExitCode::Internal, reason))
    });
    joined.collect()
}

fn rows(array: &Array, start: usize, end: usize) -> Array {
    let size = array.data().len() / array.shape()[0].max(1);
    let mut shape = array.shape().to_vec();
    shape[0] = end - start;
    Array::new(shape, array.data()[start * size..end * size].to_vec()).expect("rows of an array fill their shape")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tercet_plan::{Decode, ValueId};

    fn input(batched: bool) -> Input {
        Input {
            name: "x".to_owned(),
            shape: vec![2],
            batched,
            fraction_bits: 8,
            range: (0.0, 1.0),
        }
    }

    fn output(batched: bool) -> Output {
        Output {
            name: "y".to_owned(),
            value: ValueId(0),
            shape: vec![2],
            batched,
            decode: Decode::Identity,
        }
    }

    fn array(shape: &[usize]) -> Array {
        let elements = shape.iter().product();
        Array::new(shape.to_vec(), (0..elements).map(|i: usize| i as f32).collect()).unwrap()
    }

    proptest! {
        #[test]
        fn parts_are_within_the_limit_and_join_to_the_whole(count in 1_usize..50, most in 1_usize..60) {
            let inputs = [input(true), input(false)];
            let arrays = [array(&[count, 2]), array(&[2])];
            let parts = split(&inputs, &arrays, most);
            prop_assert_eq!(parts.len(), count.div_ceil(most));
            for part in &parts {
                prop_assert!(part[0].shape()[0] <= most && part[0].shape()[0] > 0);
                prop_assert!(part[1] == arrays[1]);
            }
            let joined = join(&[output(true), output(false)], parts).unwrap();
            prop_assert!(joined[0] == arrays[0]);
            prop_assert!(joined[1] == arrays[1]);
        }
    }

    #[test]
    fn a_batch_of_any_size_takes_the_first_samples_and_starts_again() {
        let (inputs, arrays) = ([input(true), input(false)], [array(&[3, 2]), array(&[2])]);
        let fewer = cycle(&inputs, &arrays, 2);
        assert_eq!(
            (fewer[0].shape(), fewer[0].data()),
            (&[2, 2][..], &[0.0, 1.0, 2.0, 3.0][..])
        );
        assert!(fewer[1] == arrays[1]);
        let more = cycle(&inputs, &arrays, 4);
        assert_eq!(more[0].data(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 1.0]);
        assert!(cycle(&[input(true)], &[array(&[0, 2])], 4)[0] == array(&[0, 2]));
    }

    #[test]
    fn arrays_that_do_not_fit_are_left_to_the_check_of_the_query() {
        let inputs = [input(true), input(true)];
        assert_eq!(split(&inputs, &[array(&[5, 2]), array(&[4, 2])], 2).len(), 1);
        assert_eq!(split(&inputs, &[array(&[5, 2])], 2).len(), 1);
        assert_eq!(split(&[input(true)], &[array(&[0, 2])], 2).len(), 1);
    }
}
