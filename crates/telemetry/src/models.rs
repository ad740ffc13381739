use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec};
use tercet_ids::PlanDigest;

use crate::labels::{Label, Outcome, Part, Phase};
use crate::names::{
    MODELS_MAX, OTHER_MODEL, PHASE_DURATION, PLAN_DEALT_BYTES, PLAN_INFO, PLAN_ONLINE_BYTES, PLAN_ROUNDS, ROUNDS,
    SAMPLES, SESSIONS,
};
use crate::registry::Registry;

/// What a plan declares, for comparison with what is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlanFacts {
    /// The plan's identity.
    pub digest: PlanDigest,
    /// Bits of its ring.
    pub ring_bits: u8,
    /// Rounds of a session.
    pub rounds: u64,
    /// Online payload bytes of one sample, both directions.
    pub online_bytes: u64,
    /// Dealt payload bytes of one sample.
    pub dealt_bytes: u64,
}

/// The metrics of a node's models; hands out one bundle of handles a model.
#[derive(Clone)]
pub struct Models {
    families: Families,
    known: Arc<Mutex<HashMap<String, Known>>>,
}

struct Known {
    /// The label: the model's name, or [`OTHER_MODEL`].
    name: String,
    handles: Arc<ModelMetrics>,
    facts: Option<PlanFacts>,
}

#[derive(Clone)]
struct Families {
    sessions: IntCounterVec,
    samples: IntCounterVec,
    rounds: IntCounterVec,
    phases: HistogramVec,
    plan_info: IntGaugeVec,
    plan_rounds: IntGaugeVec,
    plan_online_bytes: IntGaugeVec,
    plan_dealt_bytes: IntGaugeVec,
}

/// The handles of one model.
pub struct ModelMetrics {
    sessions: Vec<Vec<IntCounter>>,
    samples: Vec<IntCounter>,
    rounds: IntCounter,
    phases: Vec<Histogram>,
}

impl Models {
    pub(crate) fn new(registry: &Registry) -> Models {
        let families = Families {
            sessions: registry.counters(SESSIONS),
            samples: registry.counters(SAMPLES),
            rounds: registry.counters(ROUNDS),
            phases: registry.latencies(PHASE_DURATION),
            plan_info: registry.gauges(PLAN_INFO),
            plan_rounds: registry.gauges(PLAN_ROUNDS),
            plan_online_bytes: registry.gauges(PLAN_ONLINE_BYTES),
            plan_dealt_bytes: registry.gauges(PLAN_DEALT_BYTES),
        };
        let models = Models {
            families,
            known: Arc::default(),
        };
        models.model(OTHER_MODEL);
        models
    }

    /// The handles of a deployed model; those of [`OTHER_MODEL`] once [`MODELS_MAX`] have one. Ask for a model that isn't deployed by
    /// [`Models::other`], since names in queries are the client's.
    pub fn model(&self, name: &str) -> Arc<ModelMetrics> {
        self.with_known(name, |known| known.handles.clone())
    }

    /// The handles of everything that isn't a deployed model.
    pub fn other(&self) -> Arc<ModelMetrics> {
        self.model(OTHER_MODEL)
    }

    /// Notes the plan a model now has, in place of an earlier one.
    pub fn deployed(&self, name: &str, facts: PlanFacts) {
        let families = &self.families;
        self.with_known(name, |known| {
            let name = known.name.as_str();
            if let Some(old) = known.facts.replace(facts) {
                // A replaced plan's series would otherwise stay at 1 beside the new one's.
                let _ = families
                    .plan_info
                    .remove_label_values(&plan_labels(name, &old).each_ref().map(String::as_str));
            }
            let labels = plan_labels(name, &facts);
            families
                .plan_info
                .with_label_values(&labels.each_ref().map(String::as_str))
                .set(1);
            families.plan_rounds.with_label_values(&[name]).set(facts.rounds as i64);
            families
                .plan_online_bytes
                .with_label_values(&[name])
                .set(facts.online_bytes as i64);
            families
                .plan_dealt_bytes
                .with_label_values(&[name])
                .set(facts.dealt_bytes as i64);
        });
    }

    fn with_known<T>(&self, name: &str, use_it: impl FnOnce(&mut Known) -> T) -> T {
        // The map holds handles only; a panic elsewhere can't have left it half written.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let name = if known.contains_key(name) || known.len() <= MODELS_MAX {
            name
        } else {
            OTHER_MODEL
        };
        let entry = known.entry(name.to_owned()).or_insert_with(|| Known {
            name: name.to_owned(),
            handles: Arc::new(ModelMetrics::new(&self.families, name)),
            facts: None,
        });
        use_it(entry)
    }
}

fn plan_labels(name: &str, facts: &PlanFacts) -> [String; 3] {
    [name.to_owned(), facts.digest.to_string(), facts.ring_bits.to_string()]
}

impl ModelMetrics {
    fn new(families: &Families, name: &str) -> ModelMetrics {
        let outcomes = |part: &Part| {
            let counter = |outcome: &Outcome| {
                families
                    .sessions
                    .with_label_values(&[name, part.value(), outcome.value()])
            };
            Outcome::ALL.iter().map(counter).collect()
        };
        ModelMetrics {
            sessions: Part::ALL.iter().map(outcomes).collect(),
            samples: Part::ALL
                .iter()
                .map(|part| families.samples.with_label_values(&[name, part.value()]))
                .collect(),
            rounds: families.rounds.with_label_values(&[name]),
            phases: Phase::ALL
                .iter()
                .map(|phase| families.phases.with_label_values(&[name, phase.value()]))
                .collect(),
        }
    }

    /// A session ended; call it once for each.
    pub fn session_ended(&self, part: Part, outcome: Outcome) {
        self.sessions[part.index()][outcome.index()].inc();
    }

    /// A session that ended well computed so many samples, as evaluator in so many rounds.
    pub fn computed(&self, part: Part, samples: u64, rounds: u64) {
        self.samples[part.index()].inc_by(samples);
        if part == Part::Evaluator {
            self.rounds.inc_by(rounds);
        }
    }

    /// A session spent this time in a phase.
    pub fn phase(&self, phase: Phase, time: Duration) {
        self.phases[phase.index()].observe(time.as_secs_f64());
    }
}
