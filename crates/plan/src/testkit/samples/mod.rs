mod nonlinear;

use rand::{Rng, RngExt};
use tercet_ring::RingKind;

use super::{PlanBuilder, random_inputs, random_parameters};
use crate::{Comparison, ConvGeometry, Encoded, Op, Parameters, Plan, Term, ValueId, Variant, Window};

/// A plan with parameters, all within the declared bounds.
#[derive(Debug)]
pub struct Sample {
    /// What it exercises.
    pub name: &'static str,
    /// The plan.
    pub plan: Plan,
    /// Its parameters.
    pub parameters: Parameters,
}

impl Sample {
    /// Inputs with edge values.
    pub fn inputs(&self, batch: u32, rng: &mut impl Rng) -> Encoded {
        random_inputs(&self.plan, batch, rng)
    }
}

/// Integers of parameters are below 2^8 in magnitude.
const PARAMETER_BITS: u8 = 8;
/// Integers of inputs that meet parameters are below 2^12.
const INPUT_BITS: u8 = 12;
/// Sums of at most 64 products, or what a step without parameters is given.
const SUM_BITS: u8 = INPUT_BITS + PARAMETER_BITS + 6;

/// Adds a step of one kind, with what it needs, to a plan.
type Maker = fn(&mut Draft<'_>) -> ValueId;

/// One plan for each op and kind of term, and for each variant of those that have several, with shapes drawn at random.
pub fn samples(ring: RingKind, rng: &mut impl Rng) -> Vec<Sample> {
    let makers: [(&'static str, Maker); 20] = [
        ("reshape", reshape),
        ("transpose", transpose),
        ("slice", slice),
        ("concat", concat),
        ("pad", pad),
        ("broadcast", broadcast),
        ("sum-pool", sum_pool),
        ("sum-axes", sum_axes),
        ("combine", combine),
        ("combine of opened values", combine_opened),
        ("dense and bias", dense),
        ("convolution", convolution),
        ("grouped convolution", grouped_convolution),
        ("depthwise convolution", depthwise_convolution),
        ("scale", scale),
        ("product", product),
        ("square", square),
        ("matrix product", matrix_product),
        ("residual sum", residual_sum),
        ("truncate", truncate),
    ];
    let one_variant = makers.map(|(name, make)| (name, make, Variant::Balanced));
    one_variant
        .into_iter()
        .chain(nonlinear::makers())
        .map(|(name, make, variant)| {
            let mut draft = Draft {
                builder: PlanBuilder::new(ring),
                ring,
                variant,
                rng: &mut *rng,
            };
            let result = make(&mut draft);
            draft.builder.output(result);
            let plan = draft.builder.build();
            let parameters = random_parameters(&plan, PARAMETER_BITS, rng);
            Sample { name, plan, parameters }
        })
        .collect()
}

struct Draft<'a> {
    builder: PlanBuilder,
    ring: RingKind,
    /// Of the steps that have several.
    variant: Variant,
    rng: &'a mut dyn Rng,
}

impl Draft<'_> {
    fn size(&mut self, largest: u32) -> u32 {
        self.rng.random_range(1..=largest)
    }

    /// A shape of `rank` axes of 1 to 4.
    fn shape(&mut self, rank: usize) -> Vec<u32> {
        (0..rank).map(|_| self.size(4)).collect()
    }

    /// An input that uses all the room that truncation leaves.
    fn wide(&mut self, shape: &[u32]) -> ValueId {
        let bits = self.wide_bits();
        self.builder.input(shape, 10, bits)
    }

    fn wide_bits(&self) -> u8 {
        self.ring.bits() as u8 - 3
    }

    fn narrow(&mut self, shape: &[u32]) -> ValueId {
        self.builder.input(shape, 6, INPUT_BITS)
    }

    /// A linear step over narrow operands and parameters of 8 fractional bits each 6.
    fn linear(&mut self, terms: Vec<Term>, shape: &[u32]) -> ValueId {
        self.builder.step(Op::Linear(terms), shape, 12, SUM_BITS)
    }

    fn comparison(&mut self, reach: u64, drop: u8) -> Comparison {
        Comparison::covering(reach, drop, self.ring).expect("the wide bound leaves room for a comparison")
    }
}

fn reshape(draft: &mut Draft<'_>) -> ValueId {
    let shape = draft.shape(3);
    let of = draft.wide(&shape);
    let bits = draft.wide_bits();
    draft
        .builder
        .step(Op::Reshape(of), &[shape[0] * shape[1], shape[2]], 10, bits)
}

fn transpose(draft: &mut Draft<'_>) -> ValueId {
    let shape = draft.shape(4);
    let of = draft.wide(&shape);
    let mut permutation = vec![0, 1, 2, 3];
    let rotation = draft.size(3) as usize;
    permutation.rotate_left(rotation);
    permutation.swap(0, 1);
    let result: Vec<u32> = permutation.iter().map(|&axis| shape[axis as usize]).collect();
    let bits = draft.wide_bits();
    draft.builder.step(Op::Transpose { of, permutation }, &result, 10, bits)
}

fn slice(draft: &mut Draft<'_>) -> ValueId {
    let of = draft.wide(&[4, 7, 3]);
    let backwards = Op::Slice {
        of,
        start: vec![3, 1, 0],
        step: vec![-1, 2, 1],
    };
    let result = [draft.size(4), draft.size(3), draft.size(3)];
    let bits = draft.wide_bits();
    draft.builder.step(backwards, &result, 10, bits)
}

fn concat(draft: &mut Draft<'_>) -> ValueId {
    let shape = draft.shape(3);
    let axis = draft.size(3) as usize - 1;
    let mut longer = shape.clone();
    longer[axis] += 2;
    let of = vec![draft.wide(&shape), draft.wide(&longer), draft.wide(&shape)];
    let mut result = longer;
    result[axis] += 2 * shape[axis];
    let bits = draft.wide_bits();
    draft
        .builder
        .step(Op::Concat { of, axis: axis as u32 }, &result, 10, bits)
}

fn pad(draft: &mut Draft<'_>) -> ValueId {
    let shape = draft.shape(3);
    let of = draft.wide(&shape);
    let op = Op::Pad {
        of,
        before: vec![0, 1, 2],
        after: vec![1, 0, 3],
        fill: -77,
    };
    let bits = draft.wide_bits();
    draft
        .builder
        .step(op, &[shape[0] + 1, shape[1] + 1, shape[2] + 5], 10, bits)
}

fn broadcast(draft: &mut Draft<'_>) -> ValueId {
    let [channels, height] = [draft.size(4), draft.size(4)];
    let of = draft.wide(&[channels, 1, 1]);
    let bits = draft.wide_bits();
    draft
        .builder
        .step(Op::Broadcast(of), &[2, channels, height, 3], 10, bits)
}

fn window(size: [u32; 2], stride: [u32; 2], dilation: [u32; 2]) -> Window {
    Window { size, stride, dilation }
}

fn sum_pool(draft: &mut Draft<'_>) -> ValueId {
    let channels = draft.size(3);
    let of = draft.narrow(&[channels, 7, 8]);
    let window = window([3, 2], [2, 3], [1, 2]);
    // Divided by four, by reading two bits more as a fraction.
    draft
        .builder
        .step(Op::SumPool { of, window }, &[channels, 3, 2], 8, INPUT_BITS + 3)
}

fn sum_axes(draft: &mut Draft<'_>) -> ValueId {
    let shape = draft.shape(4);
    let of = draft.narrow(&shape);
    let op = Op::SumAxes { of, axes: vec![1, 3] };
    draft.builder.step(op, &[shape[0], shape[2]], 6, INPUT_BITS + 4)
}

fn combine(draft: &mut Draft<'_>) -> ValueId {
    let shape = draft.shape(2);
    let terms = vec![
        (draft.narrow(&shape), 3),
        (draft.narrow(&shape), -16),
        (draft.narrow(&shape), 1),
    ];
    draft
        .builder
        .step(Op::Combine { terms, constant: -1000 }, &shape, 6, INPUT_BITS + 5)
}

fn combine_opened(draft: &mut Draft<'_>) -> ValueId {
    let opened = dense(draft);
    let shape = draft.builder.shape(opened);
    let terms = vec![(opened, 2), (opened, -1)];
    draft
        .builder
        .step(Op::Combine { terms, constant: 5 }, &shape, 12, SUM_BITS + 2)
}

fn dense(draft: &mut Draft<'_>) -> ValueId {
    let [rows, inner, outer] = [draft.size(4), draft.size(32), draft.size(20)];
    let of = draft.narrow(&[rows, inner]);
    let weight = draft.builder.parameter(&[inner, outer], 6);
    let bias = draft.builder.parameter(&[outer], 12);
    draft.linear(vec![Term::Dense { of, weight }, Term::Bias(bias)], &[rows, outer])
}

fn convolution(draft: &mut Draft<'_>) -> ValueId {
    let [channels, outputs] = [draft.size(3), draft.size(5)];
    let geometry = ConvGeometry {
        stride: [2, 1],
        dilation: [1, 2],
        pad_before: [1, 0],
        pad_after: [0, 2],
        groups: 1,
    };
    convolve(draft, [channels, outputs], geometry)
}

fn grouped_convolution(draft: &mut Draft<'_>) -> ValueId {
    let groups = draft.size(3);
    let [channels, outputs] = [groups * draft.size(2), groups * draft.size(2)];
    convolve(draft, [channels, outputs], plain_geometry(groups))
}

fn depthwise_convolution(draft: &mut Draft<'_>) -> ValueId {
    let channels = draft.size(6);
    convolve(draft, [channels, channels], plain_geometry(channels))
}

fn plain_geometry(groups: u32) -> ConvGeometry {
    ConvGeometry {
        stride: [1, 1],
        dilation: [1, 1],
        pad_before: [1, 1],
        pad_after: [1, 1],
        groups,
    }
}

fn convolve(draft: &mut Draft<'_>, [channels, outputs]: [u32; 2], geometry: ConvGeometry) -> ValueId {
    let operand = [5 + draft.size(3), 5 + draft.size(3)];
    let kernel = [draft.size(3), draft.size(3)];
    let of = draft.narrow(&[channels, operand[0], operand[1]]);
    let weight = draft
        .builder
        .parameter(&[outputs, channels / geometry.groups, kernel[0], kernel[1]], 6);
    let bias = draft.builder.parameter(&[outputs, 1, 1], 12);
    let [height, width] = geometry
        .output(operand, kernel)
        .expect("kernels are smaller than operands");
    let conv = Term::Conv { of, weight, geometry };
    draft.linear(vec![conv, Term::Bias(bias)], &[outputs, height, width])
}

fn scale(draft: &mut Draft<'_>) -> ValueId {
    let shape = draft.shape(3);
    let of = draft.narrow(&shape);
    let weight = draft.builder.parameter(&[shape[0], 1, shape[2]], 6);
    draft.linear(vec![Term::Scale { of, weight }], &shape)
}

fn product(draft: &mut Draft<'_>) -> ValueId {
    let shape = draft.shape(2);
    let [left, right] = [draft.narrow(&shape), draft.narrow(&shape)];
    draft.linear(vec![Term::Product { left, right }], &shape)
}

fn square(draft: &mut Draft<'_>) -> ValueId {
    let shape = draft.shape(2);
    let of = draft.narrow(&shape);
    draft.linear(vec![Term::Product { left: of, right: of }], &shape)
}

fn matrix_product(draft: &mut Draft<'_>) -> ValueId {
    let [heads, rows, columns] = [draft.size(3), draft.size(5), draft.size(5)];
    let inner = draft.size(4);
    let left = draft.narrow(&[heads, rows, inner]);
    let right = draft.narrow(&[heads, inner, columns]);
    draft.linear(vec![Term::MatMul { left, right }], &[heads, rows, columns])
}

fn residual_sum(draft: &mut Draft<'_>) -> ValueId {
    let shape = draft.shape(3);
    let [of, residual] = [draft.narrow(&shape), draft.narrow(&shape)];
    let weight = draft.builder.parameter(&[], 6);
    let terms = vec![
        Term::Scale { of, weight },
        Term::Add {
            of: residual,
            factor: -64,
        },
    ];
    draft.linear(terms, &shape)
}

fn truncate(draft: &mut Draft<'_>) -> ValueId {
    let shape = [draft.size(100)];
    let of = draft.wide(&shape);
    let bits = draft.wide_bits();
    let shift = draft.size(11) as u8 - 1;
    draft
        .builder
        .step(Op::Truncate { of, shift }, &shape, 10 - shift, bits - shift + 1)
}
