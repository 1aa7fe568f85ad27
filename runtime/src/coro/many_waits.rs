//! What a coroutine waits for that waits for several.

use super::context;
use super::waits::WaitsFor;

/// What several that are waited for together wait for.
#[derive(Debug, Default)]
pub(crate) struct ManyWaits {
    /// True once one of them was pending without saying why.
    is_mixed: bool,
}

impl ManyWaits {
    /// Takes what the one that was polled last noted, which is pending.
    #[inline]
    pub(crate) fn add(&mut self) {
        let noted = context::with(|context| context.waits.replace(WaitsFor::Unknown));
        self.is_mixed |= matches!(noted, WaitsFor::Unknown | WaitsFor::MixedChildren { .. });
    }

    /// Notes what is waited for together.
    #[inline]
    pub(crate) fn note(&self, done: u32, total: u32) {
        context::waits_for(if self.is_mixed {
            WaitsFor::MixedChildren { done, total }
        } else {
            WaitsFor::Children { done, total }
        });
    }
}
