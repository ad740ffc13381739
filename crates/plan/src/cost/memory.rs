use crate::{Op, Plan, Term};

/// Bytes of masks and preprocessed products that an evaluator holds ahead of the steps they are for. It stops preparing at the first step
/// that reaches them.
pub const PREPARED_BYTES_MAX: usize = 256 << 20;

/// Bytes that a party needs, estimated from above so that admission can refuse what would not fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Memory {
    /// The model's shares, once for all sessions: two components of each parameter, and three packed views of them that the roles of
    /// its sessions need.
    pub model: u64,
    /// One session.
    pub session: u64,
    /// One session that is prepared and waits for its query, in whatever role: what is prepared ahead, all that is dealt, the masks of
    /// inputs and outputs.
    pub waiting: u64,
}

impl Plan {
    /// The memory a party needs for a validated plan and a batch.
    ///
    /// A session holds two vectors of each value that a later step still needs, and while a step runs what is exchanged and dealt for it
    /// three times over: as elements, as frames and on their way. On top comes what is prepared ahead.
    pub fn memory(&self, batch: u32) -> Memory {
        let element = self.ring().bytes() as u64;
        let parameters: u64 = self
            .parameters
            .iter()
            .map(|parameter| parameter.elements() as u64)
            .sum();
        let last_uses = self.last_uses();
        let bytes = |index: usize| 2 * element * u64::from(batch) * self.steps[index].value.elements() as u64;
        let mut ending: Vec<Vec<usize>> = vec![Vec::new(); self.steps.len()];
        let (mut live, mut largest) = (0_u64, 0_u64);
        for (index, (step, cost)) in self.steps.iter().zip(self.cost(batch).steps).enumerate() {
            live = live.saturating_add(bytes(index));
            let working =
                3 * cost.e0_to_e1.max(cost.e1_to_e0).max(cost.dealt) + scratch(self, &step.op, batch) * element;
            largest = largest.max(live.saturating_add(working));
            if let Some(ending) = ending.get_mut(last_uses[index]) {
                ending.push(index);
            }
            let ended: u64 = ending[index].iter().map(|&value| bytes(value)).sum();
            live = live.saturating_sub(ended);
        }
        let cost = self.cost(batch);
        let drawn = self.steps.iter().filter(|step| matches!(step.op, Op::Input(_)));
        let inputs: u64 = drawn.map(|step| step.value.elements() as u64).sum();
        let masks = 2 * element * u64::from(batch) * inputs + cost.revealed;
        Memory {
            model: 5 * parameters * element,
            session: largest.saturating_add(prepared(self, batch)),
            waiting: prepared(self, batch)
                .saturating_add(cost.total().dealt)
                .saturating_add(masks),
        }
    }
}

/// Bytes that are prepared ahead at most: for each step that is not local a mask or bracket, and for products of two values their masks.
fn prepared(plan: &Plan, batch: u32) -> u64 {
    let bytes = plan.steps.iter().map(|step| {
        let own = match &step.op {
            Op::Linear(terms) => {
                let products = terms
                    .iter()
                    .filter(|term| matches!(term, Term::Product { .. } | Term::MatMul { .. }));
                let factors = products.flat_map(Term::operands).map(|of| plan.value(of).elements());
                step.value.elements() + factors.sum::<usize>()
            }
            Op::Truncate { .. } | Op::Piecewise { .. } | Op::MaxPool { .. } | Op::ArgMax { .. } => {
                step.value.elements()
            }
            _ => 0,
        };
        own as u64 * u64::from(batch) * plan.ring().bytes() as u64
    });
    let (total, largest) = bytes.fold((0_u64, 0), |(total, largest), bytes| {
        (total.saturating_add(bytes), bytes.max(largest))
    });
    total.min(largest.saturating_add(PREPARED_BYTES_MAX as u64))
}

/// Elements of the operands of a linear step as they are laid out for multiplication.
fn scratch(plan: &Plan, op: &Op, batch: u32) -> u64 {
    match op {
        Op::Linear(terms) => {
            let operands = terms.iter().flat_map(|term| term.operands());
            let elements = operands.map(|of| plan.value(of).elements() as u64);
            2 * elements.sum::<u64>() * u64::from(batch)
        }
        _ => 0,
    }
}
