//! Where the two halves of a session's start meet: the stream a peer opened, and the local session that wants it. Pure: time
//! is an argument, and what is parked is anything.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tercet_ids::{PartyId, SessionId};

/// Streams that wait for their session. The coordinator tells all parties to run a session within a round-trip or two, so
/// only a few are ever early.
pub const PARKED_MAX: usize = 256;

/// How long a stream waits for its session, or a session for its stream.
pub const PARKED_TIME_MAX: Duration = Duration::from_secs(5);

/// Streams and sessions that wait for each other. `S` is a stream, `W` wakes a session.
pub struct Parking<S, W> {
    places: HashMap<(PartyId, SessionId), Place<S, W>>,
}

struct Place<S, W> {
    since: Instant,
    what: Waiting<S, W>,
}

enum Waiting<S, W> {
    Stream(S),
    Session(W),
}

/// What comes of a stream that arrived.
#[derive(PartialEq, Debug)]
pub enum Arrival<S, W> {
    /// Its session waits for it.
    Meets(W, S),
    /// It waits for its session.
    Parked,
    /// There is no room for it, or the peer opened one for this session before; it has to be closed.
    Refused(S),
}

impl<S, W> Default for Parking<S, W> {
    fn default() -> Self {
        Parking { places: HashMap::new() }
    }
}

impl<S, W> Parking<S, W> {
    /// A stream of `peer` for `session` arrived.
    pub fn arrive(&mut self, now: Instant, peer: PartyId, session: SessionId, stream: S) -> Arrival<S, W> {
        let key = (peer, session);
        match self.places.remove(&key) {
            Some(Place {
                what: Waiting::Session(wake),
                ..
            }) => return Arrival::Meets(wake, stream),
            Some(first) => {
                self.places.insert(key, first);
                return Arrival::Refused(stream);
            }
            None => {}
        }
        self.expire(now);
        if self.places.len() >= PARKED_MAX {
            return Arrival::Refused(stream);
        }
        self.places.insert(
            key,
            Place {
                since: now,
                what: Waiting::Stream(stream),
            },
        );
        Arrival::Parked
    }

    /// The stream of `peer` for `session`, if it is here.
    pub fn take(&mut self, peer: PartyId, session: SessionId) -> Option<S> {
        match self.places.remove(&(peer, session))?.what {
            Waiting::Stream(stream) => Some(stream),
            Waiting::Session(_) => None,
        }
    }

    /// The local session waits for its stream from `peer`. The number of waiting sessions is bounded by the limit on sessions.
    pub fn wait(&mut self, now: Instant, peer: PartyId, session: SessionId, wake: W) {
        self.places.insert(
            (peer, session),
            Place {
                since: now,
                what: Waiting::Session(wake),
            },
        );
    }

    /// Nothing of `session` is waited for any longer.
    pub fn forget_session(&mut self, session: SessionId) {
        self.places.retain(|(_, parked), _| *parked != session);
    }

    /// The connection to `peer` is gone, and its streams with it.
    pub fn forget_peer(&mut self, peer: PartyId) {
        self.places.retain(|(parked, _), _| *parked != peer);
    }

    /// Drops what has waited too long; dropping a stream closes it, dropping a wake tells the session.
    pub fn expire(&mut self, now: Instant) {
        self.places
            .retain(|_, place| now.duration_since(place.since) < PARKED_TIME_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PartyId = PartyId::Cloud;

    fn session(number: usize) -> SessionId {
        SessionId((number as u128).to_le_bytes())
    }

    #[test]
    fn stream_and_session_meet_in_either_order() {
        let now = Instant::now();
        let mut parking = Parking::default();
        assert_eq!(parking.arrive(now, PEER, session(1), "stream"), Arrival::Parked);
        assert_eq!(parking.take(PEER, session(1)), Some("stream"));
        assert_eq!(parking.take(PEER, session(2)), None);
        parking.wait(now, PEER, session(2), "wake");
        assert_eq!(
            parking.arrive(now, PEER, session(2), "stream"),
            Arrival::Meets("wake", "stream")
        );
        assert!(parking.places.is_empty());
    }

    #[test]
    fn streams_of_other_peers_and_sessions_are_not_confused() {
        let now = Instant::now();
        let mut parking: Parking<_, ()> = Parking::default();
        parking.arrive(now, PartyId::Auditor, session(1), "other peer");
        parking.arrive(now, PEER, session(2), "other session");
        assert_eq!(parking.take(PEER, session(1)), None);
    }

    #[test]
    fn a_second_stream_for_a_session_is_refused_and_the_first_stays() {
        let now = Instant::now();
        let mut parking: Parking<_, ()> = Parking::default();
        parking.arrive(now, PEER, session(1), "first");
        assert_eq!(
            parking.arrive(now, PEER, session(1), "second"),
            Arrival::Refused("second")
        );
        assert_eq!(parking.take(PEER, session(1)), Some("first"));
    }

    #[test]
    fn parked_streams_are_bounded_in_number_and_time() {
        let now = Instant::now();
        let mut parking: Parking<usize, ()> = Parking::default();
        for number in 0..PARKED_MAX {
            assert_eq!(parking.arrive(now, PEER, session(number), number), Arrival::Parked);
        }
        let more = session(PARKED_MAX);
        assert_eq!(parking.arrive(now, PEER, more, 0), Arrival::Refused(0));
        let later = now + PARKED_TIME_MAX;
        assert_eq!(parking.arrive(later, PEER, more, 7), Arrival::Parked);
        assert_eq!(parking.places.len(), 1, "the others waited too long");
    }

    #[test]
    fn what_is_forgotten_leaves_nothing() {
        let now = Instant::now();
        let mut parking = Parking::default();
        let fill = |parking: &mut Parking<_, _>| {
            parking.wait(now, PEER, session(1), "wake");
            parking.arrive(now, PartyId::Auditor, session(1), "stream");
        };
        fill(&mut parking);
        parking.forget_session(session(1));
        assert!(parking.places.is_empty());
        fill(&mut parking);
        parking.forget_peer(PEER);
        assert_eq!(parking.take(PEER, session(1)), None);
        assert_eq!(parking.take(PartyId::Auditor, session(1)), Some("stream"));
    }
}
