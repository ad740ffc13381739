//! The computation of a session, from the peers' streams to the sealed results. Runs on a thread of its own, and blocks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use tercet_engine::{InputShare, Links, Meter, PairSecret, Report, SessionSpec, StepTraffic, run};
use tercet_ids::{PartyId, Role, Roles, SessionId};
use tercet_net::{Cancellation, StreamWriter};
use tercet_wire::{Opaque, PartyReport};

use crate::batch::{QueryRefusal, Seat, split};
use crate::envelope::seal_result;
use crate::failure::SessionError;
use crate::greeting::{Meeting, Met};
use crate::link::StreamKeeper;
use crate::parameters::ServedModel;

/// Everything that a computation needs.
pub struct Computation {
    /// The session.
    pub session: SessionId,
    /// Who deals and who evaluates.
    pub roles: Roles,
    /// This party.
    pub me: PartyId,
    /// The model.
    pub model: Arc<ServedModel>,
    /// The queries, and where their results go.
    pub seats: Vec<Seat>,
    /// This party's share of their inputs, joined.
    pub input: InputShare,
    /// The peers.
    pub meeting: Meeting,
    /// When it ends at the latest.
    pub deadline: Instant,
    /// Largest frame taken from a peer.
    pub frame_bytes_max: usize,
    /// Ends it earlier.
    pub cancellation: Cancellation,
}

/// What came of it.
pub struct Computed {
    /// Samples of all queries.
    pub batch: u32,
    /// For each query, by its place in the run: its output share, sealed to its client.
    pub results: Vec<(usize, Result<Opaque, QueryRefusal>)>,
    /// What the coordinator and the client are told of the cost.
    pub report: PartyReport,
    /// How long sealing the results took.
    pub sealing: Duration,
    /// Payload exchanged with each peer.
    pub traffic: [(PartyId, StepTraffic); 2],
    /// The peers' streams, whose last frames may still be on their way.
    pub sent: Vec<StreamWriter>,
}

/// Runs it to its end.
///
/// # Errors
/// Those of the engine.
pub fn compute(computation: Computation) -> Result<Computed, SessionError> {
    let Computation {
        session,
        roles,
        me,
        model,
        seats,
        input,
        meeting,
        deadline,
        frame_bytes_max,
        cancellation,
    } = computation;
    let begun = Instant::now();
    let batch = seats.iter().map(|seat| seat.batch).sum();
    let spec = SessionSpec {
        id: session,
        plan: model.plan.clone(),
        digest: model.model.digest,
        batch,
        roles,
        me,
        nonces: meeting.nonces,
        deadline,
    };
    let Wired {
        keepers,
        secrets,
        links,
    } = wire(meeting.peers, frame_bytes_max, deadline, &cancellation);
    let output = run(&spec, secrets, links, &model.parameters, input)?;
    Ok(conclude(output, seats, keepers, me, roles, begun))
}

/// The peers' streams of a session, as the engine takes them.
pub struct Wired {
    /// Keep the streams.
    pub keepers: [StreamKeeper; 2],
    /// What each pair has in common.
    pub secrets: [(PartyId, PairSecret); 2],
    /// Lead to the peers.
    pub links: Links,
}

/// Makes links of the streams that have met.
pub fn wire(peers: [Met; 2], frame_bytes_max: usize, deadline: Instant, cancellation: &Cancellation) -> Wired {
    let [first, second] = peers.map(
        |Met {
             peer, stream, secret, ..
         }| {
            let stream = stream.into_session(frame_bytes_max, deadline, cancellation.clone());
            let (keeper, link) = StreamKeeper::new(peer, stream);
            (
                keeper,
                (peer, secret),
                (peer, Box::new(link) as Box<dyn tercet_engine::Link>),
            )
        },
    );
    Wired {
        keepers: [first.0, second.0],
        secrets: [first.1, second.1],
        links: Links::new([first.2, second.2]),
    }
}

/// Seals what the engine computed for each query, and says what it cost.
pub fn conclude(
    output: Report,
    seats: Vec<Seat>,
    keepers: [StreamKeeper; 2],
    me: PartyId,
    roles: Roles,
    begun: Instant,
) -> Computed {
    let batch = seats.iter().map(|seat| seat.batch).sum();
    let sent = keepers.into_iter().filter_map(StreamKeeper::finish).collect();
    let ran = begun.elapsed();

    let sealing = Instant::now();
    let parts = split(output.outputs, &seats);
    let seal = |(seat, outputs): (Seat, _)| {
        let sealed = seal_result(&seat.reply, outputs, &mut UnwrapErr(SysRng));
        (seat.place, sealed.map_err(QueryRefusal::from))
    };
    let results = seats.into_iter().zip(parts).map(seal).collect();
    let traffic = me
        .peers()
        .map(|peer| (peer, traffic_with(peer, me, roles, output.meter.total())));
    let report = report(&output.meter, roles.role(me), ran);
    Computed {
        batch,
        results,
        report,
        sealing: sealing.elapsed(),
        traffic,
        sent,
    }
}

/// What the whole traffic of a session means for one peer: rounds run between the evaluators, dealt material flows from the
/// dealer to evaluator 1.
fn traffic_with(peer: PartyId, me: PartyId, roles: Roles, total: StepTraffic) -> StepTraffic {
    let pair = (roles.role(me), roles.role(peer));
    let of = |applies: bool, bytes: u64| if applies { bytes } else { 0 };
    let online = pair.0 != Role::Dealer && pair.1 != Role::Dealer;
    StepTraffic {
        rounds: total.rounds,
        online_sent: of(online, total.online_sent),
        online_received: of(online, total.online_received),
        dealt_sent: of(pair == (Role::Dealer, Role::Evaluator1), total.dealt_sent),
        dealt_received: of(pair == (Role::Evaluator1, Role::Dealer), total.dealt_received),
    }
}

fn report(meter: &Meter, role: Role, ran: Duration) -> PartyReport {
    let total = meter.total();
    let (deal, prepare) = match role {
        Role::Dealer => (meter.prepare_time + meter.deal_time, Duration::ZERO),
        Role::Evaluator0 | Role::Evaluator1 => (meter.deal_time, meter.prepare_time),
    };
    PartyReport {
        rounds: total.rounds,
        online_bytes_sent: total.online_sent,
        dealt_bytes_sent: total.dealt_sent,
        start: Duration::ZERO,
        deal,
        prepare,
        online_compute: meter.compute_time,
        online_wait: meter.wait_time,
        run: ran,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_belongs_to_the_pair_it_flows_in() {
        let total = StepTraffic {
            rounds: 3,
            online_sent: 1,
            online_received: 2,
            dealt_sent: 4,
            dealt_received: 8,
        };
        for roles in Roles::all() {
            for me in PartyId::ALL {
                for peer in me.peers() {
                    let traffic = traffic_with(peer, me, roles, total);
                    let bytes = [
                        traffic.online_sent,
                        traffic.online_received,
                        traffic.dealt_sent,
                        traffic.dealt_received,
                    ];
                    let expected = match (roles.role(me), roles.role(peer)) {
                        (Role::Dealer, Role::Evaluator1) => [0, 0, 4, 0],
                        (Role::Evaluator1, Role::Dealer) => [0, 0, 0, 8],
                        (Role::Dealer, _) | (_, Role::Dealer) => [0; 4],
                        _ => [1, 2, 0, 0],
                    };
                    assert_eq!(bytes, expected, "{roles:?} {me} {peer}");
                }
            }
        }
    }
}
