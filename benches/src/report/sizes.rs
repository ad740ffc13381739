//! How cost grows with a network: perceptrons of growing width, and the repository's networks beside them.

use anyhow::Result;

use super::Setting;
use crate::markdown::{Table, bytes, milliseconds};
use crate::measure::Case;
use crate::plots::{Axis, Chart, Line};
use crate::synthetic;

/// Widths of the two inner layers, and of the input.
const WIDTHS: [usize; 5] = [64, 128, 256, 512, 1024];
/// Outputs of the perceptrons.
const OUTPUTS: usize = 10;
/// Convolutional networks, beside the perceptrons.
const NETWORKS: [&str; 3] = ["mnist_cryptonets_square", "mnist_lenet", "fashion_resnet20_folded"];
const OPTIONS: &str = "--batch 1 --seconds 2 --ring 32";

pub(super) fn section(setting: &Setting<'_>) -> Result<String> {
    let mut table = Table::new(&[
        "network",
        "multiply-adds",
        "online each way",
        "dealt",
        "online",
        "total",
    ]);
    let mut lines = [
        "perceptrons online",
        "perceptrons total",
        "convolutions online",
        "convolutions total",
    ]
    .map(|name| Line {
        name: name.to_owned(),
        points: Vec::new(),
        joined: name.starts_with("perceptrons"),
    });
    let perceptrons = WIDTHS.iter().map(|&width| {
        let files = synthetic::perceptron(setting.scratch, &[width, width, width, OUTPUTS])?;
        let name = format!("{width}-{width}-{width}-{OUTPUTS}");
        Ok::<_, anyhow::Error>((name, Case::new(&files.model, &files.inputs, OPTIONS), 0))
    });
    let networks = NETWORKS
        .iter()
        .map(|&name| Ok((name.to_owned(), setting.models.small(name, OPTIONS), 2)));
    for case in perceptrons.chain(networks) {
        let (name, case, first_line) = case?;
        let plan = setting.program.plan(&case.model, &case.inputs[0], "32")?;
        let measured = setting.program.bench(&case)?;
        let multiply_adds = plan.number("multiply_adds")?;
        let latencies = [
            measured.number("online_ms.median")?,
            measured.number("total_ms.median")?,
        ];
        for (line, latency) in lines[first_line..].iter_mut().zip(latencies) {
            line.points.push((multiply_adds, latency));
        }
        table.row([
            name,
            format!("{:.2} M", multiply_adds / 1e6),
            bytes(measured.number("online_bytes.e0_to_e1")?),
            bytes(measured.number("dealt_bytes")?),
            milliseconds(latencies[0]),
            milliseconds(latencies[1]),
        ]);
    }
    let logarithmic = |name| Axis {
        name,
        logarithmic: true,
    };
    let chart = Chart {
        title: "Latency of one sample against size",
        x: logarithmic("multiply-adds"),
        y: logarithmic("milliseconds"),
        lines: lines.into(),
    };
    chart.write(&setting.output.join("size.svg"))?;
    Ok(format!("![latency against size](size.svg)\n\n{}", table.text()))
}
