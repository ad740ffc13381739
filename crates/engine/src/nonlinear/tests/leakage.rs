//! What an evaluator receives tells nothing: with its own keys, the input and the dealer's view held fixed, and only the secret of the other
//! two redrawn, every bit it receives, and every bit of what it opens, is uniform.

use tercet_ids::{PartyId, Role};
use tercet_plan::{Comparison, Op, ValueId, Variant, Window};

use super::run;
use crate::nonlinear::Shapes;
use crate::testkit::{Transcript, World};

const RUNS: u64 = 1024;

/// For a uniform bit the count of ones over all runs deviates this many standard deviations or more with probability 2e-9.
const DEVIATIONS: f64 = 6.0;

/// Evaluators of the test world.
const EVALUATORS: [(Role, PartyId); 2] = [
    (Role::Evaluator0, PartyId::ClientProxy),
    (Role::Evaluator1, PartyId::Cloud),
];

/// Counts of ones of each bit of a view.
#[derive(Default)]
struct Ones(Vec<u64>);

impl Ones {
    fn add(&mut self, view: &[u8]) {
        self.0.resize(view.len() * 8, 0);
        for (bit, ones) in self.0.iter_mut().enumerate() {
            *ones += u64::from(view[bit / 8] >> (bit % 8) & 1);
        }
    }

    fn check(&self, what: &str) {
        let half = RUNS as f64 / 2.0;
        for (bit, &ones) in self.0.iter().enumerate() {
            let deviation = (ones as f64 - half).abs() / (half / 2.0).sqrt();
            assert!(
                deviation < DEVIATIONS,
                "bit {bit} of {what} was one in {ones} of {RUNS} runs"
            );
        }
    }
}

/// All bytes of a transcript, in order.
fn bytes(transcript: &Transcript) -> Vec<u8> {
    let mut frames = transcript.lock().expect("no thread panicked");
    frames.drain(..).flat_map(|(_, payload)| payload).collect()
}

/// The sums mod 2^32 of both sides' words: what is opened where ring elements are exchanged.
fn sums(mine: &[u8], theirs: &[u8]) -> Vec<u8> {
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    mine.chunks_exact(4)
        .zip(theirs.chunks_exact(4))
        .flat_map(|(x, y)| word(x).wrapping_add(word(y)).to_le_bytes())
        .collect()
}

/// Runs a step on 64 lanes, so that no bit of a frame is padding.
fn check(op: &Op, shapes: Shapes<'_>, x: &[i64]) {
    for (index, (me, party)) in EVALUATORS.into_iter().enumerate() {
        let (other, other_party) = EVALUATORS[1 - index];
        let [mut received, mut opened_bits, mut opened_sums, mut dealt] = [(); 4].map(|()| Ones::default());
        for seed in 0..RUNS {
            let [incoming, outgoing, from_dealer] = [(); 3].map(|()| Transcript::default());
            let world = World::new(9)
                .with_pair_seed(PartyId::Auditor, other_party, seed)
                .with_tap(other, me, &incoming)
                .with_tap(me, other, &outgoing)
                .with_tap(Role::Dealer, me, &from_dealer);
            run::<u32>(&world, op, shapes, x).unwrap();
            let (mine, theirs) = (bytes(&outgoing), bytes(&incoming));
            received.add(&theirs);
            opened_bits.add(&mine.iter().zip(&theirs).map(|(x, y)| x ^ y).collect::<Vec<_>>());
            opened_sums.add(&sums(&mine, &theirs));
            dealt.add(&bytes(&from_dealer));
        }
        assert_eq!(dealt.0.is_empty(), me == Role::Evaluator0);
        for (what, ones) in [
            ("messages", received),
            ("openings", opened_bits),
            ("sums", opened_sums),
            ("dealt", dealt),
        ] {
            ones.check(&format!("{what} at {party}"));
        }
    }
}

fn in_every_variant(op: Op, shapes: Shapes<'_>, x: &[i64]) {
    for variant in Variant::ALL {
        check(&op.clone().with_variant(variant), shapes, x);
    }
}

/// Inputs whose bits are far from uniform.
fn inputs(len: usize) -> Vec<i64> {
    (0..len as i64).map(|i| [0, -1, 1000, -1000][i as usize % 4]).collect()
}

#[test]
fn a_truncation_tells_nothing() {
    let shapes = Shapes {
        operand: &[64],
        result: &[64],
        batch: 1,
    };
    check(
        &Op::Truncate {
            of: ValueId(0),
            shift: 5,
        },
        shapes,
        &inputs(64),
    );
}

#[test]
fn a_piecewise_function_tells_nothing() {
    let shapes = Shapes {
        operand: &[64],
        result: &[64],
        batch: 1,
    };
    let function = Op::Piecewise {
        of: ValueId(0),
        shift: 4,
        knots: vec![-500, 500],
        slopes: vec![0, 1, 0],
        offsets: vec![0, 32, 63],
        comparison: Comparison { bits: 14, drop: 2 },
        variant: Variant::Balanced,
    };
    in_every_variant(function, shapes, &inputs(64));
    let relu = Op::Piecewise {
        of: ValueId(0),
        shift: 4,
        knots: vec![0],
        slopes: vec![0, 1],
        offsets: vec![0, 0],
        comparison: Comparison { bits: 30, drop: 0 },
        variant: Variant::Balanced,
    };
    in_every_variant(relu, shapes, &inputs(64));
}

#[test]
fn a_maximum_tells_nothing() {
    let window = Window {
        size: [1, 3],
        stride: [1, 3],
        dilation: [1, 1],
    };
    let comparison = Comparison { bits: 12, drop: 0 };
    let pool = Op::MaxPool {
        of: ValueId(0),
        window,
        shift: 4,
        relu: true,
        comparison,
        variant: Variant::Balanced,
    };
    in_every_variant(
        pool,
        Shapes {
            operand: &[1, 64, 3],
            result: &[1, 64, 1],
            batch: 1,
        },
        &inputs(192),
    );
    let search = Op::ArgMax {
        of: ValueId(0),
        comparison,
        variant: Variant::Balanced,
    };
    in_every_variant(
        search,
        Shapes {
            operand: &[64, 5],
            result: &[64],
            batch: 1,
        },
        &inputs(320),
    );
}
