//! What is inside envelopes: shares of tensors, as seeds where the sharing drew them and in full where it did not.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tercet_ids::PartyId;
use tercet_ring::{Ring, RingKind, from_bytes, to_bytes};
use zeroize::Zeroizing;

use crate::envelope::EnvelopeError;
use crate::replicated::{Component, ComponentSeed, PartyShare};
use crate::sealing_key::SealingPublicKey;

/// One party's shares of several tensors of one ring.
pub enum Shares {
    /// Over Z_2^32.
    Z32(Vec<PartyShare<u32>>),
    /// Over Z_2^64.
    Z64(Vec<PartyShare<u64>>),
}

/// A party's part of a query.
pub struct QueryEnvelope {
    /// Samples.
    pub batch: u32,
    /// The key that the result is to be sealed to.
    pub reply_key: SealingPublicKey,
    /// The party's shares of the inputs, in the plan's order.
    pub inputs: Shares,
}

/// A party's part of a model.
pub struct ModelEnvelope {
    /// The party's shares of the parameters, in the plan's order.
    pub parameters: Shares,
}

/// A party's part of a result.
pub struct ResultEnvelope {
    /// Little-endian ring elements of each output, in the plan's order: m from an evaluator, r from the dealer.
    pub outputs: Vec<Zeroizing<Vec<u8>>>,
}

/// Bytes that are written and read as one piece.
struct Raw<'a>(&'a [u8]);

#[derive(Serialize, Deserialize)]
enum ComponentForm<'a> {
    Seed(ComponentSeed),
    Full(#[serde(borrow)] Raw<'a>),
}

#[derive(Serialize, Deserialize)]
struct SharesForm<'a> {
    ring_bits: u8,
    #[serde(borrow)]
    tensors: Vec<[ComponentForm<'a>; 2]>,
}

#[derive(Serialize, Deserialize)]
struct QueryForm<'a> {
    batch: u32,
    reply_key: [u8; 32],
    #[serde(borrow)]
    inputs: SharesForm<'a>,
}

#[derive(Serialize, Deserialize)]
struct ResultForm<'a> {
    #[serde(borrow)]
    outputs: Vec<Raw<'a>>,
}

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowed;

        impl<'de> Visitor<'de> for Borrowed {
            type Value = Raw<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Raw<'de>, E> {
                Ok(Raw(bytes))
            }
        }

        deserializer.deserialize_bytes(Borrowed)
    }
}

/// The full components in bytes, which the forms borrow; empty for seeds.
type FullBytes = Vec<[Zeroizing<Vec<u8>>; 2]>;

fn full_bytes<R: Ring>(shares: &[PartyShare<R>]) -> FullBytes {
    let bytes = |component: &Component<R>| match component {
        Component::Seed(_) => Zeroizing::default(),
        Component::Full(elements) => Zeroizing::new(to_bytes(elements)),
    };
    shares
        .iter()
        .map(|share| share.components.each_ref().map(bytes))
        .collect()
}

fn form<'a, R: Ring>(shares: &[PartyShare<R>], full: &'a FullBytes) -> SharesForm<'a> {
    let component = |component: &Component<R>, bytes: &'a [u8]| match component {
        Component::Seed(seed) => ComponentForm::Seed(seed.clone()),
        Component::Full(_) => ComponentForm::Full(Raw(bytes)),
    };
    let tensors = shares.iter().zip(full).map(|(share, bytes)| {
        let [first, second] = &share.components;
        [component(first, &bytes[0]), component(second, &bytes[1])]
    });
    SharesForm {
        ring_bits: R::BITS as u8,
        tensors: tensors.collect(),
    }
}

impl SharesForm<'_> {
    fn shares<R: Ring>(self, party: PartyId) -> Result<Vec<PartyShare<R>>, EnvelopeError> {
        let component = |form: ComponentForm<'_>| match form {
            ComponentForm::Seed(seed) => Ok(Component::Seed(seed)),
            ComponentForm::Full(Raw(bytes)) => from_bytes(bytes, bytes.len() / R::BYTES)
                .map(Component::Full)
                .map_err(|_| EnvelopeError::Malformed(SHARES)),
        };
        let share = |[first, second]: [ComponentForm<'_>; 2]| {
            let components = [component(first)?, component(second)?];
            Ok(PartyShare { party, components })
        };
        self.tensors.into_iter().map(share).collect()
    }

    fn of(self, party: PartyId) -> Result<Shares, EnvelopeError> {
        match self.ring_bits {
            32 => self.shares(party).map(Shares::Z32),
            64 => self.shares(party).map(Shares::Z64),
            _ => Err(EnvelopeError::Malformed(SHARES)),
        }
    }
}

const SHARES: &str = "shares of tensors";

impl Shares {
    /// The ring of all of them.
    pub fn ring(&self) -> RingKind {
        match self {
            Shares::Z32(_) => RingKind::Z32,
            Shares::Z64(_) => RingKind::Z64,
        }
    }

    fn with_form<T>(&self, write: impl FnOnce(SharesForm<'_>) -> T) -> T {
        match self {
            Shares::Z32(shares) => write(form(shares, &full_bytes(shares))),
            Shares::Z64(shares) => write(form(shares, &full_bytes(shares))),
        }
    }

    /// Bytes that the written form takes at most.
    fn bytes_max(&self) -> usize {
        fn of<R: Ring>(shares: &[PartyShare<R>]) -> usize {
            let components = shares.iter().flat_map(|share| &share.components);
            let bytes = components.map(|component| match component {
                Component::Seed(_) => 48,
                Component::Full(elements) => 16 + elements.len() * R::BYTES,
            });
            bytes.sum()
        }
        match self {
            Shares::Z32(shares) => of(shares),
            Shares::Z64(shares) => of(shares),
        }
    }
}

/// Room for the numbers beside the shares.
const FIXED_BYTES_MAX: usize = 64;

/// Writes into memory that is large enough from the start: growing would leave copies behind that nobody wipes.
fn write<T: Serialize>(form: &T, bytes_max: usize) -> Zeroizing<Vec<u8>> {
    let room = Vec::with_capacity(bytes_max + FIXED_BYTES_MAX);
    let bytes = postcard::to_extend(form, room).expect("the contents hold no sequences of unknown length");
    debug_assert!(
        bytes.capacity() == bytes_max + FIXED_BYTES_MAX,
        "the estimate was too low"
    );
    Zeroizing::new(bytes)
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &'static str) -> Result<T, EnvelopeError> {
    match postcard::take_from_bytes(bytes) {
        Ok((form, [])) => Ok(form),
        Ok(_) | Err(_) => Err(EnvelopeError::Malformed(what)),
    }
}

impl QueryEnvelope {
    /// What is to be sealed.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.inputs.with_form(|inputs| {
            let form = QueryForm {
                batch: self.batch,
                reply_key: self.reply_key.0,
                inputs,
            };
            write(&form, self.inputs.bytes_max())
        })
    }

    /// What was opened by `party`.
    ///
    /// # Errors
    /// [`EnvelopeError::Malformed`].
    pub fn from_bytes(party: PartyId, bytes: &[u8]) -> Result<QueryEnvelope, EnvelopeError> {
        let form: QueryForm<'_> = read(bytes, "query")?;
        Ok(QueryEnvelope {
            batch: form.batch,
            reply_key: SealingPublicKey(form.reply_key),
            inputs: form.inputs.of(party)?,
        })
    }
}

impl ModelEnvelope {
    /// What is to be sealed.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.parameters
            .with_form(|form| write(&form, self.parameters.bytes_max()))
    }

    /// What was opened by `party`.
    ///
    /// # Errors
    /// [`EnvelopeError::Malformed`].
    pub fn from_bytes(party: PartyId, bytes: &[u8]) -> Result<ModelEnvelope, EnvelopeError> {
        let form: SharesForm<'_> = read(bytes, "model")?;
        Ok(ModelEnvelope {
            parameters: form.of(party)?,
        })
    }
}

impl ResultEnvelope {
    /// What is to be sealed.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let outputs = self.outputs.iter().map(|output| Raw(output));
        let form = ResultForm {
            outputs: outputs.collect(),
        };
        write(&form, self.outputs.iter().map(|output| 16 + output.len()).sum())
    }

    /// What was opened.
    ///
    /// # Errors
    /// [`EnvelopeError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<ResultEnvelope, EnvelopeError> {
        let form: ResultForm<'_> = read(bytes, "result")?;
        let outputs = form.outputs.iter().map(|output| Zeroizing::new(output.0.to_vec()));
        Ok(ResultEnvelope {
            outputs: outputs.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use tercet_ring::Secret;

    use super::*;
    use crate::replicated::{reconstruct, share};

    fn query(party: PartyId, values: &[u64]) -> (QueryEnvelope, usize) {
        let mut rng = StdRng::seed_from_u64(5);
        let shares = share(values, &mut rng);
        let query = QueryEnvelope {
            batch: 3,
            reply_key: SealingPublicKey([7; 32]),
            inputs: Shares::Z64(vec![shares[party.index()].clone()]),
        };
        (query, values.len())
    }

    #[test]
    fn a_query_comes_back_whole_or_not_at_all() {
        let values = [0, 1, u64::MAX, 1 << 63];
        let mut shares = vec![];
        for party in PartyId::ALL {
            let (query, len) = query(party, &values);
            let bytes = query.to_bytes();
            let back = QueryEnvelope::from_bytes(party, &bytes).expect("whole");
            assert_eq!(
                (back.batch, back.reply_key, back.inputs.ring()),
                (3, query.reply_key, RingKind::Z64)
            );
            let Shares::Z64(mut tensors) = back.inputs else {
                panic!("a share over Z_2^64 went in")
            };
            shares.push(tensors.remove(0).expand(len).expect("of this length"));

            for cut in 0..bytes.len() {
                let outcome = QueryEnvelope::from_bytes(party, &bytes[..cut]).err();
                assert!(matches!(outcome, Some(EnvelopeError::Malformed(_))), "cut at {cut}");
            }
            let longer = [bytes.as_slice(), &[0]].concat();
            assert!(QueryEnvelope::from_bytes(party, &longer).is_err());
        }
        let shares: [_; 3] = shares.try_into().ok().expect("one of each party");
        assert_eq!(reconstruct(&shares).expect("they agree").as_ref(), values);
    }

    #[test]
    fn the_layout_is_pinned() {
        let components = [
            Component::Seed(ComponentSeed([0xAB; 32])),
            Component::Full(Secret::new(vec![1u32, 0x8000_0000])),
        ];
        let party = PartyId::Cloud;
        let query = QueryEnvelope {
            batch: 300,
            reply_key: SealingPublicKey([7; 32]),
            inputs: Shares::Z32(vec![PartyShare { party, components }]),
        };
        let expected = [
            // The batch, seven bits a byte.
            &[0xAC, 0x02][..],
            &[7; 32],
            // Bits of the ring; one tensor; a seed; a full component of eight bytes.
            &[32, 1, 0],
            &[0xAB; 32],
            &[1, 8, 1, 0, 0, 0, 0, 0, 0, 0x80],
        ];
        assert_eq!(query.to_bytes().as_slice(), expected.concat());
    }

    #[test]
    fn models_and_results_come_back() {
        let mut rng = StdRng::seed_from_u64(6);
        let [_, _, share] = share(&[5u32, 6], &mut rng);
        let model = ModelEnvelope {
            parameters: Shares::Z32(vec![share]),
        };
        let back = ModelEnvelope::from_bytes(PartyId::Auditor, &model.to_bytes()).expect("whole");
        assert_eq!(back.parameters.ring(), RingKind::Z32);

        let outputs = vec![Zeroizing::new(vec![1, 2, 3, 4]), Zeroizing::default()];
        let result = ResultEnvelope {
            outputs: outputs.clone(),
        };
        let back = ResultEnvelope::from_bytes(&result.to_bytes()).expect("whole");
        assert_eq!(back.outputs, outputs);
    }

    #[test]
    fn a_component_that_is_no_number_of_elements_is_refused() {
        let full = [Zeroizing::new(vec![0; 8]), Zeroizing::new(vec![0; 7])];
        let components = full.each_ref().map(|bytes| ComponentForm::Full(Raw(bytes)));
        let form = SharesForm {
            ring_bits: 64,
            tensors: vec![components],
        };
        let refused = ModelEnvelope::from_bytes(PartyId::Cloud, &write(&form, 100)).err();
        assert_eq!(refused, Some(EnvelopeError::Malformed(SHARES)));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = QueryEnvelope::from_bytes(PartyId::Cloud, &bytes);
            let _ = ModelEnvelope::from_bytes(PartyId::Cloud, &bytes);
            let _ = ResultEnvelope::from_bytes(&bytes);
        }
    }
}
