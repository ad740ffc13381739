//! Max pooling and the index of the largest.

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tercet_plan::{Comparison, Op, Tournament, ValueId, Variant, Window};
use tercet_ring::Ring;

use super::results;
use crate::nonlinear::Shapes;

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
    for variant in Variant::ALL {
        check_max_pool_in::<R>(variant, window, operand, batch, shift, relu, comparison);
    }
}

fn check_max_pool_in<R: Ring>(
    variant: Variant,
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
        variant,
    };
    let y = results::<R>(5, &op, shapes, &x);
    let error_bound = op.error_bound().expect("an error that is a distance");
    // A candidate within two ignored units of the largest may win in each level; truncation may add one.
    let levels = Tournament::new(window.size[0] * window.size[1], relu, variant)
        .levels()
        .len() as i64;
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
    for variant in Variant::ALL {
        check_arg_max_in::<R>(variant, classes, rows, batch, comparison);
    }
}

fn check_arg_max_in<R: Ring>(variant: Variant, classes: u32, rows: u32, batch: usize, comparison: Comparison) {
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
        variant,
    };
    let y = results::<R>(6, &op, shapes, &x);
    let levels = Tournament::new(classes, false, variant).levels().len() as i64;
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_windows(
        size in [1u32..=3, 1..=4],
        stride in [1u32..=3, 1..=3],
        dilation in [1u32..=2, 1..=2],
        room in [0u32..=4, 0..=4],
        batch in 1usize..=3,
        drop in 0u8..=9,
        relu: bool,
    ) {
        let window = Window { size, stride, dilation };
        let [height, width] = [0, 1].map(|axis| dilation[axis] * (size[axis] - 1) + 1 + room[axis]);
        check_max_pool::<u32>(window, [2, height, width], batch, 10, relu, Comparison { bits: 29, drop });
        check_max_pool::<u64>(window, [1, height, width], batch, 16, relu, Comparison { bits: 45, drop });
    }
}
