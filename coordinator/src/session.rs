//! The life of one session at the coordinator, as a pure state machine.

use tercet_ids::PartyId;
use tercet_wire::{Done, Failure, Fault, Opaque};

/// Where a session stands.
///
/// ```text
/// Running ── three results ──► Finished (answered)
///    │ a party fails, and blames another ──► Suspecting ─┐ that party's word, or its time is up; if it blames
///    │                                         └ Tracing ┤ the third, that one's word, or its time is up
///    │ any other failure, nobody waits                   ▼
///    └──────────────────────────────────────────────► Draining ── last party's word ──► Finished
/// ```
#[derive(PartialEq, Debug)]
pub enum State {
    /// The parties compute.
    Running(Box<Replies>),
    /// A party blamed another, and all were told to stop; what the blamed one says decides what the clients read.
    Suspecting {
        /// What was said first.
        failure: Failure,
        /// Who was blamed.
        suspect: PartyId,
        /// Who has ended the session.
        ended: [bool; 3],
    },
    /// The blamed party blamed the third one in its turn, which has not been heard.
    Tracing {
        /// What was said first.
        first: Failure,
        /// What the first one that was blamed said.
        excuse: Failure,
        /// Who has ended the session.
        ended: [bool; 3],
    },
    /// The clients have their answers; the turn is over when all three have ended the session.
    Draining {
        /// Who has ended the session.
        ended: [bool; 3],
    },
    /// Over.
    Finished,
}

/// The parties' results so far, by party index.
#[derive(PartialEq, Debug, Default)]
pub struct Replies([Option<Done>; 3]);

/// What can happen to a session.
#[derive(PartialEq, Debug)]
pub enum Event {
    /// A party ended it. Every party that was told to run it does so exactly once, be it by being lost.
    Ended {
        /// Which.
        party: PartyId,
        /// With what.
        result: Result<Done, Failure>,
    },
    /// The blamed party's time is up.
    TimeUp,
    /// No client waits for it any longer.
    Abandoned,
}

/// What the coordinator does about it.
#[derive(PartialEq, Debug)]
pub enum Action {
    /// Tell all three parties to stop.
    Cancel,
    /// Give the clients the results, by party index.
    Answer(Box<[Done; 3]>),
    /// Tell all its clients why there are none.
    Fail(Failure),
    /// The turn is over: the next session may start.
    Release,
}

impl Default for State {
    fn default() -> State {
        State::Running(Box::default())
    }
}

impl State {
    /// The only place where a session changes.
    pub fn transition(self, event: Event) -> (State, Vec<Action>) {
        match (self, event) {
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
                        vec![Action::Answer(Box::new([a, b, c])), Action::Release],
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
            (State::Running(replies), Event::Abandoned) => drain(replies.ended(), vec![Action::Cancel]),

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
                match result {
                    Err(own) if own.party == Some(suspect) || own.fault != Fault::Peer => {
                        drain(ended, vec![Action::Fail(own)])
                    }
                    // It left because of a third one. If that one says nothing, it is lost, and took the suspect along.
                    Err(excuse) if excuse.party.is_some_and(|third| !ended[third.index()]) => (
                        State::Tracing {
                            first: failure,
                            excuse,
                            ended,
                        },
                        vec![],
                    ),
                    // Told to stop because of its peers, it has nothing to add.
                    Err(_) | Ok(_) => drain(ended, vec![Action::Fail(failure)]),
                }
            }
            (State::Suspecting { failure, ended, .. }, Event::TimeUp) => drain(ended, vec![Action::Fail(failure)]),
            (State::Suspecting { ended, .. }, Event::Abandoned) => drain(ended, vec![]),

            // Two have ended it by now, so this is the third.
            (State::Tracing { first, mut ended, .. }, Event::Ended { party, result }) => {
                ended[party.index()] = true;
                let told = match result {
                    Err(own) if own.party == Some(party) => own,
                    // It lives, so the excuse was none.
                    Err(_) | Ok(_) => first,
                };
                drain(ended, vec![Action::Fail(told)])
            }
            (State::Tracing { excuse, ended, .. }, Event::TimeUp) => drain(ended, vec![Action::Fail(excuse)]),
            (State::Tracing { ended, .. }, Event::Abandoned) => drain(ended, vec![]),

            (State::Draining { mut ended }, Event::Ended { party, .. }) => {
                ended[party.index()] = true;
                drain(ended, vec![])
            }
            // A late word about something that is settled.
            (state @ State::Draining { .. }, Event::TimeUp | Event::Abandoned) => (state, vec![]),
            (state @ State::Finished, _) => (state, vec![]),
            (state @ State::Running(_), Event::TimeUp) => (state, vec![]),
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

/// What the parties computed for the query at `place`, by party index.
///
/// # Errors
/// It was left out: the word of a party about its own envelope, rather than another's about that party.
pub fn results(done: &[Done; 3], place: usize) -> Result<[Opaque; 3], Failure> {
    let mut hearsay = None;
    let mut results = Vec::with_capacity(done.len());
    for (party, done) in PartyId::ALL.into_iter().zip(done) {
        match &done.results[place] {
            Ok(result) => results.push(result.clone()),
            Err(own) if own.party == Some(party) => return Err(own.clone()),
            Err(failure) => hearsay = hearsay.or(Some(failure)),
        }
    }
    match hearsay {
        Some(failure) => Err(failure.clone()),
        None => Ok(results.try_into().expect("one of each party")),
    }
}

#[cfg(test)]
mod tests {
    use tercet_wire::{PartyReport, Phase};

    use super::*;

    const FIRST: PartyId = PartyId::ClientProxy;
    const SECOND: PartyId = PartyId::Cloud;
    const THIRD: PartyId = PartyId::Auditor;

    fn done(tag: u8) -> Done {
        Done {
            results: vec![Ok(Opaque::from(vec![tag]))],
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
        let mut state = State::default();
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
        let (state, actions) = play([ok(THIRD), ok(FIRST), ok(SECOND)]);
        let answer = Action::Answer(Box::new([done(0), done(1), done(2)]));
        assert_eq!(state, State::Finished);
        assert_eq!(actions, [answer, Action::Release]);
    }

    #[test]
    fn a_party_that_fails_by_itself_is_told_at_once_and_the_turn_ends_with_the_last_party() {
        let own = failure(Fault::Client, Some(SECOND), "the envelope can't be opened");
        let (state, actions) = play([failed(SECOND, &own)]);
        assert_eq!(
            state,
            State::Draining {
                ended: [false, true, false]
            }
        );
        assert_eq!(actions, [Action::Cancel, Action::Fail(own.clone())]);

        let stopped = failure(Fault::Peer, None, "stopped");
        let (state, actions) = play([failed(SECOND, &own), failed(FIRST, &stopped), failed(THIRD, &stopped)]);
        assert_eq!(state, State::Finished);
        assert_eq!(actions[2..], [Action::Release]);
    }

    #[test]
    fn a_blamed_party_has_its_say() {
        let blame = failure(Fault::Peer, Some(SECOND), "cloud ended the session");
        let own = failure(Fault::Own, Some(SECOND), "cloud: out of range");
        let (state, actions) = play([failed(FIRST, &blame), failed(SECOND, &own)]);
        assert_eq!(
            state,
            State::Draining {
                ended: [true, true, false]
            }
        );
        assert_eq!(actions, [Action::Cancel, Action::Fail(own)]);
    }

    #[test]
    fn a_blamed_party_that_just_blames_others_does_not_clear_itself() {
        let blame = failure(Fault::Peer, Some(SECOND), "cloud broke the protocol");
        let excuse = failure(Fault::Peer, Some(FIRST), "client-proxy ended the session");
        let (_, actions) = play([failed(FIRST, &blame), failed(SECOND, &excuse)]);
        assert_eq!(actions, [Action::Cancel, Action::Fail(blame)]);
    }

    #[test]
    fn blame_is_traced_to_the_party_that_is_silent() {
        let blame = failure(Fault::Peer, Some(SECOND), "cloud left");
        let excuse = failure(Fault::Peer, Some(THIRD), "auditor left");
        let traced = || [failed(FIRST, &blame), failed(SECOND, &excuse)];
        assert_eq!(play(traced()).1, [Action::Cancel], "the third one has its say");
        let (state, actions) = play(traced().into_iter().chain([Event::TimeUp]));
        assert_eq!(actions[1..], [Action::Fail(excuse.clone())]);
        assert_eq!(
            state,
            State::Draining {
                ended: [true, true, false]
            }
        );
        let lost = failure(Fault::Peer, Some(THIRD), "auditor can't be reached");
        let (_, actions) = play(traced().into_iter().chain([failed(THIRD, &lost)]));
        assert_eq!(actions[1..], [Action::Fail(lost), Action::Release]);
        let alive = failure(Fault::Peer, Some(FIRST), "client-proxy left");
        let (_, actions) = play(traced().into_iter().chain([failed(THIRD, &alive)]));
        assert_eq!(actions[1..], [Action::Fail(blame.clone()), Action::Release]);
    }

    #[test]
    fn a_blamed_party_that_is_silent_is_named_when_time_is_up() {
        let blame = failure(Fault::Peer, Some(SECOND), "cloud is lost");
        let (state, actions) = play([failed(THIRD, &blame), Event::TimeUp]);
        assert_eq!(
            state,
            State::Draining {
                ended: [false, false, true]
            }
        );
        assert_eq!(actions, [Action::Cancel, Action::Fail(blame)]);
    }

    #[test]
    fn a_party_that_delivered_and_is_blamed_is_not_waited_for() {
        let blame = failure(Fault::Peer, Some(SECOND), "cloud is lost");
        let (state, actions) = play([ok(SECOND), failed(THIRD, &blame)]);
        assert_eq!(
            state,
            State::Draining {
                ended: [false, true, true]
            }
        );
        assert_eq!(actions, [Action::Cancel, Action::Fail(blame)]);
    }

    #[test]
    fn what_nobody_waits_for_is_cancelled() {
        let (state, actions) = play([Event::Abandoned]);
        assert_eq!(state, State::Draining { ended: [false; 3] });
        assert_eq!(actions, [Action::Cancel]);
    }

    #[test]
    fn a_party_speaks_for_its_own_envelope() {
        let own = failure(Fault::Client, Some(SECOND), "the envelope for cloud can't be opened");
        let hearsay = failure(Fault::Client, Some(SECOND), "cloud can't use its envelope");
        let says = |refused: &Failure| Done {
            results: vec![Ok(Opaque::from(vec![1])), Err(refused.clone())],
            ..done(0)
        };
        let done = [says(&hearsay), says(&own), says(&hearsay)];
        assert_eq!(results(&done, 0), Ok([(); 3].map(|()| Opaque::from(vec![1]))));
        assert_eq!(results(&done, 1), Err(own));
        let unsaid = [says(&hearsay), says(&hearsay), says(&hearsay)];
        assert_eq!(results(&unsaid, 1), Err(hearsay.clone()));
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
        let others = || [Event::Abandoned, Event::TimeUp];
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
                let (state, actions) = play(sequence);
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
