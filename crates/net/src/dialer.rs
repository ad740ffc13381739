use std::net::SocketAddr;
use std::time::Duration;

use crate::{BACKOFF_FIRST, BACKOFF_MAX, Connection, Endpoint, NetError, Peer};

/// Pauses between attempts that double from [`BACKOFF_FIRST`] up to [`BACKOFF_MAX`].
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// The pause before the next attempt, after one that failed.
    pub fn after_failure(&mut self) -> Duration {
        let pause = self.last.map_or(BACKOFF_FIRST, |last| (last * 2).min(BACKOFF_MAX));
        self.last = Some(pause);
        pause
    }

    /// Starts over after an attempt that succeeded.
    pub fn after_success(&mut self) {
        self.last = None;
    }
}

/// Dials one peer again and again.
#[derive(Debug)]
pub struct Dialer {
    endpoint: Endpoint,
    address: SocketAddr,
    peer: Peer,
    backoff: Backoff,
    pause: Duration,
}

impl Dialer {
    /// A dialer of `peer` at `address`.
    pub fn new(endpoint: Endpoint, address: SocketAddr, peer: Peer) -> Dialer {
        Dialer {
            endpoint,
            address,
            peer,
            backoff: Backoff::default(),
            pause: Duration::ZERO,
        }
    }

    /// Who is dialled.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// One attempt, after the pause that the failures so far ask for. Call it again after a failure, whatever the failure:
    /// an operator may put a wrong certificate or address right at the other end.
    ///
    /// Takes at most [`BACKOFF_MAX`] plus [`crate::HANDSHAKE_TIME_MAX`].
    ///
    /// # Errors
    /// Those of [`Endpoint::connect`].
    pub async fn attempt(&mut self) -> Result<Connection, NetError> {
        tokio::time::sleep(self.pause).await;
        let outcome = self.endpoint.connect(self.address, &self.peer).await;
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
