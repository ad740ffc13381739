//! LeNet's shapes with random weights, all three parties in one process: `cargo bench -p tercet-engine --bench lenet`.

use std::time::{Duration, Instant};

use divan::Bencher;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tercet_engine::Model;
use tercet_engine::testkit::World;
use tercet_ids::{PartyId, Role, Roles};
use tercet_plan::testkit::{lenet, random_inputs, random_parameters};
use tercet_plan::{Encoded, Plan};
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
