use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::frame::FrameTag;
use crate::link::{Link, LinkError};

/// Bytes that a queue with a frame in it holds before its sender waits, as many as the window of a QUIC stream by default: parties that
/// count on more than a link promises get stuck here, too.
const QUEUE_BYTES: usize = 2 << 20;

/// One end of a connection within the process.
pub struct MemoryLink {
    outgoing: Arc<Queue>,
    incoming: Arc<Queue>,
    deadline: Instant,
}

impl MemoryLink {
    /// Both ends of a new connection, on which calls wait until `deadline`.
    pub fn pair(deadline: Instant) -> (MemoryLink, MemoryLink) {
        let (one, other) = (Arc::new(Queue::default()), Arc::new(Queue::default()));
        let near = MemoryLink {
            outgoing: one.clone(),
            incoming: other.clone(),
            deadline,
        };
        (
            near,
            MemoryLink {
                outgoing: other,
                incoming: one,
                deadline,
            },
        )
    }
}

impl Link for MemoryLink {
    fn send(&mut self, tag: FrameTag, payload: Vec<u8>) -> Result<(), LinkError> {
        let mut state = self
            .outgoing
            .wait(self.deadline, |state| state.has_room(payload.len()))?;
        if state.closed {
            return Err(LinkError::Closed);
        }
        state.frames.push_back((tag, payload));
        self.outgoing.changed.notify_all();
        Ok(())
    }

    fn receive(&mut self, tag: FrameTag) -> Result<Vec<u8>, LinkError> {
        let mut state = self.incoming.wait(self.deadline, |state| !state.frames.is_empty())?;
        let (found, payload) = state.frames.pop_front().ok_or(LinkError::Closed)?;
        self.incoming.changed.notify_all();
        if found != tag {
            return Err(LinkError::WrongTag { expected: tag, found });
        }
        Ok(payload)
    }
}

impl Drop for MemoryLink {
    fn drop(&mut self) {
        self.outgoing.close();
        self.incoming.close();
    }
}

#[derive(Default)]
struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct QueueState {
    frames: VecDeque<(FrameTag, Vec<u8>)>,
    closed: bool,
}

impl QueueState {
    fn has_room(&self, len: usize) -> bool {
        let queued = self.frames.iter().map(|(_, payload)| payload.len());
        self.frames.is_empty() || queued.sum::<usize>() + len <= QUEUE_BYTES
    }
}

impl Queue {
    /// Waits until the queue is ready or closed.
    fn wait(
        &self,
        deadline: Instant,
        ready: impl Fn(&QueueState) -> bool,
    ) -> Result<MutexGuard<'_, QueueState>, LinkError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !ready(&state) && !state.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(LinkError::Deadline);
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        Ok(state)
    }

    fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TAG: FrameTag = FrameTag { step: 1, sequence: 0 };

    #[test]
    fn frames_arrive_in_order_and_outlive_their_sender() {
        let (mut near, mut far) = MemoryLink::pair(Instant::now() + Duration::from_secs(5));
        near.send(TAG, vec![1]).unwrap();
        assert_eq!(far.receive(TAG), Ok(vec![1]));
        near.send(FrameTag { sequence: 1, ..TAG }, vec![2]).unwrap();
        drop(near);
        assert_eq!(far.receive(FrameTag { sequence: 1, ..TAG }), Ok(vec![2]));
        assert_eq!(far.receive(TAG), Err(LinkError::Closed));
        assert_eq!(far.send(TAG, vec![]), Err(LinkError::Closed));
    }

    #[test]
    fn another_tag_is_refused() {
        let (mut near, mut far) = MemoryLink::pair(Instant::now() + Duration::from_secs(5));
        near.send(TAG, vec![]).unwrap();
        let expected = FrameTag { step: 2, sequence: 0 };
        assert_eq!(far.receive(expected), Err(LinkError::WrongTag { expected, found: TAG }));
    }

    #[test]
    fn both_directions_wait_no_longer_than_the_deadline() {
        let (mut near, mut far) = MemoryLink::pair(Instant::now() + Duration::from_millis(20));
        assert_eq!(far.receive(TAG), Err(LinkError::Deadline));
        assert_eq!(near.send(TAG, vec![0; QUEUE_BYTES]), Ok(()));
        assert_eq!(near.send(TAG, vec![0; 1]), Err(LinkError::Deadline));
    }
}
