//! Replicated sharing: a tensor is the sum of three components, and party `i` lacks component `i`.
//!
//! The first two components are the expansions of seeds, so that only the third travels in full. Any two parties can
//! rebuild the tensor; what one party holds is two thirds of a one-time pad.

use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use tercet_ids::{PartyId, Role, Roles};
use tercet_ring::{Ring, Secret};
use zeroize::{Zeroize, ZeroizeOnDrop};

const COMPONENT_CONTEXT: &str = "tercet 2026 replicated component";

/// 32 uniform bytes that stand for a component of any length. Wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
pub struct ComponentSeed(pub [u8; 32]);

impl ComponentSeed {
    /// A fresh seed.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        ComponentSeed(bytes)
    }

    /// The `len` elements the seed stands for: the BLAKE3 output stream under the seed, little-endian.
    pub fn expand<R: Ring>(&self, len: usize) -> Secret<R> {
        let mut hasher = blake3::Hasher::new_derive_key(COMPONENT_CONTEXT);
        hasher.update(&self.0);
        let mut stream = hasher.finalize_xof();
        hasher.zeroize();
        let mut elements = Secret::zeros(len);
        let mut buffer = [0u8; EXPANSION_BYTES];
        for chunk in elements.chunks_mut(EXPANSION_BYTES / R::BYTES) {
            let bytes = &mut buffer[..chunk.len() * R::BYTES];
            stream.fill(bytes);
            read_elements(bytes, chunk);
        }
        stream.zeroize();
        buffer.zeroize();
        elements
    }
}

/// Bytes expanded at a time: small enough for the first-level cache, large enough for BLAKE3's wide path.
const EXPANSION_BYTES: usize = 8192;

/// One component as it travels to the two parties that hold it.
#[derive(Clone)]
pub enum Component<R: Ring> {
    /// The expansion of a seed.
    Seed(ComponentSeed),
    /// All elements.
    Full(Secret<R>),
}

/// A component whose length differs from its tensor's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a share has {found} elements where the tensor has {expected}")]
pub struct WrongShareLength {
    /// Elements of the tensor.
    pub expected: usize,
    /// Elements of the component.
    pub found: usize,
}

impl<R: Ring> Component<R> {
    /// The component's elements, for a tensor of `len`.
    pub fn expand(self, len: usize) -> Result<Secret<R>, WrongShareLength> {
        match self {
            Component::Seed(seed) => Ok(seed.expand(len)),
            Component::Full(elements) if elements.len() == len => Ok(elements),
            Component::Full(elements) => Err(WrongShareLength {
                expected: len,
                found: elements.len(),
            }),
        }
    }
}

/// What one party gets of a tensor: the components that its peers lack, in the order of [`PartyId::peers`].
#[derive(Clone)]
pub struct PartyShare<R: Ring> {
    /// The party that holds it.
    pub party: PartyId,
    /// Component `party.peers()[i]` at position `i`.
    pub components: [Component<R>; 2],
}

impl<R: Ring> PartyShare<R> {
    /// Both components in full.
    pub fn expand(self, len: usize) -> Result<ReplicatedShare<R>, WrongShareLength> {
        let [first, second] = self.components;
        Ok(ReplicatedShare {
            party: self.party,
            components: [first.expand(len)?, second.expand(len)?],
        })
    }
}

/// Splits `values` into the three parties' shares: components 0 and 1 are seeds, component 2 is the rest.
pub fn share<R: Ring>(values: &[R], rng: &mut impl CryptoRng) -> [PartyShare<R>; 3] {
    let seeds = [ComponentSeed::random(rng), ComponentSeed::random(rng)];
    let mut rest = Secret::new(values.to_vec());
    for seed in &seeds {
        let component = seed.expand::<R>(values.len());
        rest.iter_mut()
            .zip(component.iter())
            .for_each(|(rest, &part)| *rest = rest.minus(part));
    }
    let component = |index: usize| match seeds.get(index) {
        Some(seed) => Component::Seed(seed.clone()),
        None => Component::Full(rest.clone()),
    };
    PartyId::ALL.map(|party| PartyShare {
        party,
        components: party.peers().map(|peer| component(peer.index())),
    })
}

/// Why three shares don't rebuild a tensor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReconstructFault {
    /// The shares are not those of the three parties, in order.
    #[error("the shares are not one of each party, in the parties' order")]
    WrongParties,
    /// Components of different lengths.
    #[error(transparent)]
    Length(#[from] WrongShareLength),
    /// The two holders of a component don't agree on it.
    #[error("the two parties that hold the component `{lacking}` lacks do not agree on it")]
    Disagreement {
        /// The party that lacks the component.
        lacking: PartyId,
    },
}

/// The tensor behind three shares, after checking that both holders of each component agree.
pub fn reconstruct<R: Ring>(shares: &[ReplicatedShare<R>; 3]) -> Result<Secret<R>, ReconstructFault> {
    if shares
        .iter()
        .zip(PartyId::ALL)
        .any(|(share, party)| share.party != party)
    {
        return Err(ReconstructFault::WrongParties);
    }
    let len = shares[0].components[0].len();
    let mut values = Secret::<R>::zeros(len);
    for lacking in PartyId::ALL {
        let [one, other] = lacking.peers().map(|holder| {
            let share = &shares[holder.index()];
            share
                .component(lacking)
                .expect("a party holds the components that its peers lack")
        });
        for component in [one, other] {
            if component.len() != len {
                return Err(WrongShareLength {
                    expected: len,
                    found: component.len(),
                }
                .into());
            }
        }
        let difference = one.iter().zip(other).fold(0, |all, (a, b)| all | a.minus(*b).to_u64());
        if difference != 0 {
            return Err(ReconstructFault::Disagreement { lacking });
        }
        values
            .iter_mut()
            .zip(one)
            .for_each(|(value, &part)| *value = value.plus(part));
    }
    Ok(values)
}

/// Two of a tensor's three components, in full, in the hands of one party.
#[derive(Clone)]
pub struct ReplicatedShare<R: Ring> {
    /// The party that holds it.
    pub party: PartyId,
    /// Component `party.peers()[i]` at position `i`.
    pub components: [Secret<R>; 2],
}

/// A replicated share seen through the roles of a session: x = m - l0 - l1.
pub enum MaskedView<R: Ring> {
    /// The dealer knows both halves of the mask.
    Dealer {
        /// l0 and l1.
        masks: [Secret<R>; 2],
    },
    /// An evaluator knows the masked value and its own half of the mask.
    Evaluator {
        /// m.
        masked: Secret<R>,
        /// l0 or l1.
        mask: Secret<R>,
    },
}

impl<R: Ring> ReplicatedShare<R> {
    /// Elements of the tensor.
    pub fn len(&self) -> usize {
        self.components[0].len()
    }

    /// Whether the tensor has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The component that `lacking` lacks, if this party holds it.
    pub fn component(&self, lacking: PartyId) -> Option<&[R]> {
        self.party
            .peers()
            .into_iter()
            .position(|peer| peer == lacking)
            .map(|index| &self.components[index][..])
    }

    /// The share as a masked value of a session: m is the component the dealer lacks, -l0 the one evaluator 1 lacks,
    /// -l1 the one evaluator 0 lacks. Local, without a message.
    pub fn view(self, roles: Roles) -> MaskedView<R> {
        let [first, second] = self.components;
        let first_lacks = self.party.peers()[0];
        let ordered = |party| {
            if party == first_lacks {
                (first, second)
            } else {
                (second, first)
            }
        };
        match roles.role(self.party) {
            Role::Dealer => {
                let (l0, l1) = ordered(roles.party(Role::Evaluator1));
                MaskedView::Dealer {
                    masks: [negate(l0), negate(l1)],
                }
            }
            Role::Evaluator0 | Role::Evaluator1 => {
                let (masked, mask) = ordered(roles.party(Role::Dealer));
                MaskedView::Evaluator {
                    masked,
                    mask: negate(mask),
                }
            }
        }
    }
}

fn negate<R: Ring>(mut elements: Secret<R>) -> Secret<R> {
    elements.iter_mut().for_each(|element| *element = element.negated());
    elements
}

fn read_elements<R: Ring>(bytes: &[u8], elements: &mut [R]) {
    for (element, bytes) in elements.iter_mut().zip(bytes.chunks_exact(R::BYTES)) {
        let mut word = [0; 8];
        word[..R::BYTES].copy_from_slice(bytes);
        *element = R::from_u64(u64::from_le_bytes(word));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn shares_of<R: Ring>(values: &[R], seed: u64) -> [ReplicatedShare<R>; 3] {
        share(values, &mut StdRng::seed_from_u64(seed)).map(|share| share.expand(values.len()).unwrap())
    }

    fn views_rebuild<R: Ring>(values: &[R], seed: u64) {
        for roles in Roles::all() {
            let mut sums = vec![R::ZERO; values.len()];
            let mut masked_by = [None, None];
            let mut mask_halves = [None, None];
            let mut dealer_masks = None;
            for share in shares_of(values, seed) {
                let role = roles.role(share.party);
                match share.view(roles) {
                    MaskedView::Dealer { masks } => dealer_masks = Some(masks),
                    MaskedView::Evaluator { masked, mask } => {
                        let index = usize::from(role == Role::Evaluator1);
                        masked_by[index] = Some(masked);
                        mask_halves[index] = Some(mask);
                    }
                }
            }
            let dealer_masks = dealer_masks.unwrap();
            for i in 0..values.len() {
                let m = masked_by.each_ref().map(|m| m.as_ref().unwrap()[i].to_u64());
                assert_eq!(m[0], m[1], "both evaluators hold the same masked value");
                let mut x = R::from_u64(m[0]);
                for half in 0..2 {
                    let mine = mask_halves[half].as_ref().unwrap()[i];
                    assert_eq!(mine.to_u64(), dealer_masks[half][i].to_u64());
                    x = x.minus(mine);
                }
                sums[i] = x;
            }
            assert!(sums.iter().zip(values).all(|(a, b)| a.to_u64() == b.to_u64()));
        }
    }

    proptest! {
        #[test]
        fn sharing_then_rebuilding_gives_the_values_back(values: Vec<u64>, seed: u64) {
            let rebuilt = reconstruct(&shares_of(&values, seed)).unwrap();
            prop_assert!(rebuilt.iter().eq(values.iter()));
            let narrow: Vec<u32> = values.iter().map(|&value| value as u32).collect();
            let rebuilt = reconstruct(&shares_of(&narrow, seed)).unwrap();
            prop_assert!(rebuilt.iter().eq(narrow.iter()));
        }

        #[test]
        fn every_role_assignment_sees_one_masked_value(values: Vec<u32>, seed: u64) {
            views_rebuild(&values, seed);
            let wide: Vec<u64> = values.iter().map(|&value| u64::from(value) << 31).collect();
            views_rebuild(&wide, seed);
        }
    }

    #[test]
    fn a_seed_expands_to_a_prefix_of_its_longer_expansion() {
        let seed = ComponentSeed([7; 32]);
        let long = seed.expand::<u32>(5000);
        for len in [0, 1, 2047, 2048, 2049] {
            assert!(seed.expand::<u32>(len)[..] == long[..len]);
        }
        let words = seed.expand::<u64>(2500);
        assert!(
            words
                .iter()
                .zip(long.chunks(2))
                .all(|(&w, pair)| w == u64::from(pair[0]) | u64::from(pair[1]) << 32)
        );
    }

    #[test]
    fn two_sharings_of_the_same_values_differ() {
        let values = [5u32; 64];
        let [a, ..] = shares_of(&values, 1);
        let [b, ..] = shares_of(&values, 2);
        assert!(a.components[1][..] != b.components[1][..]);
    }

    #[test]
    fn faults_are_typed() {
        let [mut client, cloud, auditor] = share(&[1u64, 2, 3], &mut StdRng::seed_from_u64(3));
        assert_eq!(
            client.clone().expand(4).err(),
            Some(WrongShareLength { expected: 4, found: 3 }),
            "the full component has three elements"
        );
        client.components[0] = Component::Seed(ComponentSeed([9; 32]));
        let shares = [client, cloud, auditor].map(|share| share.expand(3).unwrap());
        assert_eq!(
            reconstruct(&shares).err(),
            Some(ReconstructFault::Disagreement {
                lacking: PartyId::Cloud
            })
        );
        let [client, cloud, auditor] = shares;
        assert_eq!(
            reconstruct(&[cloud, client, auditor]).err(),
            Some(ReconstructFault::WrongParties)
        );
    }
}
