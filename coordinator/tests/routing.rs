//! A coordinator between a real client connection and three scripted nodes.

mod pool;
mod world;

use std::time::Duration;

use tercet_ids::{PartyId, PlanDigest};
use tercet_wire::{ClientReply, ClientRequest, Failure, Fault, Model, NodeReply, NodeRequest, Opaque, Phase};
use world::{Told, World, deploy, done, infer, model, name};

fn failure(reply: ClientReply) -> Failure {
    match reply {
        ClientReply::Failure(failure) => failure,
        other => panic!("expected a failure, got {other:?}"),
    }
}

#[tokio::test]
async fn a_query_reaches_each_party_and_its_answer_the_client() {
    let mut world = World::start(|_, request| matches!(request, NodeRequest::Run(_)).then(done)).await;
    let answer = match world.ask(infer()).await {
        ClientReply::Answer(answer) => answer,
        other => panic!("expected an answer, got {other:?}"),
    };
    assert_eq!(
        answer.results.each_ref().map(|result| result.as_slice().to_vec()),
        [vec![0], vec![1], vec![2]]
    );
    assert_eq!(answer.report.parties.map(|party| party.rounds), [7; 3]);

    let runs = world.told_of(|request| matches!(request, NodeRequest::Run(_)), 3).await;
    for Told { party, request } in runs {
        let NodeRequest::Run(run) = request else {
            unreachable!("only these were asked for")
        };
        assert_eq!(
            run.queries[0].envelope.as_slice(),
            [party.index() as u8; 4],
            "each party gets its own envelope"
        );
        assert_eq!((run.session, run.roles), (answer.session, answer.roles));
        assert!(
            run.deadline_ms <= 5_000 && run.deadline_ms > 4_000,
            "{}",
            run.deadline_ms
        );
    }
}

#[tokio::test]
async fn a_party_that_refuses_fails_the_query_and_the_others_are_told_to_stop() {
    let refusal = Failure::new(
        Fault::Client,
        Some(PartyId::Cloud),
        Phase::Start,
        "the envelope can't be opened",
    );
    let refused = refusal.clone();
    let mut world = World::start(move |party, request| match request {
        NodeRequest::Run(_) if party == PartyId::Cloud => Some(NodeReply::Failed(refused.clone())),
        _ => None,
    })
    .await;
    assert_eq!(failure(world.ask(infer()).await), refusal);
    world
        .told_of(|request| matches!(request, NodeRequest::Cancel { .. }), 3)
        .await;
}

#[tokio::test]
async fn a_party_that_is_lost_fails_the_query_at_once_and_may_come_back() {
    let mut world = World::start(|_, request| matches!(request, NodeRequest::Run(_)).then(done)).await;
    world.keep_silent(PartyId::Auditor);
    let asked = world.ask_later(infer());
    world.told_of(|request| matches!(request, NodeRequest::Run(_)), 3).await;
    world.lose(PartyId::Auditor).await;
    let lost = failure(asked.await.expect("the client does not panic"));
    assert_eq!(
        (lost.fault, lost.party),
        (Fault::Peer, Some(PartyId::Auditor)),
        "{lost}"
    );

    let away = failure(world.ask(infer()).await);
    assert_eq!(
        (away.party, away.phase),
        (Some(PartyId::Auditor), Phase::Admission),
        "{away}"
    );

    world.bring_back(PartyId::Auditor).await;
    assert!(matches!(world.ask(infer()).await, ClientReply::Answer(_)));
}

#[tokio::test]
async fn a_description_that_finds_a_node_restarted_waits_for_it() {
    let described = || Model {
        digest: PlanDigest::of(b"plan"),
        ..model()
    };
    let mut world = World::start(move |_, request| {
        matches!(request, NodeRequest::Describe { .. }).then(|| NodeReply::Described {
            model: described(),
            plan: Opaque::from(b"plan".to_vec()),
            batch_max: 4,
        })
    })
    .await;
    for party in PartyId::ALL {
        world.serve(party, vec![described()]).await;
    }
    world.keep_silent(PartyId::Auditor);
    let asked = world.ask_later(ClientRequest::Describe {
        model: described().name,
    });
    world
        .told_of(|request| matches!(request, NodeRequest::Describe { .. }), 3)
        .await;
    world.lose(PartyId::Auditor).await;
    world.bring_back(PartyId::Auditor).await;
    let reply = asked.await.expect("the client does not panic");
    assert!(matches!(reply, ClientReply::Described(_)), "{reply:?}");
}

#[tokio::test]
async fn a_query_waits_for_nodes_that_are_finding_each_other() {
    let world = World::start(|_, request| matches!(request, NodeRequest::Run(_)).then(done)).await;
    world.link(PartyId::Cloud, false).await;
    let asked = world.ask_later(infer());
    world.link(PartyId::Cloud, true).await;
    assert!(matches!(
        asked.await.expect("the client does not panic"),
        ClientReply::Answer(_)
    ));

    world.link(PartyId::Cloud, false).await;
    let ClientRequest::Infer(mut query) = infer() else {
        unreachable!("it is a query")
    };
    query.deadline_ms = 300;
    let apart = failure(world.ask(ClientRequest::Infer(query)).await);
    assert_eq!((apart.fault, apart.phase), (Fault::Peer, Phase::Start), "{apart}");
    assert!(apart.sentence.contains("no connection to each other"), "{apart}");
}

#[tokio::test]
async fn a_client_that_leaves_has_its_query_cancelled() {
    let mut world = World::start(|_, _| None).await;
    let asked = world.ask_later(infer());
    world.told_of(|request| matches!(request, NodeRequest::Run(_)), 3).await;
    asked.abort();
    world
        .told_of(|request| matches!(request, NodeRequest::Cancel { .. }), 3)
        .await;
}

#[tokio::test]
async fn a_deadline_is_kept_when_the_parties_are_silent() {
    let world = World::start(|_, _| None).await;
    let ClientRequest::Infer(mut query) = infer() else {
        unreachable!("it is a query")
    };
    query.deadline_ms = 300;
    let begun = std::time::Instant::now();
    let late = failure(world.ask(ClientRequest::Infer(query)).await);
    assert_eq!((late.fault, late.phase), (Fault::Overload, Phase::Compute), "{late}");
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_millis(290) && took < Duration::from_millis(1_500),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_model_is_served_by_all_or_by_none() {
    let refusal = Failure::new(Fault::Config, Some(PartyId::Auditor), Phase::Deploy, "the disk is full");
    let refused = refusal.clone();
    let mut world = World::start(move |party, request| match request {
        NodeRequest::Load(_) if party == PartyId::Auditor => Some(NodeReply::Failed(refused.clone())),
        NodeRequest::Load(load) => Some(NodeReply::Loaded {
            digest: PlanDigest::of(load.plan.as_slice()),
        }),
        NodeRequest::Discard { .. } => Some(NodeReply::Discarded),
        _ => None,
    })
    .await;
    assert_eq!(failure(world.ask(deploy()).await), refusal);
    world
        .told_of(|request| matches!(request, NodeRequest::Discard { .. }), 3)
        .await;
    let activations = world.told_so_far(|request| matches!(request, NodeRequest::Activate { .. }));
    assert_eq!(activations, 0);
}

#[tokio::test]
async fn a_plan_that_is_none_reaches_no_party() {
    let mut world = World::start(|_, _| None).await;
    let ClientRequest::Deploy(mut broken) = deploy() else {
        unreachable!("it is a deployment")
    };
    broken.plan = vec![1, 2, 3].into();
    let refused = failure(world.ask(ClientRequest::Deploy(broken)).await);
    assert_eq!(
        (refused.fault, refused.phase),
        (Fault::Client, Phase::Deploy),
        "{refused}"
    );
    assert_eq!(world.told_so_far(|request| matches!(request, NodeRequest::Load(_))), 0);
}

#[tokio::test]
async fn a_client_without_the_permission_may_not_deploy() {
    let world = World::start(|_, _| None).await;
    let refused = failure(world.ask_as_guest(deploy()).await);
    assert_eq!(
        (refused.fault, refused.phase),
        (Fault::Config, Phase::Admission),
        "{refused}"
    );
    assert!(refused.sentence.contains("guest"), "{refused}");
}

#[tokio::test]
async fn models_that_differ_are_not_served_and_the_party_is_named() {
    let world = World::start(|_, _| None).await;
    assert_eq!(
        world.ask(ClientRequest::ListModels).await,
        ClientReply::Models(vec![model()])
    );
    let mut other = model();
    other.digest.0[0] ^= 1;
    world.serve(PartyId::Cloud, vec![other]).await;
    assert_eq!(world.ask(ClientRequest::ListModels).await, ClientReply::Models(vec![]));
    let refused = failure(world.ask(infer()).await);
    assert_eq!(
        (refused.fault, refused.party),
        (Fault::Config, Some(PartyId::Cloud)),
        "{refused}"
    );
}

#[tokio::test]
async fn requests_that_make_no_sense_get_a_sentence() {
    let world = World::start(|_, _| None).await;
    let unknown = failure(world.ask(ClientRequest::Describe { model: name("nothing") }).await);
    assert_eq!(unknown.fault, Fault::Client);
    assert!(unknown.sentence.contains("nothing"), "{unknown}");
    let garbage = failure(world.ask_bytes(vec![1, 0, 99]).await);
    assert_eq!(garbage.fault, Fault::Client);
    let newer = failure(world.ask_bytes(vec![2, 0, 1]).await);
    assert!(newer.sentence.contains("version 2"), "{newer}");
    let empty = failure(world.ask_bytes(vec![]).await);
    assert_eq!(empty.fault, Fault::Client);
}

#[test]
fn a_coordinator_that_can_not_start_says_why_and_ends() {
    let (ended, ends) = std::sync::mpsc::channel();
    std::thread::spawn(move || ended.send(tercet_coordinator::run(world::config_without_identity())));
    let outcome = ends.recv_timeout(Duration::from_secs(10)).expect("it ends");
    let error = outcome.expect_err("it has no identity");
    assert!(error.to_string().contains("missing.crt"), "{error}");
}
