//! The way of an error through the coroutines that it passed.
//!
//! Nothing is collected while things go well. When a coroutine ends with an error or a panic, a
//! frame is made from the yield it last stood at; the coroutine that takes the failure and fails
//! with it adds its own, and so on outwards.

use std::fmt;
use std::ptr;

use super::site::{CoroutineSite, YieldSite};

/// The coroutines that an error or panic passed through, the one that raised it first.
///
/// Prints outermost first, as Python does: the last entry is where it was raised. Entries that repeat,
/// as those of a recursion do, are counted from the fourth on.
#[derive(Clone, Debug, Default)]
pub struct Traceback {
    frames: Vec<TraceFrame>,
}

/// One coroutine that an error passed through.
#[derive(Clone, Copy, Debug)]
pub struct TraceFrame {
    /// The coroutine.
    pub coroutine: &'static CoroutineSite,
    /// The last yield it came to: for the frame that raised the error the one before the error,
    /// for the others the one that took it. None if it failed before its first yield.
    pub at: Option<&'static YieldSite>,
}

/// How often the same frame is shown in a row, as of a coroutine that calls itself; as in Python.
const REPEATS: usize = 3;

impl TraceFrame {
    fn is_same(&self, other: &TraceFrame) -> bool {
        let ats = self.at.zip(other.at);
        let is_same_yield = ats.is_some_and(|(at, other)| ptr::eq(at, other));
        ptr::eq(self.coroutine, other.coroutine) && is_same_yield
    }
}

impl Traceback {
    /// Returns the frames, the one that raised the error first.
    pub fn frames(&self) -> &[TraceFrame] {
        &self.frames
    }

    /// Adds the next coroutine outwards to a traceback, or begins one.
    pub(crate) fn extend(traceback: Option<Box<Traceback>>, frame: TraceFrame) -> Box<Traceback> {
        let mut traceback = traceback.unwrap_or_default();
        traceback.frames.push(frame);
        traceback
    }
}

impl fmt::Display for Traceback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("coroutine traceback (most recent last):")?;
        let mut repeats = 0;
        for (i, frame) in self.frames.iter().enumerate().rev() {
            let TraceFrame { coroutine, at } = frame;
            // The innermost is shown always, as it says where the failure began.
            let is_repeat = i > 0 && (self.frames.get(i + 1)).is_some_and(|f| f.is_same(frame));
            repeats = if is_repeat { repeats + 1 } else { 0 };
            if repeats >= REPEATS {
                let is_last = i == 1 || !self.frames[i - 1].is_same(frame);
                if is_last {
                    let more = repeats + 1 - REPEATS;
                    let times = if more == 1 { "time" } else { "times" };
                    write!(f, "\n  (the same {more} {times} more)")?;
                }
                continue;
            }
            write!(f, "\n  {coroutine}")?;
            match at {
                // The innermost frame was past this yield when it failed.
                Some(at) if i == 0 => write!(f, "\n    after yield at {at}: {}", at.expression)?,
                Some(at) => write!(f, "\n    yield at {at}: {}", at.expression)?,
                None => f.write_str("\n    before its first yield")?,
            }
        }
        Ok(())
    }
}
