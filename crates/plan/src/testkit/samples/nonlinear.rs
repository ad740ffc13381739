//! Plans of the steps that have several variants.

use super::{Draft, Maker, SUM_BITS, dense, window};
use crate::{ConvGeometry, Op, Term, ValueId, Variant, Window};

/// A maker for each op and variant.
pub fn makers() -> impl Iterator<Item = (&'static str, Maker, Variant)> {
    let makers: [([&'static str; 3], Maker); 6] = [
        (["relu in few bytes", "relu", "relu in few rounds"], relu),
        (["clip in few bytes", "clip", "clip in few rounds"], clip),
        (
            ["max-pool in few bytes", "max-pool", "max-pool in few rounds"],
            max_pool,
        ),
        (
            [
                "max-pool with relu in few bytes",
                "max-pool with relu",
                "max-pool with relu in few rounds",
            ],
            max_pool_relu,
        ),
        (["arg-max in few bytes", "arg-max", "arg-max in few rounds"], arg_max),
        (
            [
                "network of exact steps in few bytes",
                "network of exact steps",
                "network of exact steps in few rounds",
            ],
            network,
        ),
    ];
    makers
        .into_iter()
        .flat_map(|(names, make)| (0..3).map(move |index| (names[index], make, Variant::ALL[index])))
}

fn relu(draft: &mut Draft<'_>) -> ValueId {
    let of = dense(draft);
    let shape = draft.builder.shape(of);
    let drop = draft.size(7) as u8 - 1;
    let op = Op::Piecewise {
        of,
        shift: 6,
        knots: vec![0],
        slopes: vec![0, 1],
        offsets: vec![0, 0],
        comparison: draft.comparison((1 << SUM_BITS) - 1, drop),
        variant: draft.variant,
    };
    draft.builder.step(op, &shape, 6, SUM_BITS - 5)
}

/// min(max(x, -2), 2) with a leak of a quarter below, which the slopes carry.
fn clip(draft: &mut Draft<'_>) -> ValueId {
    let shape = [draft.size(100)];
    let of = draft.wide(&shape);
    let bits = draft.wide_bits();
    let op = Op::Piecewise {
        of,
        shift: 4,
        knots: vec![-2 << 10, 2 << 10],
        slopes: vec![1, 4, 0],
        offsets: vec![(-2 << 8) + (2 << 6), 0, 2 << 8],
        comparison: draft.comparison((1 << bits) + (2 << 10), 0),
        variant: draft.variant,
    };
    draft.builder.step(op, &shape, 8, bits - 3)
}

fn max_pool(draft: &mut Draft<'_>) -> ValueId {
    pool(draft, window([2, 2], [2, 1], [1, 2]), false)
}

fn max_pool_relu(draft: &mut Draft<'_>) -> ValueId {
    let rows = 1 + draft.size(2);
    pool(draft, window([rows, 3], [1, 2], [1, 1]), true)
}

fn pool(draft: &mut Draft<'_>, window: Window, relu: bool) -> ValueId {
    let channels = draft.size(3);
    let of = draft.builder.input(&[channels, 5, 6], 10, SUM_BITS);
    let [height, width] = window.output([5, 6]).expect("windows are smaller than operands");
    let drop = draft.size(4) as u8 - 1;
    let op = Op::MaxPool {
        of,
        window,
        shift: 4,
        relu,
        comparison: draft.comparison((2 << SUM_BITS) - 2, drop),
        variant: draft.variant,
    };
    draft.builder.step(op, &[channels, height, width], 6, SUM_BITS - 3)
}

fn arg_max(draft: &mut Draft<'_>) -> ValueId {
    let [rows, classes] = [draft.size(4), 1 + draft.size(20)];
    let of = draft.builder.input(&[rows, classes], 10, SUM_BITS);
    let comparison = draft.comparison((2 << SUM_BITS) - 2, 0);
    let op = Op::ArgMax {
        of,
        comparison,
        variant: draft.variant,
    };
    draft.builder.step(op, &[rows], 0, 5)
}

/// A convolution with a residual connection, a ReLU, a pooling, and the largest of a dense layer's scores, which are revealed too. Nothing is cut
/// off anywhere, so that every protocol is exact and the whole can be compared bit by bit.
fn network(draft: &mut Draft<'_>) -> ValueId {
    let image = draft.builder.input(&[2, 4, 6], 0, 5);
    let weight = draft.builder.parameter(&[2, 2, 1, 3], 0);
    let bias = draft.builder.parameter(&[2, 1, 1], 0);
    let geometry = ConvGeometry {
        stride: [1, 1],
        dilation: [1, 1],
        pad_before: [0, 1],
        pad_after: [0, 1],
        groups: 1,
    };
    let conv = Term::Conv {
        of: image,
        weight,
        geometry,
    };
    let residual = Term::Add { of: image, factor: 8 };
    // 6 products of 5 and 8 bits, a bias of 8 and a residual of 8 bits.
    let opened = Op::Linear(vec![conv, Term::Bias(bias), residual]);
    let opened = draft.builder.step(opened, &[2, 4, 6], 0, 17);
    let relu = Op::Piecewise {
        of: opened,
        shift: 0,
        knots: vec![0],
        slopes: vec![0, 1],
        offsets: vec![0, 0],
        comparison: draft.comparison((1 << 17) - 1, 0),
        variant: draft.variant,
    };
    let active = draft.builder.step(relu, &[2, 4, 6], 0, 17);
    let pool = Op::MaxPool {
        of: active,
        window: window([2, 2], [2, 2], [1, 1]),
        shift: 0,
        relu: false,
        comparison: draft.comparison((2 << 17) - 2, 0),
        variant: draft.variant,
    };
    let pooled = draft.builder.step(pool, &[2, 2, 3], 0, 17);
    let row = draft.builder.step(Op::Reshape(pooled), &[12], 0, 17);
    let classes = 1 + draft.size(9);
    let weight = draft.builder.parameter(&[12, classes], 0);
    let dense = Op::Linear(vec![Term::Dense { of: row, weight }]);
    // 12 products of 17 and 8 bits.
    let scores = draft.builder.step(dense, &[classes], 0, 29);
    draft.builder.output(scores);
    let comparison = draft.comparison((2 << 29) - 2, 0);
    let op = Op::ArgMax {
        of: scores,
        comparison,
        variant: draft.variant,
    };
    draft.builder.step(op, &[], 0, 4)
}
