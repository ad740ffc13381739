use tercet_ids::{PlanDigest, QueryId};
use tercet_wire::Model;

use super::*;

const BOUNDS: Bounds = Bounds {
    envelope_bytes: 1_000_000,
    session_time: Duration::from_millis(250),
};

/// How long a session takes here.
const SESSION_TIME: u64 = 4;

fn after(start: Instant, milliseconds: u64) -> Instant {
    start + Duration::from_millis(milliseconds)
}

fn asked(model: &str, expires: Instant) -> Waiting {
    Waiting {
        model: Model {
            name: model.parse().expect("a plain name"),
            digest: PlanDigest([1; 32]),
            deployment: QueryId([2; 16]),
        },
        batch_max: 16,
        batch: 1,
        envelope_bytes: 10,
        expires,
    }
}

/// A table of which the events are played by number: queries and sessions count from 0.
struct World {
    table: Table,
    start: Instant,
}

impl World {
    fn new(capacity: usize, concurrency: usize) -> World {
        let mut table = Table::new(capacity, BOUNDS);
        let start = Instant::now();
        assert_eq!(table.set_concurrency(start, concurrency), []);
        World { table, start }
    }

    /// A world that has seen one session of each model, of one query, so that the next ones may have company.
    fn measured(concurrency: usize, models: &[&str]) -> World {
        let mut world = World::new(50, 1);
        for (number, model) in models.iter().enumerate() {
            world.submit(model, 1_000);
            world.finish_at(SESSION_TIME, number as u64, 1);
        }
        assert_eq!(world.table.set_concurrency(world.start, concurrency), []);
        world
    }

    fn submit(&mut self, model: &str, deadline: u64) -> Vec<Action> {
        self.try_submit(model, deadline).expect("room")
    }

    fn try_submit(&mut self, model: &str, deadline: u64) -> Result<Vec<Action>, QueueFull> {
        let asked = asked(model, after(self.start, deadline));
        self.table.submit(self.start, asked).map(|(_, actions)| actions)
    }

    fn done(queries: usize) -> Done {
        Done {
            results: vec![Ok(Opaque::from(vec![7])); queries],
            report: PartyReport {
                online_bytes_sent: 100,
                ..PartyReport::default()
            },
        }
    }

    fn finish_at(&mut self, milliseconds: u64, turn: u64, queries: usize) -> Vec<Action> {
        let now = after(self.start, milliseconds);
        let ended = |party| self.table.ended(now, Turn(turn), party, Ok(World::done(queries)));
        PartyId::ALL.into_iter().flat_map(ended).collect()
    }

    fn finish(&mut self, turn: u64, queries: usize) -> Vec<Action> {
        self.finish_at(SESSION_TIME, turn, queries)
    }

    fn fails(&mut self, turn: u64, party: PartyId, failure: &Failure) -> Vec<Action> {
        self.table.ended(self.start, Turn(turn), party, Err(failure.clone()))
    }

    fn left(&mut self, ticket: u64) -> Vec<Action> {
        self.table.left(self.start, Ticket(ticket))
    }

    fn expire(&mut self, milliseconds: u64) -> Vec<Action> {
        self.table.expire(after(self.start, milliseconds))
    }

    fn counts(&self) -> (usize, usize, usize) {
        (self.table.waiting(), self.table.running(), self.table.sessions())
    }
}

fn begin(turn: u64, tickets: impl IntoIterator<Item = u64>) -> Action {
    Action::Begin(Turn(turn), tickets.into_iter().map(Ticket).collect())
}

fn blame(suspect: PartyId) -> Failure {
    Failure::new(Fault::Peer, Some(suspect), Phase::Compute, "lost")
}

fn answered(actions: &[Action]) -> Vec<u64> {
    let tickets = actions.iter().filter_map(|action| match action {
        Action::Answer(answered) => Some(answered.ticket.0),
        _ => None,
    });
    tickets.collect()
}

fn failed(actions: &[Action]) -> Vec<(u64, &str)> {
    let told = actions.iter().filter_map(|action| match action {
        Action::Fail(ticket, failure) => Some((ticket.0, failure.sentence.as_str())),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_query_starts_at_once_when_nothing_runs() {
    let mut world = World::new(2, 0);
    assert_eq!(world.submit("a", 1_000), []);
    assert_eq!(world.table.set_concurrency(world.start, 1), [begin(0, [0])]);
    let actions = world.finish(0, 1);
    assert_eq!(answered(&actions), [0]);
    assert_eq!(actions[1], Action::End(Turn(0)));
    assert_eq!(world.submit("a", 1_000), [begin(1, [1])]);
    world.finish(1, 1);
    assert_eq!((world.counts(), world.table.next_expiry()), ((0, 0, 0), None));
}

#[test]
fn what_waits_while_a_session_runs_goes_together_into_the_next() {
    let mut world = World::measured(1, &["a"]);
    assert_eq!(world.submit("a", 1_000), [begin(1, [1])]);
    for _ in 0..3 {
        assert_eq!(world.submit("a", 1_000), []);
    }
    assert_eq!(world.counts(), (3, 1, 1));
    let actions = world.finish(1, 1);
    assert_eq!(actions.last(), Some(&begin(2, 2..5)));
    assert_eq!(world.counts(), (0, 3, 1));
    let actions = world.finish(2, 3);
    assert_eq!(answered(&actions), [2, 3, 4]);
    let Action::Answer(first) = &actions[0] else {
        panic!("an answer")
    };
    assert_eq!(first.results[2].as_slice(), [7]);
    assert_eq!(
        first.reports[0].online_bytes_sent, 34,
        "a third of what the session sent"
    );
}

#[test]
fn models_take_turns_by_the_query_that_waits_longest() {
    let mut world = World::measured(1, &["a", "b"]);
    world.submit("a", 1_000);
    for model in ["a", "a", "b", "a", "b", "a"] {
        assert_eq!(world.submit(model, 1_000), []);
    }
    let actions = world.finish(2, 1);
    assert_eq!(actions.last(), Some(&begin(3, [3, 4, 6, 8])));
    // However many ask for the one model by now, the other one's turn is next.
    for _ in 0..10 {
        world.submit("a", 1_000);
    }
    let actions = world.finish(3, 4);
    assert_eq!(actions.last(), Some(&begin(4, [5, 7])));
}

#[test]
fn sessions_run_side_by_side_up_to_the_concurrency() {
    let mut world = World::measured(2, &["a"]);
    assert_eq!(world.submit("a", 1_000), [begin(1, [1])]);
    assert_eq!(world.submit("a", 1_000), [begin(2, [2])]);
    assert_eq!(world.submit("a", 1_000), []);
    assert_eq!(world.finish(2, 1).last(), Some(&begin(3, [3])));
    assert_eq!(world.counts(), (0, 2, 2));
}

#[test]
fn the_queue_is_bounded_and_a_client_that_leaves_it_makes_room() {
    let mut world = World::new(1, 1);
    world.submit("a", 100);
    world.submit("a", 100);
    assert_eq!(world.try_submit("a", 100), Err(QueueFull { waiting: 1 }));
    assert_eq!(world.left(1), []);
    assert_eq!(world.submit("a", 100), []);
}

#[test]
fn a_query_that_leaves_or_expires_does_not_stop_its_company() {
    let mut world = World::measured(1, &["a"]);
    world.submit("a", 1_000);
    for deadline in [1_000, 300, 1_000] {
        world.submit("a", deadline);
    }
    world.finish(1, 1);
    assert_eq!(world.left(2), [], "the others go on");
    let actions = world.expire(300);
    let [(3, late)] = failed(&actions)[..] else {
        panic!("{actions:?}")
    };
    assert!(late.contains("parties computed") && actions.len() == 1, "{actions:?}");
    let actions = world.finish(2, 3);
    assert_eq!(answered(&actions), [4]);
    assert_eq!(world.counts(), (0, 0, 0));
}

#[test]
fn a_session_that_nobody_waits_for_is_cancelled_and_keeps_its_place_until_it_has_ended() {
    let mut world = World::measured(1, &["a"]);
    world.submit("a", 1_000);
    world.submit("a", 1_000);
    world.submit("a", 300);
    world.finish(1, 1);
    assert_eq!(world.left(2), []);
    let actions = world.expire(300);
    assert_eq!(failed(&actions).len(), 1);
    assert_eq!(actions[1], Action::Cancel(Turn(2)));
    assert_eq!(world.submit("a", 1_000), []);
    assert_eq!(world.counts(), (1, 0, 1));
    let stopped = Failure::new(Fault::Peer, None, Phase::Compute, "stopped");
    let ended: Vec<Action> = PartyId::ALL
        .into_iter()
        .flat_map(|party| world.fails(2, party, &stopped))
        .collect();
    assert_eq!(ended, [Action::End(Turn(2)), begin(3, [4])]);
}

#[test]
fn a_query_expires_in_the_queue() {
    let mut world = World::new(5, 1);
    world.submit("a", 100);
    world.submit("a", 50);
    assert_eq!(world.table.next_expiry(), Some(after(world.start, 50)));
    assert_eq!(world.expire(49), []);
    let actions = world.expire(50);
    assert!(failed(&actions)[0].1.contains("in the queue"), "{actions:?}");
    assert_eq!(world.counts(), (0, 1, 1));
}

#[test]
fn a_party_that_fails_fails_all_queries_of_its_session_and_no_other() {
    let mut world = World::measured(2, &["a"]);
    world.submit("a", 1_000);
    world.submit("a", 1_000);
    world.submit("a", 1_000);
    world.submit("a", 1_000);
    world.finish(1, 1);
    assert_eq!(world.counts(), (0, 3, 2));
    let own = Failure::new(Fault::Own, Some(PartyId::Cloud), Phase::Compute, "a defect");
    let actions = world.fails(3, PartyId::Cloud, &own);
    assert_eq!(actions[0], Action::Cancel(Turn(3)));
    assert_eq!(failed(&actions), [(3, "a defect"), (4, "a defect")]);
    assert_eq!(answered(&world.finish(2, 1)), [2]);
}

#[test]
fn a_suspect_has_a_short_time_and_not_beyond_the_first_deadline() {
    for (deadline, told) in [(10_000, 250), (100, 100)] {
        let mut world = World::measured(1, &["a"]);
        world.submit("a", 10_000);
        world.submit("a", 10_000);
        world.submit("a", deadline);
        world.finish_at(0, 1, 1);
        let actions = world.fails(2, PartyId::Cloud, &blame(PartyId::Auditor));
        assert_eq!(actions, [Action::Cancel(Turn(2))]);
        assert_eq!(world.table.next_expiry(), Some(after(world.start, told)));
        assert_eq!(failed(&world.expire(told)), [(2, "lost"), (3, "lost")]);
    }
}

#[test]
fn a_query_that_was_left_out_fails_alone() {
    let mut world = World::measured(1, &["a"]);
    world.submit("a", 1_000);
    world.submit("a", 1_000);
    world.submit("a", 1_000);
    world.finish(1, 1);
    let refused = Failure::new(Fault::Client, Some(PartyId::Cloud), Phase::Start, "an altered envelope");
    let mut done = World::done(2);
    done.results[0] = Err(refused);
    let ended = |party| world.table.ended(world.start, Turn(2), party, Ok(done.clone()));
    let actions: Vec<Action> = PartyId::ALL.into_iter().flat_map(ended).collect();
    assert_eq!(failed(&actions), [(2, "an altered envelope")]);
    let [_, Action::Answer(computed), Action::End(Turn(2))] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(computed.ticket, Ticket(3));
    assert_eq!(computed.reports[0].online_bytes_sent, 100, "it was computed alone");
}

#[test]
fn what_is_over_is_forgotten() {
    let mut world = World::new(1, 1);
    world.submit("a", 100);
    world.finish(0, 1);
    assert_eq!(world.left(0), []);
    assert_eq!(world.fails(0, PartyId::Cloud, &blame(PartyId::Auditor)), []);
    assert_eq!(world.expire(1_000), []);
}
