//! The time of day, for cookies and `Date` headers: asked for once a turn; and points in the future.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant, SystemTime};

use squall::turn_time;

use crate::http::DateCache;

thread_local! {
    static LAST: Cell<Option<(Instant, SystemTime)>> = const { Cell::new(None) };
    static DATE: RefCell<Date> = const { RefCell::new(Date { turn: None, cache: DateCache::new() }) };
}

struct Date {
    /// The turn for which the cache has the date.
    turn: Option<Instant>,
    cache: DateCache,
}

/// Calls `f` with the text of the time of day at which the loop's turn began.
pub(super) fn with_date<R>(f: impl FnOnce(&[u8; 29]) -> R) -> R {
    DATE.with_borrow_mut(|date| {
        let turn = turn_time();
        if date.turn != Some(turn) {
            date.turn = Some(turn);
            date.cache.set(wall_clock());
        }
        f(date.cache.text())
    })
}

/// The time of day at which the loop's turn began.
pub(crate) fn wall_clock() -> SystemTime {
    let turn = turn_time();
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
    let now = turn_time();
    now.checked_add(limit).unwrap_or_else(|| now + FAR)
}
