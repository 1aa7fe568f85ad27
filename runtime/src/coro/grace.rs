//! Cancelled coroutines that have a time to end in.
//!
//! Beside the coroutines, so that the others take no room for it. What is kept of each is how its
//! timer is removed, by whoever set it: nothing here knows of one.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::context;
use super::frame_key::FrameKey;

/// The time that a cancelled coroutine has.
pub(crate) struct Grace {
    /// As it was given.
    pub(crate) time: Duration,
    pub(crate) deadline: Instant,
    /// Removes the timer.
    pub(crate) over: Box<dyn FnOnce()>,
}

thread_local! {
    static GRACES: RefCell<BTreeMap<u64, Grace>> = const { RefCell::new(BTreeMap::new()) };
}

/// Gives a coroutine its time, in place of any that it had.
pub(crate) fn begin(coroutine: FrameKey, grace: Grace) {
    context::with(|context| context.has_graces.set(true));
    let old = GRACES.with_borrow_mut(|graces| graces.insert(coroutine.number(), grace));
    if let Some(old) = old {
        (old.over)();
    }
}

/// Returns when a coroutine's time is over, if it has one.
pub(crate) fn deadline(coroutine: FrameKey) -> Option<Instant> {
    GRACES.with_borrow(|graces| Some(graces.get(&coroutine.number())?.deadline))
}

/// Ends a coroutine's time, if it has one. Returns how much it was given.
#[cold]
pub(crate) fn end(coroutine: FrameKey) -> Option<Duration> {
    let number = coroutine.number();
    let remove = |graces: &RefCell<BTreeMap<u64, Grace>>| {
        let mut graces = graces.borrow_mut();
        let grace = graces.remove(&number);
        context::with(|context| context.has_graces.set(!graces.is_empty()));
        grace
    };
    // The thread may be going away.
    let grace = GRACES.try_with(remove).ok().flatten()?;
    (grace.over)();
    Some(grace.time)
}
