use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;

use rand::RngExt;

use crate::exit::Failure;

/// Where ports are looked for: above the well-known ones and below those that systems hand out to whoever dials (from 32768 on Linux, from
/// 49152 elsewhere), so that a port stays free from here until its process takes it.
const PORTS: Range<u16> = 20_000..32_000;
/// Ports tried for one address before there seem to be none.
const ATTEMPTS: usize = 200;

/// So many loopback addresses with free UDP ports.
pub fn free_udp(count: usize) -> Result<Vec<SocketAddr>, Failure> {
    free(count, UdpSocket::bind)
}

/// So many loopback addresses with free TCP ports.
pub fn free_tcp(count: usize) -> Result<Vec<SocketAddr>, Failure> {
    free(count, TcpListener::bind)
}

/// The ports are released again for the processes to take.
fn free<S>(count: usize, bind: impl Fn(SocketAddr) -> io::Result<S>) -> Result<Vec<SocketAddr>, Failure> {
    let mut random = rand::rng();
    // Held until all are found, so that none is found twice.
    let mut held = Vec::with_capacity(count);
    let mut reason = None;
    for _ in 0..count * ATTEMPTS {
        if held.len() == count {
            break;
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, random.random_range(PORTS)));
        match bind(address) {
            Ok(socket) => held.push((address, socket)),
            Err(error) => reason = Some(error),
        }
    }
    match reason {
        Some(reason) if held.len() < count => Err(Failure::machine(format!(
            "cannot find free ports on 127.0.0.1: {reason}; allow this program to bind loopback ports"
        ))),
        _ => Ok(held.into_iter().map(|(address, _)| address).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_free_and_differ() {
        let addresses = free_udp(20).unwrap();
        let sockets: Vec<UdpSocket> = addresses
            .iter()
            .map(|address| UdpSocket::bind(address).unwrap())
            .collect();
        assert_eq!(sockets.len(), 20);
    }

    #[test]
    fn a_machine_without_free_ports_is_told_so() {
        let failure = free(1, |_| Err::<(), _>(io::Error::other("all taken"))).unwrap_err();
        assert!(failure.sentence.contains("all taken"), "{failure}");
    }
}
