//! How far a result is from what it should be.

use serde::Serialize;
use tercet_plan::{Array, Decode, Output};

use crate::exit::Failure;

/// Two sets of outputs, compared.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Comparison {
    /// The largest difference of two numbers; none if only labels are revealed.
    pub max_abs_error: Option<f64>,
    /// The mean difference.
    pub mean_abs_error: Option<f64>,
    /// The share of samples (of all outputs) whose label is the same.
    pub argmax_agreement: f64,
}

/// The class of every row along the last axis: the position of the largest number, of equal ones the first. A row of a single
/// number is a yes or no: 1 if it is at least one half after a sigmoid, or at least zero before one.
pub fn labels(array: &Array, output: &Output) -> Vec<u64> {
    if output.decode == Decode::Label {
        return array.data().iter().map(|&label| label as u64).collect();
    }
    labels_by(array, if output.decode == Decode::Sigmoid { 0.5 } else { 0.0 })
}

fn labels_by(array: &Array, threshold: f32) -> Vec<u64> {
    let width = array.shape().last().copied().unwrap_or(1).max(1);
    let rows = array.data().chunks_exact(width);
    if width == 1 {
        return rows.map(|row| u64::from(row[0] >= threshold)).collect();
    }
    let first_largest = |row: &[f32]| (1..width).fold(0, |best, i| if row[i] > row[best] { i } else { best });
    rows.map(|row| first_largest(row) as u64).collect()
}

/// A reference as it would be revealed: where a plan reveals only labels, those of the reference. It may hold the model's own
/// numbers, whose range says whether a single number is a probability, or the labels themselves, one for each sample.
pub fn as_revealed(outputs: &[Output], reference: Vec<Array>) -> Vec<Array> {
    let revealed = |(output, array): (&Output, Array)| {
        if output.decode != Decode::Label || are_labels(&array) {
            return array;
        }
        let probabilities = array.data().iter().all(|number| (0.0..=1.0).contains(number));
        let labels: Vec<f32> = labels_by(&array, if probabilities { 0.5 } else { 0.0 })
            .into_iter()
            .map(|label| label as f32)
            .collect();
        Array::new(vec![labels.len()], labels).expect("a vector fills its shape")
    };
    outputs.iter().zip(reference).map(revealed).collect()
}

fn are_labels(array: &Array) -> bool {
    array.shape().len() == 1
        && array
            .data()
            .iter()
            .all(|number| *number >= 0.0 && number.fract() == 0.0)
}

/// Compares results with a reference in the form that the plan reveals, output by output.
pub fn compare(outputs: &[Output], results: &[Array], reference: &[Array]) -> Result<Comparison, Failure> {
    let (mut largest, mut sum, mut numbers) = (0_f64, 0_f64, 0_usize);
    let (mut agreeing, mut rows) = (0_usize, 0_usize);
    for ((output, result), expected) in outputs.iter().zip(results).zip(reference) {
        let label_only = output.decode == Decode::Label;
        let (found, wanted) = (labels(result, output), labels(expected, output));
        if found.len() != wanted.len() || (!label_only && result.shape() != expected.shape()) {
            return Err(Failure::input(format!(
                "output `{}` has shape {:?} but the expected array has shape {:?}; give the expected outputs of these inputs",
                output.name,
                result.shape(),
                expected.shape()
            )));
        }
        if let Some(index) = expected.data().iter().position(|number| !number.is_finite()) {
            return Err(Failure::input(format!(
                "the expected array of output `{}` holds a value that is not a number, element {index}; compute it again",
                output.name
            )));
        }
        agreeing += found
            .iter()
            .zip(&wanted)
            .filter(|(found, wanted)| found == wanted)
            .count();
        rows += found.len();
        if !label_only {
            for (result, expected) in result.data().iter().zip(expected.data()) {
                let error = f64::from((result - expected).abs());
                largest = largest.max(error);
                sum += error;
                numbers += 1;
            }
        }
    }
    let of_numbers = |figure: f64| (numbers > 0).then_some(figure);
    Ok(Comparison {
        max_abs_error: of_numbers(largest),
        mean_abs_error: of_numbers(sum / numbers.max(1) as f64),
        argmax_agreement: if rows == 0 { 1.0 } else { agreeing as f64 / rows as f64 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tercet_plan::ValueId;

    fn output(decode: Decode, shape: &[u32]) -> Output {
        Output {
            name: "y".to_owned(),
            value: ValueId(0),
            shape: shape.to_vec(),
            batched: true,
            decode,
        }
    }

    fn array(shape: &[usize], data: &[f32]) -> Array {
        Array::new(shape.to_vec(), data.to_vec()).unwrap()
    }

    #[test]
    fn labels_are_the_first_largest() {
        let logits = array(&[2, 3], &[1.0, 3.0, 3.0, -1.0, -2.0, -3.0]);
        assert_eq!(labels(&logits, &output(Decode::Identity, &[3])), [1, 0]);
        let probability = array(&[3, 1], &[0.2, 0.5, 0.9]);
        assert_eq!(labels(&probability, &output(Decode::Sigmoid, &[1])), [0, 1, 1]);
        assert_eq!(labels(&probability, &output(Decode::Identity, &[1])), [1, 1, 1]);
        assert_eq!(labels(&array(&[2], &[7.0, 0.0]), &output(Decode::Label, &[])), [7, 0]);
    }

    #[test]
    fn errors_and_agreement_are_over_all_numbers_and_rows() {
        let y = output(Decode::Identity, &[2]);
        let found = array(&[2, 2], &[1.0, 2.0, 3.0, 4.5]);
        let wanted = array(&[2, 2], &[1.0, 2.0, 5.0, 4.0]);
        let comparison = compare(&[y], &[found], &[wanted]).unwrap();
        assert_eq!(comparison.max_abs_error, Some(2.0));
        assert_eq!(comparison.mean_abs_error, Some(0.625));
        assert_eq!(comparison.argmax_agreement, 0.5);
    }

    #[test]
    fn a_revealed_label_is_compared_with_the_references_largest() {
        let y = output(Decode::Label, &[]);
        let wanted = array(&[2, 3], &[0.0, 9.0, 1.0, 5.0, 4.0, 3.0]);
        let wanted = as_revealed(std::slice::from_ref(&y), vec![wanted]);
        let comparison = compare(std::slice::from_ref(&y), &[array(&[2], &[1.0, 1.0])], &wanted).unwrap();
        assert_eq!(
            comparison,
            Comparison {
                max_abs_error: None,
                mean_abs_error: None,
                argmax_agreement: 0.5
            }
        );
    }

    #[test]
    fn a_reference_of_labels_is_taken_as_it_is() {
        let y = [output(Decode::Label, &[])];
        let revealed = |shape: &[usize], data: &[f32]| as_revealed(&y, vec![array(shape, data)])[0].data().to_vec();
        assert_eq!(revealed(&[3], &[7.0, 0.0, 2.0]), [7.0, 0.0, 2.0]);
        assert_eq!(revealed(&[3, 1], &[0.2, 0.5, 0.9]), [0.0, 1.0, 1.0]);
        assert_eq!(revealed(&[3, 1], &[-2.0, 0.0, 5.0]), [0.0, 1.0, 1.0]);
    }

    #[test]
    fn an_expected_array_with_a_hole_is_refused() {
        let y = [output(Decode::Identity, &[2])];
        assert!(compare(&y, &[array(&[1, 2], &[0.0; 2])], &[array(&[1, 2], &[0.0, f32::NAN])]).is_err());
    }

    #[test]
    fn other_shapes_are_refused() {
        let y = output(Decode::Identity, &[2]);
        assert!(compare(&[y], &[array(&[1, 2], &[0.0; 2])], &[array(&[2, 2], &[0.0; 4])]).is_err());
    }
}
