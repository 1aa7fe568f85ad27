//! The time of day, for `Date` headers and cookies: asked for once a turn; and points in the future.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime};

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

/// A time that does not come.
const FAR: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The point that lies `limit` from now; a far one if the limit is none that a clock can hold.
pub(crate) fn after(limit: Duration) -> Instant {
    let now = IoLoop::current().turn_time();
    now.checked_add(limit).unwrap_or_else(|| now + FAR)
}
