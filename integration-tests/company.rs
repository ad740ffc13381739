//! Many queries at once: they share sessions, each gets its own answer, and none can spoil another's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tercet::npy;
use tercet_client::{Cause, Client, ClientError, ClientSettings, Description};
use tercet_config::ClientConfig;
use tercet_ids::{PartyId, QueryId};
use tercet_net::{Fingerprint, Identity, TransportSettings};
use tercet_plan::Array;
use tercet_sharing::SealingPublicKey;
use tercet_wire::{ClientReply, ClientRequest, Fault, Infer, Opaque, Phase, decode, encode};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::harness::{Local, model_file, samples, scrape, wait_for};
use crate::misbehaviour::{Thief, Words};

const MODEL: &str = "mnist_lenet";
/// Takes long enough to be killed in the middle of.
const LONG_MODEL: &str = "fashion_resnet20_folded";
const DEADLINE: Duration = Duration::from_secs(30);
/// Clients at a time: as many queries as the coordinator takes of one name.
const CLIENTS: usize = 64;
/// The largest error of an answer over the ring that is chosen, as golden answers have it.
const ERROR_MAX: f32 = 0.2;

/// The samples of a model and what ONNX Runtime answers.
struct Golden {
    samples: Array,
    expected: Array,
}

impl Golden {
    fn of(folder: &str) -> Golden {
        let read = |path: &str| npy::read(path.as_ref()).unwrap_or_else(|failure| panic!("{failure}"));
        Golden {
            samples: read(&samples(folder)),
            expected: read(&model_file(folder, "output_0.npy")),
        }
    }

    fn row(array: &Array, number: usize) -> &[f32] {
        let width = array.data().len() / array.shape()[0];
        let number = number % array.shape()[0];
        &array.data()[number * width..][..width]
    }

    /// One sample, as a batch.
    fn sample(&self, number: usize) -> Array {
        let mut shape = self.samples.shape().to_vec();
        shape[0] = 1;
        Array::new(shape, Golden::row(&self.samples, number).to_vec()).expect("one sample")
    }

    fn check(&self, number: usize, answer: &[Array]) {
        let (right, given) = (Golden::row(&self.expected, number), answer[0].data());
        let errors = right.iter().zip(given).map(|(right, given)| (right - given).abs());
        let error = errors.fold(0.0, f32::max);
        assert!(
            given.len() == right.len() && error < ERROR_MAX,
            "sample {number}: {given:?} is not {right:?}"
        );
    }
}

fn settings(local: &Local) -> ClientSettings {
    let config = ClientConfig::load(&local.deployment.config_path("client")).expect("its configuration");
    ClientSettings {
        coordinator_address: config.coordinator.address.resolve().expect("loopback"),
        coordinator: Fingerprint(config.coordinator.certificate_sha256.0),
        identity: Identity::load(&config.identity.certificate, &config.identity.private_key).expect("the client's"),
        sealing_keys: config.sealing_keys.map(|key| SealingPublicKey(key.0)),
        pinned: config.pinned,
        transport: TransportSettings::loopback(),
    }
}

fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime")
}

async fn connect(settings: &ClientSettings, model: &str) -> (Client, Description) {
    let client = Client::connect(settings.clone()).await.expect("connected");
    let description = client.describe(model).await.expect("described");
    (client, description)
}

/// Sessions that the coordinator began, and the queries in them.
fn sessions(local: &Local) -> (f64, f64) {
    let address = local.deployment.metrics().find(|(name, _)| *name == "coordinator");
    let (_, address) = address.expect("a coordinator");
    let metrics = scrape(address).expect("it answers");
    let sum = |name| metrics.sum(name, &[]);
    (sum("tercet_session_queries_count"), sum("tercet_session_queries_sum"))
}

#[test]
fn sixty_four_clients_share_sessions_and_each_gets_its_own_answer() {
    const QUERIES: usize = 4;
    let local = Local::start();
    local.deploy(MODEL, MODEL);
    let (settings, golden) = (settings(&local), Arc::new(Golden::of(MODEL)));
    runtime().block_on(async {
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let (golden, settings) = (golden.clone(), settings.clone());
            clients.spawn(async move {
                let (client, model) = connect(&settings, MODEL).await;
                for sample in number * QUERIES..(number + 1) * QUERIES {
                    let answer = client.infer(&model, &[golden.sample(sample)], DEADLINE).await;
                    golden.check(sample, &answer.expect("answered").outputs);
                }
            });
        }
        clients.join_all().await;
    });
    let (began, queries) = sessions(&local);
    assert_eq!(queries as usize, CLIENTS * QUERIES);
    assert!(began <= queries / 4.0, "{began} sessions for {queries} queries");
    // Each session has one dealer, and all three parties take their turns at it.
    let dealt = PartyId::ALL.map(|party| {
        let address = local.deployment.metrics().find(|(name, _)| *name == party.name());
        let metrics = scrape(address.expect("a node").1).expect("it answers");
        metrics.sum("tercet_sessions_total", &["part=\"dealer\"", "outcome=\"ok\""])
    });
    assert_eq!(dealt.iter().sum::<f64>(), began, "{dealt:?}");
}

#[test]
fn a_broken_envelope_and_a_client_that_leaves_harm_nobody_else() {
    const NEIGHBOURS: usize = 12;
    const BROKEN: usize = 20;
    let local = Local::start();
    local.deploy(MODEL, MODEL);
    let (settings, golden) = (settings(&local), Arc::new(Golden::of(MODEL)));
    let thief = Thief::client(&local);
    let runtime = runtime();
    let (client, model) = runtime.block_on(connect(&settings, MODEL));
    let (client, model) = (Arc::new(client), Arc::new(model));
    let digest = model.digest();
    let (ended, over) = tokio::sync::watch::channel(false);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..BROKEN {
                let infer = Infer {
                    query: QueryId([number as u8; 16]),
                    model: MODEL.parse().expect("a plain name"),
                    digest,
                    batch: 1,
                    deadline_ms: 20_000,
                    envelopes: [7, 8, 9].map(|byte| Opaque::from(vec![byte; 3_000])),
                };
                let reply = thief.say(Words::Message(encode(&ClientRequest::Infer(infer))));
                let failure = match decode(&reply.expect("a reply")).expect("a coordinator's reply") {
                    ClientReply::Failure(failure) => failure,
                    other => panic!("expected a failure, got {other:?}"),
                };
                assert_eq!(
                    (failure.fault, failure.phase),
                    (Fault::Client, Phase::Start),
                    "{failure}"
                );
            }
            ended.send_replace(true);
        });
        runtime.block_on(async {
            let mut neighbours = JoinSet::new();
            for number in 0..NEIGHBOURS {
                let (client, model, golden, over) = (client.clone(), model.clone(), golden.clone(), over.clone());
                neighbours.spawn(async move {
                    let mut sample = number;
                    while !*over.borrow() {
                        let arrays = [golden.sample(sample)];
                        let asked = client.infer(&model, &arrays, DEADLINE);
                        if number == 0 {
                            // Leaves soon, mostly before its answer.
                            let _ = tokio::time::timeout(Duration::from_millis(3), asked).await;
                        } else {
                            golden.check(sample, &asked.await.expect("answered").outputs);
                        }
                        sample += NEIGHBOURS;
                    }
                });
            }
            neighbours.join_all().await;
        });
    });
    let (began, queries) = sessions(&local);
    assert!(
        began < queries,
        "{began} sessions for {queries} queries: there was company"
    );
}

#[test]
fn a_node_that_is_killed_fails_all_queries_of_its_sessions_with_its_name() {
    const CLIENTS: usize = 9;
    let mut local = Local::start();
    local.deploy(LONG_MODEL, LONG_MODEL);
    let (settings, golden) = (settings(&local), Arc::new(Golden::of(LONG_MODEL)));
    let runtime = runtime();
    let (client, model) = runtime.block_on(connect(&settings, LONG_MODEL));
    let (client, model) = (Arc::new(client), Arc::new(model));
    // Each client asks until it is failed.
    let ask = |number: usize| {
        let (client, model, sample) = (client.clone(), model.clone(), golden.sample(number));
        async move {
            loop {
                if let Err(error) = client.infer(&model, std::slice::from_ref(&sample), DEADLINE).await {
                    return error;
                }
            }
        }
    };
    let mut clients = JoinSet::new();
    (0..CLIENTS).for_each(|number| drop(clients.spawn_on(ask(number), runtime.handle())));
    let asking = std::thread::spawn(move || runtime.block_on(clients.join_all()));
    wait_for("queries in company", DEADLINE, || {
        let (began, queries) = sessions(&local);
        (queries >= began + 2.0).then_some(())
    });
    let since = Instant::now();
    local.deployment.process(Some(PartyId::Cloud)).kill().expect("it runs");
    let errors: Vec<ClientError> = asking.join().expect("no client panics");
    assert!(since.elapsed() < DEADLINE, "{:?}", since.elapsed());
    for error in errors {
        assert!(error.to_string().contains("cloud"), "{error}");
        assert_eq!(error.cause(), Cause::Party, "{error}");
    }
    let restarted = local.deployment.restart(Some(PartyId::Cloud));
    restarted.unwrap_or_else(|failure| panic!("{failure}"));
    local.infer(LONG_MODEL, &samples(LONG_MODEL));
}
