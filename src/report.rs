//! Facts of measured queries, under the names that machines rely on.

use std::collections::BTreeMap;

use serde::Serialize;
use tercet_ids::{PartyId, Role, Roles};

use crate::compare::Comparison;
use crate::statistics::Spread;
use crate::units::{bytes, milliseconds};

/// Online payload bytes in each direction.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct OnlineBytes {
    /// From evaluator 0 to evaluator 1.
    pub e0_to_e1: u64,
    /// From evaluator 1 to evaluator 0.
    pub e1_to_e0: u64,
}

/// What a query gave and cost. Bytes and times are of the whole batch; a batch over the parties' limit goes in several sessions, whose
/// bytes and times are summed, while `rounds` are those of one session.
#[derive(Clone, Debug, Serialize)]
pub struct QueryReport {
    /// The model.
    pub model: String,
    /// The plan it ran.
    pub digest: String,
    /// Samples.
    pub batch: u32,
    /// Sessions the batch took.
    pub sessions: usize,
    /// Queries measured.
    pub repeat: u32,
    /// Bits of the ring.
    pub ring_bits: u8,
    /// Who did what in the last session.
    pub roles: RolesReport,
    /// Rounds of a session.
    pub rounds: u32,
    /// Between the evaluators.
    pub online_bytes: OnlineBytes,
    /// From the dealer.
    pub dealt_bytes: u64,
    /// From the shares being there to the output shares: the slower evaluator's arithmetic and waiting.
    pub online_ms: Spread,
    /// From the client's arrays to the client's result.
    pub total_ms: Spread,
    /// The same model in the clear on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plaintext_ms: Option<Spread>,
    /// Queries of this batch a second, one after another.
    pub queries_per_second: f64,
    /// What the result is compared with: `expected` or `plaintext`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<&'static str>,
    /// Errors and agreement.
    #[serde(flatten)]
    pub comparison: Option<Comparison>,
    /// CPU time of the measured queries by process.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cpu_seconds: BTreeMap<&'static str, f64>,
    /// The most memory each process had.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub peak_rss_bytes: BTreeMap<&'static str, u64>,
    /// Labels of the first output, sample by sample.
    pub predictions: Vec<u64>,
    /// Every output.
    pub outputs: Vec<OutputReport>,
}

/// Who did what.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RolesReport {
    /// Dealt correction material.
    pub dealer: PartyId,
    /// Evaluated, drawing its dealt shares.
    pub e0: PartyId,
    /// Evaluated, receiving the corrections.
    pub e1: PartyId,
}

impl From<Roles> for RolesReport {
    fn from(roles: Roles) -> Self {
        let [dealer, e0, e1] = [Role::Dealer, Role::Evaluator0, Role::Evaluator1].map(|role| roles.party(role));
        RolesReport { dealer, e0, e1 }
    }
}

/// One output of a query.
#[derive(Clone, Debug, Serialize)]
pub struct OutputReport {
    /// The name in the model.
    pub name: String,
    /// The whole shape.
    pub shape: Vec<usize>,
    /// Labels, sample by sample.
    pub predictions: Vec<u64>,
}

/// Labels shown before the rest is left out.
const PREDICTIONS_SHOWN: usize = 20;

impl QueryReport {
    /// The lines for people.
    pub fn text(&self) -> String {
        let mut lines = vec![format!(
            "model        {}  batch {}  ring Z_2^{}",
            self.model, self.batch, self.ring_bits
        )];
        for output in &self.outputs {
            let shown: Vec<String> = output
                .predictions
                .iter()
                .take(PREDICTIONS_SHOWN)
                .map(u64::to_string)
                .collect();
            let more = if output.predictions.len() > PREDICTIONS_SHOWN {
                " ..."
            } else {
                ""
            };
            lines.push(format!("prediction   {}: {}{more}", output.name, shown.join(" ")));
        }
        if let (Some(comparison), Some(reference)) = (&self.comparison, self.reference) {
            lines.push(format!(
                "compared     {} with the {reference} result",
                agreement_text(comparison)
            ));
        }
        let sessions = if self.sessions > 1 {
            format!(" in each of {} sessions", self.sessions)
        } else {
            String::new()
        };
        lines.push(format!(
            "cost         {} rounds{sessions}, online {} E0 to E1 and {} E1 to E0, dealt {}",
            self.rounds,
            bytes(self.online_bytes.e0_to_e1),
            bytes(self.online_bytes.e1_to_e0),
            bytes(self.dealt_bytes)
        ));
        lines.push(format!(
            "latency      online {}, total {}",
            spread_text(self.online_ms),
            spread_text(self.total_ms)
        ));
        if let Some(plaintext) = self.plaintext_ms {
            let ratio = self.total_ms.median / plaintext.median.max(1e-6);
            lines.push(format!(
                "in the clear {} ({ratio:.0} times faster)",
                spread_text(plaintext)
            ));
        }
        if self.repeat > 1 {
            lines.push(format!(
                "throughput   {:.1} queries a second, one after another",
                self.queries_per_second
            ));
        }
        if !self.cpu_seconds.is_empty() {
            let by_process = self.cpu_seconds.iter().map(|(name, cpu)| {
                let memory = self.peak_rss_bytes.get(name).copied().unwrap_or(0);
                format!("{name} {cpu:.2} s {}", bytes(memory))
            });
            lines.push(format!("CPU, memory  {}", by_process.collect::<Vec<_>>().join(", ")));
        }
        lines.join("\n") + "\n"
    }
}

/// Agreement and errors in words.
pub fn agreement_text(comparison: &Comparison) -> String {
    let agreement = format!("labels agree on {:.2} %", comparison.argmax_agreement * 100.0);
    match (comparison.max_abs_error, comparison.mean_abs_error) {
        (Some(largest), Some(mean)) => format!("{agreement}, largest error {largest:.2e}, mean {mean:.2e}"),
        _ => agreement,
    }
}

/// The median, and the extremes if they differ.
pub fn spread_text(spread: Spread) -> String {
    if spread.min == spread.max {
        return milliseconds(spread.median);
    }
    format!(
        "{} ({} to {})",
        milliseconds(spread.median),
        milliseconds(spread.min),
        milliseconds(spread.max)
    )
}

/// `1x28x28`, or `scalar`.
pub fn shape_text(shape: &[u32]) -> String {
    if shape.is_empty() {
        return "scalar".to_owned();
    }
    shape.iter().map(u32::to_string).collect::<Vec<_>>().join("x")
}
