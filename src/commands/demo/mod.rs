//! `tercet demo`

mod picture;
mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use tempfile::TempDir;
use tercet_ids::PartyId;
use tercet_import::Model;
use tercet_plan::Array;
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::{CompileSettings, DemoArguments, Prefer, Ring};
use crate::compare::{compare, labels};
use crate::compile;
use crate::deployment::{COORDINATOR, Deployment, Settings};
use crate::exit::Failure;
use crate::output::Report;
use crate::progress::Progress;
use crate::query::{Connection, measure};
use crate::reference;
use crate::report::{QueryReport, agreement_text, spread_text};
use crate::units::bytes;
use crate::usage::Usage;
use samples::{Bundle, CREDIT, Classes, DIGITS};

/// Queries of a single sample, to measure latency.
const SINGLE_QUERIES: u32 = 10;
/// What a user gets who gives no options.
const SETTINGS: CompileSettings = CompileSettings {
    calibration: Vec::new(),
    input_range: None,
    ring: Ring::Auto,
    reveal: None,
    margin_bits: None,
    prefer: Prefer::Auto,
    expect_pool: false,
};
/// Between two looks whether the processes still run.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Bytes shown of what each party saw.
const BYTES_SHOWN: usize = 16;
/// Predictions shown.
const PREDICTIONS_SHOWN: usize = 8;

/// What the demonstration showed.
#[derive(Serialize)]
pub struct DemoReport {
    directory: PathBuf,
    /// Whether it goes on serving.
    kept: bool,
    /// What a client needs to ask it.
    client_config: PathBuf,
    /// Where every process serves metrics.
    metrics: BTreeMap<&'static str, String>,
    models: Vec<ModelReport>,
}

/// A demonstration that has been shown and still runs.
pub struct Demonstration {
    /// What it showed.
    pub report: DemoReport,
    deployment: Deployment,
    /// Removed when the demonstration ends.
    _temporary: TempDir,
}

/// One model of the demonstration.
#[derive(Serialize)]
struct ModelReport {
    title: &'static str,
    /// Where the repository has the samples.
    samples: &'static str,
    /// A query of one sample, measured repeatedly.
    single: QueryReport,
    /// A query of all samples.
    batch: QueryReport,
    /// The share of labels that are the true ones.
    accuracy: f64,
    /// The same of the model in the clear.
    plaintext_accuracy: f64,
    seen: Vec<SeenReport>,
    #[serde(skip)]
    lines: String,
}

/// The first bytes of one party's share of a sample.
#[derive(Serialize)]
struct SeenReport {
    party: PartyId,
    bytes: String,
}

/// Shows the whole system on this machine.
pub fn run(arguments: &DemoArguments) -> Result<Demonstration, Failure> {
    let temporary = tempfile::tempdir()
        .map_err(|reason| Failure::machine(format!("cannot make a temporary directory: {reason}")))?;
    let directory = arguments.directory.as_deref().unwrap_or(temporary.path());
    let mut deployment = Deployment::start(directory, &Settings::default())?;
    let connection = Connection::open(&deployment.client_config()?)?;
    let mut models = Vec::new();
    for bundle in [CREDIT, DIGITS] {
        models.push(show(&bundle, &deployment, &connection)?);
        deployment.check()?;
    }
    let report = DemoReport {
        directory: deployment.directory().to_owned(),
        kept: arguments.keep,
        client_config: deployment.client_config_path(),
        metrics: deployment
            .metrics()
            .map(|(name, address)| (name, format!("http://{address}/metrics")))
            .collect(),
        models,
    };
    Ok(Demonstration {
        report,
        deployment,
        _temporary: temporary,
    })
}

impl Demonstration {
    /// Goes on serving until Ctrl-C if that was asked for. A process that ends is reported; the others go on, and it can be started again.
    pub fn keep(mut self) -> Result<(), Failure> {
        if !self.report.kept {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::machine)?;
        runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate()).map_err(Failure::machine)?;
            let mut ended = BTreeSet::new();
            loop {
                tokio::select! {
                    _ = tokio::signal::ctrl_c() => return Ok(()),
                    _ = terminate.recv() => return Ok(()),
                    () = tokio::time::sleep(LOOK_EVERY) => {
                        for (name, failure) in self.deployment.ended() {
                            if ended.insert(name) {
                                let command = if name == COORDINATOR { COORDINATOR } else { "node" };
                                let directory = self.report.directory.display();
                                eprintln!("{failure}\nStart it again with: tercet {command} --config {directory}/{name}.toml");
                            }
                        }
                    }
                }
            }
        })
    }
}

/// Deploys a model, asks it for one sample and for all, and compares with the truth.
fn show(bundle: &Bundle, deployment: &Deployment, connection: &Connection) -> Result<ModelReport, Failure> {
    let name = bundle.name;
    let inputs = [bundle.inputs()?];
    let truth = bundle.labels()?;
    let model = Model::from_bytes(name, bundle.model).map_err(compile::failure)?;
    let mut compiled = compile::compile(&model, name, &SETTINGS, Some(&inputs))?;
    compile::choose_protocols(&mut compiled.plan, &SETTINGS, compile::ONE_MACHINE, 1);
    let served = {
        let _progress = Progress::start(format!("sharing {name} with the three parties"));
        connection.deploy(name, &compiled.plan, &compiled.parameters)?;
        connection.describe(name)?
    };
    let sample = [first_sample(&inputs[0])];
    let (seen, mut single) = {
        let _progress = Progress::start(format!("asking {name} for one sample, {SINGLE_QUERIES} times"));
        let seen = connection.ask(&served, &sample)?.seen;
        let before = Usage::of(deployment);
        let (_, mut report) = measure(connection, &served, &sample, SINGLE_QUERIES)?;
        Usage::of(deployment).since(&before, &mut report);
        (seen, report)
    };
    single.plaintext_ms = Some(reference::plain_run(&model, &sample, SINGLE_QUERIES)?.1);
    let (outputs, mut batch) = {
        let _progress = Progress::start(format!("asking {name} for {} samples at once", truth.len()));
        measure(connection, &served, &inputs, 1)?
    };
    let (plain, plaintext_ms) = reference::plain_run(&model, &inputs, 1)?;
    batch.plaintext_ms = Some(plaintext_ms);
    batch.reference = Some("plaintext");
    batch.comparison = Some(compare(&compiled.plan.outputs, &outputs, &plain)?);
    let plain_labels = labels(&plain[0], &compiled.plan.outputs[0]);
    let seen: Vec<SeenReport> = seen
        .into_iter()
        .map(|(party, bytes)| SeenReport {
            party,
            bytes: hex(&bytes),
        })
        .collect();
    let mut report = ModelReport {
        title: bundle.title,
        samples: bundle.samples,
        accuracy: accuracy(&batch.predictions, &truth),
        plaintext_accuracy: accuracy(&plain_labels, &truth),
        single,
        batch,
        seen,
        lines: String::new(),
    };
    report.lines = lines(bundle, &sample[0], &report, &plain_labels, &truth);
    Ok(report)
}

/// What a person sees of a model.
fn lines(bundle: &Bundle, sample: &Array, report: &ModelReport, plain: &[u64], truth: &[u64]) -> String {
    let (single, batch) = (&report.single, &report.batch);
    let mut lines = format!("{}: {}\n", bundle.name, bundle.title);
    let plaintext: Vec<String> = sample
        .data()
        .iter()
        .filter(|x| **x != 0.0)
        .take(8)
        .map(|x| format!("{x:.3}"))
        .collect();
    let _ = writeln!(
        lines,
        "  the client's first sample          {} ...",
        plaintext.join(" ")
    );
    if bundle.classes == Classes::Digits {
        lines.push_str(&picture::picture(28, sample.data()));
    }
    for seen in &report.seen {
        let _ = writeln!(
            lines,
            "  what {:<12} saw of it         {} ...",
            seen.party.name(),
            seen.bytes
        );
    }
    let words = |labels: &[u64]| {
        let words = labels
            .iter()
            .take(PREDICTIONS_SHOWN)
            .map(|&label| bundle.classes.text(label));
        words.collect::<Vec<_>>().join(", ")
    };
    let _ = writeln!(
        lines,
        "  private predictions                {}, ...",
        words(&batch.predictions)
    );
    let _ = writeln!(lines, "  predictions in the clear           {}, ...", words(plain));
    let _ = writeln!(lines, "  what they really are               {}, ...", words(truth));
    let _ = writeln!(
        lines,
        "  accuracy on {} samples            {:.1} % private, {:.1} % in the clear",
        truth.len(),
        report.accuracy * 100.0,
        report.plaintext_accuracy * 100.0
    );
    if let Some(comparison) = &batch.comparison {
        let _ = writeln!(
            lines,
            "  private against clear              {}",
            agreement_text(comparison)
        );
    }
    let _ = writeln!(
        lines,
        "  cost of one sample                 {} rounds on Z_2^{}, online {} and {}, dealt {}",
        single.rounds,
        single.ring_bits,
        bytes(single.online_bytes.e0_to_e1),
        bytes(single.online_bytes.e1_to_e0),
        bytes(single.dealt_bytes)
    );
    let _ = writeln!(
        lines,
        "  latency of one sample              online {}, total {}",
        spread_text(single.online_ms),
        spread_text(single.total_ms)
    );
    if let Some(clear) = single.plaintext_ms {
        let ratio = single.total_ms.median / clear.median.max(1e-6);
        let _ = writeln!(
            lines,
            "  latency in the clear               {}; privacy costs {ratio:.0} times that",
            spread_text(clear)
        );
    }
    let _ = writeln!(
        lines,
        "  all {} samples in one query       total {}, {:.0} samples a second",
        truth.len(),
        spread_text(batch.total_ms),
        f64::from(batch.batch) * 1e3 / batch.total_ms.median
    );
    lines
}

fn first_sample(array: &Array) -> Array {
    let mut shape = array.shape().to_vec();
    shape[0] = 1;
    let size: usize = shape.iter().product();
    Array::new(shape, array.data()[..size].to_vec()).expect("a sample fills its shape")
}

fn accuracy(labels: &[u64], truth: &[u64]) -> f64 {
    let right = labels.iter().zip(truth).filter(|(label, truth)| label == truth).count();
    right as f64 / truth.len().max(1) as f64
}

fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes
        .iter()
        .take(BYTES_SHOWN)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    pairs.join(" ")
}

impl Report for DemoReport {
    fn text(&self) -> String {
        let mut text =
            "\nThree parties on this machine answered real queries; none of them saw an input, a weight or a result.\n"
                .to_owned();
        for model in &self.models {
            text.push('\n');
            text.push_str(&model.lines);
        }
        if self.kept {
            let config = self.client_config.display();
            text.push_str("\nServing until Ctrl-C. Ask it:\n");
            for model in &self.models {
                let _ = writeln!(
                    text,
                    "  tercet infer --config {config} --model {} --input {}",
                    model.single.model, model.samples
                );
            }
            text.push_str("Metrics:\n");
            for (name, url) in &self.metrics {
                let _ = writeln!(text, "  {name:<14}{url}");
            }
        }
        text.push_str("\nThis machine runs all three parties, so it proves the computation and not the separation: that needs three organisations.\n");
        text
    }
}
