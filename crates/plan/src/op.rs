use serde::{Deserialize, Serialize};

/// The value that step `.0` defines.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct ValueId(pub u32);

/// A parameter, by its position in the plan.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct ParameterId(pub u32);

/// What a step computes. Shapes of results stand in the step's value.
///
/// Steps fall in four groups: sources; local steps, which each party runs on what it holds, with no message; the linear
/// step, which opens a sum of products in one round; and the non-linear steps, which turn an opened value into a masked one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Op {
    /// Source: the client's input, by its position in the plan. Masked.
    Input(u32),

    /// Local: the same elements under another shape. Keeps the form.
    Reshape(ValueId),
    /// Local: axis `i` of the result is axis `permutation[i]` of the operand. Keeps the form.
    Transpose {
        /// The operand.
        of: ValueId,
        /// Where each axis of the result comes from.
        permutation: Vec<u32>,
    },
    /// Local: every `step`-th element from `start` on, along each axis, as many as the result's shape says. Keeps the form.
    Slice {
        /// The operand.
        of: ValueId,
        /// First index along each axis.
        start: Vec<u32>,
        /// Stride along each axis; negative walks backwards.
        step: Vec<i32>,
    },
    /// Local: operands of equal scale side by side along `axis`. All masked or all opened.
    Concat {
        /// The operands.
        of: Vec<ValueId>,
        /// The axis they are joined along.
        axis: u32,
    },
    /// Local: a border of a public integer, at the operand's scale. Keeps the form.
    Pad {
        /// The operand.
        of: ValueId,
        /// Border before the first element of each axis.
        before: Vec<u32>,
        /// Border after the last element of each axis.
        after: Vec<u32>,
        /// The public integer that fills it.
        fill: i64,
    },
    /// Local: repeats the operand to the result's shape by the rules of numpy. Keeps the form.
    Broadcast(ValueId),
    /// Local: sums over a two-dimensional window of a `[channels, height, width]` operand, without padding. Keeps the form.
    ///
    /// A mean over `2^s` elements is a sum whose result has `s` fractional bits more.
    SumPool {
        /// The operand.
        of: ValueId,
        /// The window.
        window: Window,
    },
    /// Local: sums along axes, which the result no longer has. Keeps the form. A mean over `2^s` elements as with [`Op::SumPool`].
    SumAxes {
        /// The operand.
        of: ValueId,
        /// The axes, ascending.
        axes: Vec<u32>,
    },
    /// Local: `constant + sum of factor * operand` over operands of the result's shape, with public integers. All masked or all opened.
    ///
    /// The fractional bits that the result has beyond an operand's are carried by its factor.
    Combine {
        /// Operands and their factors.
        terms: Vec<(ValueId, i64)>,
        /// A public integer added to every element.
        constant: i64,
    },

    /// One round: opens the sum of the terms, all of the result's shape and scale. Operands are masked; the result is opened.
    Linear(Vec<Term>),

    /// One round: `floor(x / 2^shift)`, at most one unit off. Opened to masked.
    Truncate {
        /// The operand.
        of: ValueId,
        /// Bits dropped; the result has that many fractional bits less.
        shift: u8,
    },
    /// A continuous piecewise linear function of `t = floor(x / 2^shift)`: for x below the first knot `slopes[0] * t + offsets[0]`, from
    /// `knots[i - 1]` on `slopes[i] * t + offsets[i]`. ReLU is knots `[0]`, slopes `[0, 1]`, offsets `[0, 0]`. Opened to masked.
    ///
    /// Rounds: those of the comparison, plus one; with [`Variant::Latency`] the comparison takes one less. All knots are compared at once.
    Piecewise {
        /// The operand.
        of: ValueId,
        /// Bits dropped before the slopes apply.
        shift: u8,
        /// Ascending public integers at the operand's scale.
        knots: Vec<i64>,
        /// One more than knots: small public integers. The result has the fractional bits of `t` plus those the slopes carry.
        slopes: Vec<i64>,
        /// One more than knots: public integers at the result's scale.
        offsets: Vec<i64>,
        /// How `x - knot` is compared with zero.
        comparison: Comparison,
        /// The protocol.
        variant: Variant,
    },
    /// The largest of each window of a `[channels, height, width]` operand, without padding, of `floor(x / 2^shift)`. Opened to masked.
    ///
    /// Windows of up to four elements take all pairs (zero among them) at once: the rounds of the comparison plus two, with [`Variant::Latency`] plus
    /// one; larger ones take levels of four. With [`Variant::Traffic`] candidates meet in pairs.
    MaxPool {
        /// The operand.
        of: ValueId,
        /// The window.
        window: Window,
        /// Bits dropped.
        shift: u8,
        /// Whether zero competes too, which makes it max pooling followed by ReLU.
        relu: bool,
        /// How a difference of two candidates is compared with zero.
        comparison: Comparison,
        /// The protocol.
        variant: Variant,
    },
    /// The index of the largest element along the last axis, which the result no longer has; of equal ones the first. Opened to masked, scale 0.
    ArgMax {
        /// The operand.
        of: ValueId,
        /// How a difference of two candidates is compared with zero.
        comparison: Comparison,
        /// The protocol.
        variant: Variant,
    },
}

impl Op {
    /// The name used in tables, messages and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Input(_) => "input",
            Op::Reshape(_) => "reshape",
            Op::Transpose { .. } => "transpose",
            Op::Slice { .. } => "slice",
            Op::Concat { .. } => "concat",
            Op::Pad { .. } => "pad",
            Op::Broadcast(_) => "broadcast",
            Op::SumPool { .. } => "sum-pool",
            Op::SumAxes { .. } => "sum-axes",
            Op::Combine { .. } => "combine",
            Op::Linear(_) => "linear",
            Op::Truncate { .. } => "truncate",
            Op::Piecewise { .. } => "piecewise",
            Op::MaxPool { .. } => "max-pool",
            Op::ArgMax { .. } => "arg-max",
        }
    }

    /// The variant of a step that has several.
    pub fn variant(&self) -> Option<Variant> {
        match self {
            Op::Piecewise { variant, .. } | Op::MaxPool { variant, .. } | Op::ArgMax { variant, .. } => Some(*variant),
            _ => None,
        }
    }

    /// The same step by another of its protocols; a step that has but one stays as it is.
    pub fn with_variant(mut self, choice: Variant) -> Op {
        if let Op::Piecewise { variant, .. } | Op::MaxPool { variant, .. } | Op::ArgMax { variant, .. } = &mut self {
            *variant = choice;
        }
        self
    }

    /// The values it uses, in order, with repetitions.
    pub fn operands(&self) -> Vec<ValueId> {
        match self {
            Op::Input(_) => Vec::new(),
            Op::Reshape(of)
            | Op::Broadcast(of)
            | Op::Transpose { of, .. }
            | Op::Slice { of, .. }
            | Op::Pad { of, .. }
            | Op::SumPool { of, .. }
            | Op::SumAxes { of, .. }
            | Op::Truncate { of, .. }
            | Op::Piecewise { of, .. }
            | Op::MaxPool { of, .. }
            | Op::ArgMax { of, .. } => vec![*of],
            Op::Concat { of, .. } => of.clone(),
            Op::Combine { terms, .. } => terms.iter().map(|&(of, _)| of).collect(),
            Op::Linear(terms) => terms.iter().flat_map(Term::operands).collect(),
        }
    }
}

/// One summand of a linear step. Static operands are parameters; the others are masked values.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Term {
    /// `of` seen as rows of length `inner`, times a parameter of shape `[inner, outer]`.
    Dense {
        /// The operand; its last axis is `inner`.
        of: ValueId,
        /// The matrix.
        weight: ParameterId,
    },
    /// Cross-correlation of a `[channels, height, width]` operand with a parameter of shape `[outputs, channels / groups, kh, kw]`.
    Conv {
        /// The operand.
        of: ValueId,
        /// The kernels.
        weight: ParameterId,
        /// Stride, dilation, zero padding and groups.
        geometry: ConvGeometry,
    },
    /// Elementwise product with a parameter that broadcasts to the operand's shape.
    Scale {
        /// The operand.
        of: ValueId,
        /// The factors.
        weight: ParameterId,
    },
    /// Elementwise product of two values of equal shape.
    Product {
        /// The first factor.
        left: ValueId,
        /// The second factor; may be the first again.
        right: ValueId,
    },
    /// Batched matrix product of two values: `[..., rows, inner]` times `[..., inner, columns]`, leading axes equal.
    MatMul {
        /// The first factor.
        left: ValueId,
        /// The second factor.
        right: ValueId,
    },
    /// A masked value times a public integer, which carries the fractional bits that the sum has beyond the value's (a residual connection
    /// brought to the sum's scale).
    Add {
        /// The summand.
        of: ValueId,
        /// The public integer.
        factor: i64,
    },
    /// A parameter that broadcasts to the result's shape.
    Bias(ParameterId),
}

impl Term {
    /// The values it uses, in order, with repetitions.
    pub fn operands(&self) -> Vec<ValueId> {
        match self {
            Term::Dense { of, .. } | Term::Conv { of, .. } | Term::Scale { of, .. } | Term::Add { of, .. } => vec![*of],
            Term::Product { left, right } | Term::MatMul { left, right } => vec![*left, *right],
            Term::Bias(_) => Vec::new(),
        }
    }

    /// The parameter it uses.
    pub fn parameter(&self) -> Option<ParameterId> {
        match self {
            Term::Dense { weight, .. } | Term::Conv { weight, .. } | Term::Scale { weight, .. } => Some(*weight),
            Term::Bias(parameter) => Some(*parameter),
            Term::Product { .. } | Term::MatMul { .. } | Term::Add { .. } => None,
        }
    }
}

/// Geometry of a convolution over `[height, width]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct ConvGeometry {
    /// Step between windows.
    pub stride: [u32; 2],
    /// Step between the taps of a window.
    pub dilation: [u32; 2],
    /// Zeros before the first row and column.
    pub pad_before: [u32; 2],
    /// Zeros after the last row and column.
    pub pad_after: [u32; 2],
    /// Independent groups of channels.
    pub groups: u32,
}

/// A pooling window over `[height, width]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Window {
    /// Rows and columns.
    pub size: [u32; 2],
    /// Step between windows.
    pub stride: [u32; 2],
    /// Step between the taps of a window.
    pub dilation: [u32; 2],
}

/// Which of its protocols a step that compares runs. All compute the same, each within [`Op::error_bound`]; they differ in rounds and bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Variant {
    /// The fewest bytes in all, online and dealt: small blocks of bits, and candidates that meet in pairs.
    Traffic,
    /// Few bytes at few rounds: the answers of comparisons are opened under masks.
    Balanced,
    /// The fewest rounds: a last answer is not opened, but enters the selection through dealt products of masks.
    Latency,
}

impl Variant {
    /// All variants.
    pub const ALL: [Variant; 3] = [Variant::Traffic, Variant::Balanced, Variant::Latency];

    /// The name used in tables, messages and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Variant::Traffic => "traffic",
            Variant::Balanced => "balanced",
            Variant::Latency => "latency",
        }
    }
}

/// How `x >= 0` is decided: on the low `bits` bits, of which the lowest `drop` are ignored.
///
/// Right for |x| up to [`Comparison::limit`], except that x in [-2^drop, 0) may count as not negative; and a difference of two secret
/// values between -2^(drop+1) and 2^drop may count as either. Nothing is excepted when `drop` is 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// `k` in the protocol's formulas.
    pub bits: u8,
    /// `d` in the protocol's formulas.
    pub drop: u8,
}
