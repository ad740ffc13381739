use crate::{Op, Plan};

/// Bytes that a party needs, estimated from above so that admission can refuse what would not fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Memory {
    /// The model's shares, once for all sessions: two components of each parameter, and two packed views of them for a role.
    pub model: u64,
    /// One session.
    pub session: u64,
}

impl Plan {
    /// The memory a party needs for a validated plan and a batch.
    ///
    /// A session holds two vectors of each value that a later step still needs, and while a step runs what is exchanged and dealt for it
    /// three times over: as elements, as frames and on their way.
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
        Memory {
            model: 4 * parameters * element,
            session: largest,
        }
    }
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
