//! Showing a watchdog who runs.

use super::beacon::Beacon;
use super::context;
use super::frame_key::FrameKey;
use super::frames;
use super::lineage::{Lineage, LineageEnd};

/// Shows a frame's coroutine to a watchdog, if one looks, and the yield that it was last suspended
/// at.
///
/// Not a part of entering a frame, so that a resume that nobody watches pays nothing for it.
#[inline]
pub(crate) fn show(frame: FrameKey) {
    if let Some(beacon) = context::with(|context| context.beacon.get()) {
        show_to(beacon, frame);
    }
}

/// Shows the coroutine that runs.
#[inline]
pub(crate) fn show_running() {
    show(context::with(|context| context.frame.get()));
}

#[cold]
fn show_to(beacon: &Beacon, frame: FrameKey) {
    beacon.show(&lineage(frame));
}

/// Returns a frame's coroutine and who started it.
fn lineage(mut key: FrameKey) -> Lineage {
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
