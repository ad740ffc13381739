//! All queries of the coordinator: who runs, who waits, and until when. Pure: time is an argument.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use tercet_ids::SessionId;
use tercet_wire::{Failure, Fault, Phase};

use crate::query::{Action, Event, State};

/// How long a party that was blamed by another has for its own account.
pub const SUSPECT_WAIT: Duration = Duration::from_millis(250);

/// The queries that run and wait. Never more than `capacity` wait.
pub struct Table {
    queries: HashMap<SessionId, Query>,
    waiting: VecDeque<SessionId>,
    running: usize,
    capacity: usize,
    concurrency: usize,
}

struct Query {
    state: State,
    /// When the client gets an answer at the latest; `None` once it has one.
    expires: Option<Instant>,
}

/// What to do about one query.
pub type Actions = Vec<(SessionId, Action)>;

/// A query whose time is up.
#[derive(Debug, thiserror::Error)]
#[error("the deadline passed while {where_it_was}: allow more time, or ask again when less is going on")]
struct Late {
    where_it_was: &'static str,
}

/// The queue is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{waiting} queries are waiting already: ask again later")]
pub struct QueueFull {
    /// How many wait.
    pub waiting: usize,
}

impl Table {
    /// An empty table that lets `capacity` queries wait, and runs none before [`Table::set_concurrency`].
    pub fn new(capacity: usize) -> Table {
        Table {
            queries: HashMap::new(),
            waiting: VecDeque::new(),
            running: 0,
            capacity,
            concurrency: 0,
        }
    }

    /// Whether a query is not over yet.
    pub fn knows(&self, session: SessionId) -> bool {
        self.queries.contains_key(&session)
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many the parties work on.
    pub fn running(&self) -> usize {
        self.running
    }

    /// How many the parties can work on at once; starts what now may.
    pub fn set_concurrency(&mut self, now: Instant, concurrency: usize) -> Actions {
        self.concurrency = concurrency;
        self.start_waiting(now)
    }

    /// Takes a query, and starts it if its turn is now.
    ///
    /// # Errors
    /// The queue is full.
    pub fn submit(&mut self, now: Instant, session: SessionId, expires: Instant) -> Result<Actions, QueueFull> {
        let waits = self.running >= self.concurrency;
        if waits && self.waiting.len() >= self.capacity {
            return Err(QueueFull {
                waiting: self.waiting.len(),
            });
        }
        self.queries.insert(
            session,
            Query {
                state: State::Queued,
                expires: Some(expires),
            },
        );
        self.waiting.push_back(session);
        Ok(self.start_waiting(now))
    }

    /// Something happened to a query. One that is over is no longer known, and nothing is done about it.
    pub fn happened(&mut self, now: Instant, session: SessionId, event: Event) -> Actions {
        let mut actions = self.apply(now, session, event);
        actions.extend(self.start_waiting(now));
        actions
    }

    /// Ends the queries whose time is up.
    pub fn expire(&mut self, now: Instant) -> Actions {
        let due = |query: &Query| query.expires.is_some_and(|expires| expires <= now);
        let expired: Vec<SessionId> = self
            .queries
            .iter()
            .filter(|(_, query)| due(query))
            .map(|(session, _)| *session)
            .collect();
        let mut actions = vec![];
        for session in expired {
            let (phase, where_it_was) = match self.queries[&session].state {
                State::Queued => (Phase::Queue, "it waited in the queue"),
                _ => (Phase::Compute, "the parties computed"),
            };
            let late = Failure::new(Fault::Overload, None, phase, Late { where_it_was });
            actions.extend(self.apply(now, session, Event::Expired(late)));
        }
        actions.extend(self.start_waiting(now));
        actions
    }

    /// When [`Table::expire`] has something to do next.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.queries.values().filter_map(|query| query.expires).min()
    }

    fn apply(&mut self, now: Instant, session: SessionId, event: Event) -> Actions {
        let Some(mut query) = self.queries.remove(&session) else {
            return vec![];
        };
        let (state, actions) = query.state.transition(event);
        query.expires = match &state {
            State::Suspecting { .. } => query.expires.map(|expires| expires.min(now + SUSPECT_WAIT)),
            State::Draining { .. } => None,
            State::Queued | State::Running(_) | State::Finished => query.expires,
        };
        query.state = state;
        for action in &actions {
            match action {
                Action::Dispatch => self.running += 1,
                Action::Release => self.running -= 1,
                Action::Cancel | Action::Answer(_) | Action::Fail(_) => {}
            }
        }
        if query.state != State::Finished {
            self.queries.insert(session, query);
        } else {
            self.waiting.retain(|&waiting| waiting != session);
        }
        actions.into_iter().map(|action| (session, action)).collect()
    }

    fn start_waiting(&mut self, now: Instant) -> Actions {
        let mut actions = vec![];
        while self.running < self.concurrency
            && let Some(session) = self.waiting.pop_front()
        {
            actions.extend(self.apply(now, session, Event::Start));
        }
        actions
    }
}

#[cfg(test)]
mod tests {
    use tercet_ids::PartyId;
    use tercet_wire::{Opaque, PartyReport};

    use super::*;
    use crate::query::Computed;

    fn session(number: u8) -> SessionId {
        SessionId([number; 16])
    }

    fn after(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    fn done(party: PartyId) -> Event {
        let done = Computed {
            result: Opaque::from(vec![]),
            report: PartyReport::default(),
        };
        Event::Ended {
            party,
            result: Ok(done),
        }
    }

    fn blame(party: PartyId, suspect: PartyId) -> Event {
        Event::Ended {
            party,
            result: Err(Failure::new(Fault::Peer, Some(suspect), Phase::Compute, "lost")),
        }
    }

    fn finish(table: &mut Table, now: Instant, number: u8) -> Actions {
        PartyId::ALL
            .into_iter()
            .flat_map(|party| table.happened(now, session(number), done(party)))
            .collect()
    }

    fn sentence(actions: &[(SessionId, Action)]) -> &str {
        let told = actions.iter().find_map(|(_, action)| match action {
            Action::Fail(failure) => Some(failure.sentence.as_str()),
            _ => None,
        });
        told.expect("the client is told")
    }

    #[test]
    fn queries_start_in_order_as_turns_become_free() {
        let start = Instant::now();
        let mut table = Table::new(2);
        let late = after(start, 1_000);
        assert_eq!(table.submit(start, session(1), late), Ok(vec![]));
        assert_eq!(table.set_concurrency(start, 1), [(session(1), Action::Dispatch)]);
        assert_eq!(table.submit(start, session(2), late), Ok(vec![]));
        assert_eq!(table.submit(start, session(3), late), Ok(vec![]));
        assert_eq!(table.submit(start, session(4), late), Err(QueueFull { waiting: 2 }));
        assert_eq!((table.running(), table.waiting()), (1, 2));

        let actions = finish(&mut table, start, 1);
        assert_eq!(actions[0], (session(1), Action::Release));
        assert_eq!(actions[2], (session(2), Action::Dispatch));
        finish(&mut table, start, 2);
        finish(&mut table, start, 3);
        assert_eq!((table.running(), table.waiting()), (0, 0));
        assert_eq!(table.next_expiry(), None);
    }

    #[test]
    fn a_query_expires_in_the_queue_and_in_computation() {
        let start = Instant::now();
        let mut table = Table::new(5);
        table.set_concurrency(start, 1);
        table.submit(start, session(1), after(start, 100)).expect("room");
        table.submit(start, session(2), after(start, 50)).expect("room");
        assert_eq!(table.next_expiry(), Some(after(start, 50)));
        assert_eq!(table.expire(after(start, 49)), []);

        assert!(sentence(&table.expire(after(start, 50))).contains("in the queue"));
        assert_eq!((table.running(), table.waiting()), (1, 0));

        let actions = table.expire(after(start, 100));
        assert_eq!(actions[0], (session(1), Action::Cancel));
        assert!(sentence(&actions).contains("parties computed"), "{actions:?}");
        assert_eq!(table.next_expiry(), None);
        assert_eq!(table.running(), 1, "until the parties have stopped");
        finish(&mut table, start, 1);
        assert_eq!(table.running(), 0);
    }

    #[test]
    fn a_suspect_has_a_short_time_and_not_beyond_the_deadline() {
        let start = Instant::now();
        for (deadline, told) in [(10_000, 250), (100, 100)] {
            let mut table = Table::new(5);
            table.set_concurrency(start, 1);
            table.submit(start, session(1), after(start, deadline)).expect("room");
            let actions = table.happened(start, session(1), blame(PartyId::Cloud, PartyId::Auditor));
            assert_eq!(actions, [(session(1), Action::Cancel)]);
            assert_eq!(table.next_expiry(), Some(after(start, told)));
            assert_eq!(sentence(&table.expire(after(start, told))), "lost");
        }
    }

    #[test]
    fn a_client_that_leaves_the_queue_makes_room() {
        let start = Instant::now();
        let mut table = Table::new(1);
        table.set_concurrency(start, 1);
        table.submit(start, session(1), after(start, 100)).expect("room");
        table.submit(start, session(2), after(start, 100)).expect("room");
        assert!(table.submit(start, session(3), after(start, 100)).is_err());
        assert_eq!(table.happened(start, session(2), Event::ClientLeft), []);
        assert!(table.submit(start, session(3), after(start, 100)).is_ok());
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let start = Instant::now();
        let mut table = Table::new(1);
        table.set_concurrency(start, 1);
        table.submit(start, session(1), after(start, 100)).expect("room");
        finish(&mut table, start, 1);
        assert_eq!(table.happened(start, session(1), Event::ClientLeft), []);
        assert_eq!(table.expire(after(start, 1_000)), []);
    }
}
