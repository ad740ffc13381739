//! What the engine is to reach, and whether it does.

use std::path::Path;

use anyhow::Result;

use crate::cases::Models;
use crate::markdown::{Table, milliseconds};
use crate::measure::{Case, Measured, Program};
use crate::synthetic;

/// A figure of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Figure {
    /// The evaluators' part.
    Online,
    /// From the client's arrays to the client's result, dealing included.
    Total,
    /// The evaluators' part over ONNX Runtime on as many threads.
    OnlineToPlain,
    /// CPU time of an evaluator over that of ONNX Runtime.
    ProcessorToPlain,
    /// The largest peak of memory of the parties.
    Memory,
}

impl Figure {
    fn of(self, measured: &Measured) -> Result<f64> {
        match self {
            Figure::Online => measured.number("online_ms.median"),
            Figure::Total => measured.number("total_ms.median"),
            Figure::OnlineToPlain => measured.number("ratio.onnxruntime.online"),
            Figure::ProcessorToPlain => measured.number("ratio.onnxruntime.cpu_of_evaluator"),
            Figure::Memory => measured.party_memory(),
        }
    }

    fn text(self, value: f64) -> String {
        match self {
            Figure::Online => format!("{} online", milliseconds(value)),
            Figure::Total => format!("{} in total", milliseconds(value)),
            Figure::OnlineToPlain => format!("{value:.0}x in the clear, online"),
            Figure::ProcessorToPlain => format!("{value:.0}x in the clear, CPU of an evaluator"),
            Figure::Memory => format!("{:.2} GB a party", value / 1e9),
        }
    }
}

/// A case, what it is to reach, and what others reach.
struct Goal {
    name: &'static str,
    case: Result<Case>,
    at_most: &'static [(Figure, f64)],
    others: &'static str,
}

/// Whether all goals were reached, and the table that says so.
pub struct Outcome {
    /// Every figure was measured and is within its goal.
    pub reached: bool,
    /// A row for each case.
    pub table: String,
}

/// Measures all cases; one that can't be measured has missed its goal.
pub fn check(program: &Program, models: &Models, directory: &Path) -> Result<Outcome> {
    let mut table = Table::new(&[
        "case",
        "at most",
        "measured",
        "session",
        "reached",
        "others on such a machine",
    ]);
    let mut reached = true;
    for goal in goals(models, directory)? {
        let measured = goal.case.and_then(|case| program.bench(&case));
        let at_most = goal.at_most.iter().map(|&(figure, most)| figure.text(most));
        let at_most = at_most.collect::<Vec<_>>().join(", ");
        let row = measured.and_then(|measured| {
            let figures = goal
                .at_most
                .iter()
                .map(|&(figure, most)| Ok((figure, most, figure.of(&measured)?)));
            let figures = figures.collect::<Result<Vec<_>>>()?;
            let within = figures.iter().all(|&(_, most, value)| value <= most);
            let shown = figures.iter().map(|&(figure, _, value)| figure.text(value));
            Ok((
                shown.collect::<Vec<_>>().join(", "),
                measured.number("session_ms.median")?,
                within,
            ))
        });
        let [shown, session, verdict] = match row {
            Ok((shown, session, within)) => {
                reached &= within;
                [
                    shown,
                    milliseconds(session),
                    if within { "yes" } else { "no" }.to_owned(),
                ]
            }
            Err(reason) => {
                reached = false;
                [format!("not measured: {reason:#}"), String::new(), "no".to_owned()]
            }
        };
        eprintln!("{}: {shown} (at most {at_most})", goal.name);
        table.row([
            goal.name.to_owned(),
            at_most,
            shown,
            session,
            verdict,
            goal.others.to_owned(),
        ]);
    }
    Ok(Outcome {
        reached,
        table: table.text(),
    })
}

/// The cases. What others reach was measured on a machine of this kind, all parties on its two cores, medians.
fn goals(models: &Models, directory: &Path) -> Result<Vec<Goal>> {
    let perceptron = synthetic::perceptron(directory, &[784, 128, 128, 10])?;
    let product = synthetic::matrix_product(directory)?;
    let rectifier = synthetic::rectifier(directory)?;
    let case = |files: &synthetic::Files, options: &str| Ok(Case::new(&files.model, &files.inputs, options));
    Ok(vec![
        Goal {
            name: "MLP 784-128-128-10, batch 1",
            case: case(&perceptron, "--batch 1"),
            at_most: &[(Figure::Online, 1.5)],
            others: "HPMPC 4.5 ms, MP-SPDZ 5-6 ms (29 rounds), SPU 35 ms, CrypTen 215 ms",
        },
        Goal {
            name: "LeNet, batch 1",
            case: Ok(models.small("mnist_lenet", "--batch 1")),
            at_most: &[(Figure::Online, 3.0), (Figure::Total, 8.0)],
            others: "HPMPC 26 ms + 21 ms preprocessing, MP-SPDZ 35-44 ms (78 rounds, 2.25 MB), SPU 381 ms, CrypTen 1.7 s",
        },
        Goal {
            name: "LeNet, batch 128",
            case: Ok(models.small("mnist_lenet", "--batch 128")),
            at_most: &[(Figure::Total, 250.0)],
            others: "HPMPC 0.9-1.1 s, MP-SPDZ 2.7 s (288 MB), SPU 13 s, CrypTen 87 s",
        },
        Goal {
            name: "ResNet-20, batch 1",
            case: Ok(models.small("fashion_resnet20_folded", "--batch 1")),
            at_most: &[(Figure::Online, 25.0), (Figure::Total, 60.0)],
            others: "MP-SPDZ 0.39-0.44 s (28.5 MB), SPU 2.2 s, CrypTen 2.7 s",
        },
        Goal {
            name: "product of secret 1000x1000 matrices, 64-bit ring, truncated",
            case: case(&product, "--ring 64"),
            at_most: &[(Figure::Total, 400.0)],
            others: "HPMPC 0.96 s, MP-SPDZ 4.1 s",
        },
        Goal {
            name: "1 million ReLU with truncation",
            case: case(&rectifier, ""),
            at_most: &[(Figure::Total, 100.0)],
            others: "HPMPC 0.18 s (32 bits), 0.30 s (64 bits), MP-SPDZ 0.34 s, all without truncation",
        },
        Goal {
            name: "LeNet, batch 1, 40 ms round trip, 100 Mbit/s",
            case: Ok(models.small("mnist_lenet", "--batch 1 --rtt 40ms --bandwidth 100Mbit")),
            at_most: &[(Figure::Online, 400.0)],
            others: "MP-SPDZ 1.7 s by its rounds and bytes",
        },
        Goal {
            name: "ResNet-50, 224x224, batch 1",
            case: models.large("resnet50", "--batch 1"),
            at_most: &[
                (Figure::Online, 1000.0),
                (Figure::Total, 2500.0),
                (Figure::Memory, 4e9),
                (Figure::OnlineToPlain, 25.0),
                (Figure::ProcessorToPlain, 8.0),
            ],
            others: "HPMPC 4.0-6.4 s (768 MB, 32-bit, no encryption; 86x), SPU 40.8 s (2.5 GB), CrypTen 95 s (33 GB)",
        },
    ])
}
