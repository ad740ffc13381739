//! The model run in the clear by the front end: what a plan is compared with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tercet_plan::Array;
use tract_onnx::prelude::*;

use crate::error::ImportError;
use crate::read::{Model, describe, guarded};

/// Prepared for one batch size.
type Prepared = Arc<TypedRunnableModel>;

/// Plaintext runs of a model in single precision, for any batch.
pub struct FloatReference {
    model: Model,
    shapes: Vec<Vec<usize>>,
    prepared: Mutex<HashMap<usize, Option<Prepared>>>,
}

impl FloatReference {
    /// Prepares to run the model; `samples` fix open sizes, if there are any.
    ///
    /// # Errors
    /// When sizes stay open, or the front end cannot run the model.
    pub fn new(model: &Model, samples: &[Array]) -> Result<Self, ImportError> {
        let shapes = model.shapes_at_batch_one(samples)?;
        let reference = FloatReference {
            model: model.clone(),
            shapes,
            prepared: Mutex::default(),
        };
        reference.prepare(1)?;
        Ok(reference)
    }

    /// The model's outputs for a batch.
    ///
    /// A model that was exported for one sample at a time, and takes no larger batch, is run once for each.
    ///
    /// # Errors
    /// When the inputs do not fit the model, or the front end fails.
    pub fn run(&self, inputs: &[Array]) -> Result<Vec<Array>, ImportError> {
        self.model.check_samples(inputs)?;
        let batch = self.model.batch(inputs);
        if let Some(prepared) = self.prepared(batch) {
            return run_once(&prepared, inputs);
        }
        self.run_one_by_one(inputs)
    }

    /// The model's outputs for a batch, each sample by itself.
    pub(crate) fn run_one_by_one(&self, inputs: &[Array]) -> Result<Vec<Array>, ImportError> {
        let one = self.prepared(1).ok_or_else(|| ImportError::Reference {
            cause: "it cannot be prepared for one sample".to_owned(),
        })?;
        let mut joined: Vec<(Vec<usize>, Vec<f32>)> = Vec::new();
        let batch = self.model.batch(inputs);
        for index in 0..batch {
            let sample: Vec<Array> = self.model.sample(inputs, index)?;
            for (slot, output) in run_once(&one, &sample)?.into_iter().enumerate() {
                if joined.len() == slot {
                    let mut shape = output.shape().to_vec();
                    match shape.first_mut() {
                        Some(first) if *first == 1 => *first = batch,
                        _ => shape.insert(0, batch),
                    }
                    joined.push((shape, vec![]));
                }
                joined[slot].1.extend(output.into_data());
            }
        }
        joined
            .into_iter()
            .map(|(shape, data)| Ok(Array::new(shape, data)?))
            .collect()
    }

    fn prepared(&self, batch: usize) -> Option<Prepared> {
        let mut prepared = self.prepared.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        prepared
            .entry(batch)
            .or_insert_with(|| self.prepare(batch).ok())
            .clone()
    }

    fn prepare(&self, batch: usize) -> Result<Prepared, ImportError> {
        let shapes = self.shapes.iter().zip(self.model.inputs()).map(|(shape, port)| {
            let mut shape = shape.clone();
            if port.batched {
                shape[0] = batch;
            }
            shape
        });
        let shapes: Vec<Vec<usize>> = shapes.collect();
        let typed = self.model.typed(&shapes)?;
        guarded(|| typed.into_optimized()?.into_runnable()).map_err(failed)
    }
}

fn run_once(model: &Prepared, inputs: &[Array]) -> Result<Vec<Array>, ImportError> {
    let tensors = inputs.iter().enumerate().map(|(index, input)| {
        let tensor = Tensor::from_shape(input.shape(), input.data())?;
        let kind = model.model().input_fact(index)?.datum_type;
        Ok(tensor.cast_to_dt(kind)?.into_owned().into_tvalue())
    });
    let tensors: TVec<TValue> = tensors
        .collect::<TractResult<_>>()
        .map_err(|cause| failed(describe(&cause)))?;
    let outputs = guarded(|| model.run(tensors)).map_err(failed)?;
    let arrays = outputs.iter().map(|output| {
        let numbers = output.cast_to::<f32>()?;
        let view = numbers.to_plain_array_view::<f32>()?;
        Ok((view.shape().to_vec(), view.iter().copied().collect()))
    });
    let arrays: Vec<(Vec<usize>, Vec<f32>)> = arrays
        .collect::<TractResult<_>>()
        .map_err(|cause| failed(describe(&cause)))?;
    arrays
        .into_iter()
        .map(|(shape, data)| Ok(Array::new(shape, data)?))
        .collect()
}

fn failed(cause: String) -> ImportError {
    ImportError::Reference { cause }
}
