//! LeNet's shapes with random weights, all three parties in one process: `cargo bench -p tercet-engine --bench lenet`.

use std::time::{Duration, Instant};

use divan::Bencher;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tercet_engine::Model;
use tercet_engine::testkit::World;
use tercet_ids::{PartyId, Role, Roles};
use tercet_plan::testkit::{PlanBuilder, random_inputs, random_parameters};
use tercet_plan::{Comparison, ConvGeometry, Encoded, Op, Plan, Term, ValueId, Window};
use tercet_ring::RingKind;

fn main() {
    for ring in [RingKind::Z32, RingKind::Z64] {
        for batch in [1, 32] {
            report(ring, batch);
        }
    }
    divan::main();
}

#[divan::bench(args = [1, 32], sample_count = 30)]
fn three_parties_z32(bencher: Bencher<'_, '_>, batch: u32) {
    bench(bencher, RingKind::Z32, batch);
}

#[divan::bench(args = [1, 32], sample_count = 30)]
fn three_parties_z64(bencher: Bencher<'_, '_>, batch: u32) {
    bench(bencher, RingKind::Z64, batch);
}

fn bench(bencher: Bencher<'_, '_>, ring: RingKind, batch: u32) {
    let (plan, models, inputs) = setting(ring, batch);
    bencher.bench_local(|| World::new(1).run(&plan, &models, &inputs, roles()));
}

/// Prints what one session cost each party, the fastest of twenty.
fn report(ring: RingKind, batch: u32) {
    let (plan, models, inputs) = setting(ring, batch);
    let runs = (0..20).map(|_| {
        let since = Instant::now();
        let run = World::new(1).run(&plan, &models, &inputs, roles());
        (since.elapsed(), run)
    });
    let (total, run) = runs.min_by_key(|(total, _)| *total).expect("several runs");
    println!(
        "{ring}, batch {batch}: {total:?}, {} rounds",
        plan.cost(batch).total().rounds
    );
    for role in [Role::Dealer, Role::Evaluator0, Role::Evaluator1] {
        let meter = &run
            .report(role)
            .as_ref()
            .unwrap_or_else(|error| panic!("{error}"))
            .meter;
        let [prepare, compute, wait, deal] =
            [meter.prepare_time, meter.compute_time, meter.wait_time, meter.deal_time].map(milliseconds);
        println!("  {role}: prepare {prepare}, compute {compute}, wait {wait}, deal {deal} ms");
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

fn roles() -> Roles {
    Roles::new(PartyId::Auditor, PartyId::Cloud).expect("two parties")
}

fn setting(ring: RingKind, batch: u32) -> (Plan, [Model; 3], Encoded) {
    let plan = lenet(ring);
    let mut random = StdRng::seed_from_u64(1);
    let parameters = random_parameters(&plan, 4, &mut random);
    let inputs = random_inputs(&plan, batch, &mut random);
    let models = World::new(1).models(&plan, &parameters);
    (plan, models, inputs)
}

/// Fractional bits of inputs, weights and activations.
const FRACTION: u8 = 8;

/// Convolution 20@5x5, pool, convolution 50@5x5, pool, dense 500, dense 10; ReLU after each but the last.
fn lenet(ring: RingKind) -> Plan {
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
