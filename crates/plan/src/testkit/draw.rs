use rand::{Rng, RngExt};

use crate::{Encoded, Integers, Parameters, Plan};

/// Parameters with integers |v| < 2^bits.
pub fn random_parameters(plan: &Plan, bits: u8, rng: &mut impl Rng) -> Parameters {
    let tensors = plan
        .parameters
        .iter()
        .map(|parameter| (0..parameter.elements()).map(|_| random_integer(bits, rng)).collect());
    let tensors: Vec<Integers> = tensors.collect();
    Parameters::new(plan, tensors).expect("bits are within the ring and lengths are the plan's")
}

/// Inputs within their bounds, every fourth one an edge: 0, -1, the largest and smallest, powers of two and their neighbours.
pub fn random_inputs(plan: &Plan, batch: u32, rng: &mut impl Rng) -> Encoded {
    let inputs = plan.inputs.iter().map(|input| {
        let (_, high) = input.range;
        let limit = (high * f64::from(input.fraction_bits).exp2()) as i64;
        let elements = batch as usize * input.shape.iter().map(|&size| size as usize).product::<usize>();
        (0..elements).map(|_| edge_or_random(limit, rng)).collect()
    });
    Encoded {
        batch,
        inputs: inputs.collect(),
    }
}

fn edge_or_random(limit: i64, rng: &mut impl Rng) -> i64 {
    let power = 1_i64 << rng.random_range(0..63 - limit.leading_zeros().min(62));
    let integer = match rng.random_range(0..24) {
        0 => 0,
        1 => -1,
        2 => limit,
        3 => -limit,
        4 => power + rng.random_range(-1..=1),
        5 => -power + rng.random_range(-1..=1),
        // Of every magnitude alike, so that small ones occur too.
        6..12 => rng.random_range(-power..=power),
        _ => rng.random_range(-limit..=limit),
    };
    integer.clamp(-limit, limit)
}

fn random_integer(bits: u8, rng: &mut impl Rng) -> i64 {
    let limit = (1_i64 << bits) - 1;
    rng.random_range(-limit..=limit)
}
