use std::fs;
use std::net::SocketAddr;
use std::path::{self, PathBuf};

use tercet_ids::PartyId;

use super::identities::{Keys, make_identity, make_party};
use super::ports::{free_tcp, free_udp};
use super::wide_area::WideArea;
use super::{COORDINATOR, Settings};
use crate::exit::Failure;

/// Large packets: loopback carries them, and they more than double the throughput.
const LOOPBACK_TRANSPORT: &str = "[transport]\nmtu = 6500\n";

/// Sessions that wait for queries where some are prepared at all: one for the next query, and one that is prepared meanwhile.
const POOL_SESSIONS: u32 = 2;

/// What they may take at each node: room for two of the largest models'.
const PREPARED_BYTES: u64 = 8 << 30;

/// How long the client waits for an answer: as long as a session may take.
const DEADLINE_MS: u32 = 120_000;

/// The files and addresses of a local deployment.
pub struct Layout {
    directory: PathBuf,
    /// UDP addresses: the parties' by index, then the coordinator's.
    listen: Vec<SocketAddr>,
    /// TCP addresses likewise.
    metrics: Vec<SocketAddr>,
    /// Where ordinary inference clients ask.
    gateway: SocketAddr,
    gateway_grpc: SocketAddr,
    parties: Vec<Keys>,
    coordinator: Keys,
    client: Keys,
    wide_area: Option<WideArea>,
}

impl Layout {
    /// Makes identities and writes configurations.
    pub fn make(directory: &path::Path, settings: &Settings) -> Result<Layout, Failure> {
        let keys = directory.join("keys");
        let parties = PartyId::ALL.map(|party| make_party(&keys.join(party.name()), party.name()));
        let listen = free_udp(4)?;
        let mut metrics = free_tcp(6)?;
        let (gateway, gateway_grpc) = (metrics.remove(5), metrics.remove(4));
        let layout = Layout {
            directory: directory.to_owned(),
            wide_area: settings.path.map(|path| WideArea::start(path, &listen)).transpose()?,
            listen,
            metrics,
            gateway,
            gateway_grpc,
            parties: parties.into_iter().collect::<Result<_, _>>()?,
            coordinator: make_identity(&keys.join("coordinator"), "coordinator")?,
            client: make_identity(&keys.join("client"), "client")?,
        };
        for party in PartyId::ALL {
            layout.write(party.name(), &layout.node_text(party, settings))?;
        }
        layout.write("coordinator", &layout.coordinator_text(settings))?;
        layout.write("client", &layout.client_text())?;
        Ok(layout)
    }

    /// Where everything is.
    pub fn directory(&self) -> &path::Path {
        &self.directory
    }

    /// The configuration of a process.
    pub fn config(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.toml"))
    }

    /// Where a process logs.
    pub fn log(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.log"))
    }

    /// Where a node serves metrics.
    pub fn node_metrics(&self, party: PartyId) -> SocketAddr {
        self.metrics[party.index()]
    }

    /// Where the coordinator serves metrics.
    pub fn coordinator_metrics(&self) -> SocketAddr {
        self.metrics[3]
    }

    /// The network between the hosts, if it is not this machine's own.
    pub fn wide_area(&self) -> Option<&WideArea> {
        self.wide_area.as_ref()
    }

    /// Where ordinary inference clients ask.
    pub fn gateway(&self) -> SocketAddr {
        self.gateway
    }

    /// The same over gRPC.
    pub fn gateway_grpc(&self) -> SocketAddr {
        self.gateway_grpc
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.config(name);
        fs::write(&path, text).map_err(|reason| {
            Failure::machine(format!(
                "cannot write {}: {reason}; choose a directory that is writable",
                path.display()
            ))
        })
    }

    fn node_text(&self, party: PartyId, settings: &Settings) -> String {
        let i = party.index();
        let gateway = match party {
            PartyId::ClientProxy => format!(
                "[gateway]\nlisten = \"{}\"\ngrpc_listen = \"{}\"\nclient = \"client.toml\"\n\n",
                self.gateway, self.gateway_grpc
            ),
            PartyId::Cloud | PartyId::Auditor => String::new(),
        };
        let threads = settings.threads.map(|threads| format!("threads = {threads}\n"));
        let prepared = settings
            .pool_batch
            .map(|_| format!("prepared_bytes = {PREPARED_BYTES}\n"));
        let limits = format!(
            "[limits]\n{}{}\n",
            threads.unwrap_or_default(),
            prepared.unwrap_or_default()
        );
        let peers: String = party
            .peers()
            .map(|peer| self.address_section("peers", party.name(), peer))
            .concat();
        format!(
            "party = \"{party}\"\nlisten = \"{}\"\nmetrics_listen = \"{}\"\n\n\
             [identity]\ncertificate = \"keys/{party}/identity.crt\"\nprivate_key = \"keys/{party}/identity.key\"\n\
             sealing_key = \"keys/{party}/sealing.key\"\n\n\
             [storage]\ndirectory = \"models/{party}\"\n\n\
             [coordinator]\ncertificate_sha256 = \"{}\"\n\n{peers}{gateway}{}{}",
            self.listen[i],
            self.metrics[i],
            self.coordinator.certificate_sha256,
            limits,
            self.transport()
        )
    }

    fn coordinator_text(&self, settings: &Settings) -> String {
        let pool = settings
            .pool_batch
            .map(|batch| format!("[pool]\nsessions = {POOL_SESSIONS}\nbatch = {batch}\n\n"));
        let nodes: String = PartyId::ALL
            .map(|party| self.address_section("nodes", COORDINATOR, party))
            .concat();
        format!(
            "listen = \"{}\"\nmetrics_listen = \"{}\"\n\n\
             [identity]\ncertificate = \"keys/coordinator/identity.crt\"\nprivate_key = \"keys/coordinator/identity.key\"\n\n\
             {nodes}[clients.client]\ncertificate_sha256 = \"{}\"\ndeploy = true\n\n{}{}",
            self.listen[3],
            self.metrics[3],
            self.client.certificate_sha256,
            pool.unwrap_or_default(),
            self.transport()
        )
    }

    fn client_text(&self) -> String {
        let party = |party: PartyId| {
            let key = self.parties[party.index()]
                .sealing_key
                .expect("a party's keys have a sealing key");
            format!("[parties.{}]\nsealing_key = \"{key}\"\n\n", section(party))
        };
        let parties: String = PartyId::ALL.map(party).concat();
        format!(
            "deadline_ms = {DEADLINE_MS}\n\n[coordinator]\naddress = \"{}\"\ncertificate_sha256 = \"{}\"\n\n\
             [identity]\ncertificate = \"keys/client/identity.crt\"\nprivate_key = \"keys/client/identity.key\"\n\n\
             {parties}{LOOPBACK_TRANSPORT}",
            self.listen[3], self.coordinator.certificate_sha256
        )
    }

    /// Settings of links between hosts: those of real networks, where these are emulated.
    fn transport(&self) -> &'static str {
        match self.wide_area {
            Some(_) => "",
            None => LOOPBACK_TRANSPORT,
        }
    }

    fn address_section(&self, table: &str, from: &str, party: PartyId) -> String {
        let i = party.index();
        let certificate = self.parties[i].certificate_sha256;
        let address = match &self.wide_area {
            Some(wide_area) => wide_area.address(from, party),
            None => self.listen[i],
        };
        format!(
            "[{table}.{}]\naddress = \"{address}\"\ncertificate_sha256 = \"{certificate}\"\n\n",
            section(party)
        )
    }
}

/// The name of a party's section in a configuration file.
fn section(party: PartyId) -> String {
    party.name().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tercet_config::{ClientConfig, CoordinatorConfig, NodeConfig};
    use tercet_relay::Path;

    #[test]
    fn what_is_written_is_a_valid_deployment() {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings {
            threads: Some(3),
            path: None,
            pool_batch: Some(4),
        };
        let layout = Layout::make(directory.path(), &settings).unwrap();
        for party in PartyId::ALL {
            let config = NodeConfig::load(&layout.config(party.name())).unwrap();
            config.check_files().unwrap();
            assert_eq!((config.party, config.limits.threads), (party, 3));
        }
        let coordinator = CoordinatorConfig::load(&layout.config("coordinator")).unwrap();
        coordinator.check_files().unwrap();
        assert_eq!((coordinator.pool.sessions, coordinator.pool.batch), (2, 4));
        ClientConfig::load(&layout.config("client"))
            .unwrap()
            .check_files()
            .unwrap();
    }

    #[test]
    fn hosts_find_each_other_through_the_wide_area_network() {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings {
            path: Some(Path::default()),
            ..Settings::default()
        };
        let layout = Layout::make(directory.path(), &settings).unwrap();
        let mut addresses = std::collections::HashSet::new();
        for party in PartyId::ALL {
            let config = NodeConfig::load(&layout.config(party.name())).unwrap();
            assert_eq!(config.listen, layout.listen[party.index()]);
            addresses.extend(config.peers.map(|peer| peer.address.to_string()));
        }
        let coordinator = CoordinatorConfig::load(&layout.config(COORDINATOR)).unwrap();
        addresses.extend(coordinator.nodes.map(|node| node.address.to_string()));
        assert_eq!(addresses.len(), 9, "every host has a way of its own to every party");
        assert!(
            layout
                .listen
                .iter()
                .all(|direct| !addresses.contains(&direct.to_string()))
        );
    }

    #[test]
    fn identities_are_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings::default();
        Layout::make(directory.path(), &settings).unwrap();
        assert!(Layout::make(directory.path(), &settings).is_err());
    }
}
