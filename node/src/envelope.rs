//! A query as it comes out of its envelope, and its result as it goes into one.

use rand::CryptoRng;
use tercet_engine::{InputShare, OutputShare};
use tercet_ids::{PartyId, PlanDigest};
use tercet_plan::Plan;
use tercet_ring::Ring;
use tercet_sharing::replicated::{PartyShare, ReplicatedShare};
use tercet_sharing::{
    EnvelopeContext, EnvelopeError, Purpose, QueryEnvelope, ResultEnvelope, SealingKeyPair, SealingPublicKey, Shares,
    open, seal,
};
use tercet_wire::{Binding, Opaque, QueryPart};

/// What a party learns of a query.
pub struct Query {
    /// Samples.
    pub batch: u32,
    /// Where the result goes.
    pub reply: Reply,
    /// What ties the parties' envelopes together.
    pub binding: Binding,
    /// This party's shares of the inputs.
    pub input: InputShare,
}

/// How a result is sealed.
pub struct Reply {
    key: SealingPublicKey,
    context: EnvelopeContext,
}

/// An envelope that is of no use. The client is at fault, or somebody between it and this party.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeFault {
    /// It does not open, or what is inside can't be read.
    #[error("{party} can't use its envelope: {error}")]
    Envelope {
        /// This party.
        party: PartyId,
        /// Why.
        error: EnvelopeError,
    },
    /// There is nothing to compute.
    #[error("the envelope for {0} holds no sample: ask about one at least")]
    Empty(PartyId),
    /// It says another batch than the query.
    #[error("the envelope for {party} holds {inside} samples where the query says {outside}: send the query again")]
    Batch {
        /// This party.
        party: PartyId,
        /// Samples inside.
        inside: u32,
        /// Samples by the query.
        outside: u32,
    },
    /// The inputs are not those of the plan.
    #[error(
        "the envelope for {party} holds other inputs than the model takes ({detail}): encode the query for the model that is deployed"
    )]
    Inputs {
        /// This party.
        party: PartyId,
        /// What differs.
        detail: String,
    },
}

/// Separates the hash of a query's identity from any other.
const BINDING_CONTEXT: &str = "tercet 2026 query binding";

/// Opens this party's envelope of a query and checks it against the plan.
///
/// # Errors
/// What is wrong with it.
pub fn open_query(
    key: &SealingKeyPair,
    party: PartyId,
    plan: &Plan,
    digest: PlanDigest,
    part: &QueryPart,
) -> Result<Query, EnvelopeFault> {
    let unusable = |error| EnvelopeFault::Envelope { party, error };
    let context = |purpose| EnvelopeContext {
        purpose,
        query: part.query,
        digest,
        party,
    };
    let opened = open(key, &context(Purpose::Query), part.envelope.as_slice()).map_err(unusable)?;
    let contents = QueryEnvelope::from_bytes(party, &opened).map_err(unusable)?;
    if contents.batch != part.batch {
        return Err(EnvelopeFault::Batch {
            party,
            inside: contents.batch,
            outside: part.batch,
        });
    }
    if part.batch == 0 {
        return Err(EnvelopeFault::Empty(party));
    }
    let ring = contents.inputs.ring();
    let (input, expected) = match contents.inputs {
        Shares::Z32(shares) => (
            expand(party, plan, part.batch, shares).map(InputShare::Z32)?,
            plan.ring(),
        ),
        Shares::Z64(shares) => (
            expand(party, plan, part.batch, shares).map(InputShare::Z64)?,
            plan.ring(),
        ),
    };
    if ring != expected {
        let detail = format!("they are over {ring}, and it computes in {expected}");
        return Err(EnvelopeFault::Inputs { party, detail });
    }
    let mut hasher = blake3::Hasher::new_derive_key(BINDING_CONTEXT);
    hasher.update(&part.query.0);
    hasher.update(&contents.reply_key.0);
    Ok(Query {
        batch: part.batch,
        reply: Reply {
            key: contents.reply_key,
            context: context(Purpose::Result),
        },
        binding: Binding(*hasher.finalize().as_bytes()),
        input,
    })
}

/// All components in full. The plan and the batch say how long each is, so a seed can't ask for more.
fn expand<R: Ring>(
    party: PartyId,
    plan: &Plan,
    batch: u32,
    shares: Vec<PartyShare<R>>,
) -> Result<Vec<ReplicatedShare<R>>, EnvelopeFault> {
    let wrong = |detail| EnvelopeFault::Inputs { party, detail };
    if shares.len() != plan.inputs.len() {
        return Err(wrong(format!(
            "{} of them, and it takes {}",
            shares.len(),
            plan.inputs.len()
        )));
    }
    let expand = |(input, share): (&tercet_plan::Input, PartyShare<R>)| {
        let sample: usize = input.shape.iter().map(|&size| size as usize).product();
        let expanded = share.expand(sample * batch as usize);
        expanded.map_err(|error| wrong(format!("{}: {error}", input.name)))
    };
    plan.inputs.iter().zip(shares).map(expand).collect()
}

/// Seals this party's part of the result to the client.
///
/// # Errors
/// The client's reply key can't be sealed to.
pub fn seal_result(
    reply: &Reply,
    outputs: Vec<OutputShare>,
    rng: &mut impl CryptoRng,
) -> Result<Opaque, EnvelopeFault> {
    let contents = ResultEnvelope {
        outputs: outputs.into_iter().map(|output| output.bytes).collect(),
    };
    let sealed = seal(&reply.key, &reply.context, &contents.to_bytes(), rng);
    let party = reply.context.party;
    sealed
        .map(Opaque::from)
        .map_err(|error| EnvelopeFault::Envelope { party, error })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use tercet_ids::QueryId;
    use tercet_plan::testkit::PlanBuilder;
    use tercet_ring::RingKind;
    use tercet_sharing::replicated::share;
    use zeroize::Zeroizing;

    use super::*;

    const PARTY: PartyId = PartyId::Cloud;
    const DIGEST: PlanDigest = PlanDigest([2; 32]);

    struct Fixture {
        key: SealingKeyPair,
        reply_key: SealingKeyPair,
        plan: Plan,
        rng: StdRng,
    }

    impl Fixture {
        fn new() -> Fixture {
            let mut rng = StdRng::seed_from_u64(1);
            let mut plan = PlanBuilder::new(RingKind::Z32);
            let input = plan.input(&[2], 5, 10);
            plan.output(input);
            let (key, reply_key) = (SealingKeyPair::generate(&mut rng), SealingKeyPair::generate(&mut rng));
            Fixture {
                key,
                reply_key,
                plan: plan.build(),
                rng,
            }
        }

        fn part(&mut self, batch: u32, inputs: Shares) -> QueryPart {
            let query = QueryId([1; 16]);
            let contents = QueryEnvelope {
                batch,
                reply_key: self.reply_key.public(),
                inputs,
            };
            let context = EnvelopeContext {
                purpose: Purpose::Query,
                query,
                digest: DIGEST,
                party: PARTY,
            };
            let sealed = seal(&self.key.public(), &context, &contents.to_bytes(), &mut self.rng).expect("sealed");
            QueryPart {
                query,
                batch: 3,
                envelope: sealed.into(),
            }
        }

        fn open(&self, part: &QueryPart) -> Result<Query, EnvelopeFault> {
            open_query(&self.key, PARTY, &self.plan, DIGEST, part)
        }

        fn good(&mut self) -> QueryPart {
            let [_, share, _] = share(&[1u32, 2, 3, 4, 5, 6], &mut self.rng);
            self.part(3, Shares::Z32(vec![share]))
        }
    }

    #[test]
    fn a_query_opens_and_its_result_reaches_the_reply_key() {
        let mut fixture = Fixture::new();
        let part = fixture.good();
        let query = fixture.open(&part).expect("opened");
        assert_eq!(query.batch, 3);
        assert!(matches!(&query.input, InputShare::Z32(inputs) if inputs[0].len() == 6));

        let outputs = vec![OutputShare {
            bytes: Zeroizing::new(vec![1, 2, 3, 4]),
        }];
        let sealed = seal_result(&query.reply, outputs, &mut fixture.rng).expect("sealed");
        let context = EnvelopeContext {
            purpose: Purpose::Result,
            query: part.query,
            digest: DIGEST,
            party: PARTY,
        };
        let opened = open(&fixture.reply_key, &context, sealed.as_slice()).expect("for this key");
        let result = ResultEnvelope::from_bytes(&opened).expect("whole");
        assert_eq!(result.outputs[0].as_slice(), [1, 2, 3, 4]);
    }

    #[test]
    fn the_binding_depends_on_query_and_reply_key() {
        let mut fixture = Fixture::new();
        let part = fixture.good();
        let binding = fixture.open(&part).expect("opened").binding;
        let again = fixture.good();
        assert_eq!(
            fixture.open(&again).expect("opened").binding,
            binding,
            "not on the shares"
        );
        fixture.reply_key = SealingKeyPair::generate(&mut fixture.rng);
        let part = fixture.good();
        assert_ne!(fixture.open(&part).expect("opened").binding, binding);
    }

    #[test]
    fn an_envelope_that_does_not_fit_says_how() {
        let mut fixture = Fixture::new();
        let shares = |fixture: &mut Fixture, len: usize| share(&vec![0u32; len], &mut fixture.rng)[1].clone();

        let mut altered = fixture.good();
        altered.query.0[0] ^= 1;
        let error = EnvelopeError::Unopenable;
        assert_eq!(
            fixture.open(&altered).err(),
            Some(EnvelopeFault::Envelope { party: PARTY, error })
        );

        let share = shares(&mut fixture, 6);
        let other_batch = fixture.part(4, Shares::Z32(vec![share]));
        let fault = EnvelopeFault::Batch {
            party: PARTY,
            inside: 4,
            outside: 3,
        };
        assert_eq!(fixture.open(&other_batch).err(), Some(fault));

        fixture.rng = StdRng::seed_from_u64(2);
        let share = shares(&mut fixture, 0);
        let mut empty = fixture.part(0, Shares::Z32(vec![share]));
        empty.batch = 0;
        assert_eq!(fixture.open(&empty).err(), Some(EnvelopeFault::Empty(PARTY)));

        let detail_of = |fixture: &mut Fixture, inputs: Shares| {
            let part = fixture.part(3, inputs);
            match fixture.open(&part) {
                Err(EnvelopeFault::Inputs { detail, .. }) => detail,
                other => panic!("expected other inputs, got {:?}", other.err()),
            }
        };
        let (one, two) = (shares(&mut fixture, 6), shares(&mut fixture, 6));
        assert!(detail_of(&mut fixture, Shares::Z32(vec![one, two])).contains("2 of them"));
        let [_, full, _] = tercet_sharing::replicated::share(&[0u32; 5], &mut fixture.rng);
        assert!(detail_of(&mut fixture, Shares::Z32(vec![full])).contains("5 elements"));
        let [_, wide, _] = tercet_sharing::replicated::share(&[0u64; 6], &mut fixture.rng);
        assert!(detail_of(&mut fixture, Shares::Z64(vec![wide])).contains("over"));
    }
}
