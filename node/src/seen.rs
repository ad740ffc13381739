//! The sessions a node has begun, so that none begins twice. Pure.

use std::collections::{HashSet, VecDeque};

use tercet_ids::SessionId;

/// Sessions remembered: 2 MB. An older one could begin again, which costs its replayer a session and gains nothing: masks
/// come from keys that take a fresh nonce of every party, so they would be other masks.
pub const SEEN_MAX: usize = 1 << 16;

/// The last [`SEEN_MAX`] sessions.
#[derive(Default)]
pub struct Seen {
    known: HashSet<SessionId>,
    order: VecDeque<SessionId>,
}

impl Seen {
    /// Remembers `session`; false if it was known.
    pub fn insert(&mut self, session: SessionId) -> bool {
        if !self.known.insert(session) {
            return false;
        }
        self.order.push_back(session);
        if self.order.len() > SEEN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: usize) -> SessionId {
        SessionId((number as u128).to_le_bytes())
    }

    #[test]
    fn a_session_begins_once_and_memory_is_bounded() {
        let mut seen = Seen::default();
        assert!(seen.insert(session(0)));
        assert!(!seen.insert(session(0)));
        for number in 1..SEEN_MAX {
            assert!(seen.insert(session(number)));
        }
        assert!(!seen.insert(session(0)), "still known");
        assert!(seen.insert(session(SEEN_MAX)));
        assert_eq!((seen.known.len(), seen.order.len()), (SEEN_MAX, SEEN_MAX));
        assert!(seen.insert(session(0)), "forgotten as the oldest");
    }
}
