//! How long a session of a model takes, by its samples: a line through the recent ones. Pure.

use std::time::Duration;

/// What remains of the weight of a session when the next one is observed: about the last twenty count.
const MEMORY: f64 = 0.95;

/// A batch may be this many times the largest one observed; beyond that a line says nothing.
const GROWTH_MAX: u32 = 4;

/// Before batches of two sizes were seen, a further sample is taken to cost this part of one alone: rounds are shared. So two queries of any
/// model may try it.
const UNKNOWN_SLOPE: f64 = 0.75;

/// Samples vary by less than this part of their mean square: they say nothing of the slope.
const SPREAD_MIN: f64 = 1e-3;

/// The sessions of one model, the latest weighing most.
#[derive(Clone, Copy, Default, Debug)]
pub struct Pace {
    weight: f64,
    samples: f64,
    seconds: f64,
    samples_squared: f64,
    product: f64,
    largest: u32,
}

impl Pace {
    /// A session of so many samples took so long.
    pub fn observe(&mut self, samples: u32, took: Duration) {
        let (samples, seconds) = (f64::from(samples), took.as_secs_f64());
        let add = |sum: &mut f64, term: f64| *sum = *sum * MEMORY + term;
        add(&mut self.weight, 1.0);
        add(&mut self.samples, samples);
        add(&mut self.seconds, seconds);
        add(&mut self.samples_squared, samples * samples);
        add(&mut self.product, samples * seconds);
        self.largest = self.largest.max(samples as u32);
    }

    /// Most samples that a prediction can be made for.
    pub fn samples_max(&self) -> u32 {
        self.largest.saturating_mul(GROWTH_MAX)
    }

    /// How long a session of so many samples will take; `None` before one was observed. More samples never take less time, nor less
    /// time each than is proportional to what was seen.
    pub fn predict(&self, samples: u32) -> Option<Duration> {
        if self.weight == 0.0 {
            return None;
        }
        let mean = |sum: f64| sum / self.weight;
        let (mean_samples, mean_seconds) = (mean(self.samples), mean(self.seconds));
        let spread = mean(self.samples_squared) - mean_samples * mean_samples;
        let proportional = mean_seconds / mean_samples.max(1.0);
        let slope = if spread > SPREAD_MIN * mean(self.samples_squared) {
            let fitted = (mean(self.product) - mean_samples * mean_seconds) / spread;
            fitted.clamp(0.0, proportional)
        } else {
            UNKNOWN_SLOPE * proportional
        };
        let seconds = mean_seconds + slope * (f64::from(samples) - mean_samples);
        Some(Duration::from_secs_f64(seconds.max(0.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(pace: &Pace, samples: u32) -> f64 {
        pace.predict(samples).expect("something was observed").as_secs_f64() * 1e3
    }

    fn observed(sessions: impl IntoIterator<Item = (u32, f64)>) -> Pace {
        let mut pace = Pace::default();
        for (samples, milliseconds) in sessions {
            pace.observe(samples, Duration::from_secs_f64(milliseconds / 1e3));
        }
        pace
    }

    #[test]
    fn nothing_is_said_of_what_was_never_seen() {
        let pace = Pace::default();
        assert_eq!(pace.predict(1), None);
        assert_eq!(pace.samples_max(), 0);
        assert_eq!(observed([(2, 6.0), (8, 8.0), (1, 5.0)]).samples_max(), 32);
    }

    #[test]
    fn a_line_is_found_and_the_past_is_forgotten() {
        let line = |samples: u32| (samples, 4.0 + 2.0 * f64::from(samples));
        let pace = observed([1, 4, 2, 16, 1, 32].map(line));
        for samples in [1, 8, 64] {
            assert!(
                (milliseconds(&pace, samples) - line(samples).1).abs() < 0.1,
                "{samples}"
            );
        }
        let slower = (0..200)
            .map(|turn| 1 + turn % 7)
            .map(|samples| (samples, 10.0 + f64::from(samples)));
        let pace = observed([1, 4, 2, 16, 1, 32].map(line).into_iter().chain(slower));
        assert!(
            (milliseconds(&pace, 4) - 14.0).abs() < 0.5,
            "{}",
            milliseconds(&pace, 4)
        );
    }

    #[test]
    fn batches_of_one_size_say_little_of_others() {
        let pace = observed([(1, 4.0), (1, 4.0)]);
        assert!((milliseconds(&pace, 1) - 4.0).abs() < 0.1);
        assert!((milliseconds(&pace, 4) - 13.0).abs() < 0.1);
    }

    #[test]
    fn noise_never_makes_a_larger_batch_faster() {
        let pace = observed([(1, 9.0), (2, 5.0), (1, 8.0), (2, 6.0)]);
        assert!(milliseconds(&pace, 8) >= milliseconds(&pace, 1));
        assert!(milliseconds(&observed([(1, 1.0), (64, 500.0)]), 1) >= 0.0);
    }
}
