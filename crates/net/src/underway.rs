use std::sync::Arc;

use tokio::sync::watch;

/// Counts replies on their way, so that whoever closes an endpoint can wait for them. A clone counts with the same counter.
#[derive(Clone, Debug)]
pub struct Underway {
    count: Arc<watch::Sender<usize>>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct UnderwayGuard {
    count: Arc<watch::Sender<usize>>,
}

impl Default for Underway {
    fn default() -> Underway {
        Underway {
            count: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl Underway {
    /// Counts one more.
    pub fn begin(&self) -> UnderwayGuard {
        self.count.send_modify(|count| *count += 1);
        UnderwayGuard {
            count: self.count.clone(),
        }
    }

    /// Waits until there are none; the caller bounds the wait.
    pub async fn ended(&self) {
        // Fails only without a sender, and this is one.
        let _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Drop for UnderwayGuard {
    fn drop(&mut self) {
        self.count.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn waiting_ends_with_the_last_one() {
        let underway = Underway::default();
        let moment = Duration::from_millis(20);
        timeout(moment, underway.ended()).await.expect("none was begun");
        let (first, second) = (underway.begin(), underway.clone().begin());
        drop(first);
        assert!(timeout(moment, underway.ended()).await.is_err());
        drop(second);
        timeout(moment, underway.ended()).await.expect("both have ended");
    }
}
