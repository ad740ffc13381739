//! How one figure changes with one setting: a table and a chart each.

use anyhow::Result;

use super::Setting;
use crate::markdown::{Table, milliseconds};
use crate::measure::Measured;
use crate::plots::{Axis, Chart, Line};

/// The model that is varied.
const MODEL: &str = "mnist_lenet";
/// Milliseconds.
const ROUND_TRIPS: [u32; 5] = [1, 10, 20, 40, 80];
/// What the nodes can send in the wide-area cases.
const BANDWIDTH: &str = "100Mbit";
const BATCHES: [u32; 6] = [1, 4, 16, 32, 64, 128];
const THREADS: [u32; 3] = [1, 2, 4];
/// Samples of a query in the case of several threads; a single one has too little to share out.
const THREADS_BATCH: u32 = 32;
const IN_FLIGHT: [u32; 4] = [1, 4, 16, 64];

/// A setting that is varied.
struct Curve<'a> {
    setting: &'a Setting<'a>,
    /// The file of the chart.
    file: &'static str,
    title: &'static str,
    axis: Axis,
    values: &'a [u32],
    /// The options at a value.
    options: fn(u32) -> String,
}

const MILLISECONDS: Axis = Axis {
    name: "milliseconds",
    logarithmic: false,
};

pub(super) fn round_trips(setting: &Setting<'_>) -> Result<String> {
    let curve = Curve {
        setting,
        file: "round_trip.svg",
        title: "LeNet, batch 1, 100 Mbit/s",
        axis: Axis {
            name: "round-trip time in milliseconds",
            logarithmic: false,
        },
        values: &ROUND_TRIPS,
        options: |round_trip| format!("--batch 1 --seconds 2 --rtt {round_trip}ms --bandwidth {BANDWIDTH}"),
    };
    let section = curve.section("round trip, ms", MILLISECONDS, &[("online", online), ("total", total)])?;
    Ok(section
        + "\nAll links between the three nodes and the coordinator pass a relay that delays packets by half the round trip, sends at the rate of each host's line and drops what its queue does not hold. The client is beside the coordinator.\n")
}

pub(super) fn batches(setting: &Setting<'_>) -> Result<String> {
    let curve = Curve {
        setting,
        file: "batch.svg",
        title: "LeNet, time of one sample",
        axis: Axis {
            name: "samples of a query",
            logarithmic: true,
        },
        values: &BATCHES,
        options: |batch| format!("--batch {batch} --seconds 2"),
    };
    curve.section(
        "batch",
        MILLISECONDS,
        &[
            ("online of a sample", |measured| {
                Ok(online(measured)? / measured.number("batch")?)
            }),
            ("total of a sample", |measured| {
                Ok(total(measured)? / measured.number("batch")?)
            }),
        ],
    )
}

pub(super) fn threads(setting: &Setting<'_>) -> Result<String> {
    let curve = Curve {
        setting,
        file: "threads.svg",
        title: "LeNet, batch 32",
        axis: Axis {
            name: "threads of a node",
            logarithmic: false,
        },
        values: &THREADS,
        options: |threads| format!("--batch {THREADS_BATCH} --seconds 2 --threads {threads}"),
    };
    let section = curve.section(
        "threads of a node",
        MILLISECONDS,
        &[("online", online), ("total", total)],
    )?;
    Ok(section
        + "\nThe three nodes share this machine's cores, so more threads than a third of them help only where parties wait for each other.\n")
}

pub(super) fn concurrency(setting: &Setting<'_>) -> Result<String> {
    let curve = Curve {
        setting,
        file: "concurrency.svg",
        title: "LeNet, batch 1",
        axis: Axis {
            name: "queries in flight",
            logarithmic: true,
        },
        values: &IN_FLIGHT,
        options: |in_flight| format!("--batch 1 --seconds 2 --concurrency {in_flight}"),
    };
    let y = Axis {
        name: "queries a second",
        logarithmic: false,
    };
    curve.section(
        "queries in flight",
        y,
        &[("queries a second", |measured| measured.number("queries_per_second"))],
    )
}

fn online(measured: &Measured) -> Result<f64> {
    measured.number("online_ms.median")
}

fn total(measured: &Measured) -> Result<f64> {
    measured.number("total_ms.median")
}

/// A figure of a run.
type Figure = fn(&Measured) -> Result<f64>;

impl Curve<'_> {
    /// Measures every value, and shows the figures as a table and as a chart.
    fn section(&self, heading: &str, y: Axis, figures: &[(&str, Figure)]) -> Result<String> {
        let names = figures.iter().map(|&(name, _)| name);
        let mut table = Table::new(&[heading].into_iter().chain(names).collect::<Vec<_>>());
        let mut lines: Vec<Line> = figures
            .iter()
            .map(|&(name, _)| Line {
                name: name.to_owned(),
                points: Vec::new(),
                joined: true,
            })
            .collect();
        let mut unmeasured = String::new();
        for &value in self.values {
            let case = self.setting.models.small(MODEL, &(self.options)(value));
            let measured = self.setting.program.bench(&case);
            let found =
                measured.and_then(|measured| figures.iter().map(|(_, of)| of(&measured)).collect::<Result<Vec<_>>>());
            match found {
                Ok(found) => {
                    let shown = found.iter().map(|&figure| match y.name {
                        "milliseconds" => milliseconds(figure),
                        _ => format!("{figure:.1}"),
                    });
                    table.row([value.to_string()].into_iter().chain(shown));
                    for (line, figure) in lines.iter_mut().zip(found) {
                        line.points.push((value.into(), figure));
                    }
                }
                Err(reason) => unmeasured.push_str(&format!("\n{value} is not measured: {reason:#}.\n")),
            }
        }
        let chart = Chart {
            title: self.title,
            x: self.axis,
            y,
            lines,
        };
        chart.write(&self.setting.output.join(self.file))?;
        Ok(format!(
            "![{}]({})\n\n{}{unmeasured}",
            self.title,
            self.file,
            table.text()
        ))
    }
}
