//! The bounds every plan has to keep. A reader checks them before it allocates or computes anything.

/// Bytes of a serialised plan. A plan holds no weights: ResNet-20 takes about ten kilobytes.
pub const PLAN_BYTES_MAX: usize = 4 << 20;
/// Steps of a plan.
pub const STEPS_MAX: usize = 1 << 14;
/// Inputs, and also outputs, of a plan.
pub const PORTS_MAX: usize = 64;
/// Parameters of a plan.
pub const PARAMETERS_MAX: usize = 1 << 14;
/// Axes of a tensor.
pub const RANK_MAX: usize = 8;
/// Elements of a value, for one sample.
pub const VALUE_ELEMENTS_MAX: u64 = 1 << 26;
/// Elements of a parameter.
pub const PARAMETER_ELEMENTS_MAX: u64 = 1 << 28;
/// Elements of all parameters together: 4 GiB on the wider ring.
pub const MODEL_ELEMENTS_MAX: u64 = 1 << 29;
/// Elements under all windows of a pooling, for one sample; overlapping windows count an element more than once.
pub const WINDOW_ELEMENTS_MAX: u64 = 1 << 28;
/// Candidates among which one largest is looked for.
pub const CANDIDATES_MAX: u64 = 1 << 16;
/// Operands of one step.
pub const OPERANDS_MAX: usize = 256;
/// Knots of a piecewise linear function.
pub const KNOTS_MAX: usize = 64;
/// Bytes of a name.
pub const NAME_BYTES_MAX: usize = 512;
/// Samples of one session.
pub const BATCH_MAX: u32 = 1 << 16;
