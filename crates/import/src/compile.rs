//! From a model and samples to a plan.

use ndarray::ArrayD;
use tercet_plan::{Array, Parameters, Plan};

use crate::error::ImportError;
use crate::graph::{Graph, Op};
use crate::lower::StepOrigin;
use crate::options::Options;
use crate::planner::magnitude::magnitudes;
use crate::planner::observe::observe;
pub use crate::planner::search::Agreement;
use crate::planner::search::{Task, search};
use crate::read::Model;
use crate::reference::FloatReference;
use crate::reveal;
use crate::simplify::simplify;

/// Samples that the float graph is checked on against the front end: at most, and of a large network as many as take so much work.
const CHECKED_SAMPLES: usize = 4;
const CHECKED_WORK: u64 = 4_000_000_000;
/// How far the float graph, in double precision, may be from the front end's single precision, by the size of the output.
const FLOAT_TOLERANCE: f64 = 1e-3;
/// The part of a number by which single precision may be off after a deep network.
const FLOAT_ROUNDING: f64 = 1e-4;
/// Samples that scales are tried on, and work.
const TRIAL_SAMPLES: usize = 8;
const TRIAL_WORK: u64 = 16_000_000_000;
/// Samples that a ring has to prove itself on, and work.
const PROOF_SAMPLES: usize = 256;
const PROOF_WORK: u64 = 64_000_000_000;
/// Curves with more knots than that approximate something, so that small differences to the front end are meant.
const EXACT_KNOTS_MAX: usize = 8;

/// A compiled model.
pub struct Compiled {
    /// What the parties run. Public.
    pub plan: Plan,
    /// The weights. The owner's.
    pub parameters: Parameters,
    /// How the plan agrees with the float graph on the calibration samples, if there were any.
    pub agreement: Option<Agreement>,
    model: Model,
    graph: Graph,
    origins: Vec<StepOrigin>,
}

/// Compiles a model.
///
/// # Errors
/// Everything that is wrong with the model, the samples or the options; see [`ImportError`].
pub fn compile(model: &Model, options: &Options) -> Result<Compiled, ImportError> {
    let samples = &options.calibration;
    let known: Vec<Option<Vec<usize>>> = match model.shapes_at_batch_one(samples) {
        Ok(shapes) => shapes.into_iter().map(Some).collect(),
        Err(_) => vec![None; model.inputs().len()],
    };
    let unsupported = model.unsupported(&known);
    if !unsupported.is_empty() {
        return Err(ImportError::Unsupported(unsupported));
    }
    let shapes = model.shapes_at_batch_one(samples)?;
    if !samples.is_empty() {
        model.check_samples(samples)?;
    }
    let ranges = ranges(model, options)?;
    let mut graph = model.translate(&model.typed(&shapes)?)?;
    let within = |count: usize, work: u64| count.min((work / graph.work().max(1)).max(1) as usize);
    let checked = within(CHECKED_SAMPLES, CHECKED_WORK);
    let trial = model.first_samples(samples, within(TRIAL_SAMPLES, TRIAL_WORK))?;
    let proof = model.first_samples(samples, within(PROOF_SAMPLES, PROOF_WORK))?;
    if !samples.is_empty() {
        check_translation(model, &graph, &model.first_samples(samples, checked)?)?;
    }
    reveal::apply(&mut graph, options.reveal)?;
    let split = model.split(samples)?;
    let translated = graph;
    let graph = simplify(translated.clone());
    check_simplification(&translated, &graph, &split[..split.len().min(checked)])?;
    drop(translated);
    let observed = (!split.is_empty()).then(|| observe(&graph, &split));
    let magnitudes = magnitudes(&graph, &ranges, observed.as_ref(), options.margin_bits);
    let (means, expected) = observed.map_or_else(Default::default, |observed| (observed.means, observed.revealed));
    let task = Task {
        name: &options.name,
        graph: &graph,
        ranges: &ranges,
        magnitudes: &magnitudes,
        means: &means,
        samples: &proof,
        trial: &trial,
        expected: &expected,
    };
    let (lowered, agreement) = search(&task, options.ring)?;
    tracing::debug!(
        ring_bits = lowered.plan.ring_bits,
        steps = lowered.plan.steps.len(),
        agreement = ?agreement,
        "compiled"
    );
    Ok(Compiled {
        plan: lowered.plan,
        parameters: lowered.parameters,
        agreement,
        model: model.clone(),
        graph,
        origins: lowered.origins,
    })
}

/// The stated range, or that of the samples widened.
fn ranges(model: &Model, options: &Options) -> Result<Vec<(f64, f64)>, ImportError> {
    if let Some((low, high)) = options.input_range {
        if !(low.is_finite() && high.is_finite() && low < high) {
            return Err(ImportError::BadRange { low, high });
        }
        for (port, samples) in model.inputs().iter().zip(&options.calibration) {
            let outside = samples
                .data()
                .iter()
                .map(|&x| f64::from(x))
                .find(|x| !(low..=high).contains(x));
            if let Some(value) = outside {
                return Err(ImportError::SampleOutOfRange {
                    input: port.name.clone(),
                    value,
                    low,
                    high,
                });
            }
        }
        return Ok(vec![(low, high); model.inputs().len()]);
    }
    if options.calibration.is_empty() {
        return Err(ImportError::NothingToBoundBy);
    }
    let widened = |samples: &Array| {
        let numbers = samples.data().iter().map(|&x| f64::from(x));
        let (low, high) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
            (low.min(x), high.max(x))
        });
        let width = if high > low { high - low } else { high.abs().max(1.0) };
        (low - width, high + width)
    };
    Ok(options.calibration.iter().map(widened).collect())
}

/// What the float graph reveals for each output, samples outermost.
fn expected(graph: &Graph, samples: &[Vec<ArrayD<f64>>]) -> Vec<Vec<f64>> {
    let mut expected = vec![Vec::new(); graph.outputs.len()];
    for sample in samples {
        graph.walk(sample, |id, value| {
            for (output, numbers) in graph.outputs.iter().zip(&mut expected) {
                if output.node == id {
                    numbers.extend(value.iter());
                }
            }
        });
    }
    expected
}

impl Compiled {
    /// What each step of the plan would hold if it were computed on real numbers, for the first `samples` of the inputs, samples
    /// outermost: to be compared with the step's integers divided by `2^fraction_bits`. Infinite where a border never wins a maximum.
    ///
    /// # Errors
    /// When the inputs do not fit the model.
    pub fn float_steps(&self, inputs: &[Array], samples: usize) -> Result<Vec<Vec<f64>>, ImportError> {
        self.model.check_samples(inputs)?;
        let mut steps = vec![Vec::new(); self.origins.len()];
        for sample in self.model.split(&self.model.first_samples(inputs, samples)?)? {
            self.graph.walk(&sample, |id, value| {
                for (numbers, origin) in steps.iter_mut().zip(&self.origins) {
                    if origin.node == id {
                        numbers.extend(value.iter().map(|x| x / origin.unit));
                    }
                }
            });
        }
        Ok(steps)
    }

    /// The outputs in the form that the plan reveals, computed on real numbers.
    ///
    /// # Errors
    /// When the inputs do not fit the model.
    pub fn float_outputs(&self, inputs: &[Array]) -> Result<Vec<Array>, ImportError> {
        self.model.check_samples(inputs)?;
        let samples = self.model.batch(inputs);
        let numbers = expected(&self.graph, &self.model.split(inputs)?);
        let outputs = self.plan.outputs.iter().zip(numbers);
        let outputs = outputs.map(|(output, mut numbers)| {
            output.decode.apply(&output.shape, &mut numbers);
            let leading = output.batched.then_some(samples).into_iter();
            let shape = leading.chain(output.shape.iter().map(|&size| size as usize)).collect();
            Ok(Array::new(
                shape,
                numbers.into_iter().map(|number| number as f32).collect(),
            )?)
        });
        outputs.collect()
    }
}

/// Guards against mistakes here: the translated graph must compute what the front end does. It does so sample by sample, so a
/// model that mixes the samples of a batch is found, too.
fn check_translation(model: &Model, graph: &Graph, samples: &[Array]) -> Result<(), ImportError> {
    let reference = FloatReference::new(model, samples)?;
    let found = expected(graph, &model.split(samples)?);
    let Some(fault) = difference(graph, &found, &reference.run(samples)?) else {
        return Ok(());
    };
    let one_by_one = reference.run_one_by_one(samples)?;
    match difference(graph, &found, &one_by_one) {
        None => Err(ImportError::MixesBatch),
        Some(_) => Err(fault),
    }
}

/// The first output in which the front end's numbers are not those of the graph.
fn difference(graph: &Graph, found: &[Vec<f64>], stated: &[Array]) -> Option<ImportError> {
    let outputs = graph.outputs.iter().zip(found).zip(stated);
    outputs.into_iter().find_map(|((output, numbers), stated)| {
        let mut numbers = numbers.clone();
        // No client's computation enlarges errors, but what goes into a softmax may be large, and then so is its rounding.
        let size = numbers.iter().fold(0.0_f64, |size, x| size.max(x.abs()));
        let tolerance = FLOAT_TOLERANCE + FLOAT_ROUNDING * size;
        let shape: Vec<u32> = output.shape.iter().map(|&size| size as u32).collect();
        output.decode.apply(&shape, &mut numbers);
        let error = largest_difference(&numbers, stated.data().iter().map(|&x| f64::from(x)));
        let differs = error.is_nan() || (error > tolerance && !is_approximate(graph));
        differs.then(|| ImportError::FaultyGraph {
            output: output.name.clone(),
            error,
        })
    })
}

/// Guards against mistakes here: the simplified graph must compute what the translated one does.
fn check_simplification(
    translated: &Graph,
    simplified: &Graph,
    samples: &[Vec<ArrayD<f64>>],
) -> Result<(), ImportError> {
    if is_approximate(simplified) {
        return Ok(());
    }
    let pairs = expected(translated, samples)
        .into_iter()
        .zip(expected(simplified, samples));
    for (output, (wanted, found)) in simplified.outputs.iter().zip(pairs) {
        let error = largest_difference(&found, wanted.into_iter());
        if error.is_nan() || error > FLOAT_TOLERANCE {
            return Err(ImportError::FaultyGraph {
                output: output.name.clone(),
                error,
            });
        }
    }
    Ok(())
}

/// Whether the graph approximates a curve, so that small differences are meant.
fn is_approximate(graph: &Graph) -> bool {
    graph.nodes.iter().any(|node| match &node.op {
        Op::Piecewise { curve, .. } => curve.knots.len() > EXACT_KNOTS_MAX,
        _ => false,
    })
}

/// The largest difference, by the size of the numbers; infinite if there are not as many.
fn largest_difference(found: &[f64], wanted: impl Iterator<Item = f64>) -> f64 {
    let wanted: Vec<f64> = wanted.collect();
    if wanted.len() != found.len() {
        return f64::INFINITY;
    }
    let size = wanted.iter().fold(1.0_f64, |size, x| size.max(x.abs()));
    found
        .iter()
        .zip(wanted)
        .map(|(found, wanted)| (found - wanted).abs() / size)
        .fold(0.0, f64::max)
}
