//! The `Date` header, formatted once a second.

use std::io::Write;
use std::time::{Duration, SystemTime};

use httpdate::HttpDate;

/// Text of the current second in the format of RFC 9110 §5.6.7.
///
/// A server under load answers many requests within one second, and formatting
/// a date costs more than the rest of the head. The time is passed in; this
/// never reads a clock.
///
/// ```
/// use squall_web::http::DateCache;
/// use std::time::SystemTime;
///
/// let mut dates = DateCache::new();
/// assert_eq!(dates.get(SystemTime::UNIX_EPOCH), b"Thu, 01 Jan 1970 00:00:00 GMT");
/// ```
#[derive(Clone, Debug)]
pub struct DateCache {
    /// Seconds since 1970 that `text` shows.
    second: u64,
    text: [u8; 29],
}

impl DateCache {
    /// Creates a cache that shows the beginning of 1970.
    pub const fn new() -> Self {
        DateCache {
            second: 0,
            text: *b"Thu, 01 Jan 1970 00:00:00 GMT",
        }
    }

    /// Returns the text of `now`, formatting it only if the second changed.
    ///
    /// A time before 1970 or after 9999 is shown as the nearest date within.
    pub fn get(&mut self, now: SystemTime) -> &[u8; 29] {
        self.set(now);
        &self.text
    }

    /// Formats `now`, if the second changed.
    pub(crate) fn set(&mut self, now: SystemTime) {
        let since = now.duration_since(SystemTime::UNIX_EPOCH);
        let second = since.map_or(0, |since| since.as_secs()).min(LAST_SECOND);
        if second != self.second {
            self.second = second;
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            let written = write!(&mut self.text[..], "{}", HttpDate::from(time));
            debug_assert!(written.is_ok(), "a date of four-digit year has 29 bytes");
        }
    }

    /// Returns the text of the time that was formatted last.
    pub(crate) fn text(&self) -> &[u8; 29] {
        &self.text
    }
}

impl Default for DateCache {
    fn default() -> Self {
        Self::new()
    }
}

/// The last second of the year 9999; `HttpDate` panics beyond it.
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(dates: &mut DateCache, millis: u64, want: &str) {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        assert_eq!(str::from_utf8(dates.get(now)).unwrap(), want);
    }

    #[test]
    fn text_follows_the_second() {
        let mut dates = DateCache::new();
        check(&mut dates, 0, "Thu, 01 Jan 1970 00:00:00 GMT");
        check(&mut dates, 784_111_777_000, "Sun, 06 Nov 1994 08:49:37 GMT");
        check(&mut dates, 784_111_777_999, "Sun, 06 Nov 1994 08:49:37 GMT");
        check(&mut dates, 784_111_778_000, "Sun, 06 Nov 1994 08:49:38 GMT");
        check(&mut dates, 784_111_777_000, "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn clock_gone_mad_does_not_panic() {
        let mut dates = DateCache::new();
        check(
            &mut dates,
            LAST_SECOND * 1000 + 5000,
            "Fri, 31 Dec 9999 23:59:59 GMT",
        );
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(5);
        assert_eq!(dates.get(before), b"Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
