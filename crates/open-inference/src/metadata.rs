use serde::{Serialize, Serializer};

use crate::datatype::Datatype;

/// What the server is: the answer to `GET /v2`.
#[derive(Clone, Debug, Serialize)]
pub struct ServerMetadata {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Extensions of the protocol that it implements.
    pub extensions: Vec<&'static str>,
}

/// What a model takes and gives: the answer to `GET /v2/models/NAME`.
#[derive(Clone, Debug, Serialize)]
pub struct ModelMetadata {
    /// Its name.
    pub name: String,
    /// The versions that are served.
    pub versions: Vec<String>,
    /// How it is computed.
    pub platform: String,
    /// Its inputs.
    pub inputs: Vec<TensorMetadata>,
    /// Its outputs.
    pub outputs: Vec<TensorMetadata>,
}

/// One input or output.
#[derive(Clone, Debug, Serialize)]
pub struct TensorMetadata {
    /// Its name.
    pub name: String,
    /// What its elements are.
    #[serde(serialize_with = "by_name")]
    pub datatype: Datatype,
    /// Sizes of its axes; -1 is the batch.
    pub shape: Vec<i64>,
}

/// One entry of the repository index.
#[derive(Clone, Debug, Serialize)]
pub struct RepositoryEntry {
    /// The model.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Whether it can be asked.
    pub state: ModelState,
    /// Why not.
    pub reason: String,
}

/// State of a model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ModelState {
    /// It can be asked.
    Ready,
    /// It cannot; the reason says why.
    Unavailable,
}

impl ModelState {
    /// The protocol's name.
    pub fn name(self) -> &'static str {
        match self {
            ModelState::Ready => "READY",
            ModelState::Unavailable => "UNAVAILABLE",
        }
    }
}

impl Serialize for ModelState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

fn by_name<S: Serializer>(datatype: &Datatype, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(datatype.name())
}
