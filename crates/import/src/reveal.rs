//! What the client learns of the outputs.

use tercet_plan::Decode;

use crate::error::ImportError;
use crate::graph::{Graph, GraphOutput, NodeId, Op};
use crate::options::Reveal;

/// Changes the outputs to what is to be revealed.
pub fn apply(graph: &mut Graph, reveal: Reveal) -> Result<(), ImportError> {
    let mut outputs = std::mem::take(&mut graph.outputs);
    for output in &mut outputs {
        match reveal {
            Reveal::AsModel => {}
            Reveal::Logits => output.decode = Decode::Identity,
            Reveal::Probabilities => {
                if output.decode == Decode::Identity {
                    output.decode = match output.shape.last() {
                        Some(&classes) if classes > 1 => Decode::Softmax {
                            axis: output.shape.len() as u32 - 1,
                        },
                        _ => Decode::Sigmoid,
                    };
                }
            }
            Reveal::Label => label(graph, output)?,
        }
    }
    graph.outputs = outputs;
    Ok(())
}

fn label(graph: &mut Graph, output: &mut GraphOutput) -> Result<(), ImportError> {
    let node = output.node;
    let source = graph.node(node).source.clone();
    let mut shape = output.shape.clone();
    let axis = match output.decode {
        Decode::Softmax { axis } | Decode::LogSoftmax { axis } => axis as usize,
        _ => shape.len().saturating_sub(1),
    };
    let logits = reshape(graph, &source, node, &shape);
    let elements: usize = shape.iter().product();
    let classes = shape.get(axis).copied().unwrap_or(1);
    let scores = if classes > 1 {
        let mut permutation: Vec<usize> = (0..shape.len()).collect();
        permutation.remove(axis);
        permutation.push(axis);
        let moved = permutation.iter().map(|&axis| shape[axis]).collect();
        shape.remove(axis);
        graph.push(
            &source,
            moved,
            Op::Transpose {
                of: logits,
                permutation,
            },
        )
    } else if elements == 1 {
        // The second class wins if the number is above zero.
        let single = reshape(graph, &source, node, &[1]);
        shape.clear();
        let pad = Op::Pad {
            of: single,
            before: vec![1],
            after: vec![0],
            fill: 0.0,
        };
        graph.push(&source, vec![2], pad)
    } else {
        return Err(ImportError::NoLabel {
            output: output.name.clone(),
            shape,
        });
    };
    output.node = graph.push(&source, shape.clone(), Op::ArgMax(scores));
    output.shape = shape;
    output.decode = Decode::Label;
    Ok(())
}

fn reshape(graph: &mut Graph, source: &str, node: NodeId, shape: &[usize]) -> NodeId {
    if graph.shape(node) == shape {
        node
    } else {
        graph.push(source, shape.to_vec(), Op::Reshape(node))
    }
}
