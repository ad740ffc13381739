//! The queries of one session: which of them run, their inputs as one batch, and its outputs apart again. Pure.

use tercet_engine::{InputShare, OutputShare};
use tercet_ids::PartyId;
use tercet_ring::{Ring, Secret};
use tercet_sharing::replicated::ReplicatedShare;
use tercet_wire::{Failure, Fault, Phase, QueryPart, Standing};
use zeroize::Zeroizing;

use crate::envelope::{EnvelopeFault, Query, Reply};

/// Why a query is left out of its session. The others are computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryRefusal {
    /// This party can't use its envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeFault),
    /// A peer can't use its envelope, as it tells the coordinator itself.
    #[error("{0} can't use its envelope: send the query again")]
    Peer(PartyId),
    /// The envelopes for this party and a peer were not made together.
    #[error("{0} was given an envelope of another query: send the query again")]
    Binding(PartyId),
}

impl QueryRefusal {
    /// What the coordinator is told by the party `me`.
    pub fn failure(&self, me: PartyId) -> Failure {
        let party = match self {
            QueryRefusal::Envelope(_) => me,
            QueryRefusal::Peer(peer) | QueryRefusal::Binding(peer) => *peer,
        };
        Failure::new(Fault::Client, Some(party), Phase::Start, self)
    }
}

/// A query that runs.
pub struct Seat {
    /// Its place among the queries of the run.
    pub place: usize,
    /// Its samples.
    pub batch: u32,
    /// Where its result goes.
    pub reply: Reply,
}

/// How the queries stand with this party, for its greeting.
pub fn standings(parts: &[QueryPart], opened: &[Result<Query, QueryRefusal>]) -> Vec<Standing> {
    let standing = |(part, opened): (&QueryPart, &Result<Query, QueryRefusal>)| Standing {
        query: part.query,
        batch: part.batch,
        binding: opened.as_ref().ok().map(|query| query.binding),
    };
    parts.iter().zip(opened).map(standing).collect()
}

/// Leaves out the queries that not all three parties can run. A query runs if all three have the same binding of it, which each party
/// finds from the same three greetings, so that all three run the same queries.
pub fn settle(
    opened: Vec<Result<Query, QueryRefusal>>,
    peers: &[(PartyId, &[Standing]); 2],
) -> Vec<Result<Query, QueryRefusal>> {
    let settle = |(place, opened): (usize, Result<Query, QueryRefusal>)| {
        let query = opened?;
        for (peer, standings) in peers {
            match standings.get(place).and_then(|standing| standing.binding) {
                Some(binding) if binding == query.binding => {}
                Some(_) => return Err(QueryRefusal::Binding(*peer)),
                None => return Err(QueryRefusal::Peer(*peer)),
            }
        }
        Ok(query)
    };
    opened.into_iter().enumerate().map(settle).collect()
}

/// The queries that run, and their inputs one after another; `None` if no query is left. Beside it the ones left out, with their places.
#[expect(clippy::type_complexity, reason = "two lists, each used once and in one place")]
pub fn join(
    settled: Vec<Result<Query, QueryRefusal>>,
) -> (Option<(Vec<Seat>, InputShare)>, Vec<(usize, QueryRefusal)>) {
    let (mut seats, mut narrow, mut wide, mut left_out) = (vec![], vec![], vec![], vec![]);
    for (place, query) in settled.into_iter().enumerate() {
        let Query {
            batch, reply, input, ..
        } = match query {
            Ok(query) => query,
            Err(refusal) => {
                left_out.push((place, refusal));
                continue;
            }
        };
        seats.push(Seat { place, batch, reply });
        match input {
            InputShare::Z32(inputs) => narrow.push(inputs),
            InputShare::Z64(inputs) => wide.push(inputs),
        }
    }
    // Opening an envelope checks its ring against the plan, so one of the two lists is empty.
    let joined = match (narrow.is_empty(), wide.is_empty()) {
        (true, true) => return (None, left_out),
        (false, _) => InputShare::Z32(concatenate(narrow)),
        (true, false) => InputShare::Z64(concatenate(wide)),
    };
    (Some((seats, joined)), left_out)
}

/// Each input of all queries, along the batch.
fn concatenate<R: Ring>(mut queries: Vec<Vec<ReplicatedShare<R>>>) -> Vec<ReplicatedShare<R>> {
    let first = queries.remove(0);
    if queries.is_empty() {
        return first;
    }
    let append = |(position, share): (usize, ReplicatedShare<R>)| {
        let components = [0, 1].map(|index| {
            let others = || queries.iter().map(|inputs| &inputs[position].components[index]);
            // Large enough from the start: growing would leave copies behind that nobody wipes.
            let elements = share.len() + others().map(|component| component.len()).sum::<usize>();
            let mut joined = Vec::with_capacity(elements);
            joined.extend_from_slice(&share.components[index]);
            others().for_each(|component| joined.extend_from_slice(component));
            Secret::new(joined)
        });
        ReplicatedShare {
            party: share.party,
            components,
        }
    };
    first.into_iter().enumerate().map(append).collect()
}

/// What each query gets of the outputs of the batch, in the order of the seats.
pub fn split(outputs: Vec<OutputShare>, seats: &[Seat]) -> Vec<Vec<OutputShare>> {
    if seats.len() == 1 {
        return vec![outputs];
    }
    let samples: usize = seats.iter().map(|seat| seat.batch as usize).sum();
    let mut begin = 0;
    let part = |seat: &Seat| {
        let end = begin + seat.batch as usize;
        let of = |output: &OutputShare| {
            let sample = output.bytes.len() / samples;
            OutputShare {
                bytes: Zeroizing::new(output.bytes[begin * sample..end * sample].to_vec()),
            }
        };
        let parts = outputs.iter().map(of).collect();
        begin = end;
        parts
    };
    seats.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use tercet_ids::{PlanDigest, QueryId};
    use tercet_plan::testkit::PlanBuilder;
    use tercet_ring::RingKind;
    use tercet_sharing::replicated::share;
    use tercet_sharing::{EnvelopeContext, Purpose, QueryEnvelope, SealingKeyPair, Shares, seal};
    use tercet_wire::Binding;

    use super::*;
    use crate::envelope::open_query;

    const ME: PartyId = PartyId::Cloud;
    const PEERS: [PartyId; 2] = [PartyId::ClientProxy, PartyId::Auditor];

    /// A query of one input of two elements a sample, with its first component counting from `first`.
    fn query(number: u8, batch: u32, first: u32) -> Query {
        let mut rng = StdRng::seed_from_u64(u64::from(number));
        let (key, reply) = (SealingKeyPair::generate(&mut rng), SealingKeyPair::generate(&mut rng));
        let mut plan = PlanBuilder::new(RingKind::Z32);
        let input = plan.input(&[2], 5, 10);
        plan.output(input);
        let (query, digest) = (QueryId([number; 16]), PlanDigest([2; 32]));
        let values: Vec<u32> = (first..first + 2 * batch).collect();
        let [_, share, _] = share(&values, &mut rng);
        let contents = QueryEnvelope {
            batch,
            reply_key: reply.public(),
            inputs: Shares::Z32(vec![share]),
        };
        let context = EnvelopeContext {
            purpose: Purpose::Query,
            query,
            digest,
            party: ME,
        };
        let envelope = seal(&key.public(), &context, &contents.to_bytes(), &mut rng).expect("sealed");
        let part = QueryPart {
            query,
            batch,
            envelope: envelope.into(),
        };
        let mut query = open_query(&key, ME, &plan.build(), digest, &part).expect("opened");
        if let InputShare::Z32(inputs) = &mut query.input {
            inputs[0].components[0] = Secret::new(values);
        }
        query
    }

    fn peers(standings: &[Vec<Standing>; 2]) -> [(PartyId, &[Standing]); 2] {
        [(PEERS[0], &standings[0]), (PEERS[1], &standings[1])]
    }

    fn parts(queries: &[Result<Query, QueryRefusal>]) -> Vec<QueryPart> {
        let part = |place: usize| QueryPart {
            query: QueryId([place as u8; 16]),
            batch: 1,
            envelope: vec![].into(),
        };
        (0..queries.len()).map(part).collect()
    }

    #[test]
    fn a_query_runs_only_if_all_three_have_the_same_binding() {
        let broken = QueryRefusal::Envelope(EnvelopeFault::Empty(ME));
        let opened = vec![
            Ok(query(0, 1, 0)),
            Err(broken.clone()),
            Ok(query(2, 1, 0)),
            Ok(query(3, 1, 0)),
            Ok(query(4, 1, 0)),
        ];
        let ours = standings(&parts(&opened), &opened);
        assert_eq!(ours[1].binding, None);
        let mut theirs = [ours.clone(), ours];
        theirs
            .iter_mut()
            .for_each(|theirs| theirs[1].binding = Some(Binding([1; 32])));
        theirs[0][2].binding = None;
        theirs[1][3].binding = Some(Binding([9; 32]));
        let settled = settle(opened, &peers(&theirs));
        let refusals: Vec<Option<QueryRefusal>> = settled.into_iter().map(Result::err).collect();
        let expected = [
            None,
            Some(broken),
            Some(QueryRefusal::Peer(PEERS[0])),
            Some(QueryRefusal::Binding(PEERS[1])),
            None,
        ];
        assert_eq!(refusals, expected);
    }

    /// Whatever the three parties say of three queries, all of them run the same ones.
    #[test]
    fn all_three_parties_run_the_same_queries() {
        let own = query(0, 1, 0).binding;
        let says = [None, Some(own), Some(Binding([9; 32]))];
        for case in 0..27 {
            let said = [case % 3, case / 3 % 3, case / 9].map(|choice| says[choice]);
            let runs = PartyId::ALL.map(|party| {
                let standing = |party: PartyId| {
                    vec![Standing {
                        query: QueryId([0; 16]),
                        batch: 1,
                        binding: said[party.index()],
                    }]
                };
                let opened = match said[party.index()] {
                    Some(binding) => Ok(Query {
                        binding,
                        ..query(0, 1, 0)
                    }),
                    None => Err(EnvelopeFault::Empty(party).into()),
                };
                let [first, second] = party.peers();
                let (of_first, of_second) = (standing(first), standing(second));
                settle(vec![opened], &[(first, &of_first), (second, &of_second)])[0].is_ok()
            });
            assert!(runs == [runs[0]; 3], "{said:?}");
            assert_eq!(runs[0], said[0].is_some() && said == [said[0]; 3]);
        }
    }

    #[test]
    fn inputs_are_joined_and_outputs_split_by_samples() {
        let refused = QueryRefusal::Peer(PEERS[1]);
        let settled = vec![
            Ok(query(0, 2, 0)),
            Err(refused.clone()),
            Ok(query(2, 1, 10)),
            Ok(query(3, 3, 20)),
        ];
        let (joined, left_out) = join(settled);
        assert_eq!(left_out, [(1, refused)]);
        let (seats, InputShare::Z32(inputs)) = joined.expect("three are left") else {
            panic!("they are over Z_2^32")
        };
        let seated: Vec<(usize, u32)> = seats.iter().map(|seat| (seat.place, seat.batch)).collect();
        assert_eq!(seated, [(0, 2), (2, 1), (3, 3)]);
        let expected: Vec<u32> = (0..4).chain(10..12).chain(20..26).collect();
        assert_eq!(inputs[0].components[0][..], expected);
        assert_eq!(inputs[0].components[1].len(), expected.len());

        let outputs = [2u8, 1].map(|width| OutputShare {
            bytes: Zeroizing::new((0..6 * width).collect()),
        });
        let parts = split(outputs.into(), &seats);
        let bytes: Vec<Vec<&[u8]>> = parts
            .iter()
            .map(|outputs| outputs.iter().map(|output| output.bytes.as_slice()).collect())
            .collect();
        let expected: [[&[u8]; 2]; 3] = [
            [&[0, 1, 2, 3], &[0, 1]],
            [&[4, 5], &[2]],
            [&[6, 7, 8, 9, 10, 11], &[3, 4, 5]],
        ];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn one_query_passes_through_and_none_leaves_nothing() {
        let (joined, _) = join(vec![Ok(query(0, 2, 0))]);
        assert_eq!(joined.expect("one is left").0.len(), 1);
        let (joined, left_out) = join(vec![Err(QueryRefusal::Peer(PEERS[0]))]);
        assert!(joined.is_none());
        assert_eq!(left_out.len(), 1);
    }
}
