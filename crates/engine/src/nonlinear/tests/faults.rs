//! One fault of each kind of message, and the exact error.

use std::time::Duration;

use tercet_ids::{PartyId, Role};
use tercet_plan::{Comparison, Op, ValueId, Variant, Window};
use tercet_ring::Ring;

use super::{STEP, run};
use crate::nonlinear::Shapes;
use crate::testkit::{Fault, ProtocolRun, World};
use crate::{EngineError, FrameTag, Misbehaviour};

/// Evaluator 0 of the test world.
const FIRST: PartyId = PartyId::ClientProxy;

const COMPARISON: Comparison = Comparison { bits: 26, drop: 0 };

const HUNDRED: Shapes<'_> = Shapes {
    operand: &[100],
    result: &[100],
    batch: 1,
};

/// A ReLU that compares 20 bits.
fn relu() -> Op {
    Op::Piecewise {
        of: ValueId(0),
        shift: 4,
        knots: vec![0],
        slopes: vec![0, 1],
        offsets: vec![0, 0],
        comparison: Comparison { bits: 26, drop: 5 },
        variant: Variant::Balanced,
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
    let shapes = Shapes {
        operand: &[3],
        result: &[3],
        batch: 1,
    };
    let truncation = Op::Truncate {
        of: ValueId(0),
        shift: 4,
    };
    let error = fault_from_first::<u32>(0, Fault::Truncated, |world| run(world, &truncation, shapes, &[1, 2, 3]));
    assert_eq!(error, wrong_length(0, 12, 11));
}

#[test]
fn faults_of_a_relu_are_noticed() {
    let run = |world: &World| run::<u32>(world, &relu(), HUNDRED, &[7; 100]);
    // The bits of the blocks, the answers, the result.
    for (sequence, bytes) in [(0, 8 * 16), (1, 16), (2, 400)] {
        let error = fault_from_first(sequence, Fault::Truncated, run);
        assert_eq!(error, wrong_length(sequence, bytes, bytes - 1));
        let error = fault_from_first(sequence, Fault::Extended, run);
        assert_eq!(error, wrong_length(sequence, bytes, bytes + 1));
    }
    // In the fewest rounds: five bits of the last block, the result.
    let relu = relu().with_variant(Variant::Latency);
    let run_latency = |world: &World| super::run::<u32>(world, &relu, HUNDRED, &[7; 100]);
    for (sequence, bytes) in [(0, 5 * 16), (1, 400)] {
        let error = fault_from_first(sequence, Fault::Truncated, run_latency);
        assert_eq!(error, wrong_length(sequence, bytes, bytes - 1));
    }
    let tag = |sequence| FrameTag { step: STEP, sequence };
    for (fault, expected, found) in [(Fault::Repeated, tag(1), tag(0)), (Fault::Renumbered, tag(0), tag(1))] {
        let error = fault_from_first(0, fault, run);
        assert_eq!(error, misbehaved(FIRST, Misbehaviour::WrongTag { expected, found }));
    }
}

#[test]
fn faults_of_a_maximum_are_noticed() {
    let shapes = Shapes {
        operand: &[1, 2, 2],
        result: &[1, 1, 1],
        batch: 1,
    };
    let window = Window {
        size: [2; 2],
        stride: [2; 2],
        dilation: [1; 2],
    };
    let pool = Op::MaxPool {
        of: ValueId(0),
        window,
        shift: 4,
        relu: true,
        comparison: COMPARISON,
        variant: Variant::Balanced,
    };
    // The bits of the blocks and the answers of ten pairs, four winner bits, the result.
    for (sequence, bytes) in [(0, 10 * 8 * 8), (1, 10 * 8), (2, 4 * 8), (3, 4)] {
        let run = |world: &World| run::<u32>(world, &pool, shapes, &[1, 2, 3, 4]);
        let error = fault_from_first(sequence, Fault::Extended, run);
        assert_eq!(error, wrong_length(sequence, bytes, bytes + 1));
    }
    // In the fewest rounds there are no winner bits.
    let pool = pool.with_variant(Variant::Latency);
    for (sequence, bytes) in [(0, 10 * 8 * 8), (1, 10 * 8), (2, 4)] {
        let run = |world: &World| run::<u32>(world, &pool, shapes, &[1, 2, 3, 4]);
        let error = fault_from_first(sequence, Fault::Extended, run);
        assert_eq!(error, wrong_length(sequence, bytes, bytes + 1));
    }
}

#[test]
fn faults_of_a_search_are_noticed() {
    let shapes = Shapes {
        operand: &[5],
        result: &[],
        batch: 1,
    };
    let search = Op::ArgMax {
        of: ValueId(0),
        comparison: COMPARISON,
        variant: Variant::Balanced,
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
        let run = |world: &World| run::<u64>(world, &search, shapes, &[1, 2, 3, 4, 0]);
        let error = fault_from_first(sequence, Fault::Truncated, run);
        assert_eq!(error, wrong_length(sequence, bytes, bytes - 1));
    }
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
    let [_, second] = run::<u64>(&world, &relu(), HUNDRED, &[-7; 100]).evaluators;
    let error = second.map(|_| ()).expect_err("nothing was dealt");
    assert_eq!(
        error,
        EngineError::Deadline {
            peer: PartyId::Auditor,
            step: STEP
        }
    );
}
