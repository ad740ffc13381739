//! A query on its way out, and its answer on its way in. Pure: randomness is an argument.

use rand::CryptoRng;
use tercet_ids::{PartyId, QueryId, Role, Roles};
use tercet_plan::{Encoded, Integers, Plan};
use tercet_ring::{Ring, RingKind, from_bytes, to_bytes};
use tercet_sharing::replicated::{Component, PartyShare, share};
use tercet_sharing::{
    EnvelopeContext, Purpose, QueryEnvelope, ResultEnvelope, SealingKeyPair, SealingPublicKey, Shares, open, seal,
};
use tercet_wire::{Infer, Opaque};
use zeroize::Zeroizing;

use crate::description::Description;
use crate::error::ClientError;

/// Bytes of each party's share that a client shows to whoever wants to see that they are noise.
pub const SEEN_BYTES: usize = 32;

/// A query, sealed to the three parties, and what it takes to open its answer.
pub(crate) struct SealedQuery {
    pub(crate) infer: Infer,
    pub(crate) pending: Pending,
}

/// What the client keeps of a query. The key is used for this one answer.
pub(crate) struct Pending {
    query: QueryId,
    reply_key: SealingKeyPair,
    /// The first bytes of what each party got.
    pub(crate) seen: [Vec<u8>; 3],
}

/// Shares the inputs with fresh randomness and seals each party's part to it. `deadline_ms` is left for the caller.
pub(crate) fn seal_query(
    model: &Description,
    encoded: &Encoded,
    sealing_keys: &[SealingPublicKey; 3],
    rng: &mut impl CryptoRng,
) -> Result<SealedQuery, ClientError> {
    let mut query = QueryId([0; 16]);
    rng.fill_bytes(&mut query.0);
    let reply_key = SealingKeyPair::generate(rng);
    let mut shares = share_tensors(model.plan().ring(), &encoded.inputs, rng).map(Some);
    let mut envelopes = [(); 3].map(|()| Opaque::from(Vec::new()));
    let mut seen = [(); 3].map(|()| Vec::new());
    for party in PartyId::ALL {
        let index = party.index();
        let Some(inputs) = shares[index].take() else { continue };
        seen[index] = first_bytes(party, &inputs);
        let contents = QueryEnvelope {
            batch: encoded.batch,
            reply_key: reply_key.public(),
            inputs,
        };
        let context = EnvelopeContext {
            purpose: Purpose::Query,
            query,
            digest: model.digest(),
            party,
        };
        let sealed = seal(&sealing_keys[index], &context, &contents.to_bytes(), rng);
        envelopes[index] = sealed.map_err(|error| ClientError::Seal { party, error })?.into();
    }
    let infer = Infer {
        query,
        model: model.name().clone(),
        digest: model.digest(),
        batch: encoded.batch,
        deadline_ms: 0,
        envelopes,
    };
    let pending = Pending { query, reply_key, seen };
    Ok(SealedQuery { infer, pending })
}

/// Every tensor shared among the three parties, by party index.
pub(crate) fn share_tensors(ring: RingKind, tensors: &[Integers], rng: &mut impl CryptoRng) -> [Shares; 3] {
    match ring {
        RingKind::Z32 => share_over(tensors, rng).map(Shares::Z32),
        RingKind::Z64 => share_over(tensors, rng).map(Shares::Z64),
    }
}

fn share_over<R: Ring>(tensors: &[Integers], rng: &mut impl CryptoRng) -> [Vec<PartyShare<R>>; 3] {
    let mut parties = [Vec::new(), Vec::new(), Vec::new()];
    for tensor in tensors {
        let elements: Zeroizing<Vec<R>> = Zeroizing::new(tensor.iter().map(|&integer| R::from_i64(integer)).collect());
        for (party, share) in parties.iter_mut().zip(share(&elements, rng)) {
            party.push(share);
        }
    }
    parties
}

/// The first bytes of one component that a party got: for each party another one, so that what is shown side by side differs as what
/// they hold together does.
fn first_bytes(party: PartyId, shares: &Shares) -> Vec<u8> {
    fn of<R: Ring>(component: &Component<R>) -> Vec<u8> {
        let shown = SEEN_BYTES / R::BYTES;
        match component {
            Component::Full(elements) => to_bytes(&elements[..elements.len().min(shown)]),
            Component::Seed(seed) => to_bytes(&seed.expand::<R>(shown)),
        }
    }
    let position = party.index() % 2;
    let first = match shares {
        Shares::Z32(shares) => shares.first().map(|share| of(&share.components[position])),
        Shares::Z64(shares) => shares.first().map(|share| of(&share.components[position])),
    };
    first.unwrap_or_default()
}

impl Pending {
    /// Opens the parties' results, checks that both evaluators say the same, and rebuilds the revealed values: x = m - r, with
    /// m of an evaluator and r of the dealer.
    pub(crate) fn reveal(
        &self,
        model: &Description,
        batch: u32,
        roles: Roles,
        results: &[Opaque; 3],
    ) -> Result<Vec<Integers>, ClientError> {
        let opened = |role| {
            let party = roles.party(role);
            let context = EnvelopeContext {
                purpose: Purpose::Result,
                query: self.query,
                digest: model.digest(),
                party,
            };
            let bytes = open(&self.reply_key, &context, results[party.index()].as_slice());
            let contents = bytes.and_then(|bytes| ResultEnvelope::from_bytes(&bytes));
            let outputs = contents.map_err(|error| ClientError::Open { party, error })?.outputs;
            let lengths = output_bytes(model.plan(), batch);
            if outputs.len() != lengths.len() || outputs.iter().zip(&lengths).any(|(output, len)| output.len() != *len)
            {
                return Err(ClientError::WrongResult(party));
            }
            Ok(outputs)
        };
        let (dealer, first, second) = (
            opened(Role::Dealer)?,
            opened(Role::Evaluator0)?,
            opened(Role::Evaluator1)?,
        );
        if first != second {
            return Err(ClientError::EvaluatorsDisagree(
                roles.party(Role::Evaluator0),
                roles.party(Role::Evaluator1),
            ));
        }
        let outputs = first.iter().zip(&dealer);
        let revealed = outputs.map(|(masked, mask)| match model.plan().ring() {
            RingKind::Z32 => difference::<u32>(masked, mask),
            RingKind::Z64 => difference::<u64>(masked, mask),
        });
        let revealed: Option<Vec<Integers>> = revealed.collect();
        revealed.ok_or(ClientError::WrongResult(roles.party(Role::Dealer)))
    }
}

/// Bytes of each revealed value, for a batch.
fn output_bytes(plan: &Plan, batch: u32) -> Vec<usize> {
    let outputs = plan.outputs.iter();
    outputs
        .map(|output| plan.value(output.value).elements() * batch as usize * plan.ring().bytes())
        .collect()
}

fn difference<R: Ring>(masked: &[u8], mask: &[u8]) -> Option<Integers> {
    let elements = |bytes: &[u8]| from_bytes::<R>(bytes, bytes.len() / R::BYTES).ok();
    let (masked, mask) = (elements(masked)?, elements(mask)?);
    Some(
        masked
            .iter()
            .zip(mask.iter())
            .map(|(m, r)| m.minus(*r).to_i64())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use tercet_ids::PlanDigest;
    use tercet_plan::testkit::PlanBuilder;
    use tercet_sharing::EnvelopeError;
    use tercet_sharing::replicated::MaskedView;
    use tercet_wire::{Described, Model};

    use super::*;

    /// A model that reveals its input, and parties that answer without computing.
    struct World {
        model: Description,
        keys: [SealingKeyPair; 3],
        rng: StdRng,
    }

    const VALUES: [i64; 4] = [0, -1, 1023, -1023];

    impl World {
        fn new(ring: RingKind) -> World {
            let mut rng = StdRng::seed_from_u64(1);
            let mut plan = PlanBuilder::new(ring);
            let input = plan.input(&[2], 5, 10);
            plan.output(input);
            let bytes = plan.build().to_bytes();
            let name = "identity".parse().expect("plain");
            let said = Described {
                model: Model {
                    name,
                    digest: PlanDigest::of(&bytes),
                    deployment: QueryId([9; 16]),
                },
                plan: bytes.into(),
                batch_max: 8,
            };
            let model = Description::check(&said.model.name, None, &said).expect("true");
            let keys = PartyId::ALL.map(|_| SealingKeyPair::generate(&mut rng));
            World { model, keys, rng }
        }

        fn ask(&mut self, values: &[i64]) -> SealedQuery {
            let encoded = Encoded {
                batch: values.len() as u32 / 2,
                inputs: vec![Integers::new(values.to_vec())],
            };
            let keys = self.keys.each_ref().map(SealingKeyPair::public);
            seal_query(&self.model, &encoded, &keys, &mut self.rng).expect("sealed")
        }

        /// What a party answers, after `change` was done to its output.
        fn answer(&mut self, sealed: &SealedQuery, roles: Roles, party: PartyId, change: fn(&mut Vec<u8>)) -> Opaque {
            let infer = &sealed.infer;
            let context = |purpose| EnvelopeContext {
                purpose,
                query: infer.query,
                digest: infer.digest,
                party,
            };
            let envelope = infer.envelopes[party.index()].as_slice();
            let opened = open(&self.keys[party.index()], &context(Purpose::Query), envelope).expect("to this party");
            let query = QueryEnvelope::from_bytes(party, &opened).expect("whole");
            let mut output = match query.inputs {
                Shares::Z32(mut shares) => view(shares.remove(0), infer.batch, roles),
                Shares::Z64(mut shares) => view(shares.remove(0), infer.batch, roles),
            };
            change(&mut output);
            let contents = ResultEnvelope {
                outputs: vec![Zeroizing::new(output)],
            };
            let sealed = seal(
                &query.reply_key,
                &context(Purpose::Result),
                &contents.to_bytes(),
                &mut self.rng,
            );
            sealed.expect("sealed").into()
        }

        fn answers(&mut self, sealed: &SealedQuery, roles: Roles) -> [Opaque; 3] {
            PartyId::ALL.map(|party| self.answer(sealed, roles, party, |_| {}))
        }
    }

    /// The opened form without an opening: m, or r = l0 + l1.
    fn view<R: Ring>(share: PartyShare<R>, batch: u32, roles: Roles) -> Vec<u8> {
        match share.expand(2 * batch as usize).expect("of this length").view(roles) {
            MaskedView::Evaluator { masked, .. } => to_bytes(&masked),
            MaskedView::Dealer { masks: [first, second] } => {
                let sum: Vec<R> = first.iter().zip(second.iter()).map(|(a, b)| a.plus(*b)).collect();
                to_bytes(&sum)
            }
        }
    }

    fn roles() -> Roles {
        Roles::new(PartyId::Cloud, PartyId::ClientProxy).expect("two parties")
    }

    #[test]
    fn what_is_shared_and_sealed_comes_back_in_every_role() {
        for ring in [RingKind::Z32, RingKind::Z64] {
            let mut world = World::new(ring);
            for roles in Roles::all() {
                let sealed = world.ask(&VALUES);
                let answers = world.answers(&sealed, roles);
                let revealed = sealed.pending.reveal(&world.model, 2, roles, &answers);
                assert_eq!(revealed.expect("they agree")[0].to_vec(), VALUES);
            }
        }
    }

    #[test]
    fn evaluators_that_say_different_things_are_not_believed() {
        let mut world = World::new(RingKind::Z32);
        let sealed = world.ask(&VALUES);
        let mut answers = world.answers(&sealed, roles());
        let evaluator = roles().party(Role::Evaluator1);
        answers[evaluator.index()] = world.answer(&sealed, roles(), evaluator, |output| output[0] ^= 1);
        let outcome = sealed.pending.reveal(&world.model, 2, roles(), &answers);
        let expected = ClientError::EvaluatorsDisagree(roles().party(Role::Evaluator0), evaluator);
        assert_eq!(outcome.err(), Some(expected));
    }

    #[test]
    fn results_of_another_size_query_or_sealer_are_refused_and_the_party_named() {
        let mut world = World::new(RingKind::Z64);
        let sealed = world.ask(&VALUES);
        let good = world.answers(&sealed, roles());
        for party in PartyId::ALL {
            let mut answers = good.clone();
            answers[party.index()] = world.answer(&sealed, roles(), party, |output| output.truncate(8));
            let outcome = sealed.pending.reveal(&world.model, 2, roles(), &answers);
            assert_eq!(outcome.err(), Some(ClientError::WrongResult(party)));

            let other = world.ask(&VALUES);
            let mut answers = good.clone();
            answers[party.index()] = world.answer(&other, roles(), party, |_| {});
            let outcome = sealed.pending.reveal(&world.model, 2, roles(), &answers);
            let error = EnvelopeError::Unopenable;
            assert_eq!(outcome.err(), Some(ClientError::Open { party, error }));
        }
    }

    #[test]
    fn no_party_sees_the_input_and_no_two_queries_look_the_same() {
        let mut world = World::new(RingKind::Z32);
        let (one, two) = (world.ask(&[0; 16]), world.ask(&[0; 16]));
        let seen: Vec<&Vec<u8>> = one.pending.seen.iter().chain(&two.pending.seen).collect();
        assert!(
            seen.iter()
                .all(|bytes| bytes.len() == SEEN_BYTES && bytes.iter().any(|byte| *byte != 0))
        );
        // Each party shows another component than the others.
        let distinct: std::collections::HashSet<_> = seen.iter().collect();
        assert_eq!(distinct.len(), 6);
        assert_ne!(one.infer.query, two.infer.query);
        assert_ne!(one.infer.envelopes, two.infer.envelopes);
    }
}
