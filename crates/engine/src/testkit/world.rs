use std::thread;
use std::time::{Duration, Instant};

use tercet_ids::{Nonce, PartyId, PlanDigest, Role, Roles, SessionId};

use super::interceptor::{Fault, Transcript, tap};
use super::memory_link::MemoryLink;
use crate::channel::Channel;
use crate::dealer::Dealer;
use crate::error::EngineError;
use crate::evaluator::Evaluator;
use crate::frame::FrameTag;
use crate::keys::{KeyBinding, PairSecret, SessionKey};
use crate::link::Link;
use crate::meter::StepTraffic;
use crate::prf::Prf;

/// Three parties in one process. Everything they draw follows from the seed.
#[derive(Clone, Debug)]
pub struct World {
    seed: u64,
    /// What the pair secrets follow from, by the party that is not of the pair.
    pair_seeds: [u64; 3],
    patience: Duration,
    faults: Vec<(Role, Role, FrameTag, Fault)>,
    taps: Vec<(Role, Role, Transcript)>,
}

/// What the three parties got out of a protocol, and what it cost each.
#[derive(Debug)]
pub struct ProtocolRun<D, E> {
    /// The dealer's result.
    pub dealer: Result<(D, StepTraffic), EngineError>,
    /// The evaluators' results.
    pub evaluators: [Result<(E, StepTraffic), EngineError>; 2],
}

impl<D, E> ProtocolRun<D, E> {
    /// The results of a run that is to succeed: the dealer's, the evaluators', and the cost of the step at dealer, evaluator 0, evaluator 1.
    pub fn unwrap(self) -> (D, [E; 2], [StepTraffic; 3]) {
        let (dealer, dealer_cost) = self.dealer.unwrap_or_else(|error| panic!("the dealer failed: {error}"));
        let [first, second] = self
            .evaluators
            .map(|result| result.unwrap_or_else(|error| panic!("an evaluator failed: {error}")));
        (dealer, [first.0, second.0], [dealer_cost, first.1, second.1])
    }
}

impl World {
    /// A world without faults, whose parties wait ten seconds at most.
    pub fn new(seed: u64) -> Self {
        World {
            seed,
            pair_seeds: [seed; 3],
            patience: Duration::from_secs(10),
            faults: Vec::new(),
            taps: Vec::new(),
        }
    }

    /// The same world with parties that wait `patience` at most.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The same world with a fault in one frame that `from` sends to `to`.
    pub fn with_fault(mut self, from: Role, to: Role, at: FrameTag, fault: Fault) -> Self {
        self.faults.push((from, to, at, fault));
        self
    }

    /// The same world with another secret between two parties; all else that is drawn stays.
    pub fn with_pair_seed(mut self, one: PartyId, other: PartyId, seed: u64) -> Self {
        self.pair_seeds[third(one, other)] = seed;
        self
    }

    /// The same world that copies all that `from` sends to `to` into `transcript`.
    pub fn with_tap(mut self, from: Role, to: Role, transcript: &Transcript) -> Self {
        self.taps.push((from, to, transcript.clone()));
        self
    }

    /// What the parties' randomness follows from.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// When parties that start now give up.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.patience
    }

    /// Runs one protocol as step `step` of a session: `deal` at the dealer, `evaluate` at both evaluators, each on a thread of its own.
    pub fn run_protocol<D: Send, E: Send>(
        &self,
        step: u32,
        deal: impl FnOnce(&mut Dealer) -> D + Send,
        evaluate: impl Fn(&mut Evaluator) -> Result<E, EngineError> + Send + Sync,
    ) -> ProtocolRun<D, E> {
        let roles = Roles::new(PartyId::Auditor, PartyId::Cloud).expect("two parties");
        let party = |role| roles.party(role);
        let prf = |one: Role, other: Role| {
            let secret = self.pair_secret(party(one), party(other));
            Prf::new(&SessionKey::derive(
                &secret,
                &self.binding(PlanDigest([0; 32]), 1, roles),
            ))
        };
        let deadline = self.deadline();
        let ends = |one: Role, other: Role| {
            let [near, far] = self.connect(deadline, one, other);
            [Channel::new(party(other), near), Channel::new(party(one), far)]
        };
        let [first_to_second, second_to_first] = ends(Role::Evaluator0, Role::Evaluator1);
        let [dealer_to_second, second_to_dealer] = ends(Role::Dealer, Role::Evaluator1);
        let mut dealer = Dealer::new(
            prf(Role::Dealer, Role::Evaluator0),
            prf(Role::Dealer, Role::Evaluator1),
            dealer_to_second,
        );
        let first = Evaluator::first(prf(Role::Evaluator0, Role::Dealer), first_to_second);
        let second = Evaluator::second(prf(Role::Evaluator1, Role::Dealer), second_to_first, second_to_dealer);
        let evaluate = |mut evaluator: Evaluator| {
            evaluator.begin_step(step);
            let result = evaluate(&mut evaluator)?;
            Ok((result, evaluator.finish_step()?))
        };
        thread::scope(|scope| {
            let evaluators = [first, second].map(|evaluator| scope.spawn(|| evaluate(evaluator)));
            dealer.begin_step(step);
            let dealt = deal(&mut dealer);
            let dealer = dealer.finish_step().map(|cost| (dealt, cost));
            let evaluators = evaluators.map(|thread| thread.join().expect("an evaluator panicked"));
            ProtocolRun { dealer, evaluators }
        })
    }

    /// Both ends of the connection between two roles' parties, with the faults and taps that the world has in store for it.
    pub(super) fn connect(&self, deadline: Instant, one: Role, other: Role) -> [Box<dyn Link>; 2] {
        let (near, far) = MemoryLink::pair(deadline);
        let equip = |link: Box<dyn Link>, sender: Role, receiver: Role| {
            let faults = self
                .faults
                .iter()
                .filter(|(from, to, ..)| (*from, *to) == (sender, receiver));
            let link = faults.fold(link, |link, &(.., at, fault)| fault.inject(link, at));
            let taps = self
                .taps
                .iter()
                .filter(|(from, to, _)| (*from, *to) == (sender, receiver));
            taps.fold(link, |link, (.., transcript)| tap(link, transcript))
        };
        [equip(Box::new(near), one, other), equip(Box::new(far), other, one)]
    }

    pub(super) fn pair_secret(&self, one: PartyId, other: PartyId) -> PairSecret {
        let third = third(one, other);
        PairSecret::new(bytes(self.pair_seeds[third], "pair secret", third as u8))
    }

    pub(super) fn binding(&self, digest: PlanDigest, batch: u32, roles: Roles) -> KeyBinding {
        let nonces = [0, 1, 2].map(|party| Nonce(bytes(self.seed, "nonce", party)));
        KeyBinding {
            session: SessionId(bytes(self.seed, "session", 0)),
            digest,
            batch,
            roles,
            nonces,
        }
    }
}

/// The index of the party that is neither.
fn third(one: PartyId, other: PartyId) -> usize {
    3 - one.index() - other.index()
}

fn bytes<const N: usize>(seed: u64, purpose: &str, index: u8) -> [u8; N] {
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(&seed.to_le_bytes())
        .update(&[index])
        .update(purpose.as_bytes());
    let mut bytes = [0; N];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}
