//! The end of a loop.

use super::{Core, IoLoop, handle};
use crate::inspect;

impl IoLoop {
    /// Ends the loop: drops all that waits on it, coroutines, callbacks, timers and handlers.
    ///
    /// Destructors of suspended coroutines run. Streams that are held elsewhere get errors. What was
    /// given to [`add_source`](Self::add_source) is dropped, and so its descriptors are closed;
    /// Tornado's `close(all_fds=True)`.
    pub fn close(&self) {
        self.core.close();
    }
}

impl Core {
    fn close(&self) {
        if self.closed.replace(true) {
            return;
        }
        handle::unregister(self.id);
        self.watch.end();
        self.log_abandoned();
        // What is dropped may add more, so each is taken out before it is dropped.
        self.ready.clear();
        drop(self.callbacks.take());
        let timers = self.timers.borrow_mut().clear();
        timers.wake_all();
        drop(self.handlers.take());
        drop(self.replies.take());
        drop(self.signals.take());
        drop(self.error_hook.take());
        drop(self.executor.take());
        drop(self.network.take());
        self.sources.take().wake_all();
    }

    /// Logs what a loop leaves undone.
    fn log_abandoned(&self) {
        if tracing::enabled!(target: "squall", tracing::Level::DEBUG) {
            let mut abandoned = 0;
            self.ready.each_frame(&mut |_| abandoned += 1);
            if abandoned > 0 {
                let dump = inspect::dump();
                tracing::debug!(target: "squall", "the loop is closed, and abandons {abandoned} of its thread's coroutines\n{dump}");
            }
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.close();
    }
}
