//! Rounded weights are off by a little each, and where their operand has a mean that adds up to the same for every sample: the layer's bias
//! takes it back.
//!
//! Source: Nagel, van Baalen, Blankevoort, Welling: Data-Free Quantization Through Weight Equalization and Bias Correction, ICCV 2019, section 4.2.

use std::sync::Arc;

use ndarray::{ArrayD, Axis, IxDyn};
use tercet_plan::{ParameterId, Term};

use super::Lowering;
use crate::graph::{Constant, Term as FloatTerm};

impl Lowering<'_> {
    /// The bias of a sum with what its rounded weights leave out on average, if anything is known of that.
    pub(super) fn corrected_bias(
        &self,
        terms: &[(&FloatTerm, Term)],
        bias: Option<Constant>,
        rank: usize,
    ) -> Option<Constant> {
        let missing = terms
            .iter()
            .filter_map(|(term, lowered)| self.missing(term, lowered, rank));
        missing.fold(bias, |bias, missing| {
            Some(match bias {
                None => Arc::new(missing),
                Some(bias) if bias.broadcast(missing.shape()).is_some() => Arc::new(missing + &*bias),
                Some(bias) => Arc::new(&*bias + &missing),
            })
        })
    }

    /// For each output of a weighted term the sum of what was rounded off its weights, each times the mean of what it meets.
    fn missing(&self, term: &FloatTerm, lowered: &Term, rank: usize) -> Option<ArrayD<f64>> {
        let (of, weight, rounded, axis) = match (term, lowered) {
            (FloatTerm::Dense { of, weight }, Term::Dense { weight: rounded, .. }) => (of, weight, rounded, rank - 1),
            (FloatTerm::Conv { of, weight, .. }, Term::Conv { weight: rounded, .. }) => (of, weight, rounded, 0),
            _ => return None,
        };
        let means = self.means.get(of.0)?;
        let rest = self.rounded_off(weight, *rounded);
        let per_output: Vec<f64> = match term {
            FloatTerm::Dense { .. } => {
                let columns = rest.axis_iter(Axis(1));
                let inner = weight.shape()[0];
                let known = means.len() == inner;
                let sum =
                    |column: ndarray::ArrayViewD<'_, f64>| column.iter().zip(means).map(|(w, mean)| w * mean).sum();
                known.then(|| columns.map(sum).collect())?
            }
            FloatTerm::Conv { geometry, .. } => {
                let (outputs, inner) = (weight.shape()[0], weight.shape()[1]);
                let groups = geometry.groups as usize;
                let known = means.len() == inner * groups;
                let sum = |(output, kernel): (usize, ndarray::ArrayViewD<'_, f64>)| {
                    let first = output / (outputs / groups) * inner;
                    let channels = kernel.axis_iter(Axis(0)).zip(&means[first..first + inner]);
                    channels.map(|(taps, mean)| taps.sum() * mean).sum()
                };
                known.then(|| rest.axis_iter(Axis(0)).enumerate().map(sum).collect())?
            }
            _ => return None,
        };
        let mut shape = vec![1; rank];
        shape[axis] = per_output.len();
        let finite = per_output.iter().all(|x| x.is_finite());
        let array = ArrayD::from_shape_vec(IxDyn(&shape), per_output).ok()?;
        finite.then_some(array)
    }

    /// What is left of each weight when its integer is taken away, in the weight's own unit.
    fn rounded_off(&self, weight: &ArrayD<f64>, rounded: ParameterId) -> ArrayD<f64> {
        let integers = &self.tensors[rounded.0 as usize];
        let scale = self.factors[rounded.0 as usize];
        let rest = weight.iter().zip(integers.iter()).map(|(w, &v)| w - v as f64 / scale);
        ArrayD::from_shape_vec(weight.raw_dim(), rest.collect()).expect("as many integers as weights")
    }
}
