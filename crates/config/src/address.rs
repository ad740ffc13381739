use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// Where another program listens: `host:port`. The host may be a name, which is looked up at each connection attempt, so
/// that a peer that moves is found again.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Address {
    text: String,
}

impl Address {
    /// The socket address the host has now. Blocks while the name is looked up.
    ///
    /// # Errors
    /// The name is unknown or the resolver does not answer.
    pub fn resolve(&self) -> io::Result<SocketAddr> {
        self.text
            .to_socket_addrs()?
            .next()
            .ok_or_else(|| io::Error::other("the name has no address"))
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Address {
            text: address.to_string(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Text that is not `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not `host:port` with a port from 1 to 65535")]
pub struct MalformedAddress(pub String);

impl FromStr for Address {
    type Err = MalformedAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || MalformedAddress(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(malformed)?;
        let bare_ipv6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        let port: u16 = port.parse().map_err(|_| malformed())?;
        if host.is_empty() || bare_ipv6 || port == 0 || host.contains(char::is_whitespace) {
            return Err(malformed());
        }
        Ok(Address { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_told_apart() {
        for right in ["127.0.0.1:7100", "node.example.org:1", "[::1]:65535"] {
            assert_eq!(
                right.parse::<Address>().map(|address| address.to_string()),
                Ok(right.to_owned())
            );
        }
        for wrong in [
            "",
            "host",
            "host:",
            ":7100",
            "host:0",
            "host:65536",
            "::1:7100",
            "a host:7100",
        ] {
            assert_eq!(wrong.parse::<Address>(), Err(MalformedAddress(wrong.to_owned())));
        }
    }
}
