//! One million ReLU with truncation, all three parties in one process: `cargo bench -p tercet-engine --features testkit --bench relu`.

use std::fs;
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use tercet_engine::nonlinear::piecewise::{self, Piecewise};
use tercet_engine::testkit::World;
use tercet_engine::{EngineError, RESULT_MASK};
use tercet_plan::Comparison;
use tercet_ring::Ring;

const LANES: usize = 1_000_000;

fn main() {
    let runs = [(); 5].map(|()| processor_times::<u32>(RELU32));
    for (role, name) in ["dealer", "evaluator 0", "evaluator 1"].iter().enumerate() {
        let least = runs.iter().map(|times| times[role]).min().unwrap_or_default();
        println!("{name}: {least:?} of processor time for {LANES} ReLU on the 32-bit ring");
    }
    divan::main();
}

const RELU32: Piecewise<'_> = relu(Comparison { bits: 26, drop: 5 }, 10);
const RELU64: Piecewise<'_> = relu(Comparison { bits: 42, drop: 12 }, 16);

const fn relu(comparison: Comparison, shift: u8) -> Piecewise<'static> {
    Piecewise {
        shift,
        knots: &[0],
        slopes: &[0, 1],
        offsets: &[0, 0],
        comparison,
    }
}

#[divan::bench(sample_count = 10)]
fn three_parties_z32(bencher: Bencher<'_, '_>) {
    bencher
        .counter(ItemsCount::new(LANES))
        .bench_local(|| processor_times::<u32>(RELU32));
}

#[divan::bench(sample_count = 10)]
fn three_parties_z64(bencher: Bencher<'_, '_>) {
    bencher
        .counter(ItemsCount::new(LANES))
        .bench_local(|| processor_times::<u64>(RELU64));
}

/// Runs the protocol; gives what each role's thread spent on a processor.
fn processor_times<R: Ring>(function: Piecewise<'_>) -> [Duration; 3] {
    let values: Vec<R> = (0..LANES as u64)
        .map(|i| R::from_u64(i.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .collect();
    let run = World::new(1).run_protocol(
        0,
        |dealer| {
            let before = processor_time();
            piecewise::deal(dealer, &values, function).expect("a sound function");
            let [mask, other] = dealer.masks::<R>(RESULT_MASK, LANES);
            divan::black_box((mask, other));
            processor_time() - before
        },
        |evaluator| {
            let before = processor_time();
            let mask = evaluator.masks(RESULT_MASK, LANES);
            divan::black_box(piecewise::evaluate(evaluator, &values, function, &mask)?);
            Ok::<_, EngineError>(processor_time() - before)
        },
    );
    let (dealer, [first, second], _) = run.unwrap();
    [dealer, first, second]
}

/// What this thread has spent on a processor, where the system tells.
fn processor_time() -> Duration {
    let statistics = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = statistics.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}
