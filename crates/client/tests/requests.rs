//! The client against a scripted coordinator, over real connections.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tercet_client::{Cause, Client, ClientError, ClientSettings, Description};
use tercet_ids::{PartyId, PlanDigest, QueryId};
use tercet_net::{
    CloseReason, Connection, Endpoint, Fingerprint, Identity, NetError, Peer, PeerName, Stream, TransportSettings,
    TrustedPeers,
};
use tercet_plan::testkit::PlanBuilder;
use tercet_plan::{Array, EncodeError};
use tercet_ring::RingKind;
use tercet_sharing::SealingKeyPair;
use tercet_wire::{
    ClientReply, ClientRequest, Described, Failure, Fault, Infer, Model, Phase, WireError, decode, encode,
};

/// What the coordinator does with a request.
#[derive(Clone)]
enum Act {
    Say(ClientReply),
    SayBytes(Vec<u8>),
    /// Nothing, until the client leaves.
    KeepSilent,
    /// Goes away, as in a restart.
    HangUp,
}

/// A coordinator that describes one model truly and does with every other request what its script says.
struct Coordinator {
    address: SocketAddr,
    fingerprint: Fingerprint,
    seen: Arc<Mutex<Vec<ClientRequest>>>,
    /// Requests whose client left before an answer.
    left: Arc<Mutex<usize>>,
}

impl Coordinator {
    fn start(client: &Identity, script: Vec<Act>) -> Coordinator {
        let identity = Identity::generate("coordinator").expect("randomness");
        let fingerprint = identity.fingerprint();
        let client = Peer {
            name: PeerName::Client("tester".into()),
            fingerprint: client.fingerprint(),
        };
        let trusted = TrustedPeers::new([client]).expect("one");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (endpoint, mut listener) =
            Endpoint::bind(any, identity, trusted, TransportSettings::loopback()).expect("binds");
        let coordinator = Coordinator {
            address: endpoint.local_address().expect("bound"),
            fingerprint,
            seen: Arc::default(),
            left: Arc::default(),
        };
        let (seen, left) = (coordinator.seen.clone(), coordinator.left.clone());
        let script = Arc::new(Mutex::new(script.into_iter()));
        tokio::spawn(async move {
            while let Some(connection) = listener.accept().await {
                let (seen, left, script) = (seen.clone(), left.clone(), script.clone());
                tokio::spawn(async move {
                    while let Ok(stream) = connection.accept_stream().await {
                        let act = |request: ClientRequest| match request {
                            ClientRequest::Describe { .. } => Act::Say(ClientReply::Described(described())),
                            request => {
                                seen.lock().expect("whole").push(request);
                                script.lock().expect("whole").next().expect("the script is long enough")
                            }
                        };
                        serve(stream, &connection, act, &left).await;
                    }
                });
            }
            drop(endpoint);
        });
        coordinator
    }

    fn settings(&self, identity: &Identity) -> ClientSettings {
        let mut rng = StdRng::seed_from_u64(1);
        ClientSettings {
            coordinator_address: self.address,
            coordinator: self.fingerprint,
            identity: identity.clone(),
            sealing_keys: PartyId::ALL.map(|_| SealingKeyPair::generate(&mut rng).public()),
            pinned: BTreeMap::new(),
            transport: TransportSettings::loopback(),
        }
    }

    fn queries(&self) -> Vec<Infer> {
        let seen = self.seen.lock().expect("whole");
        let queries = seen.iter().filter_map(|request| match request {
            ClientRequest::Infer(infer) => Some(infer.clone()),
            _ => None,
        });
        queries.collect()
    }
}

async fn serve(
    mut stream: Stream,
    connection: &Connection,
    act: impl FnOnce(ClientRequest) -> Act,
    left: &Mutex<usize>,
) {
    let bytes = stream.reader.read_message(1 << 20).await.expect("a request");
    let reply = match act(decode(&bytes).expect("a request of this version")) {
        Act::Say(reply) => encode(&reply),
        Act::SayBytes(bytes) => bytes,
        Act::KeepSilent => {
            stream.writer.stopped().await;
            *left.lock().expect("whole") += 1;
            return;
        }
        Act::HangUp => return connection.close(CloseReason::Shutdown),
    };
    // A client that takes less than this leaves, which is its right.
    if stream.writer.write_message(reply, usize::MAX).await.is_ok() {
        stream.writer.finish();
        stream.writer.stopped().await;
    }
}

fn described() -> Described {
    let mut plan = PlanBuilder::new(RingKind::Z32);
    let input = plan.input(&[2], 5, 10);
    plan.output(input);
    let plan = plan.build().to_bytes();
    Described {
        model: Model {
            name: "identity".parse().expect("plain"),
            digest: PlanDigest::of(&plan),
            deployment: QueryId([9; 16]),
        },
        plan: plan.into(),
        batch_max: 2,
    }
}

const DEADLINE: Duration = Duration::from_millis(500);

async fn meet(script: Vec<Act>) -> (Coordinator, Client, Description) {
    let identity = Identity::generate("client").expect("randomness");
    let coordinator = Coordinator::start(&identity, script);
    let client = Client::connect(coordinator.settings(&identity))
        .await
        .expect("pinned on both sides");
    let model = client.describe("identity").await.expect("truly described");
    (coordinator, client, model)
}

fn array(shape: &[usize], numbers: &[f32]) -> Array {
    Array::new(shape.to_vec(), numbers.to_vec()).expect("of this size")
}

fn sample() -> Array {
    array(&[1, 2], &[0.5, -0.5])
}

fn refusal() -> Failure {
    Failure::new(
        Fault::Peer,
        Some(PartyId::Cloud),
        Phase::Compute,
        "cloud was lost; ask again",
    )
}

#[tokio::test]
async fn inputs_that_do_not_fit_never_leave_the_client() {
    let (coordinator, client, model) = meet(vec![]).await;
    let fault = async |arrays: &[Array]| client.infer(&model, arrays, DEADLINE).await.expect_err("unfit");
    let not_a_number = fault(&[array(&[1, 2], &[0.5, f32::NAN])]).await;
    assert!(
        matches!(&not_a_number, ClientError::Input(EncodeError::NotFinite { index, .. }) if index == &[0, 1]),
        "{not_a_number:?}"
    );
    let far = fault(&[array(&[1, 2], &[0.5, 1e9])]).await;
    assert!(
        matches!(far, ClientError::Input(EncodeError::OutOfRange { .. })),
        "{far:?}"
    );
    let shape = fault(&[array(&[1, 3], &[0.0; 3])]).await;
    assert!(
        matches!(shape, ClientError::Input(EncodeError::Shape { .. })),
        "{shape:?}"
    );
    let count = fault(&[sample(), sample()]).await;
    assert!(
        matches!(count, ClientError::Input(EncodeError::Count { .. })),
        "{count:?}"
    );
    let batch = fault(&[array(&[3, 2], &[0.0; 6])]).await;
    assert_eq!(batch, ClientError::Batch { batch: 3, most: 2 });
    for error in [not_a_number, far, shape, count, batch] {
        assert_eq!(error.cause(), Cause::Request);
    }
    assert!(coordinator.queries().is_empty());
}

#[tokio::test]
async fn a_failure_is_passed_on_with_its_party() {
    let (_coordinator, client, model) = meet(vec![Act::Say(ClientReply::Failure(refusal()))]).await;
    let error = client.infer(&model, &[sample()], DEADLINE).await.expect_err("refused");
    assert_eq!((error.cause(), error.party()), (Cause::Party, Some(PartyId::Cloud)));
    assert_eq!(error, ClientError::Refused(refusal()));
}

#[tokio::test]
async fn a_silent_coordinator_costs_the_deadline_and_is_told_that_the_client_left() {
    let (coordinator, client, model) = meet(vec![Act::KeepSilent]).await;
    let begun = Instant::now();
    let error = client.infer(&model, &[sample()], DEADLINE).await.expect_err("silent");
    assert!(matches!(error, ClientError::Late(_)), "{error:?}");
    assert_eq!(error.cause(), Cause::Deadline);
    assert!(begun.elapsed() >= DEADLINE && begun.elapsed() < DEADLINE + Duration::from_secs(3));
    let [query] = coordinator.queries().try_into().expect("one query");
    assert!(
        (1..=DEADLINE.as_millis() as u64).contains(&query.deadline_ms),
        "{}",
        query.deadline_ms
    );
    for _ in 0..100 {
        if *coordinator.left.lock().expect("whole") == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the coordinator still works for a client that left");
}

#[tokio::test]
async fn a_query_lost_with_a_standing_connection_is_asked_again_as_another_query() {
    let script = vec![Act::HangUp, Act::Say(ClientReply::Failure(refusal()))];
    let (coordinator, client, model) = meet(script).await;
    let error = client
        .infer(&model, &[sample()], DEADLINE)
        .await
        .expect_err("refused at last");
    assert_eq!(error, ClientError::Refused(refusal()));
    let [first, second] = coordinator.queries().try_into().expect("asked twice");
    // Nothing random is used twice, or the two sealings could be compared.
    assert_ne!(first.query, second.query);
    assert_ne!(first.envelopes, second.envelopes);
}

#[tokio::test]
async fn a_coordinator_that_keeps_hanging_up_is_not_asked_for_ever() {
    let (coordinator, client, model) = meet(vec![Act::HangUp, Act::HangUp]).await;
    let error = client
        .infer(&model, &[sample()], DEADLINE)
        .await
        .expect_err("it hangs up");
    let expected = NetError::ClosedByPeer {
        peer: PeerName::Coordinator,
        reason: CloseReason::Shutdown,
    };
    assert_eq!(error, ClientError::Coordinator(expected));
    assert_eq!(error.cause(), Cause::Coordinator);
    assert_eq!(coordinator.queries().len(), 2);
}

#[tokio::test]
async fn replies_that_are_none_are_refused() {
    let mut other_version = encode(&ClientReply::Models(vec![]));
    other_version[0] ^= 0xFF;
    let script = vec![
        Act::Say(ClientReply::Models(vec![])),
        Act::SayBytes(other_version),
        Act::SayBytes(vec![1, 0, 0xFF, 0xFF]),
        Act::SayBytes(vec![]),
        Act::SayBytes(vec![0; 1 << 20]),
    ];
    let (_coordinator, client, model) = meet(script).await;
    let outcome = async || {
        client
            .infer(&model, &[sample()], DEADLINE)
            .await
            .expect_err("no answer")
    };
    assert_eq!(outcome().await, ClientError::OtherReply);
    let version = outcome().await;
    assert!(
        matches!(version, ClientError::Reply(WireError::Version { .. })),
        "{version:?}"
    );
    for _ in 0..2 {
        let malformed = outcome().await;
        assert!(
            matches!(malformed, ClientError::Reply(WireError::Malformed { .. })),
            "{malformed:?}"
        );
    }
    let large = outcome().await;
    assert!(
        matches!(large, ClientError::Coordinator(NetError::TooLarge { .. })),
        "{large:?}"
    );
}

#[tokio::test]
async fn certificates_that_are_not_pinned_are_a_matter_of_configuration() {
    let (known, stranger) = (
        Identity::generate("client").expect("randomness"),
        Identity::generate("stranger").expect("randomness"),
    );
    let coordinator = Coordinator::start(&known, vec![]);
    let refused = Client::connect(coordinator.settings(&stranger))
        .await
        .err()
        .expect("not pinned");
    assert!(
        matches!(refused, ClientError::Coordinator(NetError::Refused { .. })),
        "{refused:?}"
    );
    let mut settings = coordinator.settings(&known);
    settings.coordinator = stranger.fingerprint();
    let impostor = Client::connect(settings).await.err().expect("not the pinned one");
    assert!(
        matches!(impostor, ClientError::Coordinator(NetError::WrongIdentity { .. })),
        "{impostor:?}"
    );
    assert_eq!([refused.cause(), impostor.cause()], [Cause::Configuration; 2]);
}
