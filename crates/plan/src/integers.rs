use std::fmt;
use std::ops::{Deref, DerefMut};

use zeroize::Zeroize;

use crate::Plan;

/// A row-major vector of plaintext integers that only its owner may see: encoded inputs, weights, results.
///
/// It cannot be compared, serialised or printed (its `Debug` shows the length only), and it is wiped when dropped.
#[derive(Clone, Default)]
pub struct Integers(Vec<i64>);

impl Integers {
    /// Takes over a vector.
    pub fn new(elements: Vec<i64>) -> Self {
        Integers(elements)
    }
}

impl FromIterator<i64> for Integers {
    fn from_iter<T: IntoIterator<Item = i64>>(elements: T) -> Self {
        Integers(elements.into_iter().collect())
    }
}

impl Deref for Integers {
    type Target = [i64];

    fn deref(&self) -> &[i64] {
        &self.0
    }
}

impl DerefMut for Integers {
    fn deref_mut(&mut self) -> &mut [i64] {
        &mut self.0
    }
}

impl Drop for Integers {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Integers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Integers({} elements)", self.0.len())
    }
}

/// The values of a plan's parameters, in the plan's order. Only the model's owner has them; everybody else holds shares.
#[derive(Clone, Default, Debug)]
pub struct Parameters(Vec<Integers>);

/// Parameters that are not those of the plan: a fault of whoever put the two together.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParametersFault {
    /// Another number of tensors.
    #[error("the plan has {expected} parameters but {found} tensors were given")]
    Count {
        /// Parameters of the plan.
        expected: usize,
        /// Tensors given.
        found: usize,
    },
    /// Another number of elements.
    #[error("parameter `{source_name}` has {expected} elements but {found} were given")]
    Length {
        /// Where the parameter comes from.
        source_name: String,
        /// Elements by the plan's shape.
        expected: usize,
        /// Elements given.
        found: usize,
    },
    /// An integer that the ring cannot hold with its sign.
    #[error(
        "parameter `{source_name}` holds an integer beyond {ring_bits} bits at position {index}; import it with less fraction bits or the wider ring"
    )]
    OutOfRing {
        /// Where the parameter comes from.
        source_name: String,
        /// Row-major position.
        index: usize,
        /// Bits of the plan's ring.
        ring_bits: u8,
    },
}

impl Parameters {
    /// Pairs tensors with the parameters of `plan`; checks their number, lengths and that the ring holds them.
    pub fn new(plan: &Plan, tensors: Vec<Integers>) -> Result<Self, ParametersFault> {
        if tensors.len() != plan.parameters.len() {
            return Err(ParametersFault::Count {
                expected: plan.parameters.len(),
                found: tensors.len(),
            });
        }
        let spare_bits = 64 - plan.ring().bits();
        for (parameter, tensor) in plan.parameters.iter().zip(&tensors) {
            if tensor.len() != parameter.elements() {
                return Err(ParametersFault::Length {
                    source_name: parameter.source.clone(),
                    expected: parameter.elements(),
                    found: tensor.len(),
                });
            }
            let fits = |value: &i64| (value << spare_bits) >> spare_bits == *value;
            if let Some(index) = tensor.iter().position(|value| !fits(value)) {
                return Err(ParametersFault::OutOfRing {
                    source_name: parameter.source.clone(),
                    index,
                    ring_bits: plan.ring_bits,
                });
            }
        }
        Ok(Parameters(tensors))
    }
}

impl Deref for Parameters {
    type Target = [Integers];

    fn deref(&self) -> &[Integers] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use tercet_ring::RingKind;

    use super::*;
    use crate::testkit::PlanBuilder;

    fn plan() -> Plan {
        let mut builder = PlanBuilder::new(RingKind::Z32);
        let value = builder.input(&[4], 8, 10);
        builder.parameter(&[2, 2], 8);
        builder.output(value);
        builder.build()
    }

    #[test]
    fn parameters_are_those_of_the_plan() {
        let fault = |tensors: Vec<Vec<i64>>| {
            let tensors = tensors.into_iter().map(Integers::new).collect();
            Parameters::new(&plan(), tensors).err()
        };
        assert_eq!(fault(vec![vec![i64::from(i32::MIN), 0, 0, i64::from(i32::MAX)]]), None);
        assert_eq!(fault(vec![]), Some(ParametersFault::Count { expected: 1, found: 0 }));
        let length = ParametersFault::Length {
            source_name: "parameter_0".to_owned(),
            expected: 4,
            found: 3,
        };
        assert_eq!(fault(vec![vec![0; 3]]), Some(length));
        for beyond in [1 << 31, -(1 << 31) - 1] {
            let out_of_ring = ParametersFault::OutOfRing {
                source_name: "parameter_0".to_owned(),
                index: 2,
                ring_bits: 32,
            };
            assert_eq!(fault(vec![vec![0, 0, beyond, 0]]), Some(out_of_ring));
        }
    }

    #[test]
    fn integers_are_not_printed() {
        assert_eq!(format!("{:?}", Integers::new(vec![12345, 6])), "Integers(2 elements)");
    }
}
