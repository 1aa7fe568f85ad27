//! The time of day, for `Date` headers and cookies: asked for once a turn.

use std::cell::Cell;
use std::time::{Instant, SystemTime};

use squall::IoLoop;

thread_local! {
    static LAST: Cell<Option<(Instant, SystemTime)>> = const { Cell::new(None) };
}

/// The time of day at which the loop's turn began.
pub(crate) fn wall_clock() -> SystemTime {
    let turn = IoLoop::current().turn_time();
    match LAST.get() {
        Some((asked, time)) if asked == turn => time,
        _ => {
            let time = SystemTime::now();
            LAST.set(Some((turn, time)));
            time
        }
    }
}
