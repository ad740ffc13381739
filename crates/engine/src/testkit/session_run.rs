use std::sync::Arc;
use std::thread;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tercet_ids::{PartyId, PlanDigest, Role, Roles};
use tercet_plan::{Encoded, Integers, Parameters, Plan};
use tercet_ring::{Ring, RingKind, Secret, from_bytes};
use tercet_sharing::replicated::{ReplicatedShare, share};

use super::World;
use crate::error::EngineError;
use crate::keys::PairSecret;
use crate::link::{Link, Links};
use crate::model::ModelShare;
use crate::prepared::prepare;
use crate::session::{InputShare, Model, Report, SessionSpec, run};

/// Stands for the digest of any plan: parties of a world never disagree on it.
const DIGEST: PlanDigest = PlanDigest([7; 32]);

/// Every pair once.
const PARTY_PAIRS: [[PartyId; 2]; 3] = [
    [PartyId::ClientProxy, PartyId::Cloud],
    [PartyId::ClientProxy, PartyId::Auditor],
    [PartyId::Cloud, PartyId::Auditor],
];

/// What the three parties got out of a session.
pub struct SessionRun {
    /// Who played what.
    pub roles: Roles,
    /// Each party's report, in the parties' order.
    pub reports: [Result<Report, EngineError>; 3],
}

impl SessionRun {
    /// The result of the party that plays `role`.
    pub fn report(&self, role: Role) -> &Result<Report, EngineError> {
        &self.reports[self.roles.party(role).index()]
    }

    /// What the client of a session that is to succeed rebuilds, output by output, after checking that both evaluators agree.
    pub fn outputs(&self, ring: RingKind) -> Vec<Integers> {
        match ring {
            RingKind::Z32 => self.outputs_over::<u32>(),
            RingKind::Z64 => self.outputs_over::<u64>(),
        }
    }

    fn outputs_over<R: Ring>(&self) -> Vec<Integers> {
        let [r, m, other] = [Role::Dealer, Role::Evaluator0, Role::Evaluator1].map(|role| match self.report(role) {
            Ok(report) => &report.outputs,
            Err(error) => panic!("the {role} failed: {error}"),
        });
        let rebuilt = m.iter().zip(other).zip(r).map(|((m, other), r)| {
            assert!(m.bytes == other.bytes, "the evaluators reveal the same m");
            let elements = |bytes: &[u8]| from_bytes::<R>(bytes, bytes.len() / R::BYTES).expect("whole elements");
            let (m, r) = (elements(&m.bytes), elements(&r.bytes));
            assert_eq!(m.len(), r.len(), "dealer and evaluators reveal the same output");
            m.iter().zip(r.iter()).map(|(m, r)| m.minus(*r).to_i64()).collect()
        });
        rebuilt.collect()
    }
}

impl World {
    /// Shares the parameters of a validated plan: each party's model, in the parties' order.
    pub fn models(&self, plan: &Plan, parameters: &Parameters) -> [Model; 3] {
        match plan.ring() {
            RingKind::Z32 => self.models_over(plan, parameters).map(Model::Z32),
            RingKind::Z64 => self.models_over(plan, parameters).map(Model::Z64),
        }
    }

    /// Runs a validated plan on a client's inputs: all three parties, each on a thread of its own.
    pub fn run(&self, plan: &Plan, models: &[Model; 3], inputs: &Encoded, roles: Roles) -> SessionRun {
        self.run_shares(plan, models, inputs.batch, self.share_inputs(plan, inputs), roles)
    }

    /// Runs a validated plan on the parties' shares of a client's inputs, in the parties' order, over links in memory.
    pub fn run_shares(
        &self,
        plan: &Plan,
        models: &[Model; 3],
        batch: u32,
        inputs: [InputShare; 3],
        roles: Roles,
    ) -> SessionRun {
        let deadline = self.deadline();
        let connect = |one: PartyId, other: PartyId| self.connect(deadline, roles.role(one), roles.role(other));
        self.run_over(plan, models, batch, inputs, roles, connect)
    }

    /// The same over any links: `connect` gives both ends of the connection between two parties.
    pub fn run_over(
        &self,
        plan: &Plan,
        models: &[Model; 3],
        batch: u32,
        inputs: [InputShare; 3],
        roles: Roles,
        connect: impl FnMut(PartyId, PartyId) -> [Box<dyn Link>; 2],
    ) -> SessionRun {
        let given = each(connected(connect), inputs);
        let reports = at_each_party(given, |me, (links, input)| {
            let spec = self.spec(plan, batch, roles, me);
            run(&spec, self.pair_secrets(me), links, &models[me.index()], input)
        });
        SessionRun { roles, reports }
    }

    /// The same in two halves: each party prepares its side without the inputs, and runs the rest on another thread.
    pub fn run_prepared(&self, plan: &Plan, models: &[Model; 3], inputs: &Encoded, roles: Roles) -> SessionRun {
        let deadline = self.deadline();
        let connect = |one: PartyId, other: PartyId| self.connect(deadline, roles.role(one), roles.role(other));
        let prepared = at_each_party(connected(connect), |me, links| {
            let spec = self.spec(plan, inputs.batch, roles, me);
            prepare(spec, self.pair_secrets(me), links, &models[me.index()])
        });
        let given = each(prepared, self.share_inputs(plan, inputs));
        let reports = at_each_party(given, |me, (prepared, input)| {
            prepared?.run(&models[me.index()], input, deadline)
        });
        SessionRun { roles, reports }
    }

    fn pair_secrets(&self, me: PartyId) -> [(PartyId, PairSecret); 2] {
        me.peers().map(|peer| (peer, self.pair_secret(me, peer)))
    }

    fn spec(&self, plan: &Plan, batch: u32, roles: Roles, me: PartyId) -> SessionSpec {
        let binding = self.binding(DIGEST, batch, roles);
        SessionSpec {
            id: binding.session,
            plan: Arc::new(plan.clone()),
            digest: DIGEST,
            batch,
            roles,
            me,
            nonces: binding.nonces,
            deadline: self.deadline(),
        }
    }

    fn models_over<R: Ring>(&self, plan: &Plan, parameters: &Parameters) -> [ModelShare<R>; 3] {
        let mut random = StdRng::seed_from_u64(self.seed());
        let shares: Vec<_> = parameters
            .iter()
            .map(|tensor| replicated::<R>(tensor, &mut random))
            .collect();
        PartyId::ALL.map(|party| {
            let mine = shares.iter().map(|of| of[party.index()].clone()).collect();
            ModelShare::new(plan, party, mine).expect("the parameters are the plan's")
        })
    }

    /// Shares a client's inputs: each party's share, in the parties' order.
    pub fn share_inputs(&self, plan: &Plan, inputs: &Encoded) -> [InputShare; 3] {
        match plan.ring() {
            RingKind::Z32 => self.inputs_over(inputs).map(InputShare::Z32),
            RingKind::Z64 => self.inputs_over(inputs).map(InputShare::Z64),
        }
    }

    fn inputs_over<R: Ring>(&self, inputs: &Encoded) -> [Vec<ReplicatedShare<R>>; 3] {
        let mut random = StdRng::seed_from_u64(!self.seed());
        let shares: Vec<_> = inputs
            .inputs
            .iter()
            .map(|tensor| replicated::<R>(tensor, &mut random))
            .collect();
        PartyId::ALL.map(|party| shares.iter().map(|of| of[party.index()].clone()).collect())
    }
}

/// Each party's links, in the parties' order.
fn connected(mut connect: impl FnMut(PartyId, PartyId) -> [Box<dyn Link>; 2]) -> [Links; 3] {
    let mut ends: [Vec<(PartyId, Box<dyn Link>)>; 3] = [vec![], vec![], vec![]];
    for [one, other] in PARTY_PAIRS {
        let [near, far] = connect(one, other);
        ends[one.index()].push((other, near));
        ends[other.index()].push((one, far));
    }
    ends.map(|links| Links::new(links.try_into().ok().expect("one link a peer")))
}

/// Does something at all three parties at once, each on a thread of its own with what it is given.
fn at_each_party<G: Send, T: Send>(given: [G; 3], work: impl Fn(PartyId, G) -> T + Sync) -> [T; 3] {
    let work = &work;
    let mut given = given.into_iter();
    thread::scope(|scope| {
        let parties = PartyId::ALL.map(|me| {
            let mine = given.next().expect("one for each party");
            scope.spawn(move || work(me, mine))
        });
        parties.map(|party| party.join().expect("a party panicked"))
    })
}

/// Pairs what is given to each party.
fn each<A, B>(first: [A; 3], second: [B; 3]) -> [(A, B); 3] {
    let mut second = second.into_iter();
    first.map(|first| (first, second.next().expect("as many as of the first")))
}

fn replicated<R: Ring>(integers: &Integers, random: &mut StdRng) -> [ReplicatedShare<R>; 3] {
    let elements = Secret::new(integers.iter().map(|&integer| R::from_i64(integer)).collect());
    share(&elements, random).map(|share| share.expand(integers.len()).expect("a share is as long as its tensor"))
}
