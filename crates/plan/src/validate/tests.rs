use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tercet_ring::RingKind;

use super::{Place, Rule};
use crate::testkit::{PlanBuilder, samples};
use crate::{
    Comparison, ComparisonFault, ConvGeometry, Decode, Form, Op, ParameterId, Plan, Term, ValueId, Variant, Window,
};

/// A convolution with a ReLU, a pooling and the largest class: steps 0 to 6.
fn network() -> Plan {
    let mut builder = PlanBuilder::new(RingKind::Z32);
    let image = builder.input(&[1, 6, 6], 8, 10);
    let kernels = builder.parameter(&[2, 1, 3, 3], 8);
    let geometry = ConvGeometry {
        stride: [1, 1],
        dilation: [1, 1],
        pad_before: [0, 0],
        pad_after: [0, 0],
        groups: 1,
    };
    let conv = Term::Conv {
        of: image,
        weight: kernels,
        geometry,
    };
    let opened = builder.step(Op::Linear(vec![conv]), &[2, 4, 4], 16, 24);
    let relu = Op::Piecewise {
        of: opened,
        shift: 8,
        knots: vec![0],
        slopes: vec![0, 1],
        offsets: vec![0, 0],
        comparison: Comparison { bits: 26, drop: 8 },
        variant: Variant::Balanced,
    };
    let active = builder.step(relu, &[2, 4, 4], 8, 16);
    let window = Window {
        size: [2, 2],
        stride: [2, 2],
        dilation: [1, 1],
    };
    let pooled = Op::MaxPool {
        of: active,
        window,
        shift: 0,
        relu: false,
        comparison: Comparison { bits: 18, drop: 0 },
        variant: Variant::Balanced,
    };
    let pooled = builder.step(pooled, &[2, 2, 2], 8, 16);
    let row = builder.step(Op::Reshape(pooled), &[8], 8, 16);
    let weight = builder.parameter(&[8, 3], 8);
    let scores = builder.step(Op::Linear(vec![Term::Dense { of: row, weight }]), &[3], 16, 28);
    let comparison = Comparison { bits: 30, drop: 0 };
    let label = builder.step(
        Op::ArgMax {
            of: scores,
            comparison,
            variant: Variant::Balanced,
        },
        &[],
        0,
        2,
    );
    builder.output_as(label, Decode::Label);
    builder.output_as(scores, Decode::Softmax { axis: 0 });
    builder.build()
}

/// The fault of the network after a change.
fn fault(change: impl FnOnce(&mut Plan)) -> (Place, Rule) {
    let mut plan = network();
    change(&mut plan);
    let fault = plan.validate().expect_err("the change breaks a rule");
    assert!(!fault.to_string().is_empty());
    (fault.place, fault.rule)
}

fn rule(change: impl FnOnce(&mut Plan)) -> Rule {
    fault(change).1
}

/// The rule that a change of one step breaks, which must be at that step.
fn rule_at(index: usize, change: impl FnOnce(&mut Plan)) -> Rule {
    let (place, rule) = fault(change);
    assert!(
        matches!(place, Place::Step { index: found, .. } if found == index),
        "{place}"
    );
    rule
}

#[test]
fn the_whole_is_bounded_and_named() {
    assert_eq!(rule(|plan| plan.ring_bits = 48), Rule::Ring(48));
    assert_eq!(rule(|plan| plan.outputs.clear()), Rule::Count);
    assert_eq!(rule(|plan| plan.inputs.clear()), Rule::Count);
    assert_eq!(rule(|plan| plan.steps.clear()), Rule::Count);
    assert_eq!(rule(|plan| plan.name.clear()), Rule::Name);
    assert_eq!(rule(|plan| plan.name = "x".repeat(513)), Rule::Name);
    assert_eq!(rule(|plan| plan.name = "a\nb".to_owned()), Rule::Name);
    assert_eq!(
        rule(|plan| plan.outputs[1].name = plan.outputs[0].name.clone()),
        Rule::Name
    );
    assert_eq!(rule(|plan| plan.outputs[1].batched = false), Rule::Batched);
    assert_eq!(rule_at(1, |plan| plan.steps[1].source = "\u{7}".to_owned()), Rule::Name);
}

#[test]
fn tensors_are_bounded() {
    let huge = vec![1 << 31, 1 << 31, 1 << 31];
    assert_eq!(
        rule(|plan| plan.inputs[0].shape = huge.clone()),
        Rule::TensorSize(huge.clone())
    );
    assert_eq!(
        rule(|plan| plan.parameters[0].shape = huge.clone()),
        Rule::TensorSize(huge.clone())
    );
    assert_eq!(
        rule_at(4, |plan| plan.steps[4].value.shape = vec![0]),
        Rule::TensorSize(vec![0])
    );
    assert_eq!(
        rule_at(4, |plan| plan.steps[4].value.shape = vec![1; 9]),
        Rule::TensorSize(vec![1; 8])
    );
    let full = |plan: &mut Plan| {
        let mut large = plan.parameters[0].clone();
        large.shape = vec![1 << 28];
        plan.parameters.extend([large.clone(), large.clone(), large]);
    };
    assert_eq!(rule(full), Rule::ModelSize);
}

#[test]
fn references_go_backwards() {
    let undefined = |what: &str| Rule::Undefined(what.to_owned());
    assert_eq!(
        rule_at(4, |plan| plan.steps[4].op = Op::Reshape(ValueId(4))),
        undefined("value 4")
    );
    assert_eq!(rule_at(0, |plan| plan.steps[0].op = Op::Input(1)), undefined("input 1"));
    let unknown = |plan: &mut Plan| plan.steps[1].op = Op::Linear(vec![Term::Bias(ParameterId(2))]);
    assert_eq!(rule_at(1, unknown), undefined("parameter 2"));
    assert_eq!(rule_at(1, |plan| plan.steps[1].op = Op::Linear(vec![])), Rule::Count);
    let empty = Op::Concat { of: vec![], axis: 0 };
    assert_eq!(rule_at(4, |plan| plan.steps[4].op = empty), Rule::Count);
    let (place, rule) = fault(|plan| plan.outputs[0].value = ValueId(7));
    assert_eq!((place, rule), (Place::Output(0), undefined("value 7")));
    let again = |plan: &mut Plan| {
        let input = plan.steps[0].clone();
        plan.steps.push(input);
    };
    assert_eq!(rule_at(7, again), Rule::RepeatedInput);
}

#[test]
fn shapes_follow_from_operands() {
    let shape = |index: usize, shape: &[u32]| {
        assert_eq!(
            rule_at(index, |plan| plan.steps[index].value.shape = shape.to_vec()),
            Rule::Shape(shape.to_vec())
        );
    };
    shape(0, &[1, 6, 5]);
    shape(1, &[2, 4, 5]);
    shape(2, &[2, 4, 3]);
    shape(3, &[2, 2, 3]);
    shape(4, &[7]);
    shape(5, &[4]);
    shape(6, &[1]);
    assert_eq!(rule(|plan| plan.outputs[1].shape = vec![4]), Rule::Shape(vec![4]));
    let geometry = |change: fn(&mut ConvGeometry)| {
        rule_at(1, |plan| {
            let Op::Linear(terms) = &mut plan.steps[1].op else {
                unreachable!("step 1 is linear")
            };
            let Term::Conv { geometry, .. } = &mut terms[0] else {
                unreachable!("its term is a convolution")
            };
            change(geometry);
        })
    };
    assert_eq!(geometry(|geometry| geometry.groups = 0), Rule::Geometry);
    assert_eq!(geometry(|geometry| geometry.groups = 2), Rule::Geometry);
    assert_eq!(geometry(|geometry| geometry.stride = [0, 1]), Rule::Geometry);
    assert_eq!(geometry(|geometry| geometry.dilation = [4, 1]), Rule::Geometry);
    assert_eq!(geometry(|geometry| geometry.pad_after = [u32::MAX; 2]), Rule::Geometry);
}

#[test]
fn forms_scales_and_bounds_follow() {
    assert_eq!(rule_at(1, |plan| plan.steps[1].value.form = Form::Masked), Rule::Form);
    assert_eq!(rule_at(2, |plan| plan.steps[2].value.form = Form::Opened), Rule::Form);
    assert_eq!(rule_at(4, |plan| plan.steps[4].value.form = Form::Opened), Rule::Form);
    let scale = |expected, found| Rule::Scale { expected, found };
    assert_eq!(rule_at(0, |plan| plan.steps[0].value.fraction_bits = 7), scale(8, 7));
    assert_eq!(rule_at(1, |plan| plan.parameters[0].fraction_bits = 9), scale(17, 16));
    assert_eq!(rule_at(2, |plan| plan.steps[2].value.fraction_bits = 7), scale(8, 7));
    assert_eq!(rule_at(3, |plan| plan.steps[3].value.fraction_bits = 9), scale(8, 9));
    assert_eq!(rule_at(6, |plan| plan.steps[6].value.fraction_bits = 1), scale(0, 1));
    let bound = |bits, allowed| Rule::Bound { bits, allowed };
    assert_eq!(rule_at(4, |plan| plan.steps[4].value.bound.bits = 32), bound(32, 31));
    // Truncation takes one bit more than the sign.
    assert_eq!(rule_at(2, |plan| plan.steps[1].value.bound.bits = 31), bound(31, 30));
    assert_eq!(rule_at(6, |plan| plan.steps[6].value.bound.bits = 1), Rule::Constant(2));
    assert_eq!(rule_at(0, |plan| plan.inputs[0].range = (-5.0, 1.0)), Rule::Range);
    assert_eq!(rule(|plan| plan.inputs[0].range = (f64::NAN, 1.0)), Rule::Range);
    assert_eq!(rule(|plan| plan.inputs[0].range = (1.0, -1.0)), Rule::Range);
}

#[test]
fn comparisons_see_all_that_the_bounds_allow() {
    let compare = |index: usize, new: Comparison| {
        rule_at(index, |plan| match &mut plan.steps[index].op {
            Op::Piecewise { comparison, .. } | Op::MaxPool { comparison, .. } | Op::ArgMax { comparison, .. } => {
                *comparison = new;
            }
            _ => unreachable!("the step compares"),
        })
    };
    // 2^24 - 1 needs 25 bits, and one more when ignored bits may carry.
    assert_eq!(
        compare(2, Comparison { bits: 25, drop: 8 }),
        Rule::ComparisonReach {
            reach: (1 << 24) - 1,
            limit: (1 << 24) - (2 << 8),
        }
    );
    // Differences of two values below 2^16.
    assert_eq!(
        compare(3, Comparison { bits: 17, drop: 0 }),
        Rule::ComparisonReach {
            reach: (1 << 17) - 2,
            limit: (1 << 16) - 1,
        }
    );
    assert_eq!(
        compare(6, Comparison { bits: 33, drop: 0 }),
        Rule::Comparison(ComparisonFault::TooWide {
            bits: 33,
            ring: RingKind::Z32
        })
    );
    let piecewise = |change: fn(&mut Vec<i64>, &mut Vec<i64>)| {
        rule_at(2, |plan| {
            let Op::Piecewise { knots, slopes, .. } = &mut plan.steps[2].op else {
                unreachable!("step 2 is piecewise")
            };
            change(knots, slopes);
        })
    };
    assert_eq!(piecewise(|knots, _| knots.push(1)), Rule::Knots);
    assert_eq!(piecewise(|knots, _| knots.clear()), Rule::Count);
    assert_eq!(piecewise(|_, slopes| slopes[0] = i64::MIN), Rule::Constant(i64::MIN));
    assert!(matches!(
        piecewise(|knots, _| knots[0] = 1 << 25),
        Rule::ComparisonReach { .. }
    ));
}

#[test]
fn decodings_fit_what_they_decode() {
    assert_eq!(rule(|plan| plan.outputs[1].decode = Decode::Label), Rule::Decode);
    assert_eq!(
        rule(|plan| plan.outputs[1].decode = Decode::Softmax { axis: 1 }),
        Rule::Decode
    );
}

#[test]
fn faults_say_where_and_what_in_one_line() {
    let mut plan = network();
    plan.steps[2].value.shape = vec![2, 4, 3];
    assert_eq!(
        plan.validate().expect_err("the shape is wrong").to_string(),
        "the plan cannot run: step 2 (piecewise, from `node_2`): shape [2, 4, 3] does not follow from what it is made of; import the model again"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever the network does to a plan, reading it ends in a plan whose cost can be told, or in an error.
    #[test]
    fn altered_bytes_never_panic(
        which in 0..27_usize,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut rng = StdRng::seed_from_u64(7);
        let plans = samples(RingKind::Z32, &mut rng);
        let plan = plans.get(which).map_or_else(network, |sample| sample.plan.clone());
        let mut bytes = plan.to_bytes();
        prop_assert!(Plan::from_bytes(&bytes[..cut.index(bytes.len())]).is_err());
        for (place, flip) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
        }
        if let Ok(plan) = Plan::from_bytes(&bytes) {
            // Sums that wrapped would be smaller for the larger batch.
            let [one, most] = [1, crate::limits::BATCH_MAX].map(|batch| (plan.cost(batch), plan.memory(batch)));
            for (one, most) in one.0.steps.iter().zip(&most.0.steps) {
                prop_assert!(one.dealt <= most.dealt && one.e0_to_e1 <= most.e0_to_e1);
            }
            prop_assert!(one.1.session <= most.1.session);
        }
    }
}
