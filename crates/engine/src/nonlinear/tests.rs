//! The protocols against plain arithmetic, their declared cost against the metered one, and their faults.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tercet_ids::{PartyId, Role};
use tercet_plan::cost::{StepCost, nonlinear};
use tercet_plan::{Comparison, Op, Tournament, ValueId, Window};
use tercet_ring::{Ring, Secret};

use super::piecewise::{self, Piecewise};
use super::{Shapes, deal, evaluate, truncate};
use crate::meter::StepTraffic;
use crate::testkit::{Fault, ProtocolRun, World};
use crate::{Dealer, EngineError, Evaluator, FrameTag, Misbehaviour, RESULT_MASK};

const STEP: u32 = 3;

/// Evaluator 0 of the test world.
const FIRST: PartyId = PartyId::ClientProxy;

/// Lane counts around the word and the chunk of words.
const LANES: [usize; 6] = [1, 63, 64, 65, 513, 1000];

/// A protocol, as the executor would run it: `deal` on r, `evaluate` on m and half of the result's mask.
fn run<R: Ring>(
    world: &World,
    x: &[i64],
    results: usize,
    deal: impl FnOnce(&mut Dealer, &[R]) -> Result<(), EngineError> + Send,
    evaluate: impl Fn(&mut Evaluator, &[R], &Secret<R>) -> Result<Secret<R>, EngineError> + Send + Sync,
) -> ProtocolRun<Vec<R>, Vec<R>> {
    let mut random = StdRng::seed_from_u64(x.len() as u64);
    let r: Vec<R> = x.iter().map(|_| R::from_u64(random.random())).collect();
    let m: Vec<R> = x.iter().zip(&r).map(|(&x, &r)| R::from_i64(x).plus(r)).collect();
    world.run_protocol(
        STEP,
        |dealer| {
            deal(dealer, &r).expect("a sound step");
            let [mask, other] = dealer.masks::<R>(RESULT_MASK, results);
            mask.iter().zip(&other[..]).map(|(&x, &y)| x.plus(y)).collect()
        },
        |evaluator| {
            let mask = evaluator.masks(RESULT_MASK, results);
            Ok(evaluate(evaluator, &m, &mask)?.into_vec())
        },
    )
}

/// The results of a run without faults, after checking that both evaluators have the same m and that the cost is as declared.
fn results<R: Ring>(run: ProtocolRun<Vec<R>, Vec<R>>, declared: StepCost) -> Vec<i64> {
    let (mask, [m, other], traffic) = run.unwrap();
    assert!(
        m.iter().zip(&other).all(|(x, y)| x.to_u64() == y.to_u64()),
        "the evaluators have the same m"
    );
    check_cost(declared, traffic);
    m.iter().zip(&mask).map(|(m, l)| m.minus(*l).to_i64()).collect()
}

fn check_cost(declared: StepCost, [dealer, first, second]: [StepTraffic; 3]) {
    assert_eq!((first.rounds, second.rounds), (declared.rounds, declared.rounds));
    assert_eq!(
        (first.online_sent, second.online_received),
        (declared.e0_to_e1, declared.e0_to_e1)
    );
    assert_eq!(
        (second.online_sent, first.online_received),
        (declared.e1_to_e0, declared.e1_to_e0)
    );
    assert_eq!(
        (dealer.dealt_sent, second.dealt_received),
        (declared.dealt, declared.dealt)
    );
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

fn check_truncate<R: Ring>(shift: u8) {
    for lanes in LANES {
        // With nothing dropped, every element of the ring is right.
        let limit = if shift == 0 {
            i64::MAX as u64 >> (64 - R::BITS)
        } else {
            (1 << (R::BITS - 2)) - 1
        };
        let x = numbers(lanes, limit, u32::from(shift), lanes as u64);
        let world = World::new(lanes as u64);
        let run = run::<R>(
            &world,
            &x,
            lanes,
            |dealer, r| {
                truncate::deal(dealer, r, shift);
                Ok(())
            },
            |evaluator, m, mask| truncate::evaluate(evaluator, m, shift, mask),
        );
        let op = Op::Truncate { of: ValueId(0), shift };
        let declared = nonlinear(&op, &[], lanes as u64, R::KIND).expect("no comparison");
        for (x, t) in x.iter().zip(results(run, declared)) {
            let floor = x >> shift;
            let most = if shift == 0 { floor } else { floor + 1 };
            assert!((floor..=most).contains(&t), "{x} by {shift} bits gave {t}");
        }
    }
}

#[test]
fn truncation_is_the_floor_or_one_more() {
    for shift in [0, 1, 7, 10, 30] {
        check_truncate::<u32>(shift);
    }
    for shift in [0, 1, 12, 33, 62] {
        check_truncate::<u64>(shift);
    }
}

/// The function of floor(x / 2^shift).
fn exact_piecewise(function: Piecewise<'_>, x: i64) -> i128 {
    let piece = function.knots.iter().filter(|&&knot| x >= knot).count();
    i128::from(function.slopes[piece]) * i128::from(x >> function.shift) + i128::from(function.offsets[piece])
}

/// Every value the protocol may give.
fn piecewise_range(function: Piecewise<'_>, x: i64) -> (i128, i128) {
    let slack = if function.comparison.drop == 0 {
        0
    } else {
        1i64 << function.comparison.drop
    };
    let mut values = Vec::new();
    // One unit more of t, and at a knot either side.
    for t in [
        x >> function.shift,
        (x >> function.shift) + i64::from(function.shift > 0),
    ] {
        for seen in [x, x.saturating_add(slack)] {
            let piece = function.knots.iter().filter(|&&knot| seen >= knot).count();
            values.push(i128::from(function.slopes[piece]) * i128::from(t) + i128::from(function.offsets[piece]));
        }
    }
    (*values.iter().min().unwrap(), *values.iter().max().unwrap())
}

fn run_piecewise<R: Ring>(world: &World, x: &[i64], function: Piecewise<'_>) -> ProtocolRun<Vec<R>, Vec<R>> {
    run::<R>(
        world,
        x,
        x.len(),
        |dealer, r| piecewise::deal(dealer, r, function),
        |evaluator, m, mask| piecewise::evaluate(evaluator, m, function, mask),
    )
}

fn piecewise_op(function: Piecewise<'_>) -> Op {
    Op::Piecewise {
        of: ValueId(0),
        shift: function.shift,
        knots: function.knots.to_vec(),
        slopes: function.slopes.to_vec(),
        offsets: function.offsets.to_vec(),
        comparison: function.comparison,
    }
}

fn check_piecewise<R: Ring>(function: Piecewise<'_>) {
    let reach = function.knots.iter().map(|knot| knot.unsigned_abs()).max().unwrap_or(0);
    let limit = (function.comparison.limit() - reach).min((1 << (R::BITS - 2)) - 1);
    for lanes in LANES {
        let mut x: Vec<i64> = function
            .knots
            .iter()
            .flat_map(|knot| [knot - 1, *knot, knot + 1])
            .chain(numbers(lanes, limit, u32::from(function.shift), 1))
            .collect();
        x.truncate(lanes);
        let run = run_piecewise::<R>(&World::new(lanes as u64), &x, function);
        let op = piecewise_op(function);
        let declared = nonlinear(&op, &[], lanes as u64, R::KIND).expect("a sound comparison");
        let error_bound = op.error_bound().expect("an error that is a distance");
        for (&x, y) in x.iter().zip(results(run, declared)) {
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
}

fn relu(shift: u8, bits: u8, drop: u8) -> Piecewise<'static> {
    Piecewise {
        shift,
        knots: &[0],
        slopes: &[0, 1],
        offsets: &[0, 0],
        comparison: Comparison { bits, drop },
    }
}

#[test]
fn relu_at_every_width() {
    for bits in 2..=32 {
        check_piecewise::<u32>(relu(0, bits, 0));
        check_piecewise::<u32>(relu(4, bits, bits / 3));
    }
    for bits in [2, 7, 26, 27, 40, 41, 55, 63, 64] {
        check_piecewise::<u64>(relu(0, bits, 0));
        check_piecewise::<u64>(relu(12, bits, bits / 4));
    }
}

#[test]
fn other_piecewise_functions() {
    let comparison = Comparison { bits: 26, drop: 5 };
    // Clip to 0..=6 at 10 fractional bits; leaky ReLU with slope 1/4; hard sigmoid of three pieces; five pieces with a negative slope.
    let six = 6 << 20;
    check_piecewise::<u32>(Piecewise {
        shift: 10,
        knots: &[0, six],
        slopes: &[0, 1, 0],
        offsets: &[0, 0, 6 << 10],
        comparison,
    });
    check_piecewise::<u32>(Piecewise {
        shift: 10,
        knots: &[0],
        slopes: &[1, 4],
        offsets: &[0, 0],
        comparison,
    });
    check_piecewise::<u64>(Piecewise {
        shift: 12,
        knots: &[-3 << 20, 3 << 20],
        slopes: &[0, 171, 0],
        offsets: &[0, 512 << 8, 1 << 18],
        comparison: Comparison { bits: 40, drop: 10 },
    });
    check_piecewise::<u64>(Piecewise {
        shift: 0,
        knots: &[-1000, -10, 0, 777],
        slopes: &[-1, 2, -3, 4, 0],
        offsets: &[-2000, 1000, 950, 950, 4058],
        comparison: Comparison { bits: 33, drop: 0 },
    });
}

/// Runs any non-linear step.
pub(super) fn run_op<R: Ring>(world: &World, op: &Op, shapes: Shapes<'_>, x: &[i64]) -> ProtocolRun<Vec<R>, Vec<R>> {
    run::<R>(
        world,
        x,
        shapes.result_elements(),
        |dealer, r| deal(dealer, op, shapes, r),
        |evaluator, m, mask| evaluate(evaluator, op, shapes, m, mask),
    )
}

/// Numbers within the comparison's limit of each other, with many ties and near ties among neighbours.
fn contestants(len: usize, comparison: Comparison, seed: u64) -> Vec<i64> {
    let mut random = StdRng::seed_from_u64(seed);
    let half = (comparison.limit() / 2) as i64;
    let near = (1i64 << comparison.drop) + 1;
    let mut x = Vec::with_capacity(len);
    while x.len() < len {
        let base = random.random_range(-half..=half);
        for _ in 0..random.random_range(1..=9) {
            x.push(match random.random_range(0..8) {
                0 => half,
                1 => -half,
                2 => 0,
                3 => random.random_range(-half..=half),
                _ => (base + random.random_range(-near..=near)).clamp(-half, half),
            });
        }
    }
    x.truncate(len);
    x
}

fn check_max_pool<R: Ring>(
    window: Window,
    operand: [u32; 3],
    batch: usize,
    shift: u8,
    relu: bool,
    comparison: Comparison,
) {
    let result_size = |axis: usize| {
        (operand[axis + 1] - window.dilation[axis] * (window.size[axis] - 1) - 1) / window.stride[axis] + 1
    };
    let result = [operand[0], result_size(0), result_size(1)];
    let shapes = Shapes {
        operand: &operand,
        result: &result,
        batch,
    };
    let plane = (operand[1] * operand[2]) as usize;
    let x = contestants(batch * operand[0] as usize * plane, comparison, u64::from(shift));
    let op = Op::MaxPool {
        of: ValueId(0),
        window,
        shift,
        relu,
        comparison,
    };
    let declared = nonlinear(&op, &operand, shapes.result_elements() as u64, R::KIND).expect("a sound comparison");
    let y = results(run_op::<R>(&World::new(5), &op, shapes, &x), declared);
    let error_bound = op.error_bound().expect("an error that is a distance");
    // A candidate within two ignored units of the largest may win in each level; truncation may add one.
    let levels = Tournament::new(window.size[0] * window.size[1], relu).levels().len() as i64;
    let slack = if comparison.drop == 0 {
        0
    } else {
        levels * (2i64 << comparison.drop)
    };
    let mut y = y.into_iter();
    for plane in x.chunks_exact(plane) {
        for row in 0..result[1] {
            for column in 0..result[2] {
                let at = |i: u32, j: u32| {
                    let row = row * window.stride[0] + i * window.dilation[0];
                    let column = column * window.stride[1] + j * window.dilation[1];
                    plane[(row * operand[2] + column) as usize]
                };
                let places = (0..window.size[0]).flat_map(|i| (0..window.size[1]).map(move |j| (i, j)));
                let largest = places
                    .map(|(i, j)| at(i, j))
                    .chain(relu.then_some(0))
                    .max()
                    .expect("a window");
                let y = y.next().expect("an element for each window");
                let most = (largest >> shift) + i64::from(shift > 0);
                assert!(((largest - slack) >> shift..=most).contains(&y), "{largest} gave {y}");
                assert!((largest >> shift).abs_diff(y) <= error_bound, "{largest} gave {y}");
            }
        }
    }
    assert!(y.next().is_none());
}

fn square(size: u32, stride: u32, dilation: u32) -> Window {
    Window {
        size: [size; 2],
        stride: [stride; 2],
        dilation: [dilation; 2],
    }
}

#[test]
fn max_pooling_with_and_without_relu() {
    for relu in [false, true] {
        for (bits, drop, shift) in [(26, 0, 0), (26, 5, 10), (30, 9, 10), (8, 0, 1)] {
            let comparison = Comparison { bits, drop };
            check_max_pool::<u32>(square(2, 2, 1), [3, 8, 6], 2, shift, relu, comparison);
            check_max_pool::<u64>(square(2, 2, 1), [1, 5, 7], 7, shift, relu, comparison);
        }
        // Four neighbours, which are often nearly equal.
        let four = Window {
            size: [1, 4],
            stride: [1, 4],
            dilation: [1, 1],
        };
        check_max_pool::<u32>(four, [1, 40, 40], 4, 10, relu, Comparison { bits: 26, drop: 7 });
        // One element; a column; overlapping and dilated windows; two and three levels with groups of unequal size.
        let comparison = Comparison { bits: 40, drop: 8 };
        check_max_pool::<u64>(square(1, 1, 1), [2, 4, 5], 1, 9, relu, comparison);
        let column = Window {
            size: [3, 1],
            stride: [1, 2],
            dilation: [2, 1],
        };
        check_max_pool::<u64>(column, [2, 9, 5], 1, 9, relu, comparison);
        check_max_pool::<u64>(square(3, 2, 1), [2, 9, 7], 2, 9, relu, comparison);
        check_max_pool::<u64>(square(3, 1, 2), [1, 8, 8], 1, 9, relu, comparison);
        let pair = Window {
            size: [1, 2],
            stride: [1, 1],
            dilation: [1, 1],
        };
        check_max_pool::<u32>(pair, [2, 9, 5], 1, 3, relu, Comparison { bits: 20, drop: 0 });
        let five = Window {
            size: [1, 5],
            stride: [1, 1],
            dilation: [1, 1],
        };
        check_max_pool::<u32>(five, [1, 3, 30], 1, 3, relu, Comparison { bits: 20, drop: 0 });
        check_max_pool::<u32>(
            square(7, 7, 1),
            [2, 14, 14],
            1,
            3,
            relu,
            Comparison { bits: 20, drop: 0 },
        );
    }
}

fn check_arg_max<R: Ring>(classes: u32, rows: u32, batch: usize, comparison: Comparison) {
    let (operand, result) = ([rows, classes], [rows]);
    let shapes = Shapes {
        operand: &operand,
        result: &result,
        batch,
    };
    let x = contestants(batch * (rows * classes) as usize, comparison, u64::from(classes));
    let op = Op::ArgMax {
        of: ValueId(0),
        comparison,
    };
    let declared = nonlinear(&op, &operand, shapes.result_elements() as u64, R::KIND).expect("a sound comparison");
    let y = results(run_op::<R>(&World::new(6), &op, shapes, &x), declared);
    let levels = Tournament::new(classes, false).levels().len() as i64;
    for (row, index) in x.chunks_exact(classes as usize).zip(y) {
        let largest = *row.iter().max().expect("a class");
        let found = usize::try_from(index)
            .ok()
            .and_then(|index| row.get(index))
            .expect("an index of the row");
        if comparison.drop == 0 {
            let first = row
                .iter()
                .position(|x| *x == largest)
                .expect("the largest is in the row");
            assert_eq!(index, first as i64, "{row:?}");
        } else {
            assert!(largest - found <= levels * (2 << comparison.drop), "{row:?}: {index}");
        }
    }
}

#[test]
fn arg_max_finds_the_first_of_the_largest() {
    for classes in [1, 2, 3, 4, 5, 7, 10, 16, 17, 33] {
        check_arg_max::<u32>(classes, 9, 10, Comparison { bits: 26, drop: 0 });
        check_arg_max::<u64>(classes, 1, 65, Comparison { bits: 60, drop: 0 });
        check_arg_max::<u64>(classes, 3, 7, Comparison { bits: 41, drop: 11 });
    }
}

#[test]
fn faults_of_a_contest_are_noticed() {
    let shapes = Shapes {
        operand: &[1, 2, 2],
        result: &[1, 1, 1],
        batch: 1,
    };
    let comparison = Comparison { bits: 26, drop: 0 };
    let pool = Op::MaxPool {
        of: ValueId(0),
        window: square(2, 2, 1),
        shift: 4,
        relu: true,
        comparison,
    };
    // The bits of the blocks and the answers of ten pairs, four winner bits, the result.
    for (sequence, bytes) in [(0, 10 * 8 * 8), (1, 10 * 8), (2, 4 * 8), (3, 4)] {
        let run = |world: &World| run_op::<u32>(world, &pool, shapes, &[1, 2, 3, 4]);
        assert_eq!(
            fault_from_first(sequence, Fault::Extended, run),
            wrong_length(sequence, bytes, bytes + 1)
        );
    }
    let shapes = Shapes {
        operand: &[5],
        result: &[],
        batch: 1,
    };
    let search = Op::ArgMax {
        of: ValueId(0),
        comparison,
    };
    // Groups of three and two: four pairs, three winner bits, two indices and values; then one pair, no winner bits, the index.
    for (sequence, bytes) in [
        (0, 4 * 8 * 8),
        (1, 4 * 8),
        (2, 3 * 8),
        (3, 4 * 8),
        (4, 8 * 8),
        (5, 8),
        (6, 8),
    ] {
        let run = |world: &World| run_op::<u64>(world, &search, shapes, &[1, 2, 3, 4, 0]);
        assert_eq!(
            fault_from_first(sequence, Fault::Truncated, run),
            wrong_length(sequence, bytes, bytes - 1)
        );
    }
}

/// The second evaluator's error when the frame `sequence` that the first one sends has a fault.
fn fault_from_first<R: Ring>(
    sequence: u32,
    fault: Fault,
    run: impl Fn(&World) -> ProtocolRun<Vec<R>, Vec<R>>,
) -> EngineError {
    let at = FrameTag { step: STEP, sequence };
    let world = World::new(1).with_fault(Role::Evaluator0, Role::Evaluator1, at, fault);
    let [_, second] = run(&world).evaluators;
    second.map(|_| ()).expect_err("the fault is noticed")
}

/// The error of an evaluator whose peer evaluator 0 sent `found` bytes in the frame instead of `expected`.
fn wrong_length(sequence: u32, expected: usize, found: usize) -> EngineError {
    let tag = FrameTag { step: STEP, sequence };
    misbehaved(FIRST, Misbehaviour::WrongLength { tag, expected, found })
}

fn misbehaved(peer: PartyId, fault: Misbehaviour) -> EngineError {
    EngineError::PeerMisbehaved {
        peer,
        step: STEP,
        fault,
    }
}

#[test]
fn a_short_truncation_message_is_noticed() {
    let error = fault_from_first::<u32>(0, Fault::Truncated, |world| {
        run(
            world,
            &[1, 2, 3],
            3,
            |dealer, r| {
                truncate::deal(dealer, r, 4);
                Ok(())
            },
            |evaluator, m, mask| truncate::evaluate(evaluator, m, 4, mask),
        )
    });
    assert_eq!(error, wrong_length(0, 12, 11));
}

#[test]
fn faults_of_a_relu_are_noticed() {
    let run = |world: &World| run_piecewise::<u32>(world, &[7; 100], relu(4, 26, 5));
    // The bits of the blocks, the answers, the result.
    for (sequence, bytes) in [(0, 8 * 16), (1, 16), (2, 400)] {
        let error = fault_from_first(sequence, Fault::Truncated, run);
        assert_eq!(error, wrong_length(sequence, bytes, bytes - 1));
        let error = fault_from_first(sequence, Fault::Extended, run);
        assert_eq!(error, wrong_length(sequence, bytes, bytes + 1));
    }
    let (expected, found) = (
        FrameTag {
            step: STEP,
            sequence: 1,
        },
        FrameTag {
            step: STEP,
            sequence: 0,
        },
    );
    let error = fault_from_first(0, Fault::Repeated, run);
    assert_eq!(error, misbehaved(FIRST, Misbehaviour::WrongTag { expected, found }));
}

#[test]
fn a_dealer_that_falls_silent_is_named() {
    let at = FrameTag {
        step: STEP,
        sequence: 0,
    };
    let world = World::new(1).with_patience(Duration::from_millis(200)).with_fault(
        Role::Dealer,
        Role::Evaluator1,
        at,
        Fault::Silent,
    );
    let [_, second] = run_piecewise::<u64>(&world, &[-7; 100], relu(4, 40, 5)).evaluators;
    let error = second.map(|_| ()).expect_err("nothing was dealt");
    assert_eq!(
        error,
        EngineError::Deadline {
            peer: PartyId::Auditor,
            step: STEP
        }
    );
}
