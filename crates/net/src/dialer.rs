use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::{BACKOFF_FIRST, BACKOFF_MAX, Connection, Endpoint, NetError, Peer, RESOLVE_TIME_MAX};

/// Pauses between attempts that double from [`BACKOFF_FIRST`] up to [`BACKOFF_MAX`].
#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// The pause before the next attempt, after one that failed.
    fn after_failure(&mut self) -> Duration {
        let pause = self.last.map_or(BACKOFF_FIRST, |last| (last * 2).min(BACKOFF_MAX));
        self.last = Some(pause);
        pause
    }

    /// Starts over after an attempt that succeeded.
    fn after_success(&mut self) {
        self.last = None;
    }
}

/// Finds the address of a peer; may block.
type Resolve = Arc<dyn Fn() -> io::Result<SocketAddr> + Send + Sync>;

/// Dials one peer again and again.
pub struct Dialer {
    endpoint: Endpoint,
    resolve: Resolve,
    peer: Peer,
    backoff: Backoff,
    pause: Duration,
    /// Logged once: the same error every second would drown the log.
    last_error: Option<NetError>,
}

impl Dialer {
    /// A dialer of `peer`. `resolve` finds its address; it is asked before each attempt, since names move, on a thread that may
    /// block.
    pub fn new(
        endpoint: Endpoint,
        peer: Peer,
        resolve: impl Fn() -> io::Result<SocketAddr> + Send + Sync + 'static,
    ) -> Dialer {
        Dialer {
            endpoint,
            resolve: Arc::new(resolve),
            peer,
            backoff: Backoff::default(),
            pause: Duration::ZERO,
            last_error: None,
        }
    }

    /// A connection, after as many attempts as it takes: whatever the failure, an operator may put a wrong certificate or
    /// address right at the other end.
    pub async fn connect(&mut self) -> Connection {
        loop {
            match self.attempt().await {
                Ok(connection) => {
                    self.last_error = None;
                    return connection;
                }
                Err(error) if self.last_error.as_ref() == Some(&error) => {}
                Err(error) => {
                    tracing::warn!(peer = %self.peer.name, %error, "cannot connect, trying on");
                    self.last_error = Some(error);
                }
            }
        }
    }

    /// One attempt, after the pause that the failures so far ask for.
    ///
    /// Takes at most [`BACKOFF_MAX`], [`RESOLVE_TIME_MAX`] and [`crate::HANDSHAKE_TIME_MAX`].
    ///
    /// # Errors
    /// [`NetError::Unresolved`], and those of [`Endpoint::connect`].
    pub async fn attempt(&mut self) -> Result<Connection, NetError> {
        sleep(self.pause).await;
        let outcome = self.dial().await;
        match outcome {
            Ok(_) => {
                self.backoff.after_success();
                // A peer that accepts and closes at once must not be dialled in a tight loop.
                self.pause = BACKOFF_FIRST;
            }
            Err(_) => self.pause = self.backoff.after_failure(),
        }
        outcome
    }

    async fn dial(&self) -> Result<Connection, NetError> {
        let resolve = self.resolve.clone();
        let resolved = match timeout(RESOLVE_TIME_MAX, spawn_blocking(move || resolve())).await {
            Ok(Ok(resolved)) => resolved.map_err(|error| error.to_string()),
            Ok(Err(_)) | Err(_) => Err("no answer in time".to_owned()),
        };
        let address = resolved.map_err(|reason| NetError::Unresolved {
            peer: self.peer.name.clone(),
            reason,
        })?;
        self.endpoint.connect(address, &self.peer).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound_and_start_over() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u64> = (0..7).map(|_| backoff.after_failure().as_millis() as u64).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
        backoff.after_success();
        assert_eq!(backoff.after_failure(), BACKOFF_FIRST);
    }
}
