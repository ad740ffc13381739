/// A request that cannot be used: the client's fault. No variant holds a tensor's value.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RequestError {
    /// The JSON part does not parse, or lacks what every request has.
    #[error("the request is not the JSON of an inference request: {0}")]
    Json(String),
    /// The header that tells the length of the JSON part is no number, or longer than the body.
    #[error(
        "Inference-Header-Content-Length is {stated}, but the body has {body} bytes: state the length of its JSON part"
    )]
    HeaderLength {
        /// What the header says.
        stated: String,
        /// Bytes of the body.
        body: usize,
    },
    /// A datatype that is none, or that no input may have.
    #[error("datatype `{0}` is not supported: use a number type such as FP32")]
    Datatype(String),
    /// Half precision as single numbers.
    #[error("input `{0}` has a datatype that comes in binary only: send it as binary data")]
    BinaryOnly(String),
    /// Neither JSON nor binary data, or both.
    #[error("input `{0}` must come with either `data` or the parameter `binary_data_size`")]
    Data(String),
    /// Shape and data differ.
    #[error("input `{input}` has {found} elements but its shape says {expected}")]
    Elements {
        /// The input.
        input: String,
        /// Elements by the shape.
        expected: u64,
        /// Elements that came.
        found: u64,
    },
    /// Raw tensors for some of the inputs only.
    #[error("{raw} raw tensors came for {inputs} inputs: send all of them raw, or none")]
    RawTensors {
        /// Inputs.
        inputs: usize,
        /// Raw tensors.
        raw: usize,
    },
    /// A binary size that does not fit the shape.
    #[error("input `{input}` states {found} bytes of binary data but its shape and datatype take {expected}")]
    BinarySize {
        /// The input.
        input: String,
        /// Bytes by shape and datatype.
        expected: u64,
        /// Bytes that are stated.
        found: u64,
    },
    /// Bytes after the JSON that do not add up to the stated sizes.
    #[error("{found} bytes follow the JSON part but its inputs state {expected}")]
    BodyLength {
        /// Bytes by the inputs.
        expected: u64,
        /// Bytes that came.
        found: u64,
    },
    /// A shape whose elements cannot be counted.
    #[error("the shape of input `{0}` is too large")]
    Shape(String),
    /// Two inputs, or two outputs, of one name.
    #[error("`{0}` is given twice")]
    Twice(String),
    /// A parameter of the wrong type.
    #[error("parameter `{name}` must be {expected}")]
    Parameter {
        /// The parameter.
        name: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A parameter for what this server does not do.
    #[error("parameter `{0}` is not supported: every request stands for itself")]
    UnsupportedParameter(String),
}
