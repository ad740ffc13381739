//! Which sessions are prepared ahead, and which query gets which. Pure: time is an argument.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use tercet_config::PoolConfig;
use tercet_ids::{Roles, SessionId};
use tercet_wire::{Model, ModelName, PreparedSessions};

/// How long a model is left alone after a session of it could not be prepared.
pub const RETRY_WAIT: Duration = Duration::from_secs(5);

/// The sessions that wait for a query. `S` is what is kept of each to run it on, and is used once.
pub struct Pool<S> {
    config: PoolConfig,
    ready: HashMap<ModelName, VecDeque<Ready<S>>>,
    /// The one that is being prepared.
    begun: Option<Begun>,
    /// Models that are left alone for a while.
    retry_at: HashMap<ModelName, Instant>,
}

/// A session that is being prepared.
#[derive(Clone, PartialEq, Debug)]
pub struct Begun {
    /// Which.
    pub session: SessionId,
    /// Of which model.
    pub model: Model,
    /// Who deals and who evaluates.
    pub roles: Roles,
}

/// A session that waits for its query.
#[derive(PartialEq, Debug)]
pub struct Ready<S> {
    /// Which, and of what.
    pub begun: Begun,
    /// Discarded from then on.
    pub expires: Instant,
    /// What it is run on.
    pub kept: S,
}

impl<S> Pool<S> {
    /// An empty pool.
    pub fn new(config: PoolConfig) -> Pool<S> {
        Pool {
            config,
            ready: HashMap::new(),
            begun: None,
            retry_at: HashMap::new(),
        }
    }

    /// Whether sessions are prepared at all.
    pub fn is_on(&self) -> bool {
        self.config.sessions > 0
    }

    /// How many wait for a query.
    pub fn waiting(&self) -> usize {
        self.ready.values().map(VecDeque::len).sum()
    }

    /// The model that most lacks a prepared session; `None` if one is being prepared already, or nothing is lacking.
    pub fn wanted<'a>(&self, now: Instant, served: &'a [Model]) -> Option<&'a Model> {
        if self.begun.is_some() {
            return None;
        }
        let left_alone = |model: &&Model| self.retry_at.get(&model.name).is_some_and(|&at| now < at);
        let lacking = served.iter().filter(|model| self.count(model) < self.config.sessions);
        lacking
            .filter(|model| !left_alone(model))
            .min_by_key(|model| self.count(model))
    }

    /// When next, after `now`, [`Pool::wanted`] may want what it does not want now, or something expires.
    pub fn next_change(&self, now: Instant) -> Option<Instant> {
        let expiries = self.ready.values().flatten().map(|ready| ready.expires);
        let changes = expiries.chain(self.retry_at.values().copied());
        changes.filter(|&at| at > now).min()
    }

    /// A session is being prepared.
    pub fn begin(&mut self, begun: Begun) {
        self.begun = Some(begun);
    }

    /// Gives up the session that is being prepared, if one is.
    pub fn yield_now(&mut self) -> Option<Begun> {
        self.begun.take()
    }

    /// All parties have prepared a session; false if it was given up before.
    pub fn prepared(&mut self, now: Instant, session: SessionId, kept: S) -> bool {
        let Some(begun) = self.begun.take_if(|begun| begun.session == session) else {
            return false;
        };
        let ready = Ready {
            expires: now + self.config.age,
            kept,
            begun,
        };
        let name = ready.begun.model.name.clone();
        self.ready.entry(name).or_default().push_back(ready);
        true
    }

    /// A session could not be prepared; false if it was given up before.
    pub fn failed(&mut self, now: Instant, session: SessionId) -> bool {
        let failed = self.begun.take_if(|begun| begun.session == session);
        let Some(begun) = failed else { return false };
        self.retry_at.retain(|_, at| now < *at);
        self.retry_at.insert(begun.model.name, now + RETRY_WAIT);
        true
    }

    /// The oldest prepared session for a query of so many samples. It is out of the pool for good.
    pub fn take(&mut self, now: Instant, model: &Model, batch: u32) -> Option<Ready<S>> {
        if batch != self.config.batch {
            return None;
        }
        let waiting = self.ready.get_mut(&model.name)?;
        let position = waiting
            .iter()
            .position(|ready| ready.begun.model == *model && now < ready.expires)?;
        waiting.remove(position)
    }

    /// Discards what no query can use any more; says how many had expired, and how many went for another reason.
    pub fn discard(&mut self, now: Instant, served: &[Model], is_usable: impl Fn(&S) -> bool) -> (usize, usize) {
        let (mut expired, mut given_up) = (0, 0);
        for waiting in self.ready.values_mut() {
            waiting.retain(|ready| {
                let is_late = ready.expires <= now;
                let is_lost = !served.contains(&ready.begun.model) || !is_usable(&ready.kept);
                expired += usize::from(is_late);
                given_up += usize::from(is_lost && !is_late);
                !is_late && !is_lost
            });
        }
        self.ready.retain(|_, waiting| !waiting.is_empty());
        (expired, given_up)
    }

    /// How many wait for each model that is served, and how many should.
    pub fn status(&self, served: &[Model]) -> Vec<PreparedSessions> {
        let of = |model: &Model| PreparedSessions {
            model: model.name.clone(),
            ready: self.count(model) as u32,
            target: self.config.sessions as u32,
        };
        served.iter().filter(|_| self.is_on()).map(of).collect()
    }

    fn count(&self, model: &Model) -> usize {
        let waiting = self.ready.get(&model.name).into_iter().flatten();
        waiting.filter(|ready| ready.begun.model == *model).count()
    }
}

#[cfg(test)]
mod tests {
    use tercet_ids::{PlanDigest, QueryId};

    use super::*;

    fn config() -> PoolConfig {
        PoolConfig {
            sessions: 2,
            batch: 4,
            age: Duration::from_secs(60),
        }
    }

    fn model(name: &str, deployment: u8) -> Model {
        Model {
            name: name.parse().expect("plain"),
            digest: PlanDigest([1; 32]),
            deployment: QueryId([deployment; 16]),
        }
    }

    fn begun(model: &Model, number: u8) -> Begun {
        Begun {
            session: SessionId([number; 16]),
            model: model.clone(),
            roles: Roles::all().next().expect("six"),
        }
    }

    fn add(pool: &mut Pool<u8>, now: Instant, model: &Model, number: u8) {
        pool.begin(begun(model, number));
        assert!(pool.prepared(now, SessionId([number; 16]), number));
    }

    #[test]
    fn the_model_that_lacks_most_comes_first_and_one_at_a_time() {
        let (now, served) = (Instant::now(), [model("a", 1), model("b", 1)]);
        let mut pool = Pool::new(config());
        assert_eq!(pool.wanted(now, &served), Some(&served[0]));
        pool.begin(begun(&served[0], 1));
        assert_eq!(pool.wanted(now, &served), None, "one at a time");
        assert!(pool.prepared(now, SessionId([1; 16]), 1));
        assert_eq!(pool.wanted(now, &served), Some(&served[1]));
        for (model, number) in [(&served[1], 2), (&served[0], 3), (&served[1], 4)] {
            add(&mut pool, now, model, number);
        }
        assert_eq!(pool.wanted(now, &served), None);
        assert_eq!((pool.waiting(), pool.status(&served)[1].ready), (4, 2));
        let mut off = Pool::<u8>::new(PoolConfig {
            sessions: 0,
            ..config()
        });
        assert_eq!(off.wanted(now, &served), None);
        assert!(!off.is_on() && off.status(&served).is_empty() && off.take(now, &served[0], 4).is_none());
    }

    #[test]
    fn a_session_is_taken_once_the_oldest_first_and_only_for_what_it_is_for() {
        let (now, a) = (Instant::now(), model("a", 1));
        let mut pool = Pool::new(config());
        add(&mut pool, now, &a, 1);
        add(&mut pool, now, &a, 2);
        assert_eq!(pool.take(now, &a, 3), None, "another batch");
        assert_eq!(pool.take(now, &model("a", 2), 4), None, "another deployment");
        assert_eq!(pool.take(now, &model("b", 1), 4), None);
        assert_eq!(pool.take(now, &a, 4).map(|ready| ready.kept), Some(1));
        assert_eq!(pool.take(now, &a, 4).map(|ready| ready.kept), Some(2));
        assert_eq!(pool.take(now, &a, 4), None);
        assert_eq!(pool.wanted(now, std::slice::from_ref(&a)), Some(&a));
    }

    #[test]
    fn what_is_given_up_meanwhile_is_not_kept() {
        let (now, a) = (Instant::now(), model("a", 1));
        let mut pool = Pool::new(config());
        pool.begin(begun(&a, 1));
        assert_eq!(pool.yield_now(), Some(begun(&a, 1)));
        assert!(!pool.prepared(now, SessionId([1; 16]), 1));
        assert!(!pool.failed(now, SessionId([1; 16])));
        assert_eq!((pool.waiting(), pool.yield_now()), (0, None));
    }

    #[test]
    fn a_model_that_can_not_be_prepared_is_left_alone_for_a_while() {
        let (now, served) = (Instant::now(), [model("a", 1), model("b", 1)]);
        let mut pool = Pool::<u8>::new(config());
        pool.begin(begun(&served[0], 1));
        assert!(pool.failed(now, SessionId([1; 16])));
        assert_eq!(pool.wanted(now, &served), Some(&served[1]));
        assert_eq!(pool.wanted(now, &served[..1]), None);
        assert_eq!(pool.next_change(now), Some(now + RETRY_WAIT));
        assert_eq!(
            pool.next_change(now + RETRY_WAIT),
            None,
            "what is past is no reason to look again"
        );
        assert_eq!(pool.wanted(now + RETRY_WAIT, &served), Some(&served[0]));
    }

    #[test]
    fn what_is_old_lost_or_of_another_deployment_goes() {
        let (now, a) = (Instant::now(), model("a", 1));
        let mut pool = Pool::new(config());
        add(&mut pool, now, &a, 1);
        add(&mut pool, now + Duration::from_secs(10), &a, 2);
        let later = now + config().age;
        assert_eq!(pool.next_change(now), Some(later));
        assert_eq!(
            pool.take(later, &a, 4).map(|ready| ready.kept),
            Some(2),
            "the older one is too old, though it is still there"
        );
        assert_eq!(pool.discard(later, std::slice::from_ref(&a), |_| true), (1, 0));
        add(&mut pool, now, &a, 3);
        add(&mut pool, now, &a, 4);
        assert_eq!(pool.discard(now, std::slice::from_ref(&a), |&kept| kept == 4), (0, 1));
        assert_eq!(pool.discard(now, &[model("a", 2)], |_| true), (0, 1));
        assert_eq!(pool.waiting(), 0);
    }
}
