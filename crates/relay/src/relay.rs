use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::flows::Flows;
use crate::network::Network;
use crate::socket::Socket;
use crate::worker::{Counters, OpenRoute, Traffic, Worker};
use crate::{Path, RelayError};

/// One host's way to another. Answers take the same way back, so that only the side that dials needs a route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// The host that dials. All routes from a host and all answers it gives share its line.
    pub from: String,
    /// The host that is dialled.
    pub to: String,
    /// Where the relay listens for `from`; port 0 for any free one.
    pub listen: SocketAddr,
    /// Where `to` listens.
    pub target: SocketAddr,
}

/// A running relay, which a thread of its own drives. It stops when this is dropped, and what is under way is lost.
pub struct Relay {
    addresses: Vec<SocketAddr>,
    hosts: BTreeMap<String, usize>,
    counters: Arc<[Counters]>,
    stop: UnixStream,
    worker: Option<JoinHandle<()>>,
}

impl Relay {
    /// Joins the hosts that `routes` name by paths like `path`.
    ///
    /// # Errors
    /// A route's port is taken, or the operating system gives no thread.
    pub fn start(path: Path, routes: &[Route]) -> Result<Relay, RelayError> {
        let mut hosts = BTreeMap::new();
        for name in routes.iter().flat_map(|route| [&route.from, &route.to]) {
            let number = hosts.len();
            hosts.entry(name.clone()).or_insert(number);
        }
        let open = |route: &Route| {
            let socket = Socket::bind(route.listen).map_err(|reason| RelayError::Bind {
                address: route.listen,
                reason,
            })?;
            Ok(OpenRoute {
                from: hosts[&route.from],
                to: hosts[&route.to],
                socket,
                target: route.target,
            })
        };
        let routes = routes.iter().map(open).collect::<Result<Vec<_>, RelayError>>()?;
        let address = |route: &OpenRoute| route.socket.local_address().map_err(RelayError::Start);
        let addresses = routes.iter().map(address).collect::<Result<_, _>>()?;
        let counters: Arc<[Counters]> = hosts.iter().map(|_| Counters::default()).collect();
        let (stop, stopped) = UnixStream::pair().map_err(RelayError::Start)?;
        let worker = Worker {
            routes,
            flows: Flows::default(),
            network: Network::new(path, hosts.len()),
            early: path.early_time(),
            counters: counters.clone(),
            stop: stopped,
        };
        let worker = thread::Builder::new()
            .name("relay".to_owned())
            .spawn(move || worker.run())
            .map_err(RelayError::Start)?;
        Ok(Relay {
            addresses,
            hosts,
            counters,
            stop,
            worker: Some(worker),
        })
    }

    /// Where the relay listens, in the order of the routes.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What each host has sent so far, by name.
    pub fn traffic(&self) -> BTreeMap<String, Traffic> {
        let read = |(name, &host): (&String, &usize)| (name.clone(), self.counters[host].read());
        self.hosts.iter().map(read).collect()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Either fails only if the worker has ended already, and then there is nothing to stop.
        let _ = self.stop.shutdown(Shutdown::Both);
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}
