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
    /// Factors, spread to one sample's shape.
    Factors(Secret<R>),
    /// A bias, spread to one sample's shape.
    Bias(Secret<R>),
}

impl<R: Ring> StaticOperand<R> {
    /// Packs `elements`, a view of the parameter of `term` in step `step` of a validated plan.
    pub(crate) fn pack(plan: &Plan, step: usize, term: &Term, elements: &[R]) -> Self {
        let spread = |parameter, shape: &[u32]| {
            let from: &[u32] = &plan.parameter(parameter).shape;
            Strided::broadcast(from, shape).gather(1, Operand { shape: from, elements })
        };
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
                let samples = x.chunks_exact(factors.len()).zip(sum.chunks_exact_mut(factors.len()));
                samples.for_each(|(x, sum)| vector::add_product(sum, x, factors));
            }
            StaticOperand::Bias(_) => {}
        }
    }

    /// `sum += sign * self` for a batch of samples if this is a bias; a factor adds nothing here.
    pub(crate) fn add_bias(&self, sign: R, sum: &mut [R]) {
        if let StaticOperand::Bias(bias) = self {
            sum.chunks_exact_mut(bias.len())
                .for_each(|sum| vector::add_scaled(sum, sign, bias));
        }
    }
}
