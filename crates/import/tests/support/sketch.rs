use tract_onnx::pb::AttributeProto;

use super::{Onnx, random};

/// A model that grows node by node, whose values are named as they come.
pub struct Sketch {
    pub onnx: Onnx,
    count: usize,
}

impl Sketch {
    /// Begins with what the model has already.
    pub fn new(onnx: Onnx) -> Sketch {
        Sketch { onnx, count: 0 }
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// A name that no value has.
    pub fn fresh(&mut self) -> String {
        self.count += 1;
        format!("v{}", self.count)
    }

    /// Adds a node, and gives the name of its result.
    pub fn node(&mut self, operator: &str, inputs: &[&str], attributes: &[AttributeProto]) -> String {
        let name = self.fresh();
        self.onnx = self.onnx.clone().node(operator, inputs, &name, attributes);
        name
    }

    /// Adds a constant of random numbers, the same in every run, and gives its name.
    pub fn constant(&mut self, shape: &[i64], low: f32, high: f32) -> String {
        let name = self.fresh();
        let count = shape.iter().product::<i64>() as usize;
        let data = random(self.count as u64, count, low, high);
        self.onnx = self.onnx.clone().constant(&name, shape, &data);
        name
    }
}
