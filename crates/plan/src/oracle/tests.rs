use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tercet_ring::RingKind;

use crate::testkit::{PlanBuilder, random_inputs, random_parameters, samples};
use crate::{
    Comparison, ConvGeometry, Encoded, Integers, Op, Parameters, Plan, Term, ValueId, Variant, Window, oracle,
};

const RINGS: [RingKind; 2] = [RingKind::Z32, RingKind::Z64];

/// Runs one op over one sample of an input with the given shape, in both rings.
fn check(shape: &[u32], input: &[i64], op: impl Fn(ValueId) -> Op, result: (&[u32], u8), expected: &[i64]) {
    for ring in RINGS {
        let mut builder = PlanBuilder::new(ring);
        let of = builder.input(shape, 4, 20);
        let value = builder.step(op(of), result.0, result.1, 24);
        builder.output(value);
        let plan = builder.build();
        // Two samples, the second one negated, so that samples cannot be mixed up unseen.
        let both = input.iter().copied().chain(input.iter().map(|x| -x - 1));
        let inputs = encoded(2, vec![both.collect()]);
        let trace = oracle::run(&plan, &Parameters::default(), &inputs);
        let first = &trace.value(value)[..expected.len()];
        assert_eq!(first, expected, "{ring}");
    }
}

fn encoded(batch: u32, inputs: Vec<Vec<i64>>) -> Encoded {
    Encoded {
        batch,
        inputs: inputs.into_iter().map(Integers::new).collect(),
    }
}

#[test]
fn local_steps_move_and_add_elements() {
    let six = [1, 2, 3, 4, 5, 6];
    check(&[2, 3], &six, Op::Reshape, (&[6], 4), &six);
    let transpose = |of| Op::Transpose {
        of,
        permutation: vec![1, 0],
    };
    check(&[2, 3], &six, transpose, (&[3, 2], 4), &[1, 4, 2, 5, 3, 6]);
    let slice = |of| Op::Slice {
        of,
        start: vec![1, 2],
        step: vec![1, -2],
    };
    check(&[2, 3], &six, slice, (&[1, 2], 4), &[6, 4]);
    let concat = |of| Op::Concat {
        of: vec![of, of],
        axis: 1,
    };
    check(&[2, 2], &[1, 2, 3, 4], concat, (&[2, 4], 4), &[1, 2, 1, 2, 3, 4, 3, 4]);
    let pad = |of| Op::Pad {
        of,
        before: vec![0, 1],
        after: vec![1, 0],
        fill: 9,
    };
    check(&[1, 2], &[1, 2], pad, (&[2, 3], 4), &[9, 1, 2, 9, 9, 9]);
    check(
        &[2, 1],
        &[1, 2],
        Op::Broadcast,
        (&[2, 2, 2], 4),
        &[1, 1, 2, 2, 1, 1, 2, 2],
    );
    let sum_axes = |of| Op::SumAxes { of, axes: vec![0] };
    check(&[2, 3], &six, sum_axes, (&[3], 4), &[5, 7, 9]);
    let combine = |of| Op::Combine {
        terms: vec![(of, 3), (of, -1)],
        constant: 7,
    };
    check(&[2], &[1, -2], combine, (&[2], 4), &[9, 3]);
}

#[test]
fn windows_are_summed_and_their_largest_found() {
    let rows = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    let window = Window {
        size: [2, 2],
        stride: [1, 1],
        dilation: [1, 1],
    };
    let sum = |of| Op::SumPool { of, window };
    check(&[1, 3, 3], &rows, sum, (&[1, 2, 2], 6), &[12, 16, 24, 28]);
    let largest = |relu| {
        move |of| Op::MaxPool {
            of,
            window,
            shift: 1,
            relu,
            comparison: Comparison { bits: 22, drop: 0 },
            variant: Variant::Balanced,
        }
    };
    check(&[1, 3, 3], &rows, largest(false), (&[1, 2, 2], 3), &[2, 3, 4, 4]);
    let negative = rows.map(|x| -x);
    check(
        &[1, 3, 3],
        &negative,
        largest(false),
        (&[1, 2, 2], 3),
        &[-1, -1, -2, -3],
    );
    check(&[1, 3, 3], &negative, largest(true), (&[1, 2, 2], 3), &[0; 4]);
}

#[test]
fn non_linear_steps_round_down_and_compare_exactly() {
    let comparison = Comparison { bits: 22, drop: 3 };
    let edges = [-17, -16, -1, 0, 15, 16, (1 << 20) - 1, 1 - (1 << 20)];
    check(
        &[8],
        &edges,
        |of| Op::Truncate { of, shift: 4 },
        (&[8], 0),
        &[-2, -1, -1, 0, 0, 1, 65535, -65536],
    );
    let relu = |of| Op::Piecewise {
        of,
        shift: 4,
        knots: vec![0],
        slopes: vec![0, 1],
        offsets: vec![0, 0],
        comparison,
        variant: Variant::Balanced,
    };
    check(&[8], &edges, relu, (&[8], 0), &[0, 0, 0, 0, 0, 1, 65535, 0]);
    let clip = |of| Op::Piecewise {
        of,
        shift: 0,
        knots: vec![-16, 15],
        slopes: vec![0, 1, 0],
        offsets: vec![-16, 0, 15],
        comparison,
        variant: Variant::Balanced,
    };
    check(&[8], &edges, clip, (&[8], 4), &[-16, -16, -1, 0, 15, 15, 15, -16]);
    let arg_max = |of| Op::ArgMax {
        of,
        comparison: Comparison { bits: 22, drop: 0 },
        variant: Variant::Balanced,
    };
    check(&[2, 3], &[4, 9, 9, -3, -2, -3], arg_max, (&[2], 0), &[1, 1]);
}

/// What [`Term::Conv`] says, by its definition.
fn convolution_at(
    (operand, shape): (&[i64], [u32; 3]),
    (kernels, kernel): (&[i64], [u32; 4]),
    geometry: &ConvGeometry,
    [output, y, x]: [u32; 3],
) -> i64 {
    let [_, height, width] = shape;
    let [outputs, inner, rows, columns] = kernel;
    let group = output / (outputs / geometry.groups);
    let mut sum = 0_i64;
    for (channel, row, column) in
        (0..inner).flat_map(|c| (0..rows).flat_map(move |r| (0..columns).map(move |k| (c, r, k))))
    {
        let place = |axis: usize, position: u32, tap: u32| {
            i64::from(position * geometry.stride[axis] + tap * geometry.dilation[axis])
                - i64::from(geometry.pad_before[axis])
        };
        let (from_y, from_x) = (place(0, y, row), place(1, x, column));
        if (0..i64::from(height)).contains(&from_y) && (0..i64::from(width)).contains(&from_x) {
            let channel_of_all = i64::from(group * inner + channel);
            let from = (channel_of_all * i64::from(height) + from_y) * i64::from(width) + from_x;
            let tap = ((output * inner + channel) * rows + row) * columns + column;
            sum = sum.wrapping_add(operand[from as usize].wrapping_mul(kernels[tap as usize]));
        }
    }
    sum
}

fn geometries() -> impl Strategy<Value = ConvGeometry> {
    let pair = |sizes: std::ops::Range<u32>| [sizes.clone(), sizes];
    (pair(1..4), pair(1..3), pair(0..3), pair(0..3), 1..4_u32).prop_map(|(stride, dilation, before, after, groups)| {
        ConvGeometry {
            stride,
            dilation,
            pad_before: before,
            pad_after: after,
            groups,
        }
    })
}

proptest! {
    #[test]
    fn convolutions_follow_their_definition(
        geometry in geometries(),
        per_group in [1..3_u32, 1..3],
        size in [5..9_u32, 5..9],
        taps in [1..4_u32, 1..4],
        seed in any::<u64>(),
    ) {
        let mut rng = StdRng::seed_from_u64(seed);
        let [channels, outputs] = per_group.map(|count| count * geometry.groups);
        let [height, width] = geometry.output(size, taps).expect("kernels are smaller than operands");
        let [operand, kernel] = [[channels, size[0], size[1]].to_vec(), vec![outputs, per_group[0], taps[0], taps[1]]];
        let mut builder = PlanBuilder::new(RingKind::Z64);
        let of = builder.input(&operand, 0, 62);
        let weight = builder.parameter(&kernel, 0);
        let value = builder.step(Op::Linear(vec![Term::Conv { of, weight, geometry }]), &[outputs, height, width], 0, 62);
        builder.output(value);
        let plan = builder.build();
        let parameters = random_parameters(&plan, 60, &mut rng);
        let inputs = random_inputs(&plan, 2, &mut rng);
        let trace = oracle::run(&plan, &parameters, &inputs);
        let samples = inputs.inputs[0].chunks_exact(inputs.inputs[0].len() / 2);
        let by_definition: Vec<i64> = samples
            .flat_map(|sample| (0..outputs).flat_map(move |o| (0..height).flat_map(move |y| (0..width).map(move |x| (sample, [o, y, x])))))
            .map(|(sample, place)| {
                let shape = [channels, size[0], size[1]];
                let kernel = [outputs, per_group[0], taps[0], taps[1]];
                convolution_at((sample, shape), (&parameters[0], kernel), &geometry, place)
            })
            .collect();
        prop_assert!(trace.value(value)[..] == by_definition[..]);
    }

    #[test]
    fn the_narrow_ring_is_the_wide_one_modulo_2_to_the_32(seed in any::<u64>()) {
        let values = RINGS.map(|ring| {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut builder = PlanBuilder::new(ring);
            let of = builder.input(&[3, 4], 0, 30);
            let right = builder.input(&[4, 2], 0, 30);
            let weight = builder.parameter(&[2, 5], 0);
            let product = builder.step(Op::Linear(vec![Term::MatMul { left: of, right }]), &[3, 2], 0, 30);
            let masked = builder.step(Op::Truncate { of: product, shift: 0 }, &[3, 2], 0, 30);
            let value = builder.step(Op::Linear(vec![Term::Dense { of: masked, weight }]), &[3, 5], 0, 31);
            builder.output(value);
            let plan = builder.build();
            let parameters = random_parameters(&plan, 30, &mut rng);
            let inputs = random_inputs(&plan, 3, &mut rng);
            let low: Vec<i64> = oracle::run(&plan, &parameters, &inputs).value(value).iter().map(|&x| i64::from(x as i32)).collect();
            low
        });
        prop_assert_eq!(&values[0], &values[1]);
    }

    #[test]
    fn sample_plans_keep_their_bounds(seed in any::<u64>(), batch in 1..4_u32) {
        let mut rng = StdRng::seed_from_u64(seed);
        for ring in RINGS {
            for sample in samples(ring, &mut rng) {
                let inputs = sample.inputs(batch, &mut rng);
                let trace = oracle::run(&sample.plan, &sample.parameters, &inputs);
                prop_assert_eq!(trace.excesses(&sample.plan), vec![], "{}", sample.name);
                prop_assert_eq!(Plan::from_bytes(&sample.plan.to_bytes()), Ok(sample.plan.clone()));
            }
        }
    }
}

#[test]
fn products_and_factors_broadcast_by_sample() {
    let mut builder = PlanBuilder::new(RingKind::Z32);
    let left = builder.input(&[2, 2], 1, 8);
    let right = builder.input(&[2, 2], 2, 8);
    let factor = builder.parameter(&[2, 1], 2);
    let bias = builder.parameter(&[2], 3);
    let terms = vec![
        Term::Product { left, right },
        Term::Scale {
            of: left,
            weight: factor,
        },
        Term::Add { of: right, factor: 2 },
        Term::Bias(bias),
    ];
    let value = builder.step(Op::Linear(terms), &[2, 2], 3, 20);
    builder.output(value);
    let plan = builder.build();
    let parameters = vec![Integers::new(vec![10, -1]), Integers::new(vec![100, 200])];
    let parameters = Parameters::new(&plan, parameters).expect("the plan's shapes");
    let inputs = encoded(2, vec![vec![1, 2, 3, 4, 5, 6, 7, 8], vec![1, 1, 2, 2, 3, 3, 4, 4]]);
    let trace = oracle::run(&plan, &parameters, &inputs);
    let expected = [
        1 + 10 + 2 + 100,
        2 + 20 + 2 + 200,
        6 - 3 + 4 + 100,
        8 - 4 + 4 + 200,
        15 + 50 + 6 + 100,
        18 + 60 + 6 + 200,
        28 - 7 + 8 + 100,
        32 - 8 + 8 + 200,
    ];
    assert_eq!(trace.value(value)[..], expected);
    assert_eq!(trace.revealed(&plan)[0][..], expected);
}

#[test]
fn excesses_name_the_value_its_bound_and_what_it_reached() {
    let mut builder = PlanBuilder::new(RingKind::Z32);
    let of = builder.input(&[3], 0, 10);
    let fourfold = Op::Combine {
        terms: vec![(of, 4)],
        constant: 0,
    };
    let value = builder.step(fourfold, &[3], 0, 11);
    builder.output(value);
    let plan = builder.build();
    let largest =
        |inputs: Vec<i64>| oracle::run(&plan, &Parameters::default(), &encoded(1, vec![inputs])).excesses(&plan);
    assert_eq!(largest(vec![511, -511, 0]), []);
    let beyond = oracle::Excess {
        value,
        bits: 11,
        largest: 2048,
    };
    assert_eq!(largest(vec![1, -512, 0]), [beyond]);
}

#[test]
fn watching_shows_what_keeping_keeps() {
    let mut rng = StdRng::seed_from_u64(5);
    for sample in samples(RingKind::Z64, &mut rng) {
        let inputs = sample.inputs(2, &mut rng);
        let trace = oracle::run(&sample.plan, &sample.parameters, &inputs);
        let mut seen = 0;
        oracle::walk(&sample.plan, &sample.parameters, &inputs, |id, value| {
            assert_eq!(id.0, seen);
            assert!(trace.value(id)[..] == *value);
            seen += 1;
        });
        assert_eq!(seen as usize, sample.plan.steps.len());
    }
}

/// Runs a step at every threshold as wrongly as the comparison may and checks that the bound covers it.
#[test]
fn error_bounds_cover_what_ignored_bits_can_do() {
    let relu = Op::Piecewise {
        of: ValueId(0),
        shift: 4,
        knots: vec![0],
        slopes: vec![0, 1],
        offsets: vec![0, 0],
        comparison: Comparison { bits: 20, drop: 6 },
        variant: Variant::Balanced,
    };
    // t is floor(x / 16) or one more; x from -64 on may count as not negative, which gives -4 for 0.
    assert_eq!(relu.error_bound(), Some(1 + 4));
    let pool = Op::MaxPool {
        of: ValueId(0),
        window: Window {
            size: [3, 3],
            stride: [1, 1],
            dilation: [1, 1],
        },
        shift: 4,
        relu: false,
        comparison: Comparison { bits: 20, drop: 5 },
        variant: Variant::Balanced,
    };
    // Nine candidates meet in two levels, each of which may lose 2^6.
    assert_eq!(pool.error_bound(), Some(1 + 128 / 16));
    let arg_max = |drop| Op::ArgMax {
        of: ValueId(0),
        comparison: Comparison { bits: 20, drop },
        variant: Variant::Balanced,
    };
    assert_eq!((arg_max(0).error_bound(), arg_max(1).error_bound()), (Some(0), None));
    assert_eq!(
        Op::Truncate {
            of: ValueId(0),
            shift: 9
        }
        .error_bound(),
        Some(1)
    );
    assert_eq!(Op::Reshape(ValueId(0)).error_bound(), Some(0));
}
