//! All queries and sessions of the coordinator: who runs, who waits, and until when. Pure: time is an argument.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use tercet_ids::PartyId;
use tercet_wire::{Done, Failure, Fault, MODELS_MAX, ModelName, Opaque, PartyReport, Phase};

use crate::batch::{Bounds, Waiting, choose};
use crate::pace::Pace;
use crate::session::{self, Event, State, results};

#[cfg(test)]
mod tests;

/// How long a party that was blamed by another has for its own account.
pub const SUSPECT_WAIT: Duration = Duration::from_millis(250);

/// A query, by the order of arrival.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(u64);

/// A session, by the order in which they began.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Turn(pub u64);

/// The queries that wait, and the sessions that run. Never more than `capacity` queries wait.
pub struct Table {
    queries: HashMap<Ticket, Query>,
    sessions: HashMap<Turn, Session>,
    /// In the order of arrival.
    waiting: VecDeque<Ticket>,
    paces: HashMap<ModelName, Pace>,
    next_ticket: u64,
    next_turn: u64,
    capacity: usize,
    concurrency: usize,
    bounds: Bounds,
}

struct Query {
    asked: Waiting,
    /// The session that computes it, once it has begun.
    session: Option<Turn>,
}

struct Session {
    state: State,
    model: ModelName,
    /// In the order of the run. Some may be over before the session is.
    members: Vec<Member>,
    begun: Instant,
    /// When a party that was blamed is no longer waited for.
    suspect_until: Option<Instant>,
}

struct Member {
    ticket: Ticket,
    batch: u32,
}

/// What to do about a query or a session.
#[derive(PartialEq, Debug)]
pub enum Action {
    /// Tell all three parties to run a session of these queries.
    Begin(Turn, Vec<Ticket>),
    /// Tell all three parties to stop a session.
    Cancel(Turn),
    /// Give a client its results. The query is over.
    Answer(Box<Answered>),
    /// Tell a client why it gets none. The query is over.
    Fail(Ticket, Failure),
    /// A session is over.
    End(Turn),
}

/// What a query gave, by party index.
#[derive(PartialEq, Debug)]
pub struct Answered {
    /// Which query.
    pub ticket: Ticket,
    /// The session that computed it.
    pub turn: Turn,
    /// What each party sealed.
    pub results: [Opaque; 3],
    /// The query's share of what each party says it cost.
    pub reports: [PartyReport; 3],
}

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
    pub fn new(capacity: usize, bounds: Bounds) -> Table {
        Table {
            queries: HashMap::new(),
            sessions: HashMap::new(),
            waiting: VecDeque::new(),
            paces: HashMap::new(),
            next_ticket: 0,
            next_turn: 0,
            capacity,
            concurrency: 0,
            bounds,
        }
    }

    /// How many queries wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many queries the parties work on.
    pub fn running(&self) -> usize {
        self.queries.len() - self.waiting.len()
    }

    /// How many sessions the parties work on.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// How many sessions the parties can work on at once; starts what now may.
    pub fn set_concurrency(&mut self, now: Instant, concurrency: usize) -> Vec<Action> {
        self.concurrency = concurrency;
        self.begin_sessions(now)
    }

    /// Takes a query, and starts it if its turn is now.
    ///
    /// # Errors
    /// The queue is full.
    pub fn submit(&mut self, now: Instant, asked: Waiting) -> Result<(Ticket, Vec<Action>), QueueFull> {
        if self.sessions.len() >= self.concurrency && self.waiting.len() >= self.capacity {
            return Err(QueueFull {
                waiting: self.waiting.len(),
            });
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.queries.insert(ticket, Query { asked, session: None });
        self.waiting.push_back(ticket);
        Ok((ticket, self.begin_sessions(now)))
    }

    /// A party ended a session.
    pub fn ended(&mut self, now: Instant, turn: Turn, party: PartyId, result: Result<Done, Failure>) -> Vec<Action> {
        let mut actions = self.apply(now, turn, Event::Ended { party, result });
        actions.extend(self.begin_sessions(now));
        actions
    }

    /// A client no longer waits for its query. Others of its session go on.
    pub fn left(&mut self, now: Instant, ticket: Ticket) -> Vec<Action> {
        let mut actions = self.forget(now, ticket);
        actions.extend(self.begin_sessions(now));
        actions
    }

    /// Ends the waits whose time is up.
    pub fn expire(&mut self, now: Instant) -> Vec<Action> {
        let is_due = |session: &Session| session.suspect_until.is_some_and(|until| until <= now);
        let due = self.sessions.iter().filter(|(_, session)| is_due(session));
        let due: Vec<Turn> = due.map(|(turn, _)| *turn).collect();
        let mut actions = vec![];
        for turn in due {
            actions.extend(self.apply(now, turn, Event::TimeUp));
        }
        let late = self.queries.iter().filter(|(_, query)| query.asked.expires <= now);
        let mut late: Vec<Ticket> = late.map(|(ticket, _)| *ticket).collect();
        late.sort();
        for ticket in late {
            let (phase, where_it_was) = match self.queries[&ticket].session {
                None => (Phase::Queue, "it waited in the queue"),
                Some(_) => (Phase::Compute, "the parties computed"),
            };
            let failure = Failure::new(Fault::Overload, None, phase, Late { where_it_was });
            let abandoned = self.forget(now, ticket);
            actions.push(Action::Fail(ticket, failure));
            actions.extend(abandoned);
        }
        actions.extend(self.begin_sessions(now));
        actions
    }

    /// When [`Table::expire`] has something to do next.
    pub fn next_expiry(&self) -> Option<Instant> {
        let queries = self.queries.values().map(|query| query.asked.expires);
        let suspects = self.sessions.values().filter_map(|session| session.suspect_until);
        queries.chain(suspects).min()
    }

    /// Drops a query, and stops its session if nobody else waits for that.
    fn forget(&mut self, now: Instant, ticket: Ticket) -> Vec<Action> {
        let Some(query) = self.queries.remove(&ticket) else {
            return vec![];
        };
        let Some(turn) = query.session else {
            self.waiting.retain(|&waiting| waiting != ticket);
            return vec![];
        };
        let mut members = self
            .sessions
            .get(&turn)
            .into_iter()
            .flat_map(|session| &session.members);
        if members.any(|member| self.queries.contains_key(&member.ticket)) {
            return vec![];
        }
        self.apply(now, turn, Event::Abandoned)
    }

    fn apply(&mut self, now: Instant, turn: Turn, event: Event) -> Vec<Action> {
        let Some(mut session) = self.sessions.remove(&turn) else {
            return vec![];
        };
        let (state, told) = session.state.transition(event);
        session.state = State::Finished;
        let mut actions = vec![];
        for action in told {
            match action {
                session::Action::Cancel => actions.push(Action::Cancel(turn)),
                session::Action::Answer(done) => actions.extend(self.answer(now, turn, &session, &done)),
                session::Action::Fail(failure) => {
                    let waiting = session.members.iter().map(|member| member.ticket);
                    let waiting = waiting.filter(|ticket| self.queries.remove(ticket).is_some());
                    actions.extend(waiting.map(|ticket| Action::Fail(ticket, failure.clone())));
                }
                session::Action::Release => actions.push(Action::End(turn)),
            }
        }
        session.suspect_until = match &state {
            State::Suspecting { .. } | State::Tracing { .. } => session
                .suspect_until
                .or_else(|| Some(self.suspect_until(now, &session))),
            State::Running(_) | State::Draining { .. } | State::Finished => None,
        };
        if state != State::Finished {
            session.state = state;
            self.sessions.insert(turn, session);
        }
        actions
    }

    /// A suspect's time, which ends with the first of the queries' at the latest.
    fn suspect_until(&self, now: Instant, session: &Session) -> Instant {
        let members = session.members.iter();
        let expiries = members.filter_map(|member| Some(self.queries.get(&member.ticket)?.asked.expires));
        expiries.fold(now + SUSPECT_WAIT, Instant::min)
    }

    /// Gives each query of a session what it computed for it.
    fn answer(&mut self, now: Instant, turn: Turn, session: &Session, done: &[Done; 3]) -> Vec<Action> {
        let results: Vec<_> = (0..session.members.len()).map(|place| results(done, place)).collect();
        let computed = session
            .members
            .iter()
            .zip(&results)
            .filter(|(_, result)| result.is_ok());
        let samples: u32 = computed.map(|(member, _)| member.batch).sum();
        if samples > 0 {
            self.observe(&session.model, samples, now - session.begun);
        }
        let mut actions = vec![];
        for (member, results) in session.members.iter().zip(results) {
            let ticket = member.ticket;
            if self.queries.remove(&ticket).is_none() {
                continue;
            }
            actions.push(match results {
                Ok(results) => Action::Answer(Box::new(Answered {
                    ticket,
                    turn,
                    results,
                    reports: done.each_ref().map(|done| done.report.share(member.batch, samples)),
                })),
                Err(failure) => Action::Fail(ticket, failure),
            });
        }
        actions
    }

    fn observe(&mut self, model: &ModelName, samples: u32, took: Duration) {
        if self.paces.len() >= MODELS_MAX && !self.paces.contains_key(model) {
            // Models come and go over the years; those in use are measured anew at once.
            self.paces.clear();
        }
        self.paces.entry(model.clone()).or_default().observe(samples, took);
    }

    fn begin_sessions(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = vec![];
        while self.sessions.len() < self.concurrency
            && let Some(first) = self.waiting.front()
        {
            let model = self.queries[first].asked.model.name.clone();
            let pace = self.paces.get(&model).copied().unwrap_or_default();
            let waiting = self.waiting.iter().map(|ticket| (*ticket, &self.queries[ticket].asked));
            let chosen = choose(now, waiting, &pace, &self.bounds);
            let turn = Turn(self.next_turn);
            self.next_turn += 1;
            // Both lists are in the order of arrival.
            let mut leaving = chosen.iter().peekable();
            self.waiting.retain(|ticket| leaving.next_if_eq(&ticket).is_none());
            let mut members = Vec::with_capacity(chosen.len());
            for ticket in &chosen {
                if let Some(query) = self.queries.get_mut(ticket) {
                    query.session = Some(turn);
                    members.push(Member {
                        ticket: *ticket,
                        batch: query.asked.batch,
                    });
                }
            }
            let session = Session {
                state: State::default(),
                model,
                members,
                begun: now,
                suspect_until: None,
            };
            self.sessions.insert(turn, session);
            actions.push(Action::Begin(turn, chosen));
        }
        actions
    }
}
