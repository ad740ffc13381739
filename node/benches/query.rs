//! Queries of LeNet's shapes with random weights: three nodes and a coordinator as processes on loopback, a client in this one.
//! `cargo bench -p tercet-node --bench query [-- QUERIES]`.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tercet_client::{Answer, Client, ClientSettings};
use tercet_config::{CoordinatorConfig, NodeConfig};
use tercet_ids::{PartyId, Role};
use tercet_net::{Identity, TransportSettings};
use tercet_plan::testkit::{lenet, random_parameters};
use tercet_plan::{Array, Plan};
use tercet_ring::RingKind;
use tercet_sharing::SealingKeyPair;
use tercet_wire::NodeState;

/// In a child process: what it is, and its configuration.
const ROLE: &str = "QUERY_BENCH_ROLE";
const CONFIG: &str = "QUERY_BENCH_CONFIG";

fn main() {
    if let (Ok(role), Ok(config)) = (std::env::var(ROLE), std::env::var(CONFIG)) {
        return serve(&role, Path::new(&config));
    }
    let queries = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(200);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(measure(queries));
}

fn serve(role: &str, config: &Path) {
    let level = std::env::var("QUERY_BENCH_LOG").unwrap_or_else(|_| "error".to_owned());
    tercet_telemetry::logging::init_text(&level).expect("the first in this process");
    match role {
        "coordinator" => {
            let config = CoordinatorConfig::load(config).expect("right");
            tercet_coordinator::run(config).expect("runs");
        }
        _ => tercet_node::run(NodeConfig::load(config).expect("right")).expect("runs"),
    }
}

async fn measure(queries: usize) {
    let deployment = Deployment::start();
    let client = deployment.client().await;
    for (ring, batch) in [(RingKind::Z32, 1), (RingKind::Z64, 1), (RingKind::Z32, 32)] {
        let plan = lenet(ring);
        let parameters = random_parameters(&plan, 4, &mut StdRng::seed_from_u64(1));
        client.deploy("lenet", &plan, &parameters).await.expect("deployed");
        let model = client.describe("lenet").await.expect("described");
        let image = Array::new(vec![batch, 1, 28, 28], vec![0.5; batch * 784]).expect("an image");
        let queries = if batch == 1 { queries } else { queries / 10 };
        let mut answers = vec![];
        for _ in 0..queries + 10 {
            let begun = Instant::now();
            let answer = client
                .infer(&model, std::slice::from_ref(&image), Duration::from_secs(20))
                .await;
            answers.push((begun.elapsed(), answer.expect("answered")));
        }
        print(&plan, batch, &answers[10..]);
    }
}

/// Medians, in milliseconds.
fn print(plan: &Plan, batch: usize, answers: &[(Duration, Answer)]) {
    let median = |of: &dyn Fn(&(Duration, Answer)) -> Duration| {
        let mut times: Vec<Duration> = answers.iter().map(of).collect();
        times.sort();
        format!("{:.2}", times[times.len() / 2].as_secs_f64() * 1e3)
    };
    let evaluators = [Role::Evaluator0, Role::Evaluator1];
    let party = |answer: &Answer, role| *answer.report.party(answer.roles.party(role));
    let largest = |of: fn(&tercet_wire::PartyReport) -> Duration| {
        median(&|(_, answer)| {
            let times = evaluators.map(|role| of(&party(answer, role)));
            times[0].max(times[1])
        })
    };
    println!(
        "{} batch {batch}: client {} ms (coordinator {}, queue {}); parties: start {}, run {}; online {} \
         (compute {}, wait {}, for the dealer {}), prepare {}, dealer {}; {} rounds; slowest client {:.2}",
        plan.ring(),
        median(&|(total, _)| *total),
        median(&|(_, answer)| answer.report.total),
        median(&|(_, answer)| answer.report.queue),
        median(&|(_, answer)| answer
            .report
            .parties
            .map(|party| party.start)
            .into_iter()
            .max()
            .unwrap_or_default()),
        median(&|(_, answer)| answer
            .report
            .parties
            .map(|party| party.run)
            .into_iter()
            .max()
            .unwrap_or_default()),
        median(&|(_, answer)| answer.report.online(answer.roles)),
        largest(|report| report.online_compute),
        largest(|report| report.online_wait),
        largest(|report| report.deal),
        largest(|report| report.prepare),
        median(&|(_, answer)| party(answer, Role::Dealer).run),
        answers[0].1.report.parties[answers[0].1.roles.party(Role::Evaluator0).index()].rounds,
        answers
            .iter()
            .map(|(total, _)| total.as_secs_f64() * 1e3)
            .fold(0.0, f64::max),
    );
}

/// Four processes; they end with this value.
struct Deployment {
    _directory: tempfile::TempDir,
    processes: Vec<Child>,
    coordinator: (SocketAddr, Identity),
    client: Identity,
    sealing: [SealingKeyPair; 3],
}

impl Drop for Deployment {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn free_udp() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a free port")
}

fn free_tcp() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a free port")
}

impl Deployment {
    fn start() -> Deployment {
        let directory = tempfile::tempdir().expect("a directory");
        let home = |name: &str| {
            let home = directory.path().join(name);
            std::fs::create_dir(&home).expect("created");
            home
        };
        let identity = |home: &Path| {
            let identity = Identity::generate("bench").expect("generated");
            identity
                .save(&home.join("identity.crt"), &home.join("identity.key"))
                .expect("saved");
            identity
        };
        let mut rng = StdRng::seed_from_u64(1);
        let homes = PartyId::ALL.map(|party| home(party.name()));
        let identities = homes.each_ref().map(|home| identity(home));
        let sealing = homes.each_ref().map(|home| {
            let key = SealingKeyPair::generate(&mut rng);
            key.save(&home.join("sealing.key")).expect("saved");
            key
        });
        let addresses = PartyId::ALL.map(|_| free_udp());
        let coordinator_home = home("coordinator");
        let (address, coordinator) = (free_udp(), identity(&coordinator_home));
        let client = identity(&home("client"));

        let section = |kind: &str, party: PartyId| {
            let (name, index) = (party.name().replace('-', "_"), party.index());
            let (address, fingerprint) = (addresses[index], identities[index].fingerprint());
            format!("[{kind}.{name}]\naddress = \"{address}\"\ncertificate_sha256 = \"{fingerprint}\"\n")
        };
        let own = "[identity]\ncertificate = \"identity.crt\"\nprivate_key = \"identity.key\"\n";
        let mut processes = vec![];
        for party in PartyId::ALL {
            let mut text = format!("party = \"{party}\"\nlisten = \"{}\"\n", addresses[party.index()]);
            let _ = write!(
                text,
                "metrics_listen = \"{}\"\n{own}sealing_key = \"sealing.key\"\n",
                free_tcp()
            );
            let _ = write!(text, "[storage]\ndirectory = \"models\"\n[transport]\nmtu = 6500\n");
            let _ = write!(
                text,
                "[coordinator]\ncertificate_sha256 = \"{}\"\n",
                coordinator.fingerprint()
            );
            text.extend(party.peers().map(|peer| section("peers", peer)));
            processes.push(child(party.name(), &homes[party.index()], &text));
        }
        let mut text = format!("listen = \"{address}\"\nmetrics_listen = \"{}\"\n{own}", free_tcp());
        let _ = write!(text, "[transport]\nmtu = 6500\n");
        let _ = write!(
            text,
            "[clients.bench]\ncertificate_sha256 = \"{}\"\ndeploy = true\n",
            client.fingerprint()
        );
        text.extend(PartyId::ALL.map(|party| section("nodes", party)));
        processes.push(child("coordinator", &coordinator_home, &text));
        Deployment {
            _directory: directory,
            processes,
            coordinator: (address, coordinator),
            client,
            sealing,
        }
    }

    async fn client(&self) -> Client {
        let settings = ClientSettings {
            coordinator_address: self.coordinator.0,
            coordinator: self.coordinator.1.fingerprint(),
            identity: self.client.clone(),
            sealing_keys: self.sealing.each_ref().map(SealingKeyPair::public),
            pinned: Default::default(),
            transport: TransportSettings::loopback(),
        };
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let Ok(client) = Client::connect(settings.clone()).await else {
                continue;
            };
            let Ok(status) = client.status().await else { continue };
            let connected = |links: &[tercet_wire::LinkStatus]| links.iter().all(|link| link.round_trip_us.is_some());
            let ready = status
                .nodes
                .iter()
                .all(|node| node.state == Some(NodeState::Ready) && connected(&node.links));
            if ready {
                return client;
            }
        }
        panic!("the deployment did not get ready");
    }
}

fn child(role: &str, home: &Path, config: &str) -> Child {
    let path: PathBuf = home.join("config.toml");
    std::fs::write(&path, config).expect("written");
    let program = std::env::current_exe().expect("it runs");
    Command::new(program)
        .env(ROLE, role)
        .env(CONFIG, &path)
        .spawn()
        .expect("started")
}
