//! The models that are measured, and where they are.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::measure::Case;

/// Models and samples that the repository holds.
pub struct Models {
    repository: PathBuf,
    networks: Option<PathBuf>,
}

impl Models {
    /// Those of this repository, and the large networks that `benches/models/networks.py` has written into a directory.
    pub fn new(networks: Option<&Path>) -> Models {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../integration-tests/models");
        Models {
            repository,
            networks: networks.map(Path::to_owned),
        }
    }

    /// One of the repository's.
    pub fn small(&self, name: &str, options: &str) -> Case {
        let directory = self.repository.join(name);
        Case::new(&directory.join("model.onnx"), &[directory.join("input_0.npy")], options)
    }

    /// One of the large networks.
    pub fn large(&self, name: &str, options: &str) -> Result<Case> {
        let Some(networks) = &self.networks else {
            bail!("needs --networks with what benches/models/networks.py writes");
        };
        let directory = networks.join(name);
        if !directory.join("model.onnx").is_file() {
            bail!("{} has no {name}; run benches/models/networks.py", networks.display());
        }
        let mut case = Case::new(&directory.join("model.onnx"), &[directory.join("input.npy")], options);
        let calibration = directory.join("calibration.npy").display().to_string();
        case.options.extend(["--calibration".to_owned(), calibration]);
        Ok(case)
    }
}
