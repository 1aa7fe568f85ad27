//! A loop as the register of its coroutines' frames.

use super::{Core, ready};
use crate::coro::frames::{Frame, Roll, RunTimes};

impl Roll for Core {
    fn each_frame(&self, f: &mut dyn FnMut(&Frame, Option<RunTimes>)) {
        (self.ready).each_frame(&mut |frame| f(frame, self.profiler.ran(frame.key)));
    }

    fn frame_in(&self, slot: u32, f: &mut dyn FnMut(&Frame)) {
        self.ready.frame_in(ready::SlotKey(slot), f);
    }

    fn wake(&self, slot: u32) {
        self.ready.queue(ready::SlotKey(slot));
    }
}
