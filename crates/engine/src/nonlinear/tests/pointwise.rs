//! Truncation and piecewise linear functions.

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tercet_plan::{Comparison, Op, ValueId, Variant};
use tercet_ring::Ring;

use super::results;
use crate::nonlinear::Shapes;
use crate::nonlinear::piecewise::Piecewise;

/// Lane counts around the word and the chunk of words.
const LANES: [usize; 6] = [1, 63, 64, 65, 513, 1000];

/// Runs a step on single elements.
fn on_elements<R: Ring>(op: &Op, x: &[i64]) -> Vec<i64> {
    let shape = [x.len() as u32];
    results::<R>(
        x.len() as u64,
        op,
        Shapes {
            operand: &shape,
            result: &shape,
            batch: 1,
        },
        x,
    )
}

/// Numbers up to `limit` in magnitude: the edges first, then random ones of all sizes.
fn numbers(len: usize, limit: u64, shift: u32, seed: u64) -> Vec<i64> {
    let limit = limit as i64;
    let unit = 1i64 << shift;
    let edges = [
        0,
        -1,
        1,
        unit,
        -unit,
        unit - 1,
        1 - unit,
        unit + 1,
        -unit - 1,
        5 * unit,
        -5 * unit,
        limit,
        -limit,
        limit - 1,
        1 - limit,
        limit / 2,
        -limit / 2,
    ];
    let mut random = StdRng::seed_from_u64(seed);
    let drawn = std::iter::repeat_with(|| {
        let size = random.random_range(0..=63 - limit.leading_zeros());
        let number: i64 = random.random_range(-1i64 << size..=1 << size);
        number.clamp(-limit, limit)
    });
    edges
        .into_iter()
        .filter(|edge| edge.abs() <= limit)
        .chain(drawn)
        .take(len)
        .collect()
}

fn check_truncate<R: Ring>(shift: u8, lanes: usize) {
    // With nothing dropped, every element of the ring is right.
    let limit = if shift == 0 {
        i64::MAX as u64 >> (64 - R::BITS)
    } else {
        (1 << (R::BITS - 2)) - 1
    };
    let x = numbers(lanes, limit, u32::from(shift), lanes as u64);
    let op = Op::Truncate { of: ValueId(0), shift };
    for (x, t) in x.iter().zip(on_elements::<R>(&op, &x)) {
        let floor = x >> shift;
        let most = if shift == 0 { floor } else { floor + 1 };
        assert!((floor..=most).contains(&t), "{x} by {shift} bits gave {t}");
    }
}

#[test]
fn truncation_is_the_floor_or_one_more() {
    for lanes in LANES {
        for shift in [0, 1, 7, 10, 30] {
            check_truncate::<u32>(shift, lanes);
        }
        for shift in [0, 1, 12, 33, 62] {
            check_truncate::<u64>(shift, lanes);
        }
    }
}

#[test]
fn tiles_meet_without_gaps() {
    // One tile less, as many and one more than are under way at once.
    for lanes in [8191, 8192, 8193, 16 * 8192, 16 * 8192 + 1, 18 * 8192 - 63] {
        check_truncate::<u32>(10, lanes);
        check_piecewise::<u32>(relu(10, 26, 5), lanes);
    }
    check_truncate::<u64>(16, 17 * 8192 + 65);
    check_piecewise::<u64>(relu(16, 42, 12), 17 * 8192 + 65);
}

/// The function of floor(x / 2^shift).
fn exact_piecewise(function: Piecewise<'_>, x: i64) -> i128 {
    let piece = function.knots.iter().filter(|&&knot| x >= knot).count();
    i128::from(function.slopes[piece]) * i128::from(x >> function.shift) + i128::from(function.offsets[piece])
}

/// The least and the largest value the protocol may give: t may be one more, and each knot that x is little below may count as reached.
fn piecewise_range(function: Piecewise<'_>, x: i64) -> (i128, i128) {
    let (slopes, offsets) = (function.slopes, function.offsets);
    let slack = if function.comparison.drop == 0 {
        0
    } else {
        1i128 << function.comparison.drop
    };
    let at = |t: i64| {
        let piece = function.knots.iter().filter(|&&knot| x >= knot).count();
        let value = i128::from(slopes[piece]) * i128::from(t) + i128::from(offsets[piece]);
        let near = (piece..function.knots.len())
            .filter(|&knot| i128::from(x) + slack >= i128::from(function.knots[knot]))
            .map(|knot| {
                i128::from(slopes[knot + 1] - slopes[knot]) * i128::from(t)
                    + i128::from(offsets[knot + 1] - offsets[knot])
            });
        near.fold((value, value), |(least, most), jump| {
            (least + jump.min(0), most + jump.max(0))
        })
    };
    let t = x >> function.shift;
    let (below, above) = (at(t), at(t + i64::from(function.shift > 0)));
    (below.0.min(above.0), below.1.max(above.1))
}

fn op_of(function: Piecewise<'_>) -> Op {
    Op::Piecewise {
        of: ValueId(0),
        shift: function.shift,
        knots: function.knots.to_vec(),
        slopes: function.slopes.to_vec(),
        offsets: function.offsets.to_vec(),
        comparison: function.comparison,
        variant: function.variant,
    }
}

/// Numbers around the knots, and others as large as the function allows, in every variant.
fn check_piecewise<R: Ring>(function: Piecewise<'_>, lanes: usize) {
    for variant in Variant::ALL {
        check_piecewise_in::<R>(Piecewise { variant, ..function }, lanes);
    }
}

fn check_piecewise_in<R: Ring>(function: Piecewise<'_>, lanes: usize) {
    let reach = function.knots.iter().map(|knot| knot.unsigned_abs()).max().unwrap_or(0);
    let limit = (function.comparison.limit() - reach).min((1 << (R::BITS - 2)) - 1);
    let around_knots = function.knots.iter().flat_map(|knot| [knot - 1, *knot, knot + 1]);
    let within = |x: &i64| x.unsigned_abs() <= limit;
    let numbers = numbers(lanes, limit, u32::from(function.shift), 1);
    let x: Vec<i64> = around_knots.filter(within).chain(numbers).take(lanes).collect();
    let op = op_of(function);
    let error_bound = op.error_bound().expect("an error that is a distance");
    for (&x, y) in x.iter().zip(on_elements::<R>(&op, &x)) {
        let (least, most) = piecewise_range(function, x);
        let exact = exact_piecewise(function, x);
        assert!(
            i128::from(y).abs_diff(exact) <= u128::from(error_bound),
            "{x} gave {y}, not {exact}"
        );
        assert!(
            (least..=most).contains(&i128::from(y)),
            "{x} gave {y}, not {least}..={most}"
        );
    }
}

fn relu(shift: u8, bits: u8, drop: u8) -> Piecewise<'static> {
    Piecewise {
        shift,
        knots: &[0],
        slopes: &[0, 1],
        offsets: &[0, 0],
        comparison: Comparison { bits, drop },
        variant: Variant::Balanced,
    }
}

#[test]
fn relu_at_every_width() {
    for lanes in LANES {
        for bits in 2..=32 {
            check_piecewise::<u32>(relu(0, bits, 0), lanes);
            check_piecewise::<u32>(relu(4, bits, bits / 3), lanes);
        }
        for bits in [2, 7, 26, 27, 40, 41, 55, 63, 64] {
            check_piecewise::<u64>(relu(0, bits, 0), lanes);
            check_piecewise::<u64>(relu(12, bits, bits / 4), lanes);
        }
    }
}

fn check_everywhere<R: Ring>(function: Piecewise<'_>) {
    LANES
        .into_iter()
        .for_each(|lanes| check_piecewise::<R>(function, lanes));
}

#[test]
fn other_piecewise_functions() {
    let comparison = Comparison { bits: 26, drop: 5 };
    // Clip to 0..=6 at 10 fractional bits; leaky ReLU with slope 1/4; hard sigmoid of three pieces; five pieces with a negative slope.
    let six = 6 << 20;
    check_everywhere::<u32>(Piecewise {
        shift: 10,
        knots: &[0, six],
        slopes: &[0, 1, 0],
        offsets: &[0, 0, 6 << 10],
        comparison,
        variant: Variant::Balanced,
    });
    check_everywhere::<u32>(Piecewise {
        shift: 10,
        knots: &[0],
        slopes: &[1, 4],
        offsets: &[0, 0],
        comparison,
        variant: Variant::Balanced,
    });
    check_everywhere::<u64>(Piecewise {
        shift: 12,
        knots: &[-3 << 20, 3 << 20],
        slopes: &[0, 171, 0],
        offsets: &[0, 512 << 8, 1 << 18],
        comparison: Comparison { bits: 40, drop: 10 },
        variant: Variant::Balanced,
    });
    check_everywhere::<u64>(Piecewise {
        shift: 0,
        knots: &[-1000, -10, 0, 777],
        slopes: &[-1, 2, -3, 4, 0],
        offsets: &[-2000, 1000, 950, 950, 4058],
        comparison: Comparison { bits: 33, drop: 0 },
        variant: Variant::Balanced,
    });
}

/// A continuous function with random knots and slopes that stays within the ring.
fn check_random<R: Ring>(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let bits = random.random_range(4..=R::BITS as u8);
    let drop = random.random_range(0..=bits - 4);
    let comparison = Comparison { bits, drop };
    let shift = random.random_range(0..=8.min(bits));
    let mut knots: Vec<i64> = (0..random.random_range(1..=5))
        .map(|_| random.random_range(-1..=1) * random.random_range(0..=comparison.limit() as i64 / 4))
        .map(|knot| knot / (1 << shift) * (1 << shift))
        .collect();
    knots.sort_unstable();
    knots.dedup();
    let slopes: Vec<i64> = (0..=knots.len()).map(|_| random.random_range(-2..=2)).collect();
    let mut offsets = vec![random.random_range(-3..=3)];
    for (place, knot) in knots.iter().enumerate() {
        offsets.push(offsets[place] + (slopes[place] - slopes[place + 1]) * (knot >> shift));
    }
    let function = Piecewise {
        shift,
        knots: &knots,
        slopes: &slopes,
        offsets: &offsets,
        comparison,
        variant: Variant::Balanced,
    };
    // Slopes of up to two, and offsets, take four bits of the room.
    if u32::from(bits) + 4 < R::BITS + u32::from(shift) {
        check_piecewise::<R>(function, random.random_range(1..=300));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_piecewise_functions(seed in any::<u64>()) {
        check_random::<u32>(seed);
        check_random::<u64>(seed);
    }

    #[test]
    fn random_truncations(shift in 0u8..=30, lanes in 1usize..300) {
        check_truncate::<u32>(shift, lanes);
        check_truncate::<u64>(2 * shift, lanes);
    }
}
