//! Charts as SVG files.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

/// Width and height of a chart.
const SIZE: (u32, u32) = (720, 420);
/// One for each line of a chart, told apart by those who see fewer colours too (Okabe and Ito's).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// An axis.
#[derive(Clone, Copy)]
pub struct Axis {
    /// What it shows, with its unit.
    pub name: &'static str,
    /// Whether equal steps are equal factors.
    pub logarithmic: bool,
}

/// Points in order of x, joined or not.
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// x and y.
    pub points: Vec<(f64, f64)>,
    /// Whether the points are joined.
    pub joined: bool,
}

/// Lines over two axes.
pub struct Chart {
    /// Above it.
    pub title: &'static str,
    /// To the right.
    pub x: Axis,
    /// Upwards.
    pub y: Axis,
    /// What it shows.
    pub lines: Vec<Line>,
}

impl Axis {
    fn place(self, value: f64) -> f64 {
        if self.logarithmic {
            value.max(f64::MIN_POSITIVE).log10()
        } else {
            value
        }
    }

    fn label(self, place: f64) -> String {
        let value = if self.logarithmic { 10_f64.powf(place) } else { place };
        match value {
            value if value >= 1e9 => format!("{:.3}G", value / 1e9),
            value if value >= 1e6 => format!("{:.3}M", value / 1e6),
            value if value >= 1e4 => format!("{:.0}k", value / 1e3),
            value if value >= 100.0 => format!("{value:.0}"),
            value => format!("{value:.2}"),
        }
        .replace(".000", "")
        .replace(".00", "")
    }

    /// From where to where it goes; a linear one starts at zero.
    fn range(self, places: impl Iterator<Item = f64> + Clone) -> std::ops::Range<f64> {
        let low = places.clone().fold(f64::INFINITY, f64::min);
        let high = places.fold(f64::NEG_INFINITY, f64::max);
        if self.logarithmic {
            low - 0.1..high + 0.1
        } else {
            0.0..high * 1.05 + f64::MIN_POSITIVE
        }
    }
}

impl Chart {
    /// Draws it into a file. A chart without points is an error: something was not measured.
    pub fn write(&self, path: &Path) -> Result<()> {
        let points = self.lines.iter().flat_map(|line| &line.points);
        if points.clone().next().is_none() {
            return Err(anyhow!("nothing was measured for the chart \"{}\"", self.title));
        }
        let (x, y) = (self.x, self.y);
        let drawn = |error: DrawingAreaErrorKind<std::io::Error>| anyhow!("cannot draw {}: {error}", path.display());
        let area = SVGBackend::new(path, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(drawn)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(
                x.range(points.clone().map(|point| x.place(point.0))),
                y.range(points.map(|point| y.place(point.1))),
            )
            .map_err(drawn)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_desc(x.name)
            .y_desc(y.name)
            .x_label_formatter(&|&place| x.label(place))
            .y_label_formatter(&|&place| y.label(place))
            .draw()
            .map_err(drawn)?;
        for (line, colour) in self.lines.iter().zip(COLOURS.into_iter().cycle()) {
            let places = line.points.iter().map(|point| (x.place(point.0), y.place(point.1)));
            if line.joined {
                chart
                    .draw_series(LineSeries::new(places.clone(), colour.stroke_width(2)))
                    .map_err(drawn)?;
            }
            chart
                .draw_series(places.map(|place| Circle::new(place, 3, colour.filled())))
                .map_err(drawn)?
                .label(&line.name)
                .legend(move |(x, y)| Circle::new((x + 8, y), 4, colour.filled()));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()
            .map_err(drawn)?;
        area.present().map_err(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_shows_every_line_and_refuses_to_be_empty() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("chart.svg");
        let axis = |logarithmic| Axis {
            name: "milliseconds",
            logarithmic,
        };
        let line = |name: &str, points: &[(f64, f64)]| Line {
            name: name.to_owned(),
            points: points.to_vec(),
            joined: true,
        };
        for logarithmic in [false, true] {
            let mut chart = Chart {
                title: "latency",
                x: axis(logarithmic),
                y: axis(false),
                lines: vec![line("online", &[(1.0, 2.0), (10.0, 3.0)]), line("total", &[(1.0, 5.0)])],
            };
            chart.write(&path).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(
                text.contains("online") && text.contains("total") && text.contains("polyline"),
                "{text}"
            );
            chart.lines.clear();
            assert!(chart.write(&path).is_err());
        }
    }
}
