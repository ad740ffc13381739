//! The same model in the clear: the front end in this process on one thread, and ONNX Runtime, where Python has it, on as many as a node.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tercet_import::{FloatReference, Model};
use tercet_plan::Array;
use tercet_telemetry::process::ProcessUsage;

use crate::compile;
use crate::exit::{ExitCode, Failure};
use crate::npy;
use crate::statistics::Spread;

/// Measured runs, also where one takes longer than the time to measure.
const RUNS_MIN: usize = 3;
/// What asks ONNX Runtime.
const SCRIPT: &str = include_str!("onnxruntime.py");
/// What runs it.
const PYTHON: &str = "python3";

/// How fast a model runs in the clear.
#[derive(Clone, Debug, Serialize)]
pub struct Plain {
    /// The runtime.
    pub engine: &'static str,
    /// Its release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Threads it ran on.
    pub threads: usize,
    /// The whole batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ms: Option<Spread>,
    /// CPU time of all its threads for the whole batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<f64>,
    /// Why there are no figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
}

/// Measures tract, which also reads the models and runs on one thread; gives its outputs too.
pub fn tract(model: &Model, inputs: &[Array], seconds: Duration) -> Result<(Vec<Array>, Plain), Failure> {
    let reference = FloatReference::new(model, inputs).map_err(compile::failure)?;
    let outputs = reference.run(inputs).map_err(compile::failure)?;
    let cpu = || ProcessUsage::of_this_process().map(|usage| usage.cpu);
    let (start, before, mut times) = (Instant::now(), cpu(), Vec::new());
    while times.len() < RUNS_MIN || start.elapsed() < seconds {
        let run = Instant::now();
        reference.run(inputs).map_err(compile::failure)?;
        times.push(run.elapsed().as_secs_f64() * 1e3);
    }
    let used = before.zip(cpu()).map(|(before, after)| after.saturating_sub(before));
    let plain = Plain {
        engine: "tract",
        version: None,
        threads: 1,
        cpu_ms: used.map(|used| used.as_secs_f64() * 1e3 / times.len() as f64),
        ms: Spread::of(times),
        unavailable: None,
    };
    Ok((outputs, plain))
}

/// What the script prints.
#[derive(Deserialize)]
struct Printed {
    version: String,
    times_ms: Vec<f64>,
    cpu_ms: f64,
}

/// Measures ONNX Runtime. That it isn't installed is a result, not a failure.
pub fn onnxruntime(model: &Path, inputs: &[Array], threads: usize, seconds: Duration) -> Result<Plain, Failure> {
    let directory = tempfile::tempdir().map_err(Failure::machine)?;
    let mut command = Command::new(PYTHON);
    command.args(["-c", SCRIPT]).arg(model);
    command.arg(threads.to_string()).arg(seconds.as_secs_f64().to_string());
    for (index, array) in inputs.iter().enumerate() {
        let path = directory.path().join(format!("{index}.npy"));
        npy::write(&path, array)?;
        command.arg(path);
    }
    let plain = Plain {
        engine: "onnxruntime",
        version: None,
        threads,
        ms: None,
        cpu_ms: None,
        unavailable: None,
    };
    let unavailable = |reason: String| Plain {
        unavailable: Some(reason),
        ..plain.clone()
    };
    let output = match command.output() {
        Ok(output) => output,
        Err(reason) => return Ok(unavailable(format!("{PYTHON} is not installed ({reason})"))),
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim_end().lines().last().unwrap_or("it says nothing").to_owned();
        return Ok(unavailable(if last.contains("No module named") {
            "it is not installed; run pip install onnxruntime".to_owned()
        } else {
            format!("it fails: {last}")
        }));
    }
    let printed: Printed = serde_json::from_slice(&output.stdout).map_err(|reason| {
        Failure::new(
            ExitCode::Internal,
            format!("ONNX Runtime's figures can't be read: {reason}"),
        )
    })?;
    Ok(Plain {
        version: Some(printed.version),
        ms: Spread::of(printed.times_ms),
        cpu_ms: Some(printed.cpu_ms),
        ..plain
    })
}
