//! One million ReLU with truncation, all three parties in one process: `cargo bench -p tercet-engine --features testkit --bench relu`.

use std::fs;
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use tercet_engine::nonlinear::{Shapes, deal, evaluate};
use tercet_engine::testkit::World;
use tercet_engine::{EngineError, RESULT_MASK};
use tercet_plan::{Comparison, Op, ValueId, Variant};
use tercet_ring::{Ring, RingKind};

const LANES: usize = 1_000_000;

const SHAPES: Shapes<'_> = Shapes {
    operand: &[LANES as u32],
    result: &[LANES as u32],
    batch: 1,
};

fn main() {
    for variant in Variant::ALL {
        report::<u32>(variant);
        report::<u64>(variant);
    }
    divan::main();
}

/// Prints what each role's processor time was, the least and the median of several runs.
fn report<R: Ring>(variant: Variant) {
    let runs = [(); 11].map(|()| processor_times::<R>(variant));
    for (role, name) in ["dealer", "evaluator 0", "evaluator 1"].iter().enumerate() {
        let mut times = runs.map(|times| times[role]);
        times.sort_unstable();
        println!(
            "{name}: {:?} at least, {:?} in the median, of processor time for {LANES} ReLU in {}, {}",
            times[0],
            times[times.len() / 2],
            R::KIND,
            variant.name()
        );
    }
}

fn relu(ring: RingKind, variant: Variant) -> Op {
    let (comparison, shift) = match ring {
        RingKind::Z32 => (Comparison { bits: 26, drop: 5 }, 10),
        RingKind::Z64 => (Comparison { bits: 42, drop: 12 }, 16),
    };
    Op::Piecewise {
        of: ValueId(0),
        shift,
        knots: vec![0],
        slopes: vec![0, 1],
        offsets: vec![0, 0],
        comparison,
        variant,
    }
}

#[divan::bench(sample_count = 10)]
fn three_parties_z32(bencher: Bencher<'_, '_>) {
    bencher
        .counter(ItemsCount::new(LANES))
        .bench_local(|| processor_times::<u32>(Variant::Balanced));
}

#[divan::bench(sample_count = 10)]
fn three_parties_z64(bencher: Bencher<'_, '_>) {
    bencher
        .counter(ItemsCount::new(LANES))
        .bench_local(|| processor_times::<u64>(Variant::Balanced));
}

/// Runs the protocol; gives what each role's thread spent on a processor.
fn processor_times<R: Ring>(variant: Variant) -> [Duration; 3] {
    let op = relu(R::KIND, variant);
    let values: Vec<R> = (0..LANES as u64)
        .map(|i| R::from_u64(i.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .collect();
    let run = World::new(1).run_protocol(
        0,
        |dealer| {
            let before = processor_time();
            deal(dealer, &op, SHAPES, &values).expect("a sound function");
            divan::black_box(dealer.mask::<R>(RESULT_MASK, LANES));
            processor_time() - before
        },
        |evaluator| {
            let before = processor_time();
            let mask = evaluator.masks(RESULT_MASK, LANES);
            divan::black_box(evaluate(evaluator, &op, SHAPES, &values, &mask)?);
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
