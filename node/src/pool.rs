//! Room for the sessions that wait for a query: how much memory they may take, and until when.

use std::sync::{Arc, Mutex, PoisonError};

use tercet_telemetry::NodeMetrics;
use tokio::sync::watch;

/// What is set aside for prepared sessions. They hold neither a thread nor a place.
pub struct Pool {
    bytes_max: u64,
    held: Mutex<Held>,
    closed: watch::Sender<bool>,
    metrics: NodeMetrics,
}

#[derive(Default)]
struct Held {
    sessions: usize,
    bytes: u64,
}

/// Room of one session, until it is dropped.
pub struct Reservation {
    pool: Arc<Pool>,
    bytes: u64,
}

impl Pool {
    /// Room of `bytes_max` in all.
    pub fn new(bytes_max: u64, metrics: NodeMetrics) -> Arc<Pool> {
        Arc::new(Pool {
            bytes_max,
            held: Mutex::default(),
            closed: watch::Sender::new(false),
            metrics,
        })
    }

    /// Sets `bytes` aside for a session; none if there is not as much room, or as many sessions wait as may.
    pub fn reserve(self: &Arc<Pool>, bytes: u64, sessions_max: usize) -> Option<Reservation> {
        self.change(|held| {
            let total = held.bytes.checked_add(bytes)?;
            if total > self.bytes_max || held.sessions >= sessions_max {
                return None;
            }
            *held = Held {
                sessions: held.sessions + 1,
                bytes: total,
            };
            Some(Reservation {
                pool: self.clone(),
                bytes,
            })
        })
    }

    /// Bytes that may be held.
    pub fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Discards all sessions that wait, and those that come.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Waits until it is closed.
    pub async fn closed(&self) {
        // Fails only without a sender, and this is one.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    fn change<T>(&self, change: impl FnOnce(&mut Held) -> T) -> T {
        // Two numbers; a panic elsewhere can't have left them half written.
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut held);
        self.metrics.pool.prepared.waiting(held.sessions);
        self.metrics.pool.bytes(held.bytes);
        changed
    }
}

impl Reservation {
    /// How much was set aside.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.pool.change(|held| {
            held.sessions -= 1;
            held.bytes -= self.bytes;
        });
    }
}

#[cfg(test)]
mod tests {
    use tercet_ids::PartyId;
    use tercet_telemetry::{BuildInfo, Process, Registry};

    use super::*;

    fn pool(bytes_max: u64) -> Arc<Pool> {
        let build = BuildInfo {
            version: "0",
            protocol: 0,
        };
        let registry = Registry::new(Process::Node(PartyId::Cloud), build);
        Pool::new(bytes_max, NodeMetrics::new(&registry, PartyId::Cloud, 1))
    }

    #[test]
    fn room_is_bounded_in_bytes_and_sessions_and_comes_back() {
        let pool = pool(100);
        let first = pool.reserve(60, 3).expect("room");
        assert!(pool.reserve(41, 3).is_none());
        assert!(pool.reserve(u64::MAX, 3).is_none());
        let second = pool.reserve(40, 3).expect("room");
        let third = pool.reserve(0, 3).expect("room");
        assert!(pool.reserve(0, 3).is_none(), "three wait");
        drop((first, third));
        assert_eq!(pool.reserve(60, 3).expect("room again").bytes(), 60);
        drop(second);
    }

    #[tokio::test]
    async fn closing_is_heard_by_who_waits_and_who_comes_late() {
        let pool = pool(1);
        let waits = tokio::spawn({
            let pool = pool.clone();
            async move { pool.closed().await }
        });
        tokio::task::yield_now().await;
        pool.close();
        waits.await.expect("heard");
        pool.closed().await;
    }
}
