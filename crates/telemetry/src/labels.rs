use tercet_ids::{PartyId, Role};

/// A label whose values are the variants of an enum, so that the number of series is known.
pub trait Label: Copy + 'static {
    /// Every value there is.
    const ALL: &'static [Self];

    /// The text in the exposition.
    fn value(self) -> &'static str;

    /// Position in [`Label::ALL`].
    fn index(self) -> usize;
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $value:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl Label for $name {
            const ALL: &'static [Self] = &[$($name::$variant,)+];

            fn value(self) -> &'static str {
                match self {
                    $($name::$variant => $value,)+
                }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

label!(
    /// How a session or a query ended. Each ends exactly once.
    Outcome {
        /// The client got its answer.
        Ok => "ok",
        /// The client asked for what can't be done: unknown model, wrong shape, a broken envelope.
        Invalid => "invalid",
        /// Refused before it began, since a limit was reached.
        Overload => "overload",
        /// A party runs another model, batch, role or session than the others.
        Mismatch => "mismatch",
        /// The connection to a party was lost.
        PeerLost => "peer_lost",
        /// A party sent what the protocol doesn't allow.
        PeerMisbehaved => "peer_misbehaved",
        /// The deadline passed.
        Deadline => "deadline",
        /// The client left, or another party's failure ended it.
        Cancelled => "cancelled",
        /// A fault of this program.
        Internal => "internal",
    }
);

label!(
    /// Where the time of a session goes.
    Phase {
        /// Waiting for a place.
        Queue => "queue",
        /// Opening the sealed share and agreeing on the session with the peers.
        Share => "share",
        /// The dealer: making correction material. An evaluator: waiting for it.
        Deal => "deal",
        /// Arithmetic between the rounds.
        OnlineCompute => "online_compute",
        /// Waiting for the other evaluator.
        OnlineWait => "online_wait",
        /// Sealing the result to the client.
        Open => "open",
    }
);

label!(
    /// What bytes between parties are for.
    Traffic {
        /// Rounds between the evaluators, while the client waits.
        Online => "online",
        /// Correction material from the dealer, ahead of the rounds.
        Dealt => "dealt",
    }
);

label!(
    /// Why a session waited for a frame for longer than the path explains.
    StallCause {
        /// The frame paused after its first bytes: a loss, a full window, pacing, or a network thread without a core.
        Transport => "transport",
        /// The frame's first bytes came late: the peer was behind.
        Peer => "peer",
    }
);

label!(
    /// What became of a session that was prepared before its query.
    PreparedEnd {
        /// A query came for it.
        Used => "used",
        /// No query came in time.
        Expired => "expired",
        /// The coordinator has no use for it: the model changed, a party was lost, a query came between, or it is stopping.
        GivenUp => "given_up",
        /// It could not be prepared, or not be kept.
        Failed => "failed",
    }
);

label!(
    /// Whether a query found a prepared session.
    Pooled {
        /// It pays the online phase alone.
        Hit => "hit",
        /// It was computed from the start.
        Miss => "miss",
    }
);

label!(
    /// What a party does in a session, as far as its cost goes.
    Part {
        /// Makes correction material.
        Dealer => "dealer",
        /// Takes part in the rounds.
        Evaluator => "evaluator",
    }
);

impl From<Role> for Part {
    fn from(role: Role) -> Self {
        match role {
            Role::Dealer => Part::Dealer,
            Role::Evaluator0 | Role::Evaluator1 => Part::Evaluator,
        }
    }
}

impl Label for PartyId {
    const ALL: &'static [Self] = &PartyId::ALL;

    fn value(self) -> &'static str {
        self.name()
    }

    fn index(self) -> usize {
        PartyId::index(self)
    }
}
