//! The pool of prepared sessions, between a real client connection and three scripted nodes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::world::{Told, World, done, infer, model};
use tercet_ids::{PartyId, QueryId, SessionId};
use tercet_wire::{
    Answer, ClientReply, ClientRequest, Failure, Fault, Model, NodeReply, NodeRequest, Phase, PreparedSessions, Run,
};
use tokio::time::sleep;

fn is_run(request: &NodeRequest) -> bool {
    matches!(request, NodeRequest::Run(_))
}

fn is_prepare(request: &NodeRequest) -> bool {
    matches!(request, NodeRequest::Prepare(_))
}

/// A node that does what it is told.
fn willing(_: PartyId, request: &NodeRequest) -> Option<NodeReply> {
    match request {
        NodeRequest::Prepare(_) => Some(NodeReply::Prepared { bytes: 1 }),
        NodeRequest::Run(_) => Some(done()),
        _ => None,
    }
}

async fn prepared(world: &World) -> Vec<PreparedSessions> {
    match world.ask(ClientRequest::Status).await {
        ClientReply::Status(status) => status.prepared,
        other => panic!("expected a status, got {other:?}"),
    }
}

async fn wait_until_ready(world: &World, count: u32) {
    let begun = Instant::now();
    while prepared(world).await.first().is_none_or(|of| of.ready != count) {
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", prepared(world).await);
        sleep(Duration::from_millis(10)).await;
    }
}

async fn answer(world: &World) -> Answer {
    match world.ask(infer()).await {
        ClientReply::Answer(answer) => *answer,
        other => panic!("expected an answer, got {other:?}"),
    }
}

fn sessions(told: &[Told]) -> Vec<SessionId> {
    let session = |told: &Told| match &told.request {
        NodeRequest::Prepare(order) => order.session,
        NodeRequest::Run(run) => run.session,
        other => panic!("unexpected {other:?}"),
    };
    let mut sessions: Vec<_> = told.iter().map(session).collect();
    sessions.dedup();
    sessions
}

#[tokio::test]
async fn queries_take_the_prepared_sessions_one_after_another_and_then_go_without() {
    let mut world = World::start_with_pool(2, willing).await;
    wait_until_ready(&world, 2).await;
    let ordered = sessions(&world.told_of(is_prepare, 6).await);
    assert_eq!(ordered.len(), 2, "one at a time, at all three parties: {ordered:?}");

    // Without a pause between them, nothing is prepared.
    let (first, second, third) = (answer(&world).await, answer(&world).await, answer(&world).await);
    assert_eq!([first.session, second.session], ordered[..]);
    assert!(first.report.is_prepared && second.report.is_prepared && !third.report.is_prepared);
    assert!(!ordered.contains(&third.session));
    let runs = world.told_of(is_run, 9).await;
    assert_eq!(sessions(&runs), [first.session, second.session, third.session]);

    wait_until_ready(&world, 2).await;
    assert!(answer(&world).await.report.is_prepared);
}

#[tokio::test]
async fn without_a_target_nothing_is_prepared() {
    let mut world = World::start(willing).await;
    sleep(Duration::from_millis(100)).await;
    assert!(!answer(&world).await.report.is_prepared);
    assert_eq!(world.told_so_far(is_prepare), 0);
    assert_eq!(prepared(&world).await, []);
}

/// Nodes of which one fails the first run of a prepared session with `failure`.
fn failing_once(failure: Failure) -> impl Fn(PartyId, &NodeRequest) -> Option<NodeReply> + Send + Sync + 'static {
    let ordered = Arc::new(Mutex::new(vec![]));
    move |party, request| match request {
        NodeRequest::Prepare(order) => {
            ordered.lock().expect("not poisoned").push(order.session);
            Some(NodeReply::Prepared { bytes: 1 })
        }
        NodeRequest::Run(Run { session, .. }) if party == PartyId::Cloud => {
            let is_prepared = ordered.lock().expect("not poisoned").contains(session);
            Some(if is_prepared {
                NodeReply::Failed(failure.clone())
            } else {
                done()
            })
        }
        request => willing(party, request),
    }
}

#[tokio::test]
async fn a_prepared_session_that_is_gone_is_made_up_for() {
    let gone = Failure::new(Fault::Overload, Some(PartyId::Cloud), Phase::Admission, "discarded");
    let mut world = World::start_with_pool(1, failing_once(gone)).await;
    wait_until_ready(&world, 1).await;
    let answer = answer(&world).await;
    assert!(!answer.report.is_prepared);
    let cancels = world
        .told_of(|request| matches!(request, NodeRequest::Cancel { .. }), 3)
        .await;
    for Told { request, .. } in cancels {
        let NodeRequest::Cancel { session } = request else {
            unreachable!("only these were asked for")
        };
        assert_ne!(session, answer.session, "no session runs twice");
    }
}

#[tokio::test]
async fn a_query_that_is_itself_the_reason_is_not_tried_again() {
    let refusal = Failure::new(Fault::Client, Some(PartyId::Cloud), Phase::Start, "can't be opened");
    let mut world = World::start_with_pool(1, failing_once(refusal.clone())).await;
    wait_until_ready(&world, 1).await;
    let reply = world.ask(infer()).await;
    assert!(
        matches!(&reply, ClientReply::Failure(failure) if *failure == refusal),
        "{reply:?}"
    );
    sleep(Duration::from_millis(100)).await;
    assert!(world.told_so_far(is_run) <= 3);
}

#[tokio::test]
async fn a_query_does_not_wait_for_a_preparation() {
    // Nobody ever answers a preparation.
    let mut world = World::start_with_pool(1, |_, request| is_run(request).then(done)).await;
    world.told_of(is_prepare, 3).await;
    let begun = Instant::now();
    assert!(!answer(&world).await.report.is_prepared);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    // It was given up, and another one is begun once all is quiet.
    world.told_of(is_prepare, 3).await;
}

#[tokio::test]
async fn a_lost_node_and_another_deployment_make_prepared_sessions_useless() {
    let mut world = World::start_with_pool(1, willing).await;
    wait_until_ready(&world, 1).await;
    let before = sessions(&world.told_of(is_prepare, 3).await);
    world.lose(PartyId::Auditor).await;
    world.bring_back(PartyId::Auditor).await;
    let again = sessions(&world.told_of(is_prepare, 3).await);
    assert_ne!(before, again);
    wait_until_ready(&world, 1).await;
    assert_eq!(answer(&world).await.session, again[0]);

    wait_until_ready(&world, 1).await;
    let newer = Model {
        deployment: QueryId([9; 16]),
        ..model()
    };
    for party in PartyId::ALL {
        world.serve(party, vec![newer.clone()]).await;
    }
    let begun = Instant::now();
    loop {
        let ordered = world.told_of(is_prepare, 3).await;
        let is_newer = |told: &Told| matches!(&told.request, NodeRequest::Prepare(order) if order.model == newer);
        if ordered.iter().all(is_newer) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    wait_until_ready(&world, 1).await;
    assert!(answer(&world).await.report.is_prepared);
}

#[tokio::test]
async fn a_refused_preparation_is_not_asked_for_again_at_once() {
    let refuses = Arc::new(AtomicBool::new(true));
    let script = refuses.clone();
    let mut world = World::start_with_pool(1, move |party, request| match request {
        NodeRequest::Prepare(_) if party == PartyId::Cloud && script.load(Ordering::SeqCst) => {
            let full = Failure::new(Fault::Overload, Some(party), Phase::Admission, "no room");
            Some(NodeReply::Failed(full))
        }
        request => willing(party, request),
    })
    .await;
    world.told_of(is_prepare, 3).await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!(world.told_so_far(is_prepare), 0, "it is left alone for a while");
    assert!(!answer(&world).await.report.is_prepared);
    refuses.store(false, Ordering::SeqCst);
    let begun = Instant::now();
    while prepared(&world).await[0].ready == 0 {
        assert!(begun.elapsed() < Duration::from_secs(8));
        sleep(Duration::from_millis(50)).await;
    }
}
