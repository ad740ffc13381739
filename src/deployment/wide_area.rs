use std::net::{Ipv4Addr, SocketAddr};

use tercet_ids::PartyId;
use tercet_relay::{Path, Relay, Route, Traffic};

use super::COORDINATOR;
use crate::exit::Failure;

/// A wide-area network between the hosts of a deployment, emulated on this machine.
///
/// Each party is a host, and so is the coordinator. The client stands beside the coordinator, on the same side of the network.
pub struct WideArea {
    relay: Relay,
    routes: Vec<(&'static str, PartyId)>,
}

impl WideArea {
    /// Joins the hosts by paths like `path`; the parties listen on `listen`, by index.
    pub fn start(path: Path, listen: &[SocketAddr]) -> Result<WideArea, Failure> {
        let hosts = || PartyId::ALL.map(PartyId::name).into_iter().chain([COORDINATOR]);
        let to_peers = |from: &'static str| PartyId::ALL.map(|to| (from, to)).into_iter();
        let routes: Vec<_> = hosts()
            .flat_map(to_peers)
            .filter(|&(from, to)| from != to.name())
            .collect();
        let opened: Vec<Route> = routes
            .iter()
            .map(|&(from, to)| Route {
                from: from.to_owned(),
                to: to.name().to_owned(),
                listen: (Ipv4Addr::LOCALHOST, 0).into(),
                target: listen[to.index()],
            })
            .collect();
        let relay = Relay::start(path, &opened).map_err(Failure::machine)?;
        Ok(WideArea { relay, routes })
    }

    /// Where the host `from` finds a party.
    pub fn address(&self, from: &str, to: PartyId) -> SocketAddr {
        let position = self
            .routes
            .iter()
            .position(|&(host, party)| host == from && party == to);
        self.relay.addresses()[position.expect("every host has a route to every other party")]
    }

    /// What passed between all hosts so far.
    pub fn traffic(&self) -> Traffic {
        let sum = |sum: Traffic, host: Traffic| Traffic {
            packets: sum.packets + host.packets,
            bytes: sum.bytes + host.bytes,
            dropped: sum.dropped + host.dropped,
        };
        self.relay.traffic().into_values().fold(Traffic::default(), sum)
    }
}
