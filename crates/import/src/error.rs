use std::fmt;

use tercet_plan::{ParametersFault, PlanFault, ShapeMismatch};

/// Why a model cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("cannot read the model `{path}`: {cause}; check the path and its permissions")]
    Unreadable {
        /// The file.
        path: String,
        /// What the operating system says.
        cause: String,
    },
    /// The bytes are no ONNX model, or not all of one.
    #[error("`{name}` is not a whole ONNX model ({cause}); export or copy the file again")]
    Malformed {
        /// The file or the model's name.
        name: String,
        /// What the parser says.
        cause: String,
    },
    /// The model contradicts itself: shapes that do not fit, missing attributes.
    #[error("the model does not hold together: {cause}; check it with the program that exported it")]
    Inconsistent {
        /// What the front end says.
        cause: String,
    },
    /// Operators that cannot be computed on shares.
    #[error("{}", UnsupportedNode::sentence(.0))]
    Unsupported(Vec<UnsupportedNode>),
    /// An axis other than the batch has no size.
    #[error(
        "input `{input}` has shape {shape} with open sizes beside the batch; give a sample input, whose shape fixes them"
    )]
    OpenShape {
        /// The input.
        input: String,
        /// Its shape in the model.
        shape: String,
    },
    /// A sample does not fit the model.
    #[error(
        "input `{input}` has shape {expected} but the sample has shape {found:?}; give samples of the model's shape"
    )]
    SampleShape {
        /// The input.
        input: String,
        /// Its shape in the model.
        expected: String,
        /// The sample's.
        found: Vec<usize>,
    },
    /// Another number of samples' arrays than inputs.
    #[error("the model takes {expected} input(s) but samples for {found} were given; give one array for each input")]
    SampleCount {
        /// Inputs of the model.
        expected: usize,
        /// Arrays given.
        found: usize,
    },
    /// A sample holds NaN or an infinity.
    #[error("a sample of input `{input}` holds a value that is not a number; replace or drop it")]
    SampleNotFinite {
        /// The input.
        input: String,
    },
    /// The model takes whole numbers.
    #[error("input `{input}` takes whole numbers but a sample holds others; round them")]
    SampleNotWhole {
        /// The input.
        input: String,
    },
    /// Neither samples nor an input range.
    #[error("the size of the model's values is unknown; give calibration samples or an input range")]
    NothingToBoundBy,
    /// The range is empty or not finite.
    #[error("the input range {low}..{high} is not a range of numbers; give two finite numbers, the smaller first")]
    BadRange {
        /// The first number.
        low: f64,
        /// The second.
        high: f64,
    },
    /// Samples outside of the stated range.
    #[error(
        "a sample of input `{input}` holds {value}, outside the input range {low}..{high}; widen the range or fix the samples"
    )]
    SampleOutOfRange {
        /// The input.
        input: String,
        /// The number.
        value: f64,
        /// Smallest allowed.
        low: f64,
        /// Largest allowed.
        high: f64,
    },
    /// The values do not fit the ring at any useful precision.
    #[error(
        "the model does not fit the {ring_bits}-bit ring: `{source_name}` needs {needed} bits of {available}; {advice}"
    )]
    DoesNotFit {
        /// Bits of the ring.
        ring_bits: u8,
        /// The node whose values are too large.
        source_name: String,
        /// Bits needed.
        needed: i32,
        /// Bits there are.
        available: i32,
        /// What to do.
        advice: &'static str,
    },
    /// Labels were asked of an output that has no classes.
    #[error("output `{output}` of shape {shape:?} has no classes to choose a label from; reveal logits instead")]
    NoLabel {
        /// The output.
        output: String,
        /// Its shape for one sample.
        shape: Vec<usize>,
    },
    /// Samples of a batch influence each other.
    #[error(
        "the model mixes the samples of a batch, so that they cannot be computed one by one; export it without the batch axis"
    )]
    MixesBatch,
    /// An array whose shape does not match its elements.
    #[error(transparent)]
    Array(#[from] ShapeMismatch),
    /// The front end's own run of the model failed.
    #[error("the plaintext run of the model failed: {cause}")]
    Reference {
        /// What it says.
        cause: String,
    },
    /// The compiler made a plan that breaks the rules of plans: a bug here.
    #[error("the importer made a faulty plan ({0}); please report it with the model")]
    FaultyPlan(#[from] PlanFault),
    /// The compiler made parameters that do not fit its plan: a bug here.
    #[error("the importer made faulty parameters ({0}); please report it with the model")]
    FaultyParameters(#[from] ParametersFault),
    /// The float graph disagrees with the front end: a bug here.
    #[error("the importer's float graph is off by {error} at output `{output}`; please report it with the model")]
    FaultyGraph {
        /// The output.
        output: String,
        /// By how much.
        error: f64,
    },
}

/// A node that cannot be computed on shares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnsupportedNode {
    /// The ONNX operator.
    pub operator: String,
    /// The node's name, or that of its first output.
    pub node: String,
    /// The shape of its first output, where known.
    pub shape: Option<Vec<usize>>,
    /// What is not supported and what to do instead.
    pub advice: String,
}

impl UnsupportedNode {
    fn sentence(nodes: &[UnsupportedNode]) -> String {
        let list: Vec<String> = nodes.iter().map(UnsupportedNode::to_string).collect();
        let count = match nodes.len() {
            1 => "1 node".to_owned(),
            many => format!("{many} nodes"),
        };
        format!("{count} of the model cannot be computed on shares: {}", list.join("; "))
    }
}

impl fmt::Display for UnsupportedNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.operator, self.node)?;
        if let Some(shape) = &self.shape {
            write!(f, " {shape:?}")?;
        }
        write!(f, " ({})", self.advice)
    }
}
