//! Rewrites of the float graph that keep what it computes and make it cheaper on shares: constants folded into weights, moves of elements
//! merged, activations fused, repetitions and dead nodes dropped.

mod affine;
mod intern;
mod linear;
mod moves;
mod nonlinear;

use std::collections::HashMap;

use crate::graph::{Graph, NodeId, Op};

/// Every pass makes the graph smaller or moves something towards the inputs, so that few are needed; this only guards against a mistake.
const PASSES_MAX: usize = 64;

/// A graph that computes the same.
pub fn simplify(mut graph: Graph) -> Graph {
    intern::share_equal_constants(&mut graph);
    for _ in 0..PASSES_MAX {
        let before = fingerprint(&graph);
        graph = pass(&graph);
        if fingerprint(&graph) == before {
            break;
        }
    }
    graph
}

fn fingerprint(graph: &Graph) -> Vec<String> {
    graph
        .nodes
        .iter()
        .map(|node| format!("{} {:?}", node.op.key(), node.shape))
        .collect()
}

/// A graph under construction from an old one.
struct Rewriter {
    graph: Graph,
    /// How often the old graph uses what each node stands for.
    uses: Vec<usize>,
    /// Nodes by operation and shape.
    existing: HashMap<String, NodeId>,
    /// What operations of the old graph, over operands in the new one, were rewritten to.
    rewritten: HashMap<String, NodeId>,
}

fn pass(old: &Graph) -> Graph {
    let live = live(old);
    let uses = old.uses();
    let mut rewriter = Rewriter {
        graph: Graph {
            inputs: old.inputs.clone(),
            ..Graph::default()
        },
        uses: vec![],
        existing: HashMap::new(),
        rewritten: HashMap::new(),
    };
    let mut new_ids: Vec<Option<NodeId>> = vec![None; old.nodes.len()];
    for (index, node) in old.nodes.iter().enumerate().filter(|(index, _)| live[*index]) {
        let op = node
            .op
            .map(|id| new_ids[id.0].expect("operands come first and are live"));
        // Rewriting makes new constants, so what is equal has to be found before.
        let key = format!("{} {:?}", op.key(), node.shape);
        let new = match rewriter.rewritten.get(&key) {
            Some(&same) => same,
            None => rewriter.rewrite(&node.source, &node.shape, op),
        };
        rewriter.rewritten.insert(key, new);
        rewriter.uses[new.0] += uses[index];
        new_ids[index] = Some(new);
    }
    let outputs = old.outputs.iter().cloned().map(|mut output| {
        output.node = new_ids[output.node.0].expect("outputs are live");
        output
    });
    rewriter.graph.outputs = outputs.collect();
    rewriter.graph
}

fn live(graph: &Graph) -> Vec<bool> {
    let mut live = vec![false; graph.nodes.len()];
    for output in &graph.outputs {
        live[output.node.0] = true;
    }
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        if live[index] {
            node.op.operands().iter().for_each(|id| live[id.0] = true);
        }
        // The client gives every input, whether it is used or not.
        live[index] |= matches!(node.op, Op::Input(_));
    }
    live
}

impl Rewriter {
    /// The node that computes `op`: one there is, or a new one, or something simpler.
    fn rewrite(&mut self, source: &str, shape: &[usize], op: Op) -> NodeId {
        match op {
            Op::Sum(terms) => self.sum(source, shape, terms),
            Op::Sigmoid(_) | Op::Piecewise { .. } | Op::MaxPool { .. } => self.nonlinear(source, shape, op),
            moves => self.moves(source, shape, moves),
        }
    }

    /// The node of exactly this operation.
    fn node(&mut self, source: &str, shape: &[usize], op: Op) -> NodeId {
        let key = format!("{} {shape:?}", op.key());
        if let Some(&existing) = self.existing.get(&key) {
            return existing;
        }
        let id = self.graph.push(source, shape.to_vec(), op);
        self.uses.push(0);
        self.existing.insert(key, id);
        id
    }

    /// Whether nothing but the node at hand uses `id`. Nodes made in this pass are not counted yet, and are used once.
    fn is_used_once(&self, id: NodeId) -> bool {
        self.uses[id.0] <= 1
    }
}
