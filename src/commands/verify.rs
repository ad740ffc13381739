//! `tercet verify`

use serde::Serialize;
use tercet_plan::Array;

use crate::arguments::{Format, VerifyArguments};
use crate::compare::{Comparison, as_revealed, compare};
use crate::compile::{self, OneQuery};
use crate::exit::{ExitCode, Failure};
use crate::layers::{LayerError, LayerExcess, integer_run};
use crate::local::ask_locally;
use crate::output::{Report, present};
use crate::progress::Progress;
use crate::reference;
use crate::report::QueryReport;
use crate::table::Table;

/// Samples whose values are compared layer by layer; those of a large batch would not fit the memory.
const LAYER_SAMPLES: usize = 32;

/// Three ways to run a model, side by side.
#[derive(Serialize)]
pub struct VerifyReport {
    #[serde(flatten)]
    query: QueryReport,
    tolerance: f64,
    /// The three runs against the reference.
    runs: Runs,
    /// The private result against the integer one: how far the protocol is from exact arithmetic.
    private_to_integer: Comparison,
    layers: Vec<LayerError>,
    /// The first layer where the integer values leave the float ones by more than the tolerance.
    first_difference: Option<LayerError>,
    excesses: Vec<LayerExcess>,
    agrees: bool,
}

#[derive(Serialize)]
struct Runs {
    float: Comparison,
    integer: Comparison,
    private: Comparison,
}

/// Runs a model in the clear, as integers, and privately; a result that is off is shown before it is an error.
pub fn run(arguments: &VerifyArguments, format: Format) -> Result<(), Failure> {
    let report = verify(arguments)?;
    present(format, &report)?;
    if report.agrees {
        return Ok(());
    }
    let place = match &report.first_difference {
        Some(layer) => format!(
            "float and integer values part at layer {} ({})",
            layer.layer, layer.operation
        ),
        None => "no layer of the integer run is off by that".to_owned(),
    };
    let sentence = format!(
        "the private result is not within {} of the expected one: {place}; see the report",
        arguments.tolerance
    );
    Err(Failure::new(ExitCode::Disagreement, sentence))
}

fn verify(arguments: &VerifyArguments) -> Result<VerifyReport, Failure> {
    let OneQuery {
        name,
        model,
        inputs,
        encoded,
        compiled,
    } = compile::for_one_query(&arguments.compile, &arguments.input)?;
    let plan = &compiled.plan;
    let (plain, plaintext_ms) = reference::plain_run(&model, &inputs, 1)?;
    let plain = reference::revealed(&compiled, arguments.compile.settings.reveal, &inputs, plain)?;
    let expected = reference::expected(&model, &compiled.plan.outputs, &arguments.expected, plain.clone())?;

    let integer = {
        let _progress = Progress::start("running the integer oracle");
        let floats = compiled.float_steps(&inputs, LAYER_SAMPLES).map_err(compile::failure)?;
        integer_run(plan, &compiled.parameters, &encoded, &floats)
    };
    let integer_outputs = plan
        .decode(encoded.batch, &integer.revealed)
        .map_err(|error| Failure::new(ExitCode::Internal, error))?;

    let (private_outputs, mut query) = ask_locally(&name, &compiled, &inputs)?;
    let against = |outputs| compare(&plan.outputs, outputs, &expected.outputs);
    let private = against(&private_outputs)?;
    query.plaintext_ms = Some(plaintext_ms);
    query.comparison = Some(private);
    query.reference = Some(expected.kind);
    let float_outputs = as_revealed(&plan.outputs, plain);
    let report = VerifyReport {
        tolerance: arguments.tolerance,
        runs: Runs {
            float: against(&float_outputs)?,
            integer: against(&integer_outputs)?,
            private,
        },
        private_to_integer: compare(&plan.outputs, &private_outputs, &integer_outputs)?,
        first_difference: integer
            .layers
            .iter()
            .find(|layer| layer.parts(arguments.tolerance))
            .cloned(),
        layers: integer.layers,
        excesses: integer.excesses,
        agrees: agrees(&private, &expected.outputs, arguments.tolerance),
        query,
    };
    Ok(report)
}

/// Whether all labels agree and no number is off by more than the tolerance times the largest of the expected ones, or times one if
/// that is larger: the same rule as for layers.
fn agrees(comparison: &Comparison, expected: &[Array], tolerance: f64) -> bool {
    let largest = expected
        .iter()
        .flat_map(|array| array.data())
        .fold(1.0, |largest: f64, x| largest.max(f64::from(x.abs())));
    comparison.argmax_agreement == 1.0
        && comparison
            .max_abs_error
            .is_none_or(|error| error <= tolerance * largest)
}

impl Report for VerifyReport {
    fn text(&self) -> String {
        let mut runs = Table::new(&["run", "labels agree", "largest error", "mean error"]);
        let named = [
            ("float", self.runs.float),
            ("integer", self.runs.integer),
            ("private", self.runs.private),
            ("private against integer", self.private_to_integer),
        ];
        for (name, comparison) in named {
            let error = |error: Option<f64>| error.map_or("-".to_owned(), |error| format!("{error:.2e}"));
            runs.row([
                name.to_owned(),
                format!("{:.2} %", comparison.argmax_agreement * 100.0),
                error(comparison.max_abs_error),
                error(comparison.mean_abs_error),
            ]);
        }
        let mut text = format!(
            "{}\nagainst the {} result:\n{}",
            self.query.text(),
            self.query.reference.unwrap_or("-"),
            runs.text()
        );
        match &self.first_difference {
            Some(layer) => text.push_str(&format!(
                "\nFloat and integer values first part at {} ({}): off by {:.2e}, where values reach {:.2e}.\n",
                layer.layer, layer.operation, layer.max_abs_error, layer.largest
            )),
            None => text.push_str(&format!(
                "\nOf {} layers compared, none is off by more than the tolerance.\n",
                self.layers.len()
            )),
        }
        for excess in &self.excesses {
            text.push_str(&format!(
                "Layer {} holds {}, beyond its bound of 2^{}: calibrate with more samples or add --margin-bits.\n",
                excess.layer, excess.largest, excess.bits
            ));
        }
        text.push_str(&format!("{}\n", if self.agrees { "agrees" } else { "DOES NOT AGREE" }));
        text
    }
}
