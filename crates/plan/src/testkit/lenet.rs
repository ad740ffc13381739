//! A plan of LeNet's shapes, for benchmarks of whole sessions.

use tercet_ring::RingKind;

use super::PlanBuilder;
use crate::{Comparison, ConvGeometry, Op, Plan, Term, ValueId, Variant, Window};

/// Fractional bits of inputs, weights and activations.
const FRACTION: u8 = 8;

/// Convolution 20@5x5, pool, convolution 50@5x5, pool, dense 500, dense 10; ReLU after each but the last.
pub fn lenet(ring: RingKind) -> Plan {
    let mut plan = PlanBuilder::new(ring);
    let comparison = match ring {
        RingKind::Z32 => Comparison { bits: 26, drop: 5 },
        RingKind::Z64 => Comparison { bits: 42, drop: 12 },
    };
    let image = plan.input(&[1, 28, 28], FRACTION, 9);
    let first = convolution(&mut plan, image, &[20, 1, 5, 5], &[20, 24, 24]);
    let first = pool(&mut plan, first, &[20, 12, 12], comparison);
    let second = convolution(&mut plan, first, &[50, 20, 5, 5], &[50, 8, 8]);
    let second = pool(&mut plan, second, &[50, 4, 4], comparison);
    let flat = plan.step(Op::Reshape(second), &[800], FRACTION, 16);
    let hidden = dense(&mut plan, flat, 800, 500);
    let relu = Op::Piecewise {
        of: hidden,
        shift: FRACTION,
        knots: vec![0],
        slopes: vec![0, 1],
        offsets: vec![0, 0],
        comparison,
        variant: Variant::Balanced,
    };
    let hidden = plan.step(relu, &[500], FRACTION, 16);
    let logits = dense(&mut plan, hidden, 500, 10);
    plan.output(logits);
    plan.build()
}

fn convolution(plan: &mut PlanBuilder, of: ValueId, kernels: &[u32], shape: &[u32]) -> ValueId {
    let weight = plan.parameter(kernels, FRACTION);
    let bias = plan.parameter(&[kernels[0], 1, 1], 2 * FRACTION);
    let geometry = ConvGeometry {
        stride: [1, 1],
        dilation: [1, 1],
        pad_before: [0, 0],
        pad_after: [0, 0],
        groups: 1,
    };
    plan.step(
        Op::Linear(vec![Term::Conv { of, weight, geometry }, Term::Bias(bias)]),
        shape,
        2 * FRACTION,
        23,
    )
}

fn pool(plan: &mut PlanBuilder, of: ValueId, shape: &[u32], comparison: Comparison) -> ValueId {
    let window = Window {
        size: [2, 2],
        stride: [2, 2],
        dilation: [1, 1],
    };
    plan.step(
        Op::MaxPool {
            of,
            window,
            shift: FRACTION,
            relu: true,
            comparison,
            variant: Variant::Balanced,
        },
        shape,
        FRACTION,
        16,
    )
}

fn dense(plan: &mut PlanBuilder, of: ValueId, inner: u32, outer: u32) -> ValueId {
    let weight = plan.parameter(&[inner, outer], FRACTION);
    let bias = plan.parameter(&[outer], 2 * FRACTION);
    plan.step(
        Op::Linear(vec![Term::Dense { of, weight }, Term::Bias(bias)]),
        &[outer],
        2 * FRACTION,
        23,
    )
}
