//! A coroutine and those that started it, as a watchdog is shown them.

use super::frames::{self, FrameKey};
use super::traceback::TraceFrame;

/// How many coroutines of a lineage are kept.
pub(crate) const LINEAGE: usize = 8;

/// A coroutine, the one that started it, and so on, each with the yield that it was last suspended
/// at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lineage {
    /// Invariant: those that there are come first.
    pub(crate) places: [Option<TraceFrame>; LINEAGE],
    pub(crate) end: LineageEnd,
}

/// Why a lineage ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LineageEnd {
    /// The last was started by a callback, or by what is no coroutine.
    #[default]
    Root,
    /// The last was started by one that is gone.
    Gone,
    /// There are more.
    Deeper,
}

/// Returns a frame's coroutine and who started it.
pub(crate) fn lineage(mut key: FrameKey) -> Lineage {
    let mut lineage = Lineage::default();
    for place in &mut lineage.places {
        if key == FrameKey::NONE {
            return lineage;
        }
        let Some((found, parent)) = frames::place(key) else {
            lineage.end = LineageEnd::Gone;
            return lineage;
        };
        *place = Some(found);
        key = parent;
    }
    if key != FrameKey::NONE {
        lineage.end = LineageEnd::Deeper;
    }
    lineage
}
