use std::net::SocketAddr;

/// Why no relay runs.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// A route's port could not be taken. Fault: configuration.
    #[error("the relay cannot listen on {address}: {reason}; choose a free local UDP address")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system said.
        reason: std::io::Error,
    },
    /// The operating system gives no thread or no pipe. Fault: the machine.
    #[error("the relay cannot start: {0}; free some of this machine's threads and file descriptors")]
    Start(std::io::Error),
}
