//! Whether two parties are about to run the same session. Pure.

use tercet_ids::{PartyId, QueryId, SessionId};
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
    /// Another assignment of roles.
    #[error("{peer} was given other roles for this session: have the coordinator's operator look at it")]
    Roles {
        /// The peer.
        peer: PartyId,
    },
    /// A session that is prepared on one side only, or for another batch.
    #[error("{peer} was told otherwise how this session is prepared: have the coordinator's operator look at it")]
    Prepared {
        /// The peer.
        peer: PartyId,
    },
    /// Other queries, another order of them, or other batches.
    #[error("{peer} was given other queries for this session: have the coordinator's operator look at it")]
    Queries {
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
            | Disagreement::Roles { peer }
            | Disagreement::Prepared { peer }
            | Disagreement::Queries { peer } => *peer,
        }
    }
}

/// Compares what both sides are about to run. Which of the queries they can run is for [`crate::batch::settle`] to say.
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
    if ours.roles != theirs.roles {
        return Err(Disagreement::Roles { peer });
    }
    if ours.prepared != theirs.prepared {
        return Err(Disagreement::Prepared { peer });
    }
    let asked = |hello: &Hello| -> Vec<(QueryId, u32)> {
        let queries = hello.queries.iter();
        queries.map(|standing| (standing.query, standing.batch)).collect()
    };
    if asked(ours) != asked(theirs) {
        return Err(Disagreement::Queries { peer });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tercet_ids::{Nonce, PlanDigest, Roles};
    use tercet_wire::{Binding, Standing};

    use super::*;

    fn hello() -> Hello {
        Hello {
            session: SessionId([1; 16]),
            digest: PlanDigest([2; 32]),
            deployment: QueryId([3; 16]),
            roles: Roles::all().next().expect("six of them"),
            queries: [(5, 4), (6, 1)].map(standing).into(),
            prepared: None,
            nonce: Nonce([6; 32]),
        }
    }

    fn standing((query, batch): (u8, u32)) -> Standing {
        Standing {
            query: QueryId([query; 16]),
            batch,
            binding: Some(Binding([query; 32])),
        }
    }

    #[test]
    fn each_field_but_nonce_and_bindings_must_be_equal() {
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
            |hello| hello.roles = Roles::all().nth(1).expect("six"),
            Err(Disagreement::Roles { peer }),
        );
        check(|hello| hello.prepared = Some(5), Err(Disagreement::Prepared { peer }));
        check(|hello| hello.queries[1].binding = None, Ok(()));
        let other = Err(Disagreement::Queries { peer });
        check(|hello| hello.queries[1].batch += 1, other.clone());
        check(|hello| hello.queries[0].query.0[15] ^= 1, other.clone());
        check(|hello| hello.queries.swap(0, 1), other.clone());
        check(|hello| hello.queries.truncate(1), other);
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
