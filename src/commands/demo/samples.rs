//! The models and samples that come with the program.

use tercet_plan::Array;

use crate::exit::{ExitCode, Failure};
use crate::npy;

/// A model with real samples and what they are.
pub struct Bundle {
    /// The name it is served under.
    pub name: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// What its labels mean.
    pub classes: Classes,
    /// Where the repository has the samples.
    pub samples: &'static str,
    /// The model.
    pub model: &'static [u8],
    inputs: &'static [u8],
    labels: &'static [u8],
}

/// What labels mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Classes {
    /// The digit itself.
    Digits,
    /// 0 is the first, 1 the second.
    Binary(&'static str, &'static str),
}

impl Classes {
    /// A label in words.
    pub fn text(self, label: u64) -> String {
        match (self, label) {
            (Classes::Digits, digit) => digit.to_string(),
            (Classes::Binary(no, _), 0) => no.to_owned(),
            (Classes::Binary(_, yes), _) => yes.to_owned(),
        }
    }
}

macro_rules! bundled {
    ($folder:literal, $file:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/integration-tests/models/",
            $folder,
            "/",
            $file
        ))
    };
}

/// A credit model: 26 facts about an application; does the customer pay back?
pub const CREDIT: Bundle = Bundle {
    name: "credit",
    title: "credit applications (26 features, a network of three layers)",
    classes: Classes::Binary("pays back", "defaults"),
    samples: "integration-tests/models/credit_mlp/input_0.npy",
    model: bundled!("credit_mlp", "model.onnx"),
    inputs: bundled!("credit_mlp", "input_0.npy"),
    labels: bundled!("credit_mlp", "labels.npy"),
};

/// Handwritten digits.
pub const DIGITS: Bundle = Bundle {
    name: "digits",
    title: "handwritten digits (MNIST, the LeNet network)",
    classes: Classes::Digits,
    samples: "integration-tests/models/mnist_lenet/input_0.npy",
    model: bundled!("mnist_lenet", "model.onnx"),
    inputs: bundled!("mnist_lenet", "input_0.npy"),
    labels: bundled!("mnist_lenet", "labels.npy"),
};

impl Bundle {
    /// The samples.
    pub fn inputs(&self) -> Result<Array, Failure> {
        npy::from_bytes(self.inputs).map_err(|reason| self.damaged(reason))
    }

    /// What the samples really are.
    pub fn labels(&self) -> Result<Vec<u64>, Failure> {
        let labels = npy::from_bytes(self.labels).map_err(|reason| self.damaged(reason))?;
        Ok(labels.data().iter().map(|&label| label as u64).collect())
    }

    fn damaged(&self, reason: String) -> Failure {
        Failure::new(
            ExitCode::Internal,
            format!("the bundled samples of {} are damaged: {reason}", self.name),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_has_a_label() {
        for bundle in [CREDIT, DIGITS] {
            let inputs = bundle.inputs().unwrap();
            assert_eq!(inputs.shape()[0], bundle.labels().unwrap().len(), "{}", bundle.name);
        }
    }
}
