//! One run of `tercet bench` or `tercet plan`, as a process, and what it says.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The program that is measured.
pub struct Program {
    path: PathBuf,
}

/// A model, its samples, and how it is run.
#[derive(Clone, Debug)]
pub struct Case {
    /// The model.
    pub model: PathBuf,
    /// In the model's order.
    pub inputs: Vec<PathBuf>,
    /// Further options of `tercet bench`.
    pub options: Vec<String>,
}

/// What a run says.
#[derive(Clone, Debug)]
pub struct Measured(Value);

impl Program {
    /// Builds the program, together with this one so that both have the same dependencies, and finds it beside this one.
    pub fn build() -> Result<Program> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args([
                "build",
                "--release",
                "--package",
                "tercet",
                "--package",
                "tercet-benches",
            ])
            .status()
            .context("cannot start cargo; run this through `cargo run --release`")?;
        if !built.success() {
            bail!("tercet does not build; see what cargo says above");
        }
        let own = std::env::current_exe().context("cannot find this program's own file")?;
        let path = own.with_file_name("tercet");
        if !path.is_file() {
            bail!("{} is missing; run this through `cargo run --release`", path.display());
        }
        Ok(Program { path })
    }

    /// Measures a case.
    pub fn bench(&self, case: &Case) -> Result<Measured> {
        let mut arguments = vec!["bench".to_owned(), case.model.display().to_string()];
        for input in &case.inputs {
            arguments.extend(["--input".to_owned(), input.display().to_string()]);
        }
        arguments.extend(case.options.iter().cloned());
        self.run(&arguments)
    }

    /// What a model costs, layer by layer.
    pub fn plan(&self, model: &Path, calibration: &Path, ring: &str) -> Result<Measured> {
        let [model, calibration] = [model, calibration].map(|path| path.display().to_string());
        self.run(&["plan", &model, "--calibration", &calibration, "--ring", ring].map(str::to_owned))
    }

    fn run(&self, arguments: &[String]) -> Result<Measured> {
        eprintln!("tercet {}", arguments.join(" "));
        let output = Command::new(&self.path)
            .args(arguments)
            .args(["--format", "json"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .context("cannot start tercet")?;
        let said: Value = serde_json::from_slice(&output.stdout).context("tercet said no JSON")?;
        if let Some(sentence) = said["error"]["sentence"].as_str() {
            bail!("{sentence}");
        }
        Ok(Measured(said))
    }
}

impl Case {
    /// A case with these options.
    pub fn new(model: &Path, inputs: &[PathBuf], options: &str) -> Case {
        Case {
            model: model.to_owned(),
            inputs: inputs.to_vec(),
            options: options.split_whitespace().map(str::to_owned).collect(),
        }
    }
}

impl Measured {
    /// The number at the end of a path like `total_ms.median`.
    pub fn number(&self, path: &str) -> Result<f64> {
        let value = path.split('.').fold(&self.0, |value, key| &value[key]);
        value.as_f64().with_context(|| format!("tercet said no number {path}"))
    }

    /// Median milliseconds of the run in the clear.
    pub fn plain_ms(&self, engine: &str) -> Option<f64> {
        let engines = self.0["plaintext"].as_array()?;
        let plain = engines.iter().find(|plain| plain["engine"] == engine)?;
        plain["ms"]["median"].as_f64()
    }

    /// The largest peak of memory of the three parties, in bytes.
    pub fn party_memory(&self) -> Result<f64> {
        let peaks = ["client-proxy", "cloud", "auditor"].map(|party| self.number(&format!("peak_rss_bytes.{party}")));
        peaks.into_iter().try_fold(0.0, |most, peak| Ok(f64::max(most, peak?)))
    }

    /// The layers of a plan.
    pub fn layers(&self) -> &[Value] {
        self.0["layers"].as_array().map_or(&[], Vec::as_slice)
    }
}
