//! A session between its two halves: all is done that does not depend on the input.

use std::time::{Duration, Instant};

use tercet_ids::{PartyId, Role};
use tercet_plan::cost::PREPARED_BYTES_MAX;
use tercet_ring::{Ring, Secret, to_bytes};
use zeroize::Zeroizing;

use crate::channel::Channel;
use crate::dealer::Dealer;
use crate::error::EngineError;
use crate::evaluator::Evaluator;
use crate::keys::{KeyBinding, PairSecret, SessionKey};
use crate::link::Links;
use crate::meter::Meter;
use crate::model::ModelShare;
use crate::prf::Prf;
use crate::program::{self, EvaluatorInput, InputMasks, Preparation, Program, remask};
use crate::session::{OutputShare, Report, SessionSpec};

/// What a party holds once it has dealt, or drawn its masks and computed its brackets.
pub(crate) enum Ready<R: Ring> {
    /// Everything is dealt.
    Dealer {
        /// r of every output.
        outputs: Vec<Secret<R>>,
        /// What it cost.
        meter: Meter,
        /// Nothing more is said on them, but they stay open: a closed link would look like a lost dealer.
        _links: Box<(Dealer, Channel)>,
    },
    /// An evaluator that waits for its inputs.
    Evaluator {
        /// With the keys and the links.
        evaluator: Box<Evaluator>,
        /// Masks and brackets.
        preparation: Preparation<R>,
        /// This evaluator's halves of the masks that were drawn for the inputs; none if the client's are used.
        drawn: Vec<Secret<R>>,
        /// How long it took.
        prepare_time: Duration,
        /// To the dealer, for evaluator 0, which hears nothing from it; stays open.
        _silent: Option<Channel>,
    },
}

/// Inputs as they come into the second half.
pub(crate) enum Inputs<R: Ring> {
    /// m of each, whose masks were known in the first half. The dealer needs none.
    Masked(Vec<Secret<R>>),
    /// Components under masks of the client's own; the first half has drawn others.
    Shared(Vec<EvaluatorInput<R>>),
}

impl<R: Ring> Ready<R> {
    /// The first half.
    pub(crate) fn begin(
        spec: &SessionSpec,
        secrets: [(PartyId, PairSecret); 2],
        links: Links,
        model: &ModelShare<R>,
        inputs: InputMasks<R>,
    ) -> Result<Self, EngineError> {
        let program = program(spec, model);
        let prf = |role: Role| prf(spec, &secrets, spec.roles.party(role));
        let peers = |first: Role, second: Role| {
            let parties = [first, second].map(|role| spec.roles.party(role));
            let [to_first, to_second] = links
                .to(parties[0], parties[1])
                .ok_or(EngineError::Misuse("links lead to other parties"))?;
            Ok([Channel::new(parties[0], to_first), Channel::new(parties[1], to_second)])
        };
        match spec.roles.role(spec.me) {
            Role::Dealer => {
                let [silent, to_second] = peers(Role::Evaluator0, Role::Evaluator1)?;
                let mut dealer = Dealer::new(prf(Role::Evaluator0)?, prf(Role::Evaluator1)?, to_second);
                let (outputs, meter) = program::deal(&program, &mut dealer, inputs)?;
                Ok(Ready::Dealer {
                    outputs,
                    meter,
                    _links: Box::new((dealer, silent)),
                })
            }
            Role::Evaluator0 => {
                let [other, silent] = peers(Role::Evaluator1, Role::Dealer)?;
                let evaluator = Evaluator::first(prf(Role::Dealer)?, other);
                Ok(Ready::evaluator(&program, evaluator, inputs, Some(silent)))
            }
            Role::Evaluator1 => {
                let [other, dealer] = peers(Role::Evaluator0, Role::Dealer)?;
                let evaluator = Evaluator::second(prf(Role::Dealer)?, other, dealer);
                Ok(Ready::evaluator(&program, evaluator, inputs, None))
            }
        }
    }

    fn evaluator(
        program: &Program<'_, R>,
        mut evaluator: Evaluator,
        inputs: InputMasks<R>,
        silent: Option<Channel>,
    ) -> Self {
        let since = Instant::now();
        let are_drawn = matches!(inputs, InputMasks::Drawn);
        let mut preparation = Preparation::new(program, &mut evaluator, inputs);
        let drawn = if are_drawn {
            preparation.input_masks().to_vec()
        } else {
            Vec::new()
        };
        preparation.run_ahead(program, &mut evaluator);
        Ready::Evaluator {
            evaluator: Box::new(evaluator),
            preparation,
            drawn,
            prepare_time: since.elapsed(),
            _silent: silent,
        }
    }

    /// The second half.
    pub(crate) fn finish(
        self,
        spec: &SessionSpec,
        model: &ModelShare<R>,
        inputs: Inputs<R>,
    ) -> Result<Report, EngineError> {
        let program = program(spec, model);
        let (outputs, meter) = match self {
            Ready::Dealer { outputs, meter, .. } => (outputs, meter),
            Ready::Evaluator {
                mut evaluator,
                preparation,
                drawn,
                prepare_time,
                ..
            } => {
                let online = Instant::now();
                let (masked, entry) = match inputs {
                    Inputs::Masked(masked) => (masked, None),
                    Inputs::Shared(inputs) => {
                        let (masked, entry) = remask(&program, &mut evaluator, drawn, inputs)?;
                        (masked, Some(entry))
                    }
                };
                let (outputs, mut steps) = program::evaluate(&program, &mut evaluator, preparation, masked)?;
                // The plan's first step defines an input, and exchanges nothing of its own.
                if let (Some(first), Some(entry)) = (steps.first_mut(), entry) {
                    *first = *first + entry;
                }
                let (wait_time, deal_time) = evaluator.blocked();
                let meter = Meter {
                    steps,
                    prepare_time,
                    compute_time: online.elapsed() - wait_time - deal_time,
                    wait_time,
                    deal_time,
                };
                (outputs, meter)
            }
        };
        let outputs = outputs.iter().map(|output| OutputShare {
            bytes: Zeroizing::new(to_bytes(output)),
        });
        Ok(Report {
            outputs: outputs.collect(),
            meter,
        })
    }
}

fn program<'a, R: Ring>(spec: &'a SessionSpec, model: &'a ModelShare<R>) -> Program<'a, R> {
    Program {
        plan: &spec.plan,
        model,
        batch: spec.batch as usize,
        me: spec.me,
        roles: spec.roles,
        deadline: spec.deadline,
        prepared_bytes_max: PREPARED_BYTES_MAX,
    }
}

fn prf(spec: &SessionSpec, secrets: &[(PartyId, PairSecret); 2], peer: PartyId) -> Result<Prf, EngineError> {
    let secret = secrets.iter().find(|(party, _)| *party == peer);
    let (_, secret) = secret.ok_or(EngineError::Misuse("pair secrets lead to other parties"))?;
    let binding = KeyBinding {
        session: spec.id,
        digest: spec.digest,
        batch: spec.batch,
        roles: spec.roles,
        nonces: spec.nonces,
    };
    Ok(Prf::new(&SessionKey::derive(secret, &binding)))
}
