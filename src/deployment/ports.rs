use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use crate::exit::Failure;

/// So many loopback addresses with free UDP ports.
///
/// The ports are released again for the processes to take; another program could take one in between, which then shows as
/// a process that can't bind.
pub fn free_udp(count: usize) -> Result<Vec<SocketAddr>, Failure> {
    let sockets: std::io::Result<Vec<UdpSocket>> =
        (0..count).map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))).collect();
    sockets
        .and_then(|sockets| sockets.iter().map(UdpSocket::local_addr).collect())
        .map_err(none_free)
}

/// So many loopback addresses with free TCP ports.
pub fn free_tcp(count: usize) -> Result<Vec<SocketAddr>, Failure> {
    let listeners: std::io::Result<Vec<TcpListener>> = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect();
    listeners
        .and_then(|listeners| listeners.iter().map(TcpListener::local_addr).collect())
        .map_err(none_free)
}

fn none_free(reason: std::io::Error) -> Failure {
    Failure::machine(format!(
        "cannot find free ports on 127.0.0.1: {reason}; allow this program to bind loopback ports"
    ))
}
