//! The life of one query at the coordinator, as a pure state machine.

use tercet_ids::PartyId;
use tercet_wire::{Failure, Fault, Opaque, PartyReport};

/// Where a query stands.
///
/// ```text
/// Queued ── Start ──► Running ── three results ──► Finished (answered)
///   │                    │ a party fails, and blames another ──► Suspecting ─┐ that party's word, or no time left
///   │ time, client left  │ any other failure, time, client left              ▼
///   └──► Finished        └──────────────────────────────────────────────► Draining ── last party's word ──► Finished
/// ```
#[derive(PartialEq, Debug)]
pub enum State {
    /// Waits for a turn.
    Queued,
    /// The parties compute.
    Running(Box<Replies>),
    /// A party blamed another, and all were told to stop; what the blamed one says decides what the client reads.
    Suspecting {
        /// What was said first.
        failure: Failure,
        /// Who was blamed.
        suspect: PartyId,
        /// Who has ended the session.
        ended: [bool; 3],
    },
    /// The client has its answer; the turn is over when all three have ended the session.
    Draining {
        /// Who has ended the session.
        ended: [bool; 3],
    },
    /// Over.
    Finished,
}

/// What a party computed for the query.
#[derive(PartialEq, Debug)]
pub struct Computed {
    /// Its result, sealed to the client.
    pub result: Opaque,
    /// What it cost.
    pub report: PartyReport,
}

/// The parties' results so far, by party index.
#[derive(PartialEq, Debug, Default)]
pub struct Replies([Option<Computed>; 3]);

/// What can happen to a query.
#[derive(PartialEq, Debug)]
pub enum Event {
    /// Its turn has come.
    Start,
    /// A party ended the session. Every party that was told to run it does so exactly once, be it by being lost.
    Ended {
        /// Which.
        party: PartyId,
        /// With what.
        result: Result<Computed, Failure>,
    },
    /// No time is left; the failure says for what.
    Expired(Failure),
    /// The client no longer waits.
    ClientLeft,
}

/// What the coordinator does about it.
#[derive(PartialEq, Debug)]
pub enum Action {
    /// Tell all three parties to run it.
    Dispatch,
    /// Tell all three parties to stop.
    Cancel,
    /// Give the client the results, by party index.
    Answer(Box<[Computed; 3]>),
    /// Tell the client why there is none.
    Fail(Failure),
    /// The turn is over: the next query may start.
    Release,
}

impl State {
    /// The only place where a query changes.
    pub fn transition(self, event: Event) -> (State, Vec<Action>) {
        match (self, event) {
            (State::Queued, Event::Start) => (State::Running(Box::default()), vec![Action::Dispatch]),
            (State::Queued, Event::Expired(failure)) => (State::Finished, vec![Action::Fail(failure)]),
            (State::Queued, Event::ClientLeft) => (State::Finished, vec![]),

            (
                State::Running(mut replies),
                Event::Ended {
                    party,
                    result: Ok(done),
                },
            ) => {
                replies.0[party.index()] = Some(done);
                match replies.0 {
                    [Some(a), Some(b), Some(c)] => (
                        State::Finished,
                        vec![Action::Release, Action::Answer(Box::new([a, b, c]))],
                    ),
                    partial => (State::Running(Box::new(Replies(partial))), vec![]),
                }
            }
            (
                State::Running(replies),
                Event::Ended {
                    party,
                    result: Err(failure),
                },
            ) => {
                let mut ended = replies.ended();
                ended[party.index()] = true;
                match failure.party {
                    Some(suspect) if failure.fault == Fault::Peer && !ended[suspect.index()] => (
                        State::Suspecting {
                            failure,
                            suspect,
                            ended,
                        },
                        vec![Action::Cancel],
                    ),
                    _ => drain(ended, vec![Action::Cancel, Action::Fail(failure)]),
                }
            }
            (State::Running(replies), Event::Expired(failure)) => {
                drain(replies.ended(), vec![Action::Cancel, Action::Fail(failure)])
            }
            (State::Running(replies), Event::ClientLeft) => drain(replies.ended(), vec![Action::Cancel]),

            (
                State::Suspecting {
                    failure,
                    suspect,
                    mut ended,
                },
                Event::Ended { party, result },
            ) => {
                ended[party.index()] = true;
                if party != suspect {
                    return (
                        State::Suspecting {
                            failure,
                            suspect,
                            ended,
                        },
                        vec![],
                    );
                }
                let told = match result {
                    // Told to stop because of its peers, it has nothing to add.
                    Err(own) if own.party == Some(suspect) || own.fault != Fault::Peer => own,
                    Err(_) | Ok(_) => failure,
                };
                drain(ended, vec![Action::Fail(told)])
            }
            (State::Suspecting { failure, ended, .. }, Event::Expired(_)) => drain(ended, vec![Action::Fail(failure)]),
            (State::Suspecting { ended, .. }, Event::ClientLeft) => drain(ended, vec![]),

            (State::Draining { mut ended }, Event::Ended { party, .. }) => {
                ended[party.index()] = true;
                drain(ended, vec![])
            }
            // A late word about something that is settled.
            (state @ State::Draining { .. }, Event::Expired(_) | Event::ClientLeft) => (state, vec![]),
            (state @ State::Finished, _) => (state, vec![]),
            (state, Event::Start) => (state, vec![]),
            (State::Queued, Event::Ended { .. }) => (State::Queued, vec![]),
        }
    }
}

impl Replies {
    fn ended(&self) -> [bool; 3] {
        std::array::from_fn(|index| self.0[index].is_some())
    }
}

/// Drains what is left, or releases the turn if nothing is.
fn drain(ended: [bool; 3], mut actions: Vec<Action>) -> (State, Vec<Action>) {
    if ended == [true; 3] {
        actions.push(Action::Release);
        (State::Finished, actions)
    } else {
        (State::Draining { ended }, actions)
    }
}

#[cfg(test)]
mod tests {
    use tercet_wire::Phase;

    use super::*;

    const FIRST: PartyId = PartyId::ClientProxy;
    const SECOND: PartyId = PartyId::Cloud;
    const THIRD: PartyId = PartyId::Auditor;

    fn done(tag: u8) -> Computed {
        Computed {
            result: Opaque::from(vec![tag]),
            report: PartyReport::default(),
        }
    }

    fn ok(party: PartyId) -> Event {
        Event::Ended {
            party,
            result: Ok(done(party.index() as u8)),
        }
    }

    fn failure(fault: Fault, party: Option<PartyId>, sentence: &str) -> Failure {
        Failure::new(fault, party, Phase::Compute, sentence)
    }

    fn failed(party: PartyId, failure: &Failure) -> Event {
        Event::Ended {
            party,
            result: Err(failure.clone()),
        }
    }

    /// Runs the events and gives the state and all actions.
    fn play(events: impl IntoIterator<Item = Event>) -> (State, Vec<Action>) {
        let mut state = State::Queued;
        let mut all = vec![];
        for event in events {
            let (next, actions) = state.transition(event);
            state = next;
            all.extend(actions);
        }
        (state, all)
    }

    #[test]
    fn three_results_are_an_answer_in_party_order() {
        let (state, actions) = play([Event::Start, ok(THIRD), ok(FIRST), ok(SECOND)]);
        let answer = Action::Answer(Box::new([done(0), done(1), done(2)]));
        assert_eq!(state, State::Finished);
        assert_eq!(actions, [Action::Dispatch, Action::Release, answer]);
    }

    #[test]
    fn a_party_that_fails_by_itself_is_told_at_once_and_the_turn_ends_with_the_last_party() {
        let own = failure(Fault::Client, Some(SECOND), "the envelope can't be opened");
        let (state, actions) = play([Event::Start, failed(SECOND, &own)]);
        assert_eq!(
            state,
            State::Draining {
                ended: [false, true, false]
            }
        );
        assert_eq!(actions, [Action::Dispatch, Action::Cancel, Action::Fail(own.clone())]);

        let stopped = failure(Fault::Peer, None, "stopped");
        let (state, actions) = play([
            Event::Start,
            failed(SECOND, &own),
            failed(FIRST, &stopped),
            failed(THIRD, &stopped),
        ]);
        assert_eq!(state, State::Finished);
        assert_eq!(actions[3..], [Action::Release]);
    }

    #[test]
    fn a_blamed_party_has_its_say() {
        let blame = failure(Fault::Peer, Some(SECOND), "cloud ended the session");
        let own = failure(Fault::Own, Some(SECOND), "cloud: out of range");
        let (state, actions) = play([Event::Start, failed(FIRST, &blame), failed(SECOND, &own)]);
        assert_eq!(
            state,
            State::Draining {
                ended: [true, true, false]
            }
        );
        assert_eq!(actions, [Action::Dispatch, Action::Cancel, Action::Fail(own)]);
    }

    #[test]
    fn a_blamed_party_that_just_blames_others_does_not_clear_itself() {
        let blame = failure(Fault::Peer, Some(SECOND), "cloud broke the protocol");
        let excuse = failure(Fault::Peer, Some(FIRST), "client-proxy ended the session");
        let (_, actions) = play([Event::Start, failed(FIRST, &blame), failed(SECOND, &excuse)]);
        assert_eq!(actions, [Action::Dispatch, Action::Cancel, Action::Fail(blame)]);
    }

    #[test]
    fn a_blamed_party_that_is_silent_is_named_when_time_is_up() {
        let blame = failure(Fault::Peer, Some(SECOND), "cloud is lost");
        let late = failure(Fault::Overload, None, "no time left");
        let (state, actions) = play([Event::Start, failed(THIRD, &blame), Event::Expired(late)]);
        assert_eq!(
            state,
            State::Draining {
                ended: [false, false, true]
            }
        );
        assert_eq!(actions, [Action::Dispatch, Action::Cancel, Action::Fail(blame)]);
    }

    #[test]
    fn a_party_that_delivered_and_is_blamed_is_not_waited_for() {
        let blame = failure(Fault::Peer, Some(SECOND), "cloud is lost");
        let (state, actions) = play([Event::Start, ok(SECOND), failed(THIRD, &blame)]);
        assert_eq!(
            state,
            State::Draining {
                ended: [false, true, true]
            }
        );
        assert_eq!(actions[1..], [Action::Cancel, Action::Fail(blame)]);
    }

    #[test]
    fn time_up_and_a_client_that_left_cancel_what_runs() {
        let late = failure(Fault::Overload, None, "no time left");
        let (_, actions) = play([Event::Start, Event::Expired(late.clone())]);
        assert_eq!(actions, [Action::Dispatch, Action::Cancel, Action::Fail(late.clone())]);
        let (state, actions) = play([Event::Start, Event::ClientLeft]);
        assert_eq!(state, State::Draining { ended: [false; 3] });
        assert_eq!(actions, [Action::Dispatch, Action::Cancel]);
    }

    #[test]
    fn what_waits_ends_without_a_word_to_the_parties() {
        let late = failure(Fault::Overload, None, "no time left");
        assert_eq!(
            play([Event::Expired(late.clone())]),
            (State::Finished, vec![Action::Fail(late)])
        );
        assert_eq!(play([Event::ClientLeft]), (State::Finished, vec![]));
    }

    /// In every order of every set of events the client is told at most once, and the turn is released exactly once.
    #[test]
    fn every_order_of_events_tells_once_and_releases_once() {
        let failures = [
            failure(Fault::Peer, Some(FIRST), "blames first"),
            failure(Fault::Peer, Some(SECOND), "blames second"),
            failure(Fault::Own, Some(THIRD), "own"),
            failure(Fault::Peer, None, "stopped"),
        ];
        let results = |party: PartyId| {
            let mut events = vec![ok(party)];
            events.extend(failures.iter().map(|failure| failed(party, failure)));
            events
        };
        let others = || {
            [
                Event::ClientLeft,
                Event::Expired(failure(Fault::Overload, None, "no time left")),
            ]
        };
        let orders = [
            [0, 1, 2, 3],
            [3, 0, 1, 2],
            [0, 3, 2, 1],
            [2, 1, 3, 0],
            [1, 2, 0, 3],
            [1, 3, 0, 2],
        ];
        for order in orders {
            for pick in 0..5usize.pow(3) * 2 {
                let mut events = [
                    results(FIRST).swap_remove(pick % 5),
                    results(SECOND).swap_remove(pick / 5 % 5),
                    results(THIRD).swap_remove(pick / 25 % 5),
                    others().into_iter().nth(pick / 125).expect("two of them"),
                ]
                .map(Some);
                let sequence = order.map(|index| events[index].take().expect("each once"));
                let shown = format!("{sequence:?}");
                let (state, actions) = play([Event::Start].into_iter().chain(sequence));
                let count = |wanted: fn(&Action) -> bool| actions.iter().filter(|action| wanted(action)).count();
                assert_eq!(state, State::Finished, "{shown}");
                assert_eq!(count(|action| *action == Action::Release), 1, "{shown}");
                assert!(count(|action| *action == Action::Cancel) <= 1, "{shown}");
                assert!(
                    count(|action| matches!(action, Action::Answer(_) | Action::Fail(_))) <= 1,
                    "{shown}"
                );
            }
        }
    }
}
