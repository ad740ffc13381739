//! Figures of repeated measurements.

use serde::Serialize;

/// Middle and spread of a quantity measured one or more times.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Spread {
    /// The middle one; of an even number the mean of the middle two.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// A tenth of the measurements are at most this.
    pub p10: f64,
    /// Nine tenths of the measurements are at most this.
    pub p90: f64,
    /// 99 of a hundred measurements are at most this.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of at least one measurement; `None` of none.
    pub fn of(measurements: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut sorted: Vec<f64> = measurements.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        Some(Spread {
            median: quantile(&sorted, 0.5),
            min,
            p10: quantile(&sorted, 0.1),
            p90: quantile(&sorted, 0.9),
            p99: quantile(&sorted, 0.99),
            max,
        })
    }
}

/// The value below which the share `part` of the sorted measurements lies, on the straight line between the two nearest.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let position = part * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[position.floor() as usize], sorted[position.ceil() as usize]);
    below + (above - below) * position.fract()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_lie_between_the_nearest_measurements() {
        assert_eq!(Spread::of([]), None);
        let spread = Spread::of((0..=100).rev().map(f64::from)).unwrap();
        let found = [
            spread.min,
            spread.p10,
            spread.median,
            spread.p90,
            spread.p99,
            spread.max,
        ];
        assert_eq!(found, [0.0, 10.0, 50.0, 90.0, 99.0, 100.0]);
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
    }

    proptest! {
        #[test]
        fn figures_of_any_measurements_are_in_order(measured in prop::collection::vec(-1e9..1e9, 1..50)) {
            let Spread { median, min, p10, p90, p99, max } = Spread::of(measured).unwrap();
            let found = [min, p10, median, p90, p99, max];
            prop_assert!(found.is_sorted(), "{found:?}");
        }
    }
}
