//! `tercet bench`

mod load;
mod plaintext;
mod report;
mod roles;

use std::path;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use tercet_import::{Compiled, Model};
use tercet_plan::Array;
use tercet_plan::cost::Network;
use tercet_relay::{Path, Traffic};

use crate::arguments::BenchArguments;
use crate::batches;
use crate::compare::compare;
use crate::compile;
use crate::deployment::Settings;
use crate::exit::Failure;
use crate::files::{self, INPUT};
use crate::local::Local;
use crate::progress::Progress;
use crate::query::Cost;
use crate::reference;
use crate::usage::Usage;
use plaintext::Plain;
use report::{BenchReport, Setting};
use roles::RoleTimes;

/// The longest that a run in the clear is measured.
const PLAINTEXT_SECONDS_MAX: u32 = 3;

/// Measures a model on a deployment of its own and in the clear.
pub fn run(arguments: &BenchArguments) -> Result<BenchReport, Failure> {
    let name = compile::name(&arguments.compile);
    let model = compile::read(&arguments.compile)?;
    let samples = files::read_in_order(INPUT, &arguments.input, &compile::input_names(&model))?;
    let mut compiled = compile::compile(&model, &name, &arguments.compile.settings, Some(&samples))?;
    let inputs = match arguments.batch {
        Some(batch) => batches::cycle(&compiled.plan.inputs, &samples, batch as usize),
        None => samples,
    };
    // What the parties would refuse is refused before they are started.
    compiled.plan.encode(&inputs).map_err(Failure::input)?;

    let setting = Setting {
        batch: batches::samples(&compiled.plan.inputs, &inputs),
        threads: match arguments.threads {
            Some(threads) => threads as usize,
            None => available_parallelism().map_err(Failure::machine)?.get(),
        },
        concurrency: arguments.concurrency as usize,
        pool: arguments.pool,
        path: (arguments.rtt.is_some() || arguments.bandwidth.is_some()).then(|| Path {
            round_trip: arguments.rtt.map_or(Duration::ZERO, |rtt| rtt.0),
            bits_per_second: arguments.bandwidth.map(|rate| (rate.bytes_per_second * 8.0) as u64),
        }),
    };
    let network = setting.path.map_or(compile::ONE_MACHINE, |path| Network {
        round_trip: path.round_trip,
        bytes_per_second: path
            .bits_per_second
            .map_or(compile::ONE_MACHINE.bytes_per_second, |rate| rate as f64 / 8.0),
    });
    let mut settings = arguments.compile.settings.clone();
    settings.expect_pool |= setting.pool;
    compile::choose_protocols(&mut compiled.plan, &settings, network, setting.batch as u32);
    let seconds = Duration::from_secs(arguments.seconds.min(PLAINTEXT_SECONDS_MAX).into());
    let (plain, plaintext) = in_the_clear(&model, &arguments.compile.model, &inputs, setting.threads, seconds)?;
    let plain = reference::revealed(&compiled, arguments.compile.settings.reveal, &inputs, plain)?;
    let expected = reference::expected(&model, &compiled.plan.outputs, &[], plain)?;

    let measured = privately(&name, &compiled, &inputs, setting, arguments.seconds)?;
    let comparison = compare(&compiled.plan.outputs, &measured.outputs, &expected.outputs)?;
    BenchReport::new(&compiled.plan, setting, measured, comparison, plaintext)
}

/// The outputs of the plain run, and what both runtimes take.
fn in_the_clear(
    model: &Model,
    file: &path::Path,
    inputs: &[Array],
    threads: usize,
    seconds: Duration,
) -> Result<(Vec<Array>, Vec<Plain>), Failure> {
    let _progress = Progress::start("measuring the model in the clear");
    let (outputs, tract) = plaintext::tract(model, inputs, seconds)?;
    let onnxruntime = plaintext::onnxruntime(file, inputs, threads, seconds)?;
    Ok((outputs, vec![tract, onnxruntime]))
}

/// What was measured of a deployment.
pub struct Measured {
    /// Queries before the measured ones.
    warm_up_queries: usize,
    /// Of the measured queries, in the order of their answers.
    costs: Vec<Cost>,
    /// From the first query to the last answer.
    time: Duration,
    /// The last answer's.
    outputs: Vec<Array>,
    /// Before and after the measured queries.
    usage: [Usage; 2],
    /// CPU time by role.
    role_times: RoleTimes,
    /// What passed the emulated network, warming up included.
    traffic: Option<Traffic>,
}

fn privately(
    name: &str,
    compiled: &Compiled,
    inputs: &[Array],
    setting: Setting,
    seconds: u32,
) -> Result<Measured, Failure> {
    let settings = Settings {
        threads: Some(u32::try_from(setting.threads).unwrap_or(u32::MAX)),
        path: setting.path,
        pool_batch: setting.pool.then(|| u32::try_from(setting.batch).unwrap_or(u32::MAX)),
    };
    let mut local = Local::start(name, compiled, &settings)?;
    let _progress = Progress::start(format!("measuring {name}"));
    let concurrency = setting.concurrency;
    let ask = |more: &mut dyn FnMut(&[Cost]) -> bool| {
        local
            .connection
            .ask_side_by_side(&local.served, inputs, concurrency, setting.pool, more)
    };
    let (warm_up, _) = ask(&mut load::until_steady(concurrency))?;
    let before = Usage::of(&local.deployment);
    let start = Instant::now();
    let mut more = load::until(start + Duration::from_secs(seconds.into()));
    let mut role_times = RoleTimes::default();
    let (costs, outputs) = ask(&mut |costs| {
        if concurrency == 1 {
            role_times.note(costs, Usage::of(&local.deployment));
        }
        more(costs)
    })?;
    let time = start.elapsed();
    let usage = [before, Usage::of(&local.deployment)];
    local.deployment.check()?;
    Ok(Measured {
        warm_up_queries: warm_up.len(),
        costs,
        time,
        outputs,
        usage,
        role_times,
        traffic: local.deployment.traffic(),
    })
}
