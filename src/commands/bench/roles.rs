//! What each role costs: the parties take turns, so CPU time is told apart query by query.

use std::collections::BTreeMap;
use std::time::Duration;

use tercet_ids::Role;

use crate::query::Cost;
use crate::usage::Usage;

/// CPU time of every role, as long as one query runs at a time.
///
/// The system counts in hundredths of a second. What is cut off of one query is counted with the next, so sums over many queries are right.
#[derive(Default)]
pub struct RoleTimes {
    last: Option<Usage>,
    sums: BTreeMap<&'static str, Duration>,
    queries: u32,
}

impl RoleTimes {
    /// Takes note of what has been used after the queries of `costs`, of which one has been added since the last call, or none yet.
    pub fn note(&mut self, costs: &[Cost], now: Usage) {
        if let (Some(before), Some(cost)) = (&self.last, costs.last()) {
            for role in [Role::Dealer, Role::Evaluator0, Role::Evaluator1] {
                let used = now.cpu_since(before, cost.roles.party(role).name());
                *self.sums.entry(role.name()).or_default() += used;
            }
            self.queries += 1;
        }
        self.last = Some(now);
    }

    /// Milliseconds of a query, by role; nothing if no query ran alone.
    pub fn ms_per_query(&self) -> BTreeMap<&'static str, f64> {
        let each =
            |(&role, sum): (&&'static str, &Duration)| (role, sum.as_secs_f64() * 1e3 / f64::from(self.queries.max(1)));
        self.sums.iter().map(each).collect()
    }
}
