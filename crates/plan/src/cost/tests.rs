use std::time::Duration;

use tercet_ring::RingKind;

use super::{Memory, Network, StepCost, nonlinear};
use crate::testkit::PlanBuilder;
use crate::{Comparison, ConvGeometry, Op, Plan, Term, ValueId, Variant, Window};

/// A convolution of `[2, 8, 8]` to `[3, 6, 6]`, a ReLU and a dense layer to 10.
fn network(ring: RingKind) -> Plan {
    let mut builder = PlanBuilder::new(ring);
    let of = builder.input(&[2, 8, 8], 8, 10);
    let weight = builder.parameter(&[3, 2, 3, 3], 8);
    let geometry = ConvGeometry {
        stride: [1, 1],
        dilation: [1, 1],
        pad_before: [0, 0],
        pad_after: [0, 0],
        groups: 1,
    };
    let opened = builder.step(
        Op::Linear(vec![Term::Conv { of, weight, geometry }]),
        &[3, 6, 6],
        16,
        24,
    );
    let relu = Op::Piecewise {
        of: opened,
        shift: 8,
        knots: vec![0],
        slopes: vec![0, 1],
        offsets: vec![0, 0],
        comparison: Comparison { bits: 26, drop: 5 },
        variant: Variant::Balanced,
    };
    let active = builder.step(relu, &[3, 6, 6], 8, 16);
    let row = builder.step(Op::Reshape(active), &[108], 8, 16);
    let [weight, bias] = [builder.parameter(&[108, 10], 8), builder.parameter(&[10], 16)];
    let dense = Op::Linear(vec![Term::Dense { of: row, weight }, Term::Bias(bias)]);
    let scores = builder.step(dense, &[10], 16, 30);
    builder.output(scores);
    builder.build()
}

#[test]
fn each_step_costs_what_its_protocol_says() {
    let cost = network(RingKind::Z32).cost(2);
    // 112 planes for the sign; three elements and twice 8 bits a lane for the selection.
    let dealt = 112 * 32 + 3 * 216 * 4 + 2 * 216;
    let relu = StepCost {
        rounds: 3,
        // 216 lanes are 4 words a plane: 9 planes opened, and one element a lane.
        e0_to_e1: 9 * 32 + 216 * 4,
        e1_to_e0: 9 * 32 + 216 * 4,
        dealt,
        dealt_work: dealt,
        multiply_adds: 0,
    };
    let opening = |elements: u64, multiply_adds| StepCost {
        multiply_adds,
        ..StepCost::symmetric(1, elements * 4, 0)
    };
    let nothing = StepCost::default();
    assert_eq!(
        cost.steps,
        [nothing, opening(216, 216 * 18), relu, nothing, opening(20, 20 * 108)]
    );
    assert_eq!(cost.total().rounds, 5);
    assert_eq!(cost.total().e0_to_e1, 216 * 4 + relu.e0_to_e1 + 20 * 4);
    assert_eq!(cost.revealed, 2 * 10 * 4);
}

#[test]
fn linear_bytes_double_with_the_ring() {
    let [narrow, wide] = [RingKind::Z32, RingKind::Z64].map(|ring| network(ring).cost(3));
    for step in [1, 4] {
        assert_eq!(2 * narrow.steps[step].e0_to_e1, wide.steps[step].e0_to_e1);
        assert_eq!(narrow.steps[step].multiply_adds, wide.steps[step].multiply_adds);
    }
    assert_eq!(2 * narrow.revealed, wide.revealed);
}

#[test]
fn latency_is_rounds_and_bytes_or_what_dealing_takes() {
    let ring = RingKind::Z32;
    let cost = network(ring).cost(1);
    let total = cost.total();
    let network = |bytes_per_second| Network {
        round_trip: Duration::from_millis(20),
        bytes_per_second,
    };
    let fast = cost.predict(network(1e12), ring);
    // Five rounds of 10 ms and a little, of which the dealing, which takes one way, is no part.
    assert_eq!((fast.online.as_millis(), fast.dealing.as_millis()), (50, 10));
    assert_eq!(fast.online, fast.pooled);
    let slow = cost.predict(network(1e3), ring);
    let dealing = 0.010 + total.dealt as f64 / 1e3;
    assert!((slow.dealing.as_secs_f64() - dealing).abs() < 1e-6);
    // The last round of the ReLU waits for what is dealt; the opening after it takes a round and its bytes.
    let online = dealing + 2.0 * 0.010_04 + f64::from(10 * 4) / 1e3;
    assert!((slow.online.as_secs_f64() - online).abs() < 1e-4, "{slow:?}");
    assert!(slow.pooled < slow.online);
    assert_eq!(cost.predict(network(0.0), ring).online, Duration::MAX);
}

#[test]
fn memory_counts_what_lives_at_the_same_time() {
    let plan = network(RingKind::Z64);
    let Memory {
        model,
        session,
        waiting,
    } = plan.memory(1);
    assert_eq!(model, 5 * 8 * (54 + 1080 + 10));
    // At the ReLU its operand and its result live, and what is dealt for it; ahead of all there are two brackets and a mask.
    let dealt = plan.cost(1).steps[2].dealt;
    assert_eq!(session, 2 * 8 * (108 + 108) + 3 * dealt + 8 * (108 + 108 + 10));
    // Inputs are held twice, since their masks go into brackets and are opened under; r of the outputs is the dealer's.
    let inputs: u64 = plan
        .inputs
        .iter()
        .map(|input| input.shape.iter().map(|&size| u64::from(size)).product::<u64>())
        .sum();
    assert_eq!(
        waiting,
        8 * (108 + 108 + 10) + plan.cost(1).total().dealt + 8 * (2 * inputs + 10)
    );
    assert!(plan.memory(100).session > 90 * session);
}

/// What an element of a step's result costs in a large batch, as docs/protocols.md shows it: rounds, bytes each way, bytes dealt.
fn row(name: &str, op: impl Fn(u8, Comparison) -> Op) -> String {
    const LANES: u64 = 1 << 16;
    let settings = [
        (RingKind::Z32, 10, Comparison { bits: 26, drop: 5 }),
        (RingKind::Z64, 16, Comparison { bits: 42, drop: 12 }),
    ];
    let cells = settings.map(|(ring, shift, comparison)| {
        let cost = nonlinear(&op(shift, comparison), &[10], LANES, ring).expect("the comparison fits");
        let per_element = |bytes: u64| (bytes as f64 * 10.0 / LANES as f64).round() / 10.0;
        format!(
            "{} | {} | {}",
            cost.rounds,
            per_element(cost.e0_to_e1),
            per_element(cost.dealt)
        )
    });
    format!("| {name} | {} | {} |", cells[0], cells[1])
}

#[test]
fn the_document_shows_what_protocols_cost() {
    let document = include_str!("../../../../docs/protocols.md");
    let of = ValueId(0);
    let piecewise = |knots: usize, variant| {
        move |shift, comparison| Op::Piecewise {
            of,
            shift,
            knots: (0..knots as i64).collect(),
            slopes: vec![0; knots + 1],
            offsets: vec![0; knots + 1],
            comparison,
            variant,
        }
    };
    let pool = |size: u32, relu, variant| {
        move |shift, comparison| Op::MaxPool {
            of,
            window: Window {
                size: [size, size],
                stride: [size, size],
                dilation: [1, 1],
            },
            shift,
            relu,
            comparison,
            variant,
        }
    };
    let arg_max = |variant| {
        move |_, comparison| Op::ArgMax {
            of,
            comparison,
            variant,
        }
    };
    let [traffic, balanced, latency] = Variant::ALL;
    let rows = [
        row("Truncate", |shift, _| Op::Truncate { of, shift }),
        row("ReLU (piecewise, 1 knot)", piecewise(1, balanced)),
        row("ReLU, traffic first", piecewise(1, traffic)),
        row("ReLU, latency first", piecewise(1, latency)),
        row("Clip (piecewise, 2 knots)", piecewise(2, balanced)),
        row("Clip, traffic first", piecewise(2, traffic)),
        row("Clip, latency first", piecewise(2, latency)),
        row("Sigmoid (piecewise, 12 knots)", piecewise(12, balanced)),
        row("Sigmoid, traffic first", piecewise(12, traffic)),
        row("Sigmoid, latency first", piecewise(12, latency)),
        row("Max pool 2x2", pool(2, false, balanced)),
        row("Max pool 2x2 and ReLU", pool(2, true, balanced)),
        row("Max pool 2x2 and ReLU, traffic first", pool(2, true, traffic)),
        row("Max pool 2x2 and ReLU, latency first", pool(2, true, latency)),
        row("Max pool 3x3 and ReLU", pool(3, true, balanced)),
        row("Max pool 3x3 and ReLU, traffic first", pool(3, true, traffic)),
        row("Max pool 3x3 and ReLU, latency first", pool(3, true, latency)),
        row("Arg max of 10", arg_max(balanced)),
        row("Arg max of 10, traffic first", arg_max(traffic)),
        row("Arg max of 10, latency first", arg_max(latency)),
    ];
    let missing: Vec<&str> = rows
        .iter()
        .map(String::as_str)
        .filter(|row| !document.contains(row))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/protocols.md lacks these rows:\n{}",
        missing.join("\n")
    );
}
