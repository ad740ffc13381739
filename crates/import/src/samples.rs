//! Samples as clients give them: whole batches, one array for each input.

use ndarray::ArrayD;
use tercet_plan::Array;

use crate::error::ImportError;
use crate::read::Model;

impl Model {
    /// The inputs' shapes at batch one, with open sizes taken from samples if there are any.
    pub(crate) fn shapes_at_batch_one(&self, samples: &[Array]) -> Result<Vec<Vec<usize>>, ImportError> {
        let count = self.inputs().len();
        if !samples.is_empty() && samples.len() != count {
            return Err(ImportError::SampleCount {
                expected: count,
                found: samples.len(),
            });
        }
        let ports = self.inputs().iter().enumerate();
        ports
            .map(|(index, port)| port.shape_at_batch_one(samples.get(index).map(Array::shape)))
            .collect()
    }

    /// Checks number, shapes and contents of samples.
    pub(crate) fn check_samples(&self, samples: &[Array]) -> Result<(), ImportError> {
        if samples.len() != self.inputs().len() {
            return Err(ImportError::SampleCount {
                expected: self.inputs().len(),
                found: samples.len(),
            });
        }
        let batch = self.batch(samples);
        for (port, sample) in self.inputs().iter().zip(samples) {
            port.shape_at_batch_one(Some(sample.shape()))?;
            if port.batched && (sample.shape()[0] != batch || batch == 0) {
                return Err(ImportError::SampleShape {
                    input: port.name.clone(),
                    expected: port.shape_text(),
                    found: sample.shape().to_vec(),
                });
            }
            if sample.data().iter().any(|x| !x.is_finite()) {
                return Err(ImportError::SampleNotFinite {
                    input: port.name.clone(),
                });
            }
            if port.whole && sample.data().iter().any(|x| x.fract() != 0.0) {
                return Err(ImportError::SampleNotWhole {
                    input: port.name.clone(),
                });
            }
        }
        Ok(())
    }

    /// Samples in a batch; one for a model without a batch axis.
    pub(crate) fn batch(&self, samples: &[Array]) -> usize {
        let batched = self.inputs().iter().zip(samples).find(|(port, _)| port.batched);
        batched
            .and_then(|(_, sample)| sample.shape().first().copied())
            .unwrap_or(1)
    }

    /// One sample of a batch, as a batch of one.
    pub(crate) fn sample(&self, samples: &[Array], index: usize) -> Result<Vec<Array>, ImportError> {
        let ports = self.inputs().iter().zip(samples);
        ports
            .map(|(port, array)| {
                if !port.batched {
                    return Ok(array.clone());
                }
                let mut shape = array.shape().to_vec();
                let size = array.data().len() / shape[0];
                shape[0] = 1;
                Ok(Array::new(
                    shape,
                    array.data()[index * size..(index + 1) * size].to_vec(),
                )?)
            })
            .collect()
    }

    /// The first `count` samples of a batch.
    pub(crate) fn first_samples(&self, samples: &[Array], count: usize) -> Result<Vec<Array>, ImportError> {
        let ports = self.inputs().iter().zip(samples);
        ports
            .map(|(port, array)| {
                if !port.batched || array.shape()[0] <= count {
                    return Ok(array.clone());
                }
                let mut shape = array.shape().to_vec();
                let size = array.data().len() / shape[0];
                shape[0] = count;
                Ok(Array::new(shape, array.data()[..count * size].to_vec())?)
            })
            .collect()
    }

    /// All samples in double precision, each in the shape of one.
    pub(crate) fn split(&self, samples: &[Array]) -> Result<Vec<Vec<ArrayD<f64>>>, ImportError> {
        let mut result = Vec::new();
        if samples.is_empty() {
            return Ok(result);
        }
        for index in 0..self.batch(samples) {
            let sample = self.sample(samples, index)?;
            let arrays = self.inputs().iter().zip(&sample).map(|(port, array)| {
                let shape = &array.shape()[usize::from(port.batched)..];
                let numbers = array.data().iter().map(|&x| f64::from(x)).collect();
                ArrayD::from_shape_vec(shape, numbers).expect("an array holds what its shape says")
            });
            result.push(arrays.collect());
        }
        Ok(result)
    }
}
