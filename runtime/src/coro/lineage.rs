//! A coroutine and those that started it, as a watchdog is shown them.

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
