//! Four processes on loopback for benches that ask them, and a client of theirs. Each process is this program again.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tercet_client::{Client, ClientSettings};
use tercet_config::{CoordinatorConfig, NodeConfig};
use tercet_ids::PartyId;
use tercet_net::{Identity, TransportSettings};
use tercet_sharing::SealingKeyPair;
use tercet_wire::NodeState;

/// In a child process: what it is, and its configuration.
const ROLE: &str = "TERCET_BENCH_ROLE";
const CONFIG: &str = "TERCET_BENCH_CONFIG";

/// Serves, if this is a child process; tells whether it was.
pub fn served() -> bool {
    let (Ok(role), Ok(config)) = (std::env::var(ROLE), std::env::var(CONFIG)) else {
        return false;
    };
    serve(&role, Path::new(&config));
    true
}

fn serve(role: &str, config: &Path) {
    tercet_telemetry::logging::init_text("error").expect("the first in this process");
    match role {
        "coordinator" => {
            let config = CoordinatorConfig::load(config).expect("right");
            tercet_coordinator::run(config).expect("runs");
        }
        _ => tercet_node::run(NodeConfig::load(config).expect("right")).expect("runs"),
    }
}

/// Four processes; they end with this value.
pub struct Deployment {
    _directory: tempfile::TempDir,
    /// The nodes by party index, then the coordinator.
    pub processes: Vec<Child>,
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
    /// Starts them. `coordinator_settings` stand at the end of the coordinator's configuration.
    pub fn start(coordinator_settings: &str) -> Deployment {
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
        text.push_str(coordinator_settings);
        processes.push(child("coordinator", &coordinator_home, &text));
        Deployment {
            _directory: directory,
            processes,
            coordinator: (address, coordinator),
            client,
            sealing,
        }
    }

    /// A client, once all are ready.
    pub async fn client(&self) -> Client {
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
