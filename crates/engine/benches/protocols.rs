//! Every protocol by itself, all three parties in one process: `cargo bench -p tercet-engine --features testkit --bench protocols`.
//!
//! A case is a session of one step: the input's mask is the client's, and the result is revealed.

use divan::Bencher;
use divan::counter::ItemsCount;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tercet_engine::testkit::World;
use tercet_ids::{PartyId, Roles};
use tercet_plan::testkit::{PlanBuilder, random_inputs, random_parameters};
use tercet_plan::{Comparison, ConvGeometry, Op, Plan, Term, ValueId, Variant, Window};
use tercet_ring::RingKind;

/// Elements of the operand, of every step but the linear ones.
const ELEMENTS: u32 = 100_000;
/// Bits of the parameters.
const PARAMETER_BITS: u8 = 4;

fn main() {
    divan::main();
}

/// A step and what it works on.
#[derive(Clone, Copy, Debug)]
enum Case {
    Dense,
    Convolution,
    MatrixProduct,
    Product,
    Truncate,
    Relu(Variant),
    FourSegments(Variant),
    MaxPool(Variant),
    ArgMax(Variant),
}

/// Steps of one form.
const PLAIN: [Case; 5] = [
    Case::Dense,
    Case::Convolution,
    Case::MatrixProduct,
    Case::Product,
    Case::Truncate,
];

/// Every step, those that compare in every variant.
fn cases() -> Vec<Case> {
    let comparing = [Case::Relu, Case::FourSegments, Case::MaxPool, Case::ArgMax];
    let in_variants = comparing.iter().flat_map(|of| Variant::ALL.map(of));
    PLAIN.into_iter().chain(in_variants).collect()
}

#[divan::bench(args = cases(), sample_count = 20)]
fn z32(bencher: Bencher<'_, '_>, case: Case) {
    bench(bencher, case, RingKind::Z32);
}

#[divan::bench(args = cases(), sample_count = 20)]
fn z64(bencher: Bencher<'_, '_>, case: Case) {
    bench(bencher, case, RingKind::Z64);
}

fn bench(bencher: Bencher<'_, '_>, case: Case, ring: RingKind) {
    let plan = case.plan(ring);
    let mut random = StdRng::seed_from_u64(1);
    let parameters = random_parameters(&plan, PARAMETER_BITS, &mut random);
    let inputs = random_inputs(&plan, 1, &mut random);
    let models = World::new(1).models(&plan, &parameters);
    let roles = Roles::new(PartyId::Auditor, PartyId::Cloud).expect("two parties");
    let elements: u32 = plan.outputs[0].shape.iter().product();
    bencher
        .counter(ItemsCount::new(elements))
        .bench_local(|| World::new(1).run(&plan, &models, &inputs, roles));
}

impl Case {
    fn plan(self, ring: RingKind) -> Plan {
        let mut plan = PlanBuilder::new(ring);
        let result = match self {
            Case::Dense => {
                let of = plan.input(&[256, 256], 4, 8);
                let weight = plan.parameter(&[256, 256], 4);
                plan.step(Op::Linear(vec![Term::Dense { of, weight }]), &[256, 256], 8, 22)
            }
            Case::Convolution => {
                let of = plan.input(&[64, 28, 28], 4, 8);
                let weight = plan.parameter(&[64, 64, 3, 3], 4);
                let geometry = ConvGeometry {
                    stride: [1, 1],
                    dilation: [1, 1],
                    pad_before: [1, 1],
                    pad_after: [1, 1],
                    groups: 1,
                };
                let term = Term::Conv { of, weight, geometry };
                plan.step(Op::Linear(vec![term]), &[64, 28, 28], 8, 22)
            }
            Case::MatrixProduct => {
                let [left, right] = [(); 2].map(|()| plan.input(&[1, 256, 256], 4, 8));
                plan.step(Op::Linear(vec![Term::MatMul { left, right }]), &[1, 256, 256], 8, 24)
            }
            Case::Product => {
                let [left, right] = [(); 2].map(|()| plan.input(&[ELEMENTS], 4, 8));
                plan.step(Op::Linear(vec![Term::Product { left, right }]), &[ELEMENTS], 8, 16)
            }
            Case::Truncate => {
                let of = opened(&mut plan, &[ELEMENTS]);
                plan.step(Op::Truncate { of, shift: 4 }, &[ELEMENTS], 4, 13)
            }
            Case::Relu(variant) => {
                let of = opened(&mut plan, &[ELEMENTS]);
                let relu = piecewise(of, vec![0], vec![0, 1], comparison(ring), variant);
                plan.step(relu, &[ELEMENTS], 4, 13)
            }
            Case::FourSegments(variant) => {
                let of = opened(&mut plan, &[ELEMENTS]);
                let curve = piecewise(of, vec![-256, 0, 256], vec![0, 1, 2, 0], comparison(ring), variant);
                plan.step(curve, &[ELEMENTS], 4, 14)
            }
            Case::MaxPool(variant) => {
                let of = opened(&mut plan, &[10, 100, 100]);
                let pool = Op::MaxPool {
                    of,
                    window: Window {
                        size: [2, 2],
                        stride: [2, 2],
                        dilation: [1, 1],
                    },
                    shift: 4,
                    relu: true,
                    comparison: comparison(ring),
                    variant,
                };
                plan.step(pool, &[10, 50, 50], 4, 13)
            }
            Case::ArgMax(variant) => {
                let of = opened(&mut plan, &[ELEMENTS / 10, 10]);
                let search = Op::ArgMax {
                    of,
                    comparison: comparison(ring),
                    variant,
                };
                plan.step(search, &[ELEMENTS / 10], 0, 4)
            }
        };
        plan.output(result);
        plan.build()
    }
}

/// An opened value, which the non-linear steps take: an input times one parameter.
fn opened(plan: &mut PlanBuilder, shape: &[u32]) -> ValueId {
    let of = plan.input(shape, 4, 12);
    let weight = plan.parameter(&[1], 4);
    plan.step(Op::Linear(vec![Term::Scale { of, weight }]), shape, 8, 17)
}

fn piecewise(of: ValueId, knots: Vec<i64>, slopes: Vec<i64>, comparison: Comparison, variant: Variant) -> Op {
    Op::Piecewise {
        of,
        shift: 4,
        offsets: vec![0; slopes.len()],
        knots,
        slopes,
        comparison,
        variant,
    }
}

fn comparison(ring: RingKind) -> Comparison {
    match ring {
        RingKind::Z32 => Comparison { bits: 26, drop: 5 },
        RingKind::Z64 => Comparison { bits: 42, drop: 12 },
    }
}
