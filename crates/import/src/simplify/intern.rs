//! Equal constants made one, so that operations with them are seen to be equal.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

use crate::graph::{Constant, Graph, Op, Term};

/// Lets equal constants of the graph share their elements.
pub fn share_equal_constants(graph: &mut Graph) {
    let mut known: HashMap<u64, Vec<Constant>> = HashMap::new();
    for node in &mut graph.nodes {
        let Op::Sum(terms) = &mut node.op else {
            continue;
        };
        for term in terms {
            let (Term::Dense { weight, .. }
            | Term::Conv { weight, .. }
            | Term::Scale { weight, .. }
            | Term::Bias(weight)) = term
            else {
                continue;
            };
            let alike = known.entry(hash(weight)).or_default();
            match alike.iter().find(|other| ***other == **weight) {
                Some(same) => *weight = same.clone(),
                None => alike.push(weight.clone()),
            }
        }
    }
}

fn hash(constant: &Constant) -> u64 {
    let mut hasher = DefaultHasher::new();
    constant.shape().iter().for_each(|&size| hasher.write_usize(size));
    constant.iter().for_each(|x| hasher.write_u64(x.to_bits()));
    hasher.finish()
}
