//! From a model file and the options of the command line to a plan.

use std::time::Duration;

use tercet_import::{Compiled, ImportError, Model, Options, Preference, RingChoice};
use tercet_plan::cost::Network;
use tercet_plan::{Array, Encoded, Plan};

use crate::arguments::{CompileArguments, CompileSettings, Prefer, Reveal, Ring};
use crate::exit::{ExitCode, Failure};
use crate::files::{self, CALIBRATION, INPUT};
use crate::progress::Progress;

/// A model, compiled for one query on this machine.
pub struct OneQuery {
    /// The model's name.
    pub name: String,
    /// The model as it was read.
    pub model: Model,
    /// What is asked, in the model's order.
    pub inputs: Vec<Array>,
    /// The same as integers.
    pub encoded: Encoded,
    /// What runs.
    pub compiled: Compiled,
}

/// Reads a model and what it is asked, and compiles it for just that. What the parties would refuse is refused here.
pub fn for_one_query(arguments: &CompileArguments, input: &[String]) -> Result<OneQuery, Failure> {
    let name = name(arguments);
    let model = read(arguments)?;
    let inputs = files::read_in_order(INPUT, input, &input_names(&model))?;
    let mut compiled = compile(&model, &name, &arguments.settings, Some(&inputs))?;
    let encoded = compiled.plan.encode(&inputs).map_err(Failure::input)?;
    choose_protocols(&mut compiled.plan, &arguments.settings, ONE_MACHINE, encoded.batch);
    Ok(OneQuery {
        name,
        model,
        inputs,
        encoded,
        compiled,
    })
}

/// Reads a model.
pub fn read(arguments: &CompileArguments) -> Result<Model, Failure> {
    Model::read(&arguments.model).map_err(failure)
}

/// Names of a model's inputs, in its order.
pub fn input_names(model: &Model) -> Vec<&str> {
    model.inputs().iter().map(|port| port.name.as_str()).collect()
}

/// Names of a model's outputs, in its order.
pub fn output_names(model: &Model) -> Vec<&str> {
    model.outputs().iter().map(|port| port.name.as_str()).collect()
}

/// Compiles a model; `inputs` calibrate it if the command line names no samples.
pub fn compile(
    model: &Model,
    name: &str,
    settings: &CompileSettings,
    inputs: Option<&[Array]>,
) -> Result<Compiled, Failure> {
    let calibration = if settings.calibration.is_empty() {
        inputs.map(<[Array]>::to_vec).unwrap_or_default()
    } else {
        files::read_in_order(CALIBRATION, &settings.calibration, &input_names(model))?
    };
    let _progress = Progress::start(format!("compiling {name}"));
    let options = Options {
        name: name.to_owned(),
        calibration,
        input_range: settings.input_range.map(|range| (range.low, range.high)),
        ring: match settings.ring {
            Ring::Auto => RingChoice::Auto,
            Ring::Z32 => RingChoice::Narrow,
            Ring::Z64 => RingChoice::Wide,
        },
        reveal: match settings.reveal {
            None => tercet_import::Reveal::AsModel,
            Some(Reveal::Logits) => tercet_import::Reveal::Logits,
            Some(Reveal::Probabilities) => tercet_import::Reveal::Probabilities,
            Some(Reveal::Label) => tercet_import::Reveal::Label,
        },
        margin_bits: settings.margin_bits,
    };
    tercet_import::compile(model, &options).map_err(failure)
}

/// The network between processes on one machine.
pub const ONE_MACHINE: Network = Network {
    round_trip: Duration::from_micros(60),
    bytes_per_second: 1e9,
};

/// Gives each step of a plan the protocol that the command line prefers for queries of `batch` samples.
pub fn choose_protocols(plan: &mut Plan, settings: &CompileSettings, network: Network, batch: u32) {
    let preference = match settings.prefer {
        Prefer::Latency => Preference::Latency,
        Prefer::Traffic => Preference::Traffic,
        Prefer::Auto => Preference::Time {
            network,
            is_dealt_before: settings.expect_pool,
        },
    };
    tercet_import::choose_variants(plan, batch, preference);
}

/// The name of a model whose file is `NAME.onnx`, or `NAME/model.onnx`.
pub fn name(arguments: &CompileArguments) -> String {
    let stem = arguments.model.file_stem().unwrap_or_default().to_string_lossy();
    let directory = arguments.model.parent().and_then(|parent| parent.file_name());
    let name = match directory {
        Some(directory) if stem == "model" => directory.to_string_lossy().into_owned(),
        _ => stem.into_owned(),
    };
    // Names of deployed models are file names on every system.
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let name: String = name.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() {
        "model".to_owned()
    } else {
        name.chars().take(64).collect()
    }
}

/// Who is at fault: samples are the caller's input, all else is the model.
pub fn failure(error: ImportError) -> Failure {
    let code = match &error {
        ImportError::SampleShape { .. }
        | ImportError::SampleCount { .. }
        | ImportError::SampleNotFinite { .. }
        | ImportError::SampleNotWhole { .. }
        | ImportError::SampleOutOfRange { .. } => ExitCode::Input,
        ImportError::FaultyPlan(_) | ImportError::FaultyParameters(_) | ImportError::FaultyGraph { .. } => {
            ExitCode::Internal
        }
        _ => ExitCode::Model,
    };
    Failure::new(code, error)
}
