//! A whole deployment on this machine: three nodes and a coordinator as processes of this program, on loopback.
//!
//! Identities and configurations are made as three organisations would make them, so what runs here differs from production by its
//! addresses alone.

mod configuration;
mod identities;
mod ports;
mod process;
mod wide_area;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tercet_config::ClientConfig;
use tercet_ids::PartyId;
use tercet_relay::Traffic;
use tercet_telemetry::process::ProcessUsage;

use crate::exit::Failure;
use crate::progress::Progress;
use configuration::Layout;
use process::Launch;
use wide_area::WideArea;

pub use identities::{Keys, make_identity, make_party};
pub use ports::free_tcp;
pub use process::Process;

/// Longest wait for all processes to be ready. They need well under a second; a machine under load may need more.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The name of the process that is no party.
pub const COORDINATOR: &str = "coordinator";

/// What a deployment is started with, where it is not as a user without wishes gets it.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Threads that compute, of every node; as many as the machine has cores if there is none.
    pub threads: Option<u32>,
    /// The network between its hosts, emulated; this machine's own if there is none.
    pub path: Option<tercet_relay::Path>,
    /// Samples of the queries that sessions are prepared for ahead; none are if there is none.
    pub pool_batch: Option<u32>,
}

/// A running deployment; its processes end when this is dropped.
pub struct Deployment {
    nodes: Vec<(PartyId, Process)>,
    coordinator: Process,
    layout: Layout,
}

impl Deployment {
    /// Makes identities and configurations in `directory` and starts the processes, all of this executable.
    pub fn start(directory: &Path, settings: &Settings) -> Result<Deployment, Failure> {
        let program = std::env::current_exe()
            .map_err(|reason| Failure::machine(format!("cannot find this program's own file: {reason}")))?;
        Deployment::start_program(&program, directory, settings)
    }

    /// The same of the executable `program`.
    pub fn start_program(program: &Path, directory: &Path, settings: &Settings) -> Result<Deployment, Failure> {
        let layout = {
            let _progress = Progress::start("making identities and configurations");
            let directory = make_directory(directory)?;
            Layout::make(&directory, settings)?
        };
        let _progress = Progress::start("starting three nodes and a coordinator");
        let start = |name: &'static str, command: &'static str, metrics: SocketAddr| {
            Process::start(Launch {
                name,
                program: program.to_owned(),
                command,
                config: layout.config(name),
                log: layout.log(name),
                metrics,
            })
        };
        let nodes = PartyId::ALL.map(|party| Ok((party, start(party.name(), "node", layout.node_metrics(party))?)));
        let nodes = nodes.into_iter().collect::<Result<Vec<_>, Failure>>()?;
        let coordinator = start(COORDINATOR, COORDINATOR, layout.coordinator_metrics())?;
        let mut deployment = Deployment {
            nodes,
            coordinator,
            layout,
        };
        deployment.wait_until_ready()?;
        Ok(deployment)
    }

    /// Waits until every process can do its work.
    pub fn wait_until_ready(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + READY_WITHIN;
        self.processes_mut()
            .try_for_each(|process| process.wait_until_ready(deadline))
    }

    /// Where identities, configurations and logs are.
    pub fn directory(&self) -> &Path {
        self.layout.directory()
    }

    /// Where ordinary inference clients ask: the gateway of the client proxy's node.
    pub fn gateway(&self) -> SocketAddr {
        self.layout.gateway()
    }

    /// The same over gRPC.
    pub fn gateway_grpc(&self) -> SocketAddr {
        self.layout.gateway_grpc()
    }

    /// The configuration of the client that may ask and deploy.
    pub fn client_config_path(&self) -> PathBuf {
        self.layout.config("client")
    }

    /// The same, read. Variables of the environment that are meant for other programs don't reach it.
    pub fn client_config(&self) -> Result<ClientConfig, Failure> {
        let path = self.client_config_path();
        let text = std::fs::read_to_string(&path)
            .map_err(|reason| Failure::machine(format!("cannot read {} back: {reason}", path.display())))?;
        Ok(ClientConfig::parse(&path, &text, &[])?)
    }

    /// What passed the emulated network between its hosts so far, if there is one.
    pub fn traffic(&self) -> Option<Traffic> {
        self.layout.wide_area().map(WideArea::traffic)
    }

    /// Every process by name, with where it serves metrics.
    pub fn metrics(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        self.processes().map(|process| (process.name(), process.metrics()))
    }

    /// What every process has used so far, by name; empty where the system doesn't say.
    pub fn usage(&self) -> Vec<(&'static str, ProcessUsage)> {
        self.processes()
            .filter_map(|process| Some((process.name(), process.usage()?)))
            .collect()
    }

    /// An error if a process has ended by itself.
    pub fn check(&mut self) -> Result<(), Failure> {
        self.processes_mut().try_for_each(Process::check_running)
    }

    /// The process of a party, or of the coordinator for `None`.
    pub fn process(&mut self, party: Option<PartyId>) -> &mut Process {
        match party {
            Some(party) => &mut self.nodes[party.index()].1,
            None => &mut self.coordinator,
        }
    }

    /// Where a process, or the client, has its configuration.
    pub fn config_path(&self, name: &str) -> PathBuf {
        self.layout.config(name)
    }

    /// Starts a process again that has ended, and waits until all have found each other.
    pub fn restart(&mut self, party: Option<PartyId>) -> Result<(), Failure> {
        self.process(party).start_again()?;
        self.wait_until_ready()
    }

    /// Every process that has ended by itself, and how.
    pub fn ended(&mut self) -> Vec<(&'static str, Failure)> {
        self.processes_mut()
            .filter_map(|process| Some((process.name(), process.check_running().err()?)))
            .collect()
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        self.nodes.iter().map(|(_, process)| process).chain([&self.coordinator])
    }

    fn processes_mut(&mut self) -> impl Iterator<Item = &mut Process> {
        self.nodes
            .iter_mut()
            .map(|(_, process)| process)
            .chain([&mut self.coordinator])
    }
}

/// Makes the directory and gives its absolute path, since the processes' files are named in configurations.
fn make_directory(directory: &Path) -> Result<PathBuf, Failure> {
    let made = std::fs::create_dir_all(directory).and_then(|()| directory.canonicalize());
    made.map_err(|reason| {
        Failure::machine(format!(
            "cannot make the directory {}: {reason}; choose one that is writable",
            directory.display()
        ))
    })
}
