//! How long to warm up and how long to measure.

use std::time::{Duration, Instant};

use crate::query::Cost;

/// Queries that are compared with as many before them, to see whether latency still falls.
const STRETCH: usize = 8;
/// Latency is steady when the later stretch is at least this part of the earlier one.
const STEADY_PART: f64 = 0.97;
/// Warming up ends after this, steady or not.
const WARM_UP_MAX: Duration = Duration::from_secs(3);
/// Measured queries, also of a model that takes longer than the time to measure.
const QUERIES_MIN: usize = 5;

/// Asks for more queries until latency is steady.
pub fn until_steady(concurrency: usize) -> impl FnMut(&[Cost]) -> bool {
    let (start, stretch) = (Instant::now(), STRETCH.max(concurrency));
    move |costs| {
        let steady = costs.len() >= 2 * stretch && {
            let (earlier, later) = costs[costs.len() - 2 * stretch..].split_at(stretch);
            total_seconds(later) >= STEADY_PART * total_seconds(earlier)
        };
        costs.is_empty() || !steady && start.elapsed() < WARM_UP_MAX
    }
}

/// Asks for more queries until the time is over and there are a few.
pub fn until(end: Instant) -> impl FnMut(&[Cost]) -> bool {
    move |costs| costs.len() < QUERIES_MIN || Instant::now() < end
}

fn total_seconds(costs: &[Cost]) -> f64 {
    costs.iter().map(|cost| cost.times.total.as_secs_f64()).sum()
}

#[cfg(test)]
mod tests {
    use tercet_ids::{PartyId, Roles};

    use super::*;
    use crate::query::Times;
    use crate::report::OnlineBytes;

    fn costs(milliseconds: impl IntoIterator<Item = u64>) -> Vec<Cost> {
        let cost = |total| Cost {
            roles: Roles::new(PartyId::Auditor, PartyId::Cloud).expect("two parties"),
            sessions: 1,
            rounds: 1,
            online_bytes: OnlineBytes::default(),
            dealt_bytes: 0,
            is_prepared: false,
            times: Times {
                total: Duration::from_millis(total),
                ..Times::default()
            },
        };
        milliseconds.into_iter().map(cost).collect()
    }

    #[test]
    fn warming_up_ends_when_latency_no_longer_falls() {
        let mut more = until_steady(1);
        assert!(more(&[]));
        assert!(more(&costs((0..16).map(|query| 100 - query))), "it still falls");
        assert!(more(&costs([5; 15])), "too few to tell");
        assert!(!more(&costs([5; 16])));
        assert!(
            until_steady(64)(&costs([5; 100])),
            "every place in flight is used twice"
        );
    }

    #[test]
    fn slow_models_are_measured_a_few_times() {
        let mut more = until(Instant::now());
        assert!(more(&costs([9; 4])));
        assert!(!more(&costs([9; 5])));
    }
}
