//! `tercet plan`

use serde::Serialize;
use tercet_import::{Preference, choose_variants};
use tercet_plan::cost::{Network, StepCost};
use tercet_plan::{Bound, Origin, Plan, Step, Variant};

use crate::arguments::PlanArguments;
use crate::compile;
use crate::exit::Failure;
use crate::output::Report;
use crate::report::{OnlineBytes, shape_text};
use crate::table::Table;
use crate::units::{bytes, milliseconds};

/// A compiled model and what it costs.
#[derive(Serialize)]
pub struct PlanReport {
    model: String,
    digest: String,
    ring_bits: u8,
    batch: u32,
    inputs: Vec<PortReport>,
    outputs: Vec<PortReport>,
    layers: Vec<LayerReport>,
    rounds: u32,
    online_bytes: OnlineBytes,
    dealt_bytes: u64,
    revealed_bytes: u64,
    multiply_adds: u64,
    memory_bytes: MemoryReport,
    predicted: PredictionReport,
    /// What the plan would take with other preferences.
    alternatives: Vec<AlternativeReport>,
}

#[derive(Serialize)]
struct PortReport {
    name: String,
    shape: Vec<u32>,
    batched: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<(f64, f64)>,
}

/// One step of the plan.
#[derive(Serialize)]
struct LayerReport {
    source: String,
    operation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'static str>,
    shape: Vec<u32>,
    fraction_bits: u8,
    bound_bits: u8,
    bound: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    margin_bits: Option<u8>,
    rounds: u32,
    online_bytes: OnlineBytes,
    dealt_bytes: u64,
}

#[derive(Serialize)]
struct MemoryReport {
    model: u64,
    session: u64,
}

#[derive(Serialize)]
struct PredictionReport {
    rtt_ms: f64,
    bandwidth_bits_per_second: f64,
    rounds_ms: f64,
    online_ms: f64,
    dealing_ms: f64,
    pooled_ms: f64,
}

#[derive(Serialize)]
struct AlternativeReport {
    prefer: &'static str,
    rounds: u32,
    online_bytes: OnlineBytes,
    dealt_bytes: u64,
    online_ms: f64,
    pooled_ms: f64,
}

/// Compiles a model and computes its cost.
pub fn run(arguments: &PlanArguments) -> Result<PlanReport, Failure> {
    let name = compile::name(&arguments.compile);
    let model = compile::read(&arguments.compile)?;
    let mut plan = compile::compile(&model, &name, &arguments.compile.settings, None)?.plan;
    let network = Network {
        round_trip: arguments.rtt.0,
        bytes_per_second: arguments.bandwidth.bytes_per_second,
    };
    compile::choose_protocols(&mut plan, &arguments.compile.settings, network, arguments.batch);
    Ok(report(&plan, arguments, network))
}

fn report(plan: &Plan, arguments: &PlanArguments, network: Network) -> PlanReport {
    let cost = plan.cost(arguments.batch);
    let total = cost.total();
    let memory = plan.memory(arguments.batch);
    let rtt = network.round_trip;
    let prediction = cost.predict(network, plan.ring());
    let inputs = plan.inputs.iter().map(|input| PortReport {
        name: input.name.clone(),
        shape: input.shape.clone(),
        batched: input.batched,
        range: Some(input.range),
    });
    let outputs = plan.outputs.iter().map(|output| PortReport {
        name: output.name.clone(),
        shape: output.shape.clone(),
        batched: output.batched,
        range: None,
    });
    PlanReport {
        model: plan.name.clone(),
        digest: plan.digest().to_string(),
        ring_bits: plan.ring_bits,
        batch: arguments.batch,
        inputs: inputs.collect(),
        outputs: outputs.collect(),
        layers: plan
            .steps
            .iter()
            .zip(&cost.steps)
            .map(|(step, cost)| layer(step, cost))
            .collect(),
        rounds: total.rounds,
        online_bytes: OnlineBytes {
            e0_to_e1: total.e0_to_e1,
            e1_to_e0: total.e1_to_e0,
        },
        dealt_bytes: total.dealt,
        revealed_bytes: cost.revealed,
        multiply_adds: total.multiply_adds,
        memory_bytes: MemoryReport {
            model: memory.model,
            session: memory.session,
        },
        predicted: PredictionReport {
            rtt_ms: rtt.as_secs_f64() * 1e3,
            bandwidth_bits_per_second: arguments.bandwidth.bytes_per_second * 8.0,
            rounds_ms: f64::from(total.rounds) * rtt.as_secs_f64() / 2.0 * 1e3,
            online_ms: prediction.online.as_secs_f64() * 1e3,
            dealing_ms: prediction.dealing.as_secs_f64() * 1e3,
            pooled_ms: prediction.pooled.as_secs_f64() * 1e3,
        },
        alternatives: alternatives(plan, arguments.batch, network),
    }
}

/// The same plan by time, with and without a pool, by rounds and by bytes.
fn alternatives(plan: &Plan, batch: u32, network: Network) -> Vec<AlternativeReport> {
    let by_time = |is_dealt_before| Preference::Time {
        network,
        is_dealt_before,
    };
    let preferences = [
        ("auto", by_time(false)),
        ("auto with a pool", by_time(true)),
        ("latency", Preference::Latency),
        ("traffic", Preference::Traffic),
    ];
    let alternative = |(prefer, preference)| {
        let mut plan = plan.clone();
        choose_variants(&mut plan, batch, preference);
        let cost = plan.cost(batch);
        let (total, prediction) = (cost.total(), cost.predict(network, plan.ring()));
        AlternativeReport {
            prefer,
            rounds: total.rounds,
            online_bytes: OnlineBytes {
                e0_to_e1: total.e0_to_e1,
                e1_to_e0: total.e1_to_e0,
            },
            dealt_bytes: total.dealt,
            online_ms: prediction.online.as_secs_f64() * 1e3,
            pooled_ms: prediction.pooled.as_secs_f64() * 1e3,
        }
    };
    preferences.map(alternative).into()
}

fn layer(step: &Step, cost: &StepCost) -> LayerReport {
    let Bound { bits, origin } = step.value.bound;
    let (bound, margin_bits) = match origin {
        Origin::Proven => ("proven", None),
        Origin::Calibrated { margin_bits } => ("calibrated", Some(margin_bits)),
    };
    LayerReport {
        source: step.source.clone(),
        operation: step.op.name(),
        variant: step.op.variant().map(Variant::name),
        shape: step.value.shape.clone(),
        fraction_bits: step.value.fraction_bits,
        bound_bits: bits,
        bound,
        margin_bits,
        rounds: cost.rounds,
        online_bytes: OnlineBytes {
            e0_to_e1: cost.e0_to_e1,
            e1_to_e0: cost.e1_to_e0,
        },
        dealt_bytes: cost.dealt,
    }
}

impl PlanReport {
    fn alternatives_text(&self) -> String {
        let mut table = Table::new(&[
            "prefer",
            "rounds",
            "E0 to E1",
            "E1 to E0",
            "dealt",
            "online",
            "with a pool",
        ]);
        for alternative in &self.alternatives {
            table.row([
                alternative.prefer.to_owned(),
                alternative.rounds.to_string(),
                bytes(alternative.online_bytes.e0_to_e1),
                bytes(alternative.online_bytes.e1_to_e0),
                bytes(alternative.dealt_bytes),
                milliseconds(alternative.online_ms),
                milliseconds(alternative.pooled_ms),
            ]);
        }
        table.text()
    }
}

impl Report for PlanReport {
    fn text(&self) -> String {
        let mut table = Table::new(&[
            "layer",
            "operation",
            "protocol",
            "shape",
            "fraction",
            "bound",
            "rounds",
            "E0 to E1",
            "E1 to E0",
            "dealt",
        ]);
        for layer in &self.layers {
            let bound = match layer.margin_bits {
                None => format!("2^{} proven", layer.bound_bits),
                Some(margin) => format!("2^{} calibrated+{margin}", layer.bound_bits),
            };
            table.row([
                layer.source.clone(),
                layer.operation.to_owned(),
                layer.variant.unwrap_or_default().to_owned(),
                shape_text(&layer.shape),
                layer.fraction_bits.to_string(),
                bound,
                layer.rounds.to_string(),
                bytes(layer.online_bytes.e0_to_e1),
                bytes(layer.online_bytes.e1_to_e0),
                bytes(layer.dealt_bytes),
            ]);
        }
        table.row([
            "total".to_owned(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            self.rounds.to_string(),
            bytes(self.online_bytes.e0_to_e1),
            bytes(self.online_bytes.e1_to_e0),
            bytes(self.dealt_bytes),
        ]);
        let ports = |ports: &[PortReport]| {
            let texts = ports.iter().map(|port| {
                let batch = if port.batched { "n x " } else { "" };
                let range = port
                    .range
                    .map(|(low, high)| format!(" in {low}..{high}"))
                    .unwrap_or_default();
                format!("{} {batch}{}{range}", port.name, shape_text(&port.shape))
            });
            texts.collect::<Vec<_>>().join(", ")
        };
        let predicted = &self.predicted;
        format!(
            "{}  digest {}\nring Z_2^{}  batch {}\ninputs   {}\noutputs  {}\n\n{}\n\
             Bytes are payload bytes in one direction. Each party sends {} of results towards the client, with no further round.\n\
             memory of a party: model {}, session {}\n\
             predicted at {} round trip and {:.0} Mbit/s: {} online ({} of it rounds), dealing {} at the same time; {} where a pool has dealt before\n\n{}",
            self.model,
            self.digest,
            self.ring_bits,
            self.batch,
            ports(&self.inputs),
            ports(&self.outputs),
            table.text(),
            bytes(self.revealed_bytes),
            bytes(self.memory_bytes.model),
            bytes(self.memory_bytes.session),
            milliseconds(predicted.rtt_ms),
            predicted.bandwidth_bits_per_second / 1e6,
            milliseconds(predicted.online_ms),
            milliseconds(predicted.rounds_ms),
            milliseconds(predicted.dealing_ms),
            milliseconds(predicted.pooled_ms),
            self.alternatives_text(),
        )
    }
}
