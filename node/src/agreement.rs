//! Whether two parties are about to run the same session. Pure.

use tercet_ids::{PartyId, SessionId};
use tercet_wire::Hello;

/// A peer that would run something else.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Disagreement {
    /// The greeting is for another session than the stream was opened for.
    #[error(
        "{peer} greeted for session {theirs} on a stream of session {ours}: run the same release of tercet on all parties"
    )]
    Session {
        /// The peer.
        peer: PartyId,
        /// The session here.
        ours: SessionId,
        /// The session there.
        theirs: SessionId,
    },
    /// Another plan.
    #[error("{peer} runs another model (plan {theirs}, and {ours} here): deploy the model again to all three parties")]
    Model {
        /// The peer.
        peer: PartyId,
        /// The first digits of the digest here.
        ours: String,
        /// The first digits of the digest there.
        theirs: String,
    },
    /// The same plan, with parameters shared in another deployment.
    #[error("{peer} holds the model's weights from another deployment: deploy the model again to all three parties")]
    Deployment {
        /// The peer.
        peer: PartyId,
    },
    /// Another number of samples.
    #[error("{peer} was given a batch of {theirs} where this party has {ours}: send the query again")]
    Batch {
        /// The peer.
        peer: PartyId,
        /// Samples here.
        ours: u32,
        /// Samples there.
        theirs: u32,
    },
    /// Another assignment of roles.
    #[error("{peer} was given other roles for this session: have the coordinator's operator look at it")]
    Roles {
        /// The peer.
        peer: PartyId,
    },
    /// Another query or reply key.
    #[error("{peer} was given an envelope of another query: send the query again")]
    Query {
        /// The peer.
        peer: PartyId,
    },
}

impl Disagreement {
    /// The peer that would run something else.
    pub fn peer(&self) -> PartyId {
        match self {
            Disagreement::Session { peer, .. }
            | Disagreement::Model { peer, .. }
            | Disagreement::Deployment { peer }
            | Disagreement::Batch { peer, .. }
            | Disagreement::Roles { peer }
            | Disagreement::Query { peer } => *peer,
        }
    }
}

/// Compares what both sides are about to run.
///
/// # Errors
/// Names the peer and the first field that differs.
pub fn agree(peer: PartyId, ours: &Hello, theirs: &Hello) -> Result<(), Disagreement> {
    if ours.session != theirs.session {
        return Err(Disagreement::Session {
            peer,
            ours: ours.session,
            theirs: theirs.session,
        });
    }
    if ours.digest != theirs.digest {
        return Err(Disagreement::Model {
            peer,
            ours: ours.digest.short(),
            theirs: theirs.digest.short(),
        });
    }
    if ours.deployment != theirs.deployment {
        return Err(Disagreement::Deployment { peer });
    }
    if ours.batch != theirs.batch {
        return Err(Disagreement::Batch {
            peer,
            ours: ours.batch,
            theirs: theirs.batch,
        });
    }
    if ours.roles != theirs.roles {
        return Err(Disagreement::Roles { peer });
    }
    if ours.binding != theirs.binding {
        return Err(Disagreement::Query { peer });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tercet_ids::{Nonce, PlanDigest, QueryId, Roles};
    use tercet_wire::Binding;

    use super::*;

    fn hello() -> Hello {
        Hello {
            session: SessionId([1; 16]),
            digest: PlanDigest([2; 32]),
            deployment: QueryId([3; 16]),
            batch: 4,
            roles: Roles::all().next().expect("six of them"),
            binding: Binding([5; 32]),
            nonce: Nonce([6; 32]),
        }
    }

    #[test]
    fn each_field_but_the_nonce_must_be_equal() {
        let peer = PartyId::Cloud;
        let check = |change: fn(&mut Hello), expected: Result<(), Disagreement>| {
            let mut theirs = hello();
            change(&mut theirs);
            assert_eq!(agree(peer, &hello(), &theirs), expected);
        };
        check(|hello| hello.nonce.0[0] ^= 1, Ok(()));
        let (ours, theirs) = (SessionId([1; 16]), SessionId([9; 16]));
        check(
            |hello| hello.session = SessionId([9; 16]),
            Err(Disagreement::Session { peer, ours, theirs }),
        );
        let (ours, theirs) = ("02020202".to_owned(), "03020202".to_owned());
        check(
            |hello| hello.digest.0[0] ^= 1,
            Err(Disagreement::Model { peer, ours, theirs }),
        );
        check(
            |hello| hello.deployment.0[0] ^= 1,
            Err(Disagreement::Deployment { peer }),
        );
        check(
            |hello| hello.batch += 1,
            Err(Disagreement::Batch {
                peer,
                ours: 4,
                theirs: 5,
            }),
        );
        check(
            |hello| hello.roles = Roles::all().nth(1).expect("six"),
            Err(Disagreement::Roles { peer }),
        );
        check(|hello| hello.binding.0[31] ^= 1, Err(Disagreement::Query { peer }));
    }

    #[test]
    fn the_sentence_names_the_peer_and_the_field() {
        let mut theirs = hello();
        theirs.digest.0[0] = 0xff;
        let error = agree(PartyId::Auditor, &hello(), &theirs).expect_err("another plan");
        assert_eq!(
            error.to_string(),
            "auditor runs another model (plan ff020202, and 02020202 here): deploy the model again to all three parties"
        );
    }
}
