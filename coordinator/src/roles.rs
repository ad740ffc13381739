//! Who deals and who evaluates: a pure function of the round-trip times.

use tercet_ids::{PartyId, Roles};

/// A pair of evaluators may be this much slower than the fastest pair (in percent) ...
const SLOWER_PERCENT_MAX: u64 = 25;
/// ... plus this many microseconds, the scatter of a round-trip on one machine.
const SLOWER_MICROSECONDS_MAX: u64 = 50;

/// Two parties that have no connection to each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{} and {} have no connection to each other: check that both run and that the addresses and certificates in their configurations are right", .0[0], .0[1])]
pub struct Apart(pub [PartyId; 2]);

/// The round-trip time of each pair of parties in microseconds, by the index of the party outside the pair.
pub type RoundTrips = [Option<u32>; 3];

/// The roles of the session that is number `turn`.
///
/// The online rounds run between the evaluators alone, so their round-trip decides the latency. Of the pairs that are about
/// as fast as the fastest the sessions take turns, which spreads the load; so do the two evaluators within a pair.
///
/// # Errors
/// A pair without a connection: every session needs all three.
pub fn choose(round_trips: &RoundTrips, turn: u64) -> Result<Roles, Apart> {
    let mut opposite = [0; 3];
    for dealer in PartyId::ALL {
        let round_trip = round_trips[dealer.index()].ok_or(Apart(dealer.peers()))?;
        opposite[dealer.index()] = u64::from(round_trip);
    }
    let fastest = opposite.into_iter().min().unwrap_or_default();
    let slowest = fastest + fastest * SLOWER_PERCENT_MAX / 100 + SLOWER_MICROSECONDS_MAX;
    let dealers: Vec<PartyId> = PartyId::ALL
        .into_iter()
        .filter(|dealer| opposite[dealer.index()] <= slowest)
        .collect();

    let choices = dealers.len() as u64;
    let dealer = dealers[(turn % choices) as usize];
    let evaluator1 = dealer.peers()[(turn / choices % 2) as usize];
    Ok(Roles::new(dealer, evaluator1).expect("a party is not its own peer"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tercet_ids::Role;

    use super::*;

    fn dealers(round_trips: RoundTrips) -> HashMap<PartyId, usize> {
        let mut count = HashMap::new();
        for turn in 0..60 {
            let roles = choose(&round_trips, turn).expect("all connected");
            *count.entry(roles.party(Role::Dealer)).or_default() += 1;
        }
        count
    }

    #[test]
    fn the_party_outside_the_fastest_pair_deals() {
        let count = dealers([Some(5_000), Some(5_000), Some(1_000)]);
        assert_eq!(count, HashMap::from([(PartyId::Auditor, 60)]));
    }

    #[test]
    fn equally_fast_pairs_take_turns() {
        let count = dealers([Some(100), Some(100), Some(100)]);
        assert_eq!(count, PartyId::ALL.into_iter().map(|party| (party, 20)).collect());
    }

    #[test]
    fn all_six_assignments_come_round_among_equals() {
        let seen: Vec<Roles> = (0..6)
            .map(|turn| choose(&[Some(9); 3], turn).expect("all connected"))
            .collect();
        assert!(Roles::all().all(|roles| seen.contains(&roles)), "{seen:?}");
    }

    #[test]
    fn the_margin_is_a_quarter_and_fifty_microseconds() {
        let at = dealers([Some(1_000), Some(1_300), Some(9_000)]);
        assert_eq!(at, HashMap::from([(PartyId::ClientProxy, 30), (PartyId::Cloud, 30)]));
        let above = dealers([Some(1_000), Some(1_301), Some(9_000)]);
        assert_eq!(above, HashMap::from([(PartyId::ClientProxy, 60)]));
        let tiny = dealers([Some(10), Some(62), Some(63)]);
        assert_eq!(tiny, HashMap::from([(PartyId::ClientProxy, 30), (PartyId::Cloud, 30)]));
    }

    #[test]
    fn a_pair_without_connection_is_named() {
        let apart = choose(&[Some(1), None, Some(1)], 3).expect_err("no session without it");
        assert_eq!(apart, Apart([PartyId::ClientProxy, PartyId::Auditor]));
    }

    #[test]
    fn the_longest_round_trip_does_not_overflow() {
        assert!(choose(&[Some(u32::MAX); 3], u64::MAX).is_ok());
    }
}
