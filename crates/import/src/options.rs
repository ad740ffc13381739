use tercet_plan::Array;

/// How a model is compiled.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The plan's name.
    pub name: String,
    /// Representative inputs, one array for each input of the model; empty if there are none.
    pub calibration: Vec<Array>,
    /// Smallest and largest number of every input. Without it the range of the calibration samples is widened by its own width on both sides.
    pub input_range: Option<(f64, f64)>,
    /// The ring to compute in.
    pub ring: RingChoice,
    /// What the client learns.
    pub reveal: Reveal,
    /// log2 of the factor by which values may exceed what calibration has seen; [`DEFAULT_MARGIN_BITS`], or for large
    /// values one less, unless there is a reason.
    pub margin_bits: Option<u8>,
}

/// Three bits, a factor of eight: a value that exceeds its bound gives a wrong answer with no warning, and a hundred samples see
/// little of a distribution's tail. A bit more is one more bit to compare and, on the 32-bit ring, one less of precision.
pub const DEFAULT_MARGIN_BITS: u8 = 3;

/// Elements of a value over all samples from which on the default margin is a bit less: the largest of so many is far out in the tail already,
/// and four times as much has never been anything but another kind of input.
pub const MANY_ELEMENTS: u64 = 1 << 16;

/// Which ring to compute in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RingChoice {
    /// The narrow ring, if the calibration samples show no loss with it; else the wide one.
    #[default]
    Auto,
    /// Integers modulo 2^32.
    Narrow,
    /// Integers modulo 2^64.
    Wide,
}

/// What the client learns of each output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reveal {
    /// What the model says: probabilities if it ends in a sigmoid or softmax, else its numbers.
    #[default]
    AsModel,
    /// The numbers before a last sigmoid or softmax.
    Logits,
    /// Probabilities: a softmax over the last axis (of a single number a sigmoid) is added where the model has none.
    Probabilities,
    /// Only the index of the largest; of a single number whether it is positive.
    Label,
}
