use tercet_plan::{Plan, Term};
use tercet_ring::kernel::conv::{ConvGeometry, PackedKernels};
use tercet_ring::kernel::gemm::PackedMatrix;
use tercet_ring::{Ring, Secret, vector};

use crate::local::{Operand, Strided};

/// One view of a parameter in the order in which its term's product reads it.
pub(crate) enum StaticOperand<R: Ring> {
    /// The matrix of a dense term.
    Matrix(PackedMatrix<R>),
    /// The kernels of a convolution.
    Kernels(PackedKernels<R>),
    /// The factors of a scale.
    Factors(Spread<R>),
    /// A bias.
    Bias(Spread<R>),
}

/// A tensor that is repeated to a sample's shape whenever it is used: kept whole it could be as large as an activation.
pub(crate) struct Spread<R: Ring> {
    elements: Secret<R>,
    shape: Vec<u32>,
    repetition: Strided,
}

impl<R: Ring> Spread<R> {
    fn new(elements: &[R], shape: &[u32], result: &[u32]) -> Self {
        Spread {
            elements: Secret::new(elements.to_vec()),
            shape: shape.to_vec(),
            repetition: Strided::broadcast(shape, result),
        }
    }

    fn one_sample(&self) -> Secret<R> {
        self.repetition.gather(
            1,
            Operand {
                shape: &self.shape,
                elements: &self.elements,
            },
        )
    }
}

impl<R: Ring> StaticOperand<R> {
    /// Packs `elements`, a view of the parameter of `term` in step `step` of a validated plan.
    pub(crate) fn pack(plan: &Plan, step: usize, term: &Term, elements: &[R]) -> Self {
        let spread = |parameter, result: &[u32]| Spread::new(elements, &plan.parameter(parameter).shape, result);
        match term {
            Term::Dense { weight, .. } => {
                let &[inner, outer] = &plan.parameter(*weight).shape[..] else {
                    unreachable!("a matrix has two axes")
                };
                StaticOperand::Matrix(PackedMatrix::new(inner as usize, outer as usize, elements))
            }
            Term::Conv { of, weight, geometry } => {
                let &[channels, height, width] = &plan.value(*of).shape[..] else {
                    unreachable!("a convolved value has three axes")
                };
                let &[outputs, _, rows, columns] = &plan.parameter(*weight).shape[..] else {
                    unreachable!("kernels have four axes")
                };
                let wide = |pair: [u32; 2]| pair.map(|size| size as usize);
                let geometry = ConvGeometry {
                    channels: channels as usize,
                    input: wide([height, width]),
                    outputs: outputs as usize,
                    kernel: wide([rows, columns]),
                    stride: wide(geometry.stride),
                    dilation: wide(geometry.dilation),
                    pad_before: wide(geometry.pad_before),
                    pad_after: wide(geometry.pad_after),
                    groups: geometry.groups as usize,
                };
                StaticOperand::Kernels(PackedKernels::new(geometry, elements))
            }
            Term::Scale { of, weight } => StaticOperand::Factors(spread(*weight, &plan.value(*of).shape)),
            Term::Bias(parameter) => StaticOperand::Bias(spread(*parameter, &plan.steps[step].value.shape)),
            Term::Product { .. } | Term::MatMul { .. } | Term::Add { .. } => {
                unreachable!("only terms with a parameter have a static operand")
            }
        }
    }

    /// `sum += x * self` for a batch of samples. A bias multiplies nothing: it adds nothing here.
    pub(crate) fn multiply_add(&self, batch: usize, x: &[R], sum: &mut [R]) {
        match self {
            StaticOperand::Matrix(matrix) => matrix.multiply_add(x.len() / matrix.inner(), x, sum),
            StaticOperand::Kernels(kernels) => kernels.multiply_add(batch, x, sum),
            StaticOperand::Factors(factors) => {
                let factors = factors.one_sample();
                let samples = x.chunks_exact(factors.len()).zip(sum.chunks_exact_mut(factors.len()));
                samples.for_each(|(x, sum)| vector::add_product(sum, x, &factors));
            }
            StaticOperand::Bias(_) => {}
        }
    }

    /// `sum += sign * self` for a batch of samples if this is a bias; a factor adds nothing here.
    pub(crate) fn add_bias(&self, sign: R, sum: &mut [R]) {
        if let StaticOperand::Bias(bias) = self {
            let bias = bias.one_sample();
            sum.chunks_exact_mut(bias.len())
                .for_each(|sum| vector::add_scaled(sum, sign, &bias));
        }
    }
}
