use std::sync::OnceLock;

use tercet_ids::{PartyId, Role, Roles};
use tercet_plan::{Op, Plan};
use tercet_ring::{Ring, RingKind, Secret, vector};
use tercet_sharing::replicated::ReplicatedShare;

use crate::linear::StaticOperand;

/// One party's shares of a model's parameters, with what its roles make of them.
///
/// The shares are the same whatever the party's role in a session; the views of them that a role multiplies with are packed
/// when first used and kept.
pub struct ModelShare<R: Ring> {
    party: PartyId,
    parameters: Vec<ReplicatedShare<R>>,
    /// Packed operands by step, term and view.
    packed: Vec<Vec<[OnceLock<StaticOperand<R>>; 3]>>,
}

/// Shares that are not those of the plan's parameters for this party.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelFault {
    /// The plan computes in another ring.
    #[error("the plan computes in {plan} but the shares are over {shares}")]
    Ring {
        /// The plan's ring.
        plan: RingKind,
        /// The shares' ring.
        shares: RingKind,
    },
    /// Another number of tensors.
    #[error("the plan has {expected} parameters but {found} were shared")]
    Count {
        /// Parameters of the plan.
        expected: usize,
        /// Tensors shared.
        found: usize,
    },
    /// Shares that were made for another party.
    #[error("the share of parameter `{parameter}` is the one of {found}, not of {expected}")]
    Party {
        /// Where the parameter comes from.
        parameter: String,
        /// This party.
        expected: PartyId,
        /// Whose share it is.
        found: PartyId,
    },
    /// Another number of elements.
    #[error("parameter `{parameter}` has {expected} elements but its share has {found}")]
    Length {
        /// Where the parameter comes from.
        parameter: String,
        /// Elements by the plan's shape.
        expected: usize,
        /// Elements shared.
        found: usize,
    },
}

/// What a role multiplies with, of a parameter w = w_D + w_E0 + w_E1 with m = w_D, l0 = -w_E1, l1 = -w_E0.
///
/// The names are positions in [`ReplicatedShare::components`], so that a view packed in one role serves every role that needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum View {
    /// The first component.
    First,
    /// The second component.
    Second,
    /// The sum of both: -l_W = -(l0 + l1) to a dealer, m_W - l1_W to evaluator 1.
    Sum,
}

impl View {
    /// What `me` multiplies a mask with: -l_W at the dealer, m_W at an evaluator.
    pub(crate) fn of_masks(me: PartyId, roles: Roles) -> View {
        match roles.role(me) {
            Role::Dealer => View::Sum,
            Role::Evaluator0 | Role::Evaluator1 => View::component(me, roles.party(Role::Dealer)),
        }
    }

    /// What an evaluator multiplies m with: -l0_W at evaluator 0, m_W - l1_W at evaluator 1.
    pub(crate) fn of_masked(me: PartyId, roles: Roles) -> View {
        match roles.role(me) {
            Role::Evaluator0 => View::component(me, roles.party(Role::Evaluator1)),
            Role::Dealer | Role::Evaluator1 => View::Sum,
        }
    }

    /// The component that `lacking` lacks.
    fn component(me: PartyId, lacking: PartyId) -> View {
        if me.peers()[0] == lacking {
            View::First
        } else {
            View::Second
        }
    }
}

impl<R: Ring> ModelShare<R> {
    /// Takes over the shares of all parameters of a validated plan, in its order.
    ///
    /// # Errors
    /// When ring, number, lengths or owner of the shares are not those of the plan and party.
    pub fn new(plan: &Plan, party: PartyId, parameters: Vec<ReplicatedShare<R>>) -> Result<Self, ModelFault> {
        if plan.ring() != R::KIND {
            return Err(ModelFault::Ring {
                plan: plan.ring(),
                shares: R::KIND,
            });
        }
        if plan.parameters.len() != parameters.len() {
            return Err(ModelFault::Count {
                expected: plan.parameters.len(),
                found: parameters.len(),
            });
        }
        for (parameter, share) in plan.parameters.iter().zip(&parameters) {
            let name = || parameter.source.clone();
            if share.party != party {
                return Err(ModelFault::Party {
                    parameter: name(),
                    expected: party,
                    found: share.party,
                });
            }
            let expected = parameter.elements();
            if let Some(other) = share.components.iter().find(|component| component.len() != expected) {
                return Err(ModelFault::Length {
                    parameter: name(),
                    expected,
                    found: other.len(),
                });
            }
        }
        let packed = plan.steps.iter().map(|step| match &step.op {
            Op::Linear(terms) => terms.iter().map(|_| Default::default()).collect(),
            _ => Vec::new(),
        });
        Ok(ModelShare {
            party,
            parameters,
            packed: packed.collect(),
        })
    }

    /// The party that holds the shares.
    pub fn party(&self) -> PartyId {
        self.party
    }

    /// Whether the shares are those of a plan of this form: parameters and linear steps match.
    pub(crate) fn belongs_to(&self, plan: &Plan) -> bool {
        let lengths = plan.parameters.iter().map(|parameter| parameter.elements());
        let terms = plan.steps.iter().map(|step| match &step.op {
            Op::Linear(terms) => terms.len(),
            _ => 0,
        });
        lengths.eq(self.parameters.iter().map(ReplicatedShare::len)) && terms.eq(self.packed.iter().map(Vec::len))
    }

    /// The view of the static operand of a term, packed for its product.
    pub(crate) fn operand(&self, plan: &Plan, step: usize, term: usize, view: View) -> Option<&StaticOperand<R>> {
        let Op::Linear(terms) = &plan.steps[step].op else {
            return None;
        };
        let parameter = terms[term].parameter()?;
        let cell = &self.packed[step][term][view as usize];
        Some(cell.get_or_init(|| {
            let [first, second] = &self.parameters[parameter.0 as usize].components;
            match view {
                View::First => StaticOperand::pack(plan, step, &terms[term], first),
                View::Second => StaticOperand::pack(plan, step, &terms[term], second),
                View::Sum => {
                    let mut sum: Secret<R> = first.clone();
                    vector::add_assign(&mut sum, second);
                    StaticOperand::pack(plan, step, &terms[term], &sum)
                }
            }
        }))
    }
}
