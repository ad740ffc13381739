//! Sessions of three nodes over QUIC: the same cases as in memory, and what can go wrong between nodes.

mod prepared;
mod world;

use std::time::{Duration, Instant};

use tercet_ids::{PartyId, QueryId, Roles, SessionId};
use tercet_plan::oracle;
use tercet_plan::testkit::{PlanBuilder, Sample, random_parameters, samples};
use tercet_plan::{Op, Term};
use tercet_ring::RingKind;
use tercet_wire::{Fault, Model, NodeReply, NodeRequest, Phase, QUERIES_MAX, QueryPart, Run};
use world::{BATCH_MAX, ENVELOPE_BYTES_MAX, Prepared, World, expect_failure, reply};

fn roles() -> Roles {
    Roles::new(PartyId::Auditor, PartyId::Cloud).expect("two parties")
}

/// A plan of several layers.
fn network(world: &mut World, ring: RingKind) -> Sample {
    let drawn = samples(ring, &mut world.rng);
    drawn
        .into_iter()
        .find(|sample| sample.name == "network of exact steps")
        .expect("it is one of them")
}

async fn deployed(world: &mut World) -> (Model, Sample) {
    let sample = network(world, RingKind::Z32);
    (world.deploy("network", &sample).await, sample)
}

#[tokio::test]
async fn every_kind_of_step_computes_what_the_oracle_says_over_both_rings() {
    let mut world = World::start(1).await;
    for (ring, batch) in [(RingKind::Z32, 1), (RingKind::Z64, 2)] {
        for sample in samples(ring, &mut world.rng) {
            let model = world.deploy("sample", &sample).await;
            let inputs = sample.inputs(batch, &mut world.rng);
            let expected = oracle::run(&sample.plan, &sample.parameters, &inputs).revealed(&sample.plan);
            let prepared = world.prepare(&model, &sample.plan, &inputs, roles());
            let replies = world.run(prepared.runs.clone()).await;
            let revealed = prepared.reveal(&replies);
            let last = sample.plan.steps.last().expect("a plan has steps");
            for (revealed, expected) in revealed.iter().zip(&expected) {
                let largest = revealed.iter().zip(expected.iter()).map(|(a, b)| a.abs_diff(*b)).max();
                if let Some(bound) = last.op.error_bound() {
                    assert!(
                        largest.unwrap_or(0) <= bound,
                        "{} over {ring}: off by {largest:?}",
                        sample.name
                    );
                }
            }
            let declared = sample.plan.cost(batch).total();
            let reports = replies.each_ref().map(|reply| world::expect_done(reply).report);
            let sum = |of: fn(&tercet_wire::PartyReport) -> u64| reports.iter().map(of).sum::<u64>();
            assert_eq!(
                sum(|report| report.online_bytes_sent),
                declared.e0_to_e1 + declared.e1_to_e0,
                "{}",
                sample.name
            );
            assert_eq!(sum(|report| report.dealt_bytes_sent), declared.dealt, "{}", sample.name);
            assert_eq!(
                reports.iter().map(|report| report.rounds).max(),
                Some(declared.rounds),
                "{}",
                sample.name
            );
        }
    }
}

#[tokio::test]
async fn all_roles_and_the_largest_batch() {
    let mut world = World::start(2).await;
    let (model, sample) = deployed(&mut world).await;
    for roles in Roles::all() {
        let inputs = sample.inputs(BATCH_MAX, &mut world.rng);
        let expected = oracle::run(&sample.plan, &sample.parameters, &inputs).revealed(&sample.plan);
        let prepared = world.prepare(&model, &sample.plan, &inputs, roles);
        let replies = world.run(prepared.runs.clone()).await;
        assert_eq!(prepared.reveal(&replies)[0], expected[0].to_vec(), "{roles:?}");
    }
}

/// Both evaluators send more than a stream's window holds before either has read.
#[tokio::test]
async fn messages_larger_than_the_window_do_not_block_each_other() {
    let mut world = World::start(11).await;
    let mut plan = PlanBuilder::new(RingKind::Z32);
    let input = plan.input(&[90_000], 4, 10);
    let square = Op::Linear(vec![Term::Product {
        left: input,
        right: input,
    }]);
    let square = plan.step(square, &[90_000], 8, 20);
    plan.output(square);
    let plan = plan.build();
    let parameters = random_parameters(&plan, 4, &mut world.rng);
    let sample = Sample {
        name: "squares",
        plan,
        parameters,
    };
    let model = world.deploy("squares", &sample).await;
    let inputs = sample.inputs(BATCH_MAX, &mut world.rng);
    let expected = oracle::run(&sample.plan, &sample.parameters, &inputs).revealed(&sample.plan);
    let prepared = world.prepare(&model, &sample.plan, &inputs, roles());
    let replies = world.run(prepared.runs.clone()).await;
    assert!(prepared.reveal(&replies)[0] == expected[0].to_vec());
}

#[tokio::test]
async fn sessions_run_side_by_side() {
    let mut world = World::start(3).await;
    let (model, sample) = deployed(&mut world).await;
    let mut prepared = vec![];
    for _ in 0..world::SESSIONS_MAX {
        let inputs = sample.inputs(2, &mut world.rng);
        let expected = oracle::run(&sample.plan, &sample.parameters, &inputs).revealed(&sample.plan);
        prepared.push((world.prepare(&model, &sample.plan, &inputs, roles()), expected));
    }
    let [a, b, c, d] = &prepared[..] else {
        panic!("as many as places")
    };
    let run = |(prepared, _): &(Prepared, _)| world.run(prepared.runs.clone());
    let (ra, rb, rc, rd) = tokio::join!(run(a), run(b), run(c), run(d));
    for ((prepared, expected), replies) in prepared.iter().zip([ra, rb, rc, rd]) {
        assert_eq!(prepared.reveal(&replies)[0], expected[0].to_vec());
    }
}

/// Runs a session in which `change` was done to one party's order, and gives what each party says.
async fn run_changed(party: PartyId, change: fn(&mut Run)) -> [NodeReply; 3] {
    let mut world = World::start(4).await;
    let (model, sample) = deployed(&mut world).await;
    let inputs = sample.inputs(1, &mut world.rng);
    let mut runs = world.prepare(&model, &sample.plan, &inputs, roles()).runs;
    change(&mut runs[party.index()]);
    world.run(runs).await
}

#[tokio::test]
async fn a_party_with_other_roles_is_named_by_its_peers() {
    let replies = run_changed(PartyId::Cloud, |run| {
        run.roles = Roles::new(PartyId::Cloud, PartyId::Auditor).expect("two parties");
    })
    .await;
    for party in [PartyId::ClientProxy, PartyId::Auditor] {
        let failure = expect_failure(&replies[party.index()]);
        assert_eq!(
            (failure.fault, failure.party),
            (Fault::Config, Some(PartyId::Cloud)),
            "{failure}"
        );
        assert!(failure.sentence.contains("roles"), "{failure}");
    }
}

#[tokio::test]
async fn a_broken_envelope_is_the_clients_fault_and_no_party_waits_for_long() {
    let begun = Instant::now();
    let replies = run_changed(PartyId::Auditor, |run| {
        alter(&mut run.queries[0]);
    })
    .await;
    for reply in &replies {
        let failure = world::expect_done(reply).results[0].as_ref().expect_err("left out");
        assert_eq!(
            (failure.fault, failure.party, failure.phase),
            (Fault::Client, Some(PartyId::Auditor), Phase::Start)
        );
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

/// Alters an envelope on its way.
fn alter(part: &mut QueryPart) {
    let mut bytes = part.envelope.as_slice().to_vec();
    bytes[40] ^= 1;
    part.envelope = bytes.into();
}

/// Several queries of one model, and what they should give.
fn several(world: &mut World, model: &Model, sample: &Sample, batches: &[u32]) -> (Vec<Prepared>, Vec<Vec<i64>>) {
    let prepare = |batch: &u32| {
        let inputs = sample.inputs(*batch, &mut world.rng);
        let expected = oracle::run(&sample.plan, &sample.parameters, &inputs).revealed(&sample.plan);
        let prepared = world.prepare(model, &sample.plan, &inputs, roles());
        (prepared, expected[0].to_vec())
    };
    batches.iter().map(prepare).unzip()
}

#[tokio::test]
async fn queries_share_a_session_and_each_gets_its_own_answer() {
    let mut world = World::start(12).await;
    let (model, sample) = deployed(&mut world).await;
    let (prepared, expected) = several(&mut world, &model, &sample, &[1, 3, 1, 2]);
    let replies = world.run(world::together(&prepared)).await;
    let session = SessionId([1; 16]);
    let alone = world
        .run(prepared[0].runs.clone().map(|run| Run { session, ..run }))
        .await;
    for (place, (query, expected)) in prepared.iter().zip(&expected).enumerate() {
        assert_eq!(query.reveal_at(place, &replies)[0], *expected, "query {place}");
    }
    let rounds = |replies: &[NodeReply; 3]| {
        let reports = replies.each_ref().map(|reply| world::expect_done(reply).report);
        reports.map(|report| report.rounds).into_iter().max()
    };
    assert_eq!(rounds(&replies), rounds(&alone), "rounds are shared");
}

/// What is wrong with one query, at any party, leaves the others alone.
#[tokio::test]
async fn a_query_that_one_party_can_not_use_is_left_out_by_all() {
    let mut world = World::start(13).await;
    let (model, sample) = deployed(&mut world).await;
    let (prepared, expected) = several(&mut world, &model, &sample, &[1, 1, 2, 1, 1]);
    let mut runs = world::together(&prepared);
    // Altered on its way to one party.
    alter(&mut runs[PartyId::Auditor.index()].queries[1]);
    // Sealed for another batch.
    runs.iter_mut().for_each(|run| run.queries[3].batch = 2);
    // Sealed under one identifier with two reply keys.
    let (inputs, query) = (sample.inputs(1, &mut world.rng), runs[0].queries[4].query);
    let other_key = world.prepare_as(query, &model, &sample.plan, &inputs, roles());
    let cloud = PartyId::Cloud.index();
    runs[cloud].queries[4] = other_key.runs[cloud].queries[0].clone();
    let replies = world.run(runs).await;
    for place in [0, 2] {
        let revealed = prepared[place].reveal_at(place, &replies);
        assert_eq!(revealed[0], expected[place], "query {place}");
    }
    for (party, reply) in PartyId::ALL.into_iter().zip(&replies) {
        let refused = |place: usize| {
            let failure = world::expect_done(reply).results[place].as_ref().expect_err("left out");
            assert_eq!((failure.fault, failure.phase), (Fault::Client, Phase::Start));
            failure
        };
        assert_eq!(refused(1).party, Some(PartyId::Auditor), "at {party}");
        assert_eq!(refused(3).party, Some(party), "each sees it in its own envelope");
        assert!(refused(4).sentence.contains("another query"), "{}", refused(4));
        if party != PartyId::Cloud {
            assert_eq!(refused(4).party, Some(PartyId::Cloud), "at {party}");
        }
    }
}

#[tokio::test]
async fn queries_that_are_not_the_same_are_told_apart() {
    let mut world = World::start(5).await;
    let (model, sample) = deployed(&mut world).await;
    let inputs = sample.inputs(1, &mut world.rng);
    let mut runs = world.prepare(&model, &sample.plan, &inputs, roles()).runs;
    let other = world.prepare(&model, &sample.plan, &inputs, roles()).runs;
    let session = runs[0].session;
    runs[1] = Run {
        session,
        ..other[1].clone()
    };
    let replies = world.run(runs).await;
    let failure = expect_failure(&replies[PartyId::Auditor.index()]);
    assert_eq!(
        (failure.fault, failure.party),
        (Fault::Config, Some(PartyId::Cloud)),
        "{failure}"
    );
    assert!(failure.sentence.contains("other queries"), "{failure}");
}

#[tokio::test]
async fn parties_that_hold_different_deployments_do_not_compute() {
    let mut world = World::start(6).await;
    let (model, sample) = deployed(&mut world).await;
    let (newer, loads) = world.loads("network", &sample);
    let party = PartyId::ClientProxy;
    let [load, ..] = loads;
    world.ask(party, &NodeRequest::Load(load)).await;
    world
        .ask(
            party,
            &NodeRequest::Activate {
                deployment: newer.deployment,
            },
        )
        .await;
    let inputs = sample.inputs(1, &mut world.rng);
    let mut runs = world.prepare(&model, &sample.plan, &inputs, roles()).runs;

    let stale = world.ask(party, &NodeRequest::Run(runs[0].clone())).await;
    let failure = expect_failure(&stale);
    assert_eq!(
        (failure.fault, failure.party),
        (Fault::Config, Some(party)),
        "{failure}"
    );

    // A coordinator that believes each party: the parties find out by themselves.
    runs = world.prepare(&model, &sample.plan, &inputs, roles()).runs;
    runs[0].model = newer;
    let replies = world.run(runs).await;
    let failure = expect_failure(&replies[PartyId::Cloud.index()]);
    assert_eq!(
        (failure.fault, failure.party),
        (Fault::Config, Some(party)),
        "{failure}"
    );
    assert!(failure.sentence.contains("another deployment"), "{failure}");
}

#[tokio::test]
async fn a_session_runs_once() {
    let mut world = World::start(7).await;
    let (model, sample) = deployed(&mut world).await;
    let inputs = sample.inputs(1, &mut world.rng);
    let prepared = world.prepare(&model, &sample.plan, &inputs, roles());
    let replies = world.run(prepared.runs.clone()).await;
    prepared.reveal(&replies);
    for failure in world.run(prepared.runs).await.each_ref().map(expect_failure) {
        assert_eq!(
            (failure.fault, failure.phase),
            (Fault::Client, Phase::Admission),
            "{failure}"
        );
        assert!(failure.sentence.contains("seen this session"), "{failure}");
    }
}

#[tokio::test]
async fn a_session_that_waits_can_be_cancelled() {
    let mut world = World::start(8).await;
    let (model, sample) = deployed(&mut world).await;
    let inputs = sample.inputs(1, &mut world.rng);
    let [run, ..] = world.prepare(&model, &sample.plan, &inputs, roles()).runs;
    let (party, session) = (PartyId::ClientProxy, run.session);
    let waiting = world.begin(party, &NodeRequest::Run(run)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.ping(party).await.sessions, 1);
    let begun = Instant::now();
    assert_eq!(
        world.ask(party, &NodeRequest::Cancel { session }).await,
        NodeReply::Cancelled
    );
    let ended = reply(waiting).await;
    assert!(expect_failure(&ended).sentence.contains("stopped"), "{ended:?}");
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(world.ping(party).await.sessions, 0);
}

#[tokio::test]
async fn what_a_node_does_not_take_is_refused_with_a_sentence() {
    let mut world = World::start(9).await;
    let (model, sample) = deployed(&mut world).await;
    let inputs = sample.inputs(1, &mut world.rng);
    let [run, ..] = world.prepare(&model, &sample.plan, &inputs, roles()).runs;
    let party = PartyId::ClientProxy;
    type Change = fn(&mut Run);
    let changes: [(Change, &str); 7] = [
        (|run| run.queries[0].batch = BATCH_MAX + 1, "split it"),
        (
            |run| run.queries = vec![run.queries[0].clone(); BATCH_MAX as usize + 1],
            "split it",
        ),
        (|run| run.queries.clear(), "a session of 0 queries"),
        (
            |run| run.queries = vec![run.queries[0].clone(); QUERIES_MAX + 1],
            "a session of 129 queries",
        ),
        (
            |run| run.model.name = "other".parse().expect("plain"),
            "does not serve the model other",
        ),
        (|run| run.model.deployment = QueryId([0; 16]), "another version"),
        (
            |run| run.queries[0].envelope = vec![0; ENVELOPE_BYTES_MAX + 1].into(),
            "over the limit",
        ),
    ];
    for (number, (change, expected)) in changes.into_iter().enumerate() {
        let mut changed = run.clone();
        changed.session = SessionId([number as u8; 16]);
        change(&mut changed);
        let refused = world.ask(party, &NodeRequest::Run(changed)).await;
        assert!(expect_failure(&refused).sentence.contains(expected), "{refused:?}");
    }
}

#[tokio::test]
async fn a_deployment_for_somebody_else_is_refused() {
    let mut world = World::start(10).await;
    let sample = network(&mut world, RingKind::Z32);
    let (_, loads) = world.loads("network", &sample);
    let [_, for_cloud, _] = loads;
    let refused = world.ask(PartyId::Auditor, &NodeRequest::Load(for_cloud.clone())).await;
    let failure = expect_failure(&refused);
    assert_eq!(
        (failure.fault, failure.party),
        (Fault::Client, Some(PartyId::Auditor)),
        "{failure}"
    );
    let deployment = for_cloud.deployment;
    let unknown = world.ask(PartyId::Auditor, &NodeRequest::Activate { deployment }).await;
    assert!(
        expect_failure(&unknown).sentence.contains("has not loaded"),
        "{unknown:?}"
    );
    assert_eq!(
        world.ask(PartyId::Auditor, &NodeRequest::Discard { deployment }).await,
        NodeReply::Discarded
    );
}
