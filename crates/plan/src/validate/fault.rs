use std::fmt;

use crate::ComparisonFault;
use crate::limits::{
    KNOTS_MAX, MODEL_ELEMENTS_MAX, NAME_BYTES_MAX, OPERANDS_MAX, PARAMETER_ELEMENTS_MAX, PARAMETERS_MAX, PORTS_MAX,
    RANK_MAX, STEPS_MAX, VALUE_ELEMENTS_MAX,
};

/// The rule that a plan breaks, and where: the fault of whoever compiled it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the plan cannot run: {place}: {rule}; import the model again")]
pub struct PlanFault {
    /// The part of the plan.
    pub place: Place,
    /// What is wrong with it.
    pub rule: Rule,
}

/// A part of a plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// The plan as a whole.
    Plan,
    /// An input, by position.
    Input(usize),
    /// An output, by position.
    Output(usize),
    /// A parameter, by position, and where it comes from.
    Parameter(usize, String),
    /// A step, by position.
    Step {
        /// The position.
        index: usize,
        /// What it computes.
        op: &'static str,
        /// The node of the source model it comes from.
        source: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Plan => f.write_str("the whole"),
            Place::Input(index) => write!(f, "input {index}"),
            Place::Output(index) => write!(f, "output {index}"),
            Place::Parameter(index, source) => write!(f, "parameter {index} (from `{source}`)"),
            Place::Step { index, op, source } => write!(f, "step {index} ({op}, from `{source}`)"),
        }
    }
}

/// A rule of [`crate::Plan::validate`] that is broken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rule {
    /// A ring that does not exist.
    #[error("the ring has {0} bits, which is neither 32 nor 64")]
    Ring(u8),
    /// Too few or too many of something.
    #[error(
        "there are too few or too many of its parts (a plan has at most {STEPS_MAX} steps, {PARAMETERS_MAX} parameters, \
         {PORTS_MAX} inputs and {PORTS_MAX} outputs, a step at most {OPERANDS_MAX} operands and {KNOTS_MAX} knots)"
    )]
    Count,
    /// A name that is empty, too long, unprintable or used twice.
    #[error("a name is empty, longer than {NAME_BYTES_MAX} bytes, unprintable or used twice")]
    Name,
    /// A tensor that is empty or too large.
    #[error(
        "a tensor of shape {0:?} is empty or too large (at most {RANK_MAX} axes, {VALUE_ELEMENTS_MAX} elements in a value, \
         {PARAMETER_ELEMENTS_MAX} in a parameter)"
    )]
    TensorSize(Vec<u32>),
    /// All parameters together are too large.
    #[error("the parameters have over {MODEL_ELEMENTS_MAX} elements together")]
    ModelSize,
    /// An id of a value that no earlier step defines, or of an input or parameter that is not there.
    #[error("it refers to {0}, which is not defined before it")]
    Undefined(String),
    /// An input that two steps define.
    #[error("two steps give the same input")]
    RepeatedInput,
    /// A shape that does not follow from the operands.
    #[error("shape {0:?} does not follow from what it is made of")]
    Shape(Vec<u32>),
    /// A window, stride, dilation, padding or number of groups that does not fit the operand.
    #[error("its window, stride, dilation, padding or groups do not fit the operand")]
    Geometry,
    /// A masked value where an opened one must stand, or the reverse, or both mixed.
    #[error("its operands or its result are masked where they must be opened, or the reverse")]
    Form,
    /// Fractional bits that do not follow from the operands.
    #[error("{found} fractional bits do not follow from the {expected} of what it is made of")]
    Scale {
        /// Fractional bits that the operands give.
        expected: i32,
        /// Fractional bits declared.
        found: u8,
    },
    /// A value too large for what is done with it in this ring.
    #[error("a bound of 2^{bits} does not fit: at most 2^{allowed} here")]
    Bound {
        /// The bound's exponent.
        bits: u8,
        /// The largest that would do.
        allowed: u8,
    },
    /// A public integer that the ring or the bound cannot hold.
    #[error("the public integer {0} is too large")]
    Constant(i64),
    /// A comparison that does not fit the ring.
    #[error(transparent)]
    Comparison(#[from] ComparisonFault),
    /// A comparison that looks at too few bits for the operand's bound.
    #[error("a comparison right up to {limit} meets differences up to {reach}")]
    ComparisonReach {
        /// The largest difference that the bounds allow.
        reach: u64,
        /// The largest that is compared rightly.
        limit: u64,
    },
    /// More bits dropped than the operand can lose.
    #[error("{0} bits cannot be dropped")]
    Shift(u8),
    /// Knots that do not ascend, or not one more slope and offset than knots.
    #[error("its knots do not ascend, or slopes and offsets are not one more than knots")]
    Knots,
    /// A range that is empty or not finite.
    #[error("its range is empty or not finite")]
    Range,
    /// An output with a batch axis in a plan whose inputs have none, or the reverse.
    #[error("a batch axis stands on outputs but on no input, or the reverse")]
    Batched,
    /// A decoding that does not fit the value.
    #[error("its decoding does not fit the value")]
    Decode,
}
