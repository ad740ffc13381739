use std::fmt;

/// Bytes a frame's payload may hold; a longer message is cut into several frames.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// Names a frame within a session: both sides know which one comes next, and refuse any other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FrameTag {
    /// The step of the plan that the frame belongs to.
    pub step: u32,
    /// Counts the frames of the step in one direction.
    pub sequence: u32,
}

impl fmt::Display for FrameTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame {} of step {}", self.sequence, self.step)
    }
}
