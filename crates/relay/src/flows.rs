use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::socket::Socket;

/// Callers of one route that are remembered. Beyond them the one silent for longest is forgotten, like at a NAT.
const FLOWS_PER_ROUTE_MAX: usize = 64;

/// A caller of a route and the socket that speaks for it to the route's target.
pub(crate) struct Flow {
    pub route: usize,
    pub caller: SocketAddr,
    pub socket: Socket,
    /// The number of the flow's last packet among all.
    used: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct FlowId(u64);

/// Who called through which route, so that answers find back.
#[derive(Default)]
pub(crate) struct Flows {
    flows: BTreeMap<FlowId, Flow>,
    callers: HashMap<(usize, SocketAddr), FlowId>,
    uses: u64,
    next: u64,
}

impl Flows {
    /// The flow of a caller, made if it is new.
    pub fn of_caller(&mut self, route: usize, caller: SocketAddr, target: SocketAddr) -> io::Result<FlowId> {
        self.uses += 1;
        if let Some(&id) = self.callers.get(&(route, caller)) {
            if let Some(flow) = self.flows.get_mut(&id) {
                flow.used = self.uses;
            }
            return Ok(id);
        }
        let socket = Socket::bind(any_port_towards(target))?;
        self.make_room(route);
        let id = FlowId(self.next);
        self.next += 1;
        self.callers.insert((route, caller), id);
        let used = self.uses;
        self.flows.insert(
            id,
            Flow {
                route,
                caller,
                socket,
                used,
            },
        );
        Ok(id)
    }

    pub fn flow(&self, id: FlowId) -> Option<&Flow> {
        self.flows.get(&id)
    }

    pub fn iter(&self) -> impl Iterator<Item = (FlowId, &Flow)> {
        self.flows.iter().map(|(&id, flow)| (id, flow))
    }

    fn make_room(&mut self, route: usize) {
        let of_route = || self.flows.iter().filter(|(_, flow)| flow.route == route);
        if of_route().count() < FLOWS_PER_ROUTE_MAX {
            return;
        }
        let Some(oldest) = of_route().min_by_key(|(_, flow)| flow.used).map(|(&id, _)| id) else {
            return;
        };
        if let Some(flow) = self.flows.remove(&oldest) {
            self.callers.remove(&(flow.route, flow.caller));
        }
    }
}

/// A free port from which `target` is reached.
fn any_port_towards(target: SocketAddr) -> SocketAddr {
    let local = match target.ip() {
        ip if ip.is_loopback() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(local, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_keep_their_flow_and_the_longest_silent_gives_way() {
        let mut flows = Flows::default();
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        let caller = |port: usize| SocketAddr::from((Ipv4Addr::LOCALHOST, port as u16));
        let mut flow = |route, port| flows.of_caller(route, caller(port), target).expect("a port is free");
        let first = flow(0, 1);
        let elsewhere = flow(1, 1);
        assert_ne!(first, elsewhere);
        let others: Vec<FlowId> = (2..=FLOWS_PER_ROUTE_MAX).map(|port| flow(0, port)).collect();
        assert_eq!(flow(0, 1), first);
        let newest = flow(0, 1000);
        assert!(flows.flow(others[0]).is_none());
        for kept in [first, elsewhere, others[1], newest] {
            assert!(flows.flow(kept).is_some());
        }
    }
}
