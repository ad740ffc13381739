//! Which of the waiting queries run together. Pure.

use std::time::{Duration, Instant};

use tercet_wire::{Model, QUERIES_MAX};

use crate::pace::Pace;

/// A query that waits, as far as its company depends on it.
#[derive(Clone, PartialEq, Debug)]
pub struct Waiting {
    /// The model.
    pub model: Model,
    /// Most samples that a session of the model takes.
    pub batch_max: u32,
    /// Its samples.
    pub batch: u32,
    /// Bytes of its largest envelope.
    pub envelope_bytes: usize,
    /// When its client gets an answer at the latest.
    pub expires: Instant,
}

/// What bounds a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Bytes of one party's envelopes.
    pub envelope_bytes: usize,
    /// How long a session of several queries may take, by prediction.
    pub session_time: Duration,
}

/// Company may slow a query down by this much, if not to more than the time that a session may take: where rounds are long and samples
/// cheap, as in a wide-area network, a batch takes hardly longer than one query.
const SLOWDOWN_MAX: u32 = 2;

/// Chooses from the waiting queries, in the order of arrival, those that run in the next session: the first, which has waited longest
/// of all models' queries, and those of its model that fit beside it. Before a first session of the model was measured, the first alone.
///
/// `pace` is that of the first one's model.
pub fn choose<'a, T>(
    now: Instant,
    mut waiting: impl Iterator<Item = (T, &'a Waiting)>,
    pace: &Pace,
    bounds: &Bounds,
) -> Vec<T> {
    let Some((ticket, first)) = waiting.next() else {
        return vec![];
    };
    let mut chosen = vec![ticket];
    let (mut samples, mut bytes, mut expires) = (first.batch, first.envelope_bytes, first.expires);
    let alone = pace.predict(first.batch).unwrap_or_default();
    let session_time = bounds.session_time.max(alone * SLOWDOWN_MAX);
    let samples_max = first.batch_max.min(pace.samples_max());
    for (ticket, other) in waiting {
        if chosen.len() == QUERIES_MAX || samples >= samples_max {
            break;
        }
        if other.model != first.model {
            continue;
        }
        let together = samples.saturating_add(other.batch);
        let envelopes = bytes.saturating_add(other.envelope_bytes);
        if together > samples_max || envelopes > bounds.envelope_bytes {
            continue;
        }
        let earliest = expires.min(other.expires);
        let in_time = |time: Duration| time <= session_time && now + time <= earliest;
        if pace.predict(together).is_some_and(in_time) {
            chosen.push(ticket);
            (samples, bytes, expires) = (together, envelopes, earliest);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use tercet_ids::{PlanDigest, QueryId};

    use super::*;

    const BOUNDS: Bounds = Bounds {
        envelope_bytes: 1_000,
        session_time: Duration::from_millis(50),
    };

    fn model(name: &str) -> Model {
        Model {
            name: name.parse().expect("a plain name"),
            digest: PlanDigest([1; 32]),
            deployment: QueryId([2; 16]),
        }
    }

    fn waiting(now: Instant) -> Waiting {
        Waiting {
            model: model("a"),
            batch_max: 16,
            batch: 1,
            envelope_bytes: 10,
            expires: now + Duration::from_secs(10),
        }
    }

    /// Sessions of two milliseconds and two for each sample, seen up to eight samples.
    fn pace() -> Pace {
        let mut pace = Pace::default();
        for samples in [1, 2, 8] {
            pace.observe(samples, Duration::from_millis(2 + 2 * u64::from(samples)));
        }
        pace
    }

    fn chosen(now: Instant, queries: &[Waiting], pace: &Pace) -> Vec<usize> {
        choose(now, queries.iter().enumerate(), pace, &BOUNDS)
    }

    #[test]
    fn those_of_one_model_run_together_up_to_its_batch() {
        let now = Instant::now();
        let mut queries = vec![waiting(now); 20];
        queries[1].model = model("b");
        queries[3].batch = 20;
        queries[4].batch = 4;
        let together: Vec<usize> = [0, 2].into_iter().chain(4..15).collect();
        assert_eq!(chosen(now, &queries, &pace()), together, "sixteen samples");
        assert_eq!(
            chosen(now, &queries[1..], &pace()),
            [0],
            "nobody asks for the other model"
        );
        queries[0].model.deployment = QueryId([9; 16]);
        assert_eq!(
            chosen(now, &queries, &pace()),
            [0],
            "another deployment is another model"
        );
        assert_eq!(chosen(now, &[], &pace()), [0; 0]);
    }

    #[test]
    fn the_first_runs_alone_until_its_model_was_measured() {
        let now = Instant::now();
        let queries = vec![waiting(now); 20];
        let mut pace = Pace::default();
        assert_eq!(chosen(now, &queries, &pace), [0]);
        pace.observe(1, Duration::from_millis(4));
        assert_eq!(
            chosen(now, &queries, &pace).len(),
            4,
            "no further than can be predicted"
        );
    }

    #[test]
    fn however_long_one_query_takes_two_of_them_may_try_together() {
        let now = Instant::now();
        let mut pace = Pace::default();
        pace.observe(1, Duration::from_millis(1_234));
        assert_eq!(chosen(now, &vec![waiting(now); 5], &pace), [0, 1]);
        // They took twice as long: nothing is gained by more.
        pace.observe(2, Duration::from_millis(2_468));
        assert!(chosen(now, &vec![waiting(now); 5], &pace).len() <= 2);
    }

    #[test]
    fn nobody_misses_a_deadline_for_the_sake_of_company() {
        let now = Instant::now();
        let in_milliseconds = |milliseconds| Waiting {
            expires: now + Duration::from_millis(milliseconds),
            ..waiting(now)
        };
        // Two take 6 ms, three 8 and four 10.
        let queries = [1_000, 7, 9, 1_000, 9].map(in_milliseconds);
        assert_eq!(
            chosen(now, &queries, &pace()),
            [0, 1],
            "a third would make the second late"
        );
        let queries = [1_000, 5, 9, 1_000, 9].map(in_milliseconds);
        assert_eq!(
            chosen(now, &queries, &pace()),
            [0, 2, 3],
            "the second would be late in any company"
        );
        let queries = [1, 1_000].map(in_milliseconds);
        assert_eq!(chosen(now, &queries, &pace()), [0], "what is late alone runs alone");
    }

    #[test]
    fn a_session_has_bounds_in_time_bytes_and_queries() {
        let now = Instant::now();
        let mut queries = vec![waiting(now); 300];
        queries.iter_mut().for_each(|query| query.batch_max = 1_000);
        let mut fast = pace();
        fast.observe(200, Duration::from_millis(5));
        let bounds = Bounds {
            envelope_bytes: usize::MAX,
            ..BOUNDS
        };
        let count = |bounds: &Bounds, pace: &Pace| choose(now, queries.iter().enumerate(), pace, bounds).len();
        assert_eq!(count(&bounds, &fast), QUERIES_MAX);
        assert_eq!(count(&BOUNDS, &fast), 100, "bytes");
        assert_eq!(count(&bounds, &pace()), 24, "fifty milliseconds");
        let bounds = Bounds {
            session_time: Duration::ZERO,
            ..bounds
        };
        assert_eq!(count(&bounds, &pace()), 3, "twice the time alone");
    }
}
