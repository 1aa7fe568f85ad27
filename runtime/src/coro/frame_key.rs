//! Names of frames, and points in the order in which they are made.

/// Names one frame of this thread for as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FrameKey {
    /// Where the frame is found: a slot of a loop, or a place among the scoped ones.
    pub(super) index: u32,
    pub(super) serial: u32,
}

/// Set in the index of a scoped coroutine's frame.
pub(super) const SCOPED_BIT: u32 = 1 << 31;

impl FrameKey {
    pub(crate) const NONE: FrameKey = FrameKey {
        index: u32::MAX,
        serial: 0,
    };

    /// True if its frame is found at `index`.
    pub(crate) fn is_in(self, index: u32) -> bool {
        self.index == index
    }

    pub(crate) fn number(self) -> u64 {
        u64::from(self.serial) << 32 | u64::from(self.index)
    }

    /// True if the frame was there at the mark. Serials wrap, so it is right within 2^31 frames.
    pub(crate) fn is_before(self, mark: FrameMark) -> bool {
        mark.0.wrapping_sub(self.serial) as i32 >= 0
    }
}

/// A point in the order in which frames are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameMark(pub(super) u32);
