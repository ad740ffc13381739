//! Sessions that three nodes prepare before there is a query, over QUIC.

use std::time::{Duration, Instant};

use super::world::{PREPARED_BYTES_MAX, Prepared, Waiting, World, expect_done, expect_failure};
use tercet_ids::{PartyId, Role, Roles};
use tercet_plan::oracle;
use tercet_plan::testkit::{Sample, samples};
use tercet_ring::RingKind;
use tercet_wire::{Fault, Model, NodeReply, NodeRequest, Phase};
use tokio::time::sleep;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(60);

fn roles() -> Roles {
    Roles::new(PartyId::Auditor, PartyId::Cloud).expect("two parties")
}

async fn deployed(world: &mut World) -> (Model, Sample) {
    let drawn = samples(RingKind::Z32, &mut world.rng);
    let named = |sample: &Sample| sample.name == "network of exact steps";
    let sample = drawn.into_iter().find(named).expect("it is one of them");
    (world.deploy("network", &sample).await, sample)
}

/// A query, and what its outputs are.
fn query(world: &mut World, model: &Model, sample: &Sample, batch: u32, roles: Roles) -> (Prepared, Vec<Vec<i64>>) {
    let inputs = sample.inputs(batch, &mut world.rng);
    let expected = oracle::run(&sample.plan, &sample.parameters, &inputs).revealed(&sample.plan);
    let expected = expected.iter().map(|output| output.to_vec()).collect();
    (world.prepare(model, &sample.plan, &inputs, roles), expected)
}

#[tokio::test]
async fn every_kind_of_step_computes_the_same_and_costs_what_is_declared() {
    let mut world = World::start(21).await;
    for (ring, batch) in [(RingKind::Z32, 1), (RingKind::Z64, 2)] {
        for sample in samples(ring, &mut world.rng) {
            let model = world.deploy("sample", &sample).await;
            let (query, expected) = query(&mut world, &model, &sample, batch, roles());
            let mut waiting = world.prepare_session(&model, batch, roles(), LONG).await;
            let replies = waiting.run(query.runs.clone()).await;
            let revealed = query.reveal(&replies);
            let last = sample.plan.steps.last().expect("a plan has steps");
            let bound = last.op.error_bound().unwrap_or(u64::MAX);
            for (revealed, expected) in revealed.iter().flatten().zip(expected.iter().flatten()) {
                assert!(revealed.abs_diff(*expected) <= bound, "{} over {ring}", sample.name);
            }
            let declared = sample.plan.prepared_cost(batch).total();
            let reports = replies.each_ref().map(|reply| expect_done(reply).report);
            let sum = |of: fn(&tercet_wire::PartyReport) -> u64| reports.iter().map(of).sum::<u64>();
            let online = declared.e0_to_e1 + declared.e1_to_e0;
            assert_eq!(sum(|report| report.online_bytes_sent), online, "{}", sample.name);
            assert_eq!(sum(|report| report.dealt_bytes_sent), declared.dealt, "{}", sample.name);
            let rounds = reports.iter().map(|report| report.rounds).max();
            assert_eq!(rounds, Some(declared.rounds), "{}", sample.name);
        }
    }
}

#[tokio::test]
async fn all_roles_after_a_while_and_several_at_once() {
    let mut world = World::start(22).await;
    let (model, sample) = deployed(&mut world).await;
    let mut kept = vec![];
    for roles in Roles::all() {
        kept.push(world.prepare_session(&model, 3, roles, LONG).await);
    }
    // Longer than a connection may be silent.
    sleep(Duration::from_secs(3)).await;
    for mut waiting in kept {
        let (query, expected) = query(&mut world, &model, &sample, 3, waiting.order.roles);
        let replies = waiting.run(query.runs.clone()).await;
        assert_eq!(query.reveal(&replies), expected, "{:?}", waiting.order.roles);
    }
}

#[tokio::test]
async fn no_session_serves_a_second_query() {
    let mut world = World::start(23).await;
    let (model, sample) = deployed(&mut world).await;
    let mut waiting = world.prepare_session(&model, 1, roles(), LONG).await;
    let (first, _) = query(&mut world, &model, &sample, 1, roles());
    let (second, _) = query(&mut world, &model, &sample, 1, roles());
    first.reveal(&waiting.run(first.runs.clone()).await);
    // On the same stream nobody listens any more; on another one, and as a preparation, it is refused.
    let again = encode_run(&waiting, &second);
    for (stream, message) in waiting.streams.iter_mut().zip(again) {
        let _ = stream.writer.write_message(message, usize::MAX).await;
        let end = stream.reader.next_message(1 << 20).await;
        assert!(matches!(end, Ok(None)), "{end:?}");
    }
    let mut runs = second.runs.clone();
    runs.iter_mut().for_each(|run| run.session = waiting.order.session);
    let refused = world.run(runs).await;
    let (_, prepared_again) = world.order(&waiting.order).await;
    for reply in refused.iter().chain(&prepared_again) {
        let failure = expect_failure(reply);
        assert_eq!((failure.fault, failure.phase), (Fault::Client, Phase::Admission));
        assert!(failure.sentence.contains("runs none twice"), "{failure}");
    }
}

fn encode_run(waiting: &Waiting, query: &Prepared) -> [Vec<u8>; 3] {
    query.runs.each_ref().map(|run| {
        let mut run = run.clone();
        run.session = waiting.order.session;
        tercet_wire::encode(&NodeRequest::Run(run))
    })
}

#[tokio::test]
async fn a_party_that_gets_another_query_is_named_by_its_peers() {
    let mut world = World::start(24).await;
    let (model, sample) = deployed(&mut world).await;
    for odd in [Role::Dealer, Role::Evaluator0, Role::Evaluator1] {
        let mut waiting = world.prepare_session(&model, 1, roles(), LONG).await;
        let (one, _) = query(&mut world, &model, &sample, 1, roles());
        let (other, _) = query(&mut world, &model, &sample, 1, roles());
        let odd = roles().party(odd);
        let mut runs = one.runs.clone();
        runs[odd.index()] = other.runs[odd.index()].clone();
        let begun = Instant::now();
        let replies = waiting.run(runs).await;
        for party in odd.peers() {
            let failure = expect_failure(&replies[party.index()]);
            assert_eq!(failure.fault, Fault::Client, "{failure}");
            assert_eq!(failure.party, Some(odd), "{failure}");
            assert!(failure.sentence.contains("another query"), "{failure}");
        }
        expect_failure(&replies[odd.index()]);
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_broken_envelope_is_the_clients_fault_and_no_party_waits_for_long() {
    let mut world = World::start(25).await;
    let (model, sample) = deployed(&mut world).await;
    let mut waiting = world.prepare_session(&model, 1, roles(), LONG).await;
    let (query, _) = query(&mut world, &model, &sample, 1, roles());
    let mut runs = query.runs.clone();
    let part = &mut runs[PartyId::Cloud.index()].queries[0];
    let mut bytes = part.envelope.as_slice().to_vec();
    bytes[40] ^= 1;
    part.envelope = bytes.into();
    let begun = Instant::now();
    let replies = waiting.run(runs).await;
    let own = expect_failure(&replies[PartyId::Cloud.index()]);
    assert_eq!((own.fault, own.party), (Fault::Client, Some(PartyId::Cloud)));
    for party in PartyId::Cloud.peers() {
        assert_eq!(expect_failure(&replies[party.index()]).party, Some(PartyId::Cloud));
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_run_of_something_else_is_refused() {
    let mut world = World::start(26).await;
    let (model, sample) = deployed(&mut world).await;
    let other_roles = Roles::new(PartyId::Cloud, PartyId::Auditor).expect("two parties");
    for (batch, roles_then) in [(2, roles()), (1, other_roles)] {
        let mut waiting = world.prepare_session(&model, 1, roles(), LONG).await;
        let (query, _) = query(&mut world, &model, &sample, batch, roles_then);
        for reply in waiting.run(query.runs.clone()).await {
            let failure = expect_failure(&reply);
            assert_eq!(
                (failure.fault, failure.phase),
                (Fault::Config, Phase::Admission),
                "{failure}"
            );
        }
    }
}

#[tokio::test]
async fn what_no_query_comes_for_is_discarded() {
    let mut world = World::start(27).await;
    let (model, sample) = deployed(&mut world).await;
    let mut waiting = world
        .prepare_session(&model, 1, roles(), Duration::from_millis(50))
        .await;
    sleep(Duration::from_millis(150)).await;
    let (query, _) = query(&mut world, &model, &sample, 1, roles());
    for reply in waiting.run(query.runs.clone()).await {
        let failure = expect_failure(&reply);
        assert_eq!(failure.fault, Fault::Overload);
        assert!(failure.sentence.contains("discarded"), "{failure}");
    }
}

#[tokio::test]
async fn memory_is_bounded_and_comes_back_with_what_is_given_up() {
    let mut world = World::start(28).await;
    let (model, sample) = deployed(&mut world).await;
    let each = sample.plan.memory(16).waiting;
    let fit = PREPARED_BYTES_MAX / each;
    assert!((2..200).contains(&fit), "{fit} of {each} bytes");
    let mut kept = vec![];
    for _ in 0..fit {
        kept.push(world.prepare_session(&model, 16, roles(), LONG).await);
    }
    let mut order = kept[0].order.clone();
    order.session.0[0] ^= 1;
    let (streams, replies) = world.order(&order).await;
    for reply in &replies {
        let failure = expect_failure(reply);
        assert_eq!(failure.fault, Fault::Overload);
        assert!(failure.sentence.contains("limits.prepared_bytes"), "{failure}");
    }
    drop((streams, kept.pop()));
    // The parties hear of it within a round-trip.
    for number in 2.. {
        order.session.0[0] = number;
        let (_, replies) = world.order(&order).await;
        if replies.iter().all(|reply| matches!(reply, NodeReply::Prepared { .. })) {
            break;
        }
        assert!(number < 100, "{replies:?}");
        sleep(Duration::from_millis(20)).await;
    }
    // What waits takes no place from queries.
    let (query, expected) = query(&mut world, &model, &sample, 4, roles());
    assert_eq!(query.reveal(&world.run(query.runs.clone()).await), expected);
}
