//! Whether the client wants the file at all (RFC 9110 §13).

use std::time::{Duration, SystemTime};

use crate::http::lists_tag;

/// What a file is compared by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validators<'a> {
    /// A strong tag, with its quotes.
    pub(super) etag: &'a str,
    /// To the second, as dates in headers are.
    pub(super) modified: Option<SystemTime>,
}

/// What the conditions come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Send,
    /// 304: the client has it.
    NotModified,
    /// 412: it is not what the client takes it for.
    Failed,
}

/// Judges the conditions of a `GET` or `HEAD` in the order of RFC 9110 §13.2.2.
pub(super) fn judge<'a>(
    header: impl Fn(&'static str) -> Vec<&'a [u8]>,
    file: Validators<'_>,
) -> Verdict {
    let if_match = header("if-match");
    let if_none_match = header("if-none-match");
    if !if_match.is_empty() {
        if !lists_tag(&if_match, file.etag, true) {
            return Verdict::Failed;
        }
    } else if let Some(date) = date(&header("if-unmodified-since"))
        && file.modified.is_some_and(|modified| modified > date)
    {
        return Verdict::Failed;
    }
    if !if_none_match.is_empty() {
        if lists_tag(&if_none_match, file.etag, false) {
            return Verdict::NotModified;
        }
    } else if let Some(date) = date(&header("if-modified-since"))
        && file.modified.is_some_and(|modified| modified <= date)
    {
        return Verdict::NotModified;
    }
    Verdict::Send
}

/// True if a range may be sent: there is no `If-Range`, or it names the file as it is.
pub(super) fn allows_range(if_range: &[&[u8]], file: Validators<'_>, now: SystemTime) -> bool {
    let [value] = if_range else {
        return if_range.is_empty();
    };
    let value = value.trim_ascii();
    if value.starts_with(b"\"") || value.starts_with(b"W/") {
        return value == file.etag.as_bytes();
    }
    // RFC 9110 §8.8.2.2: a date tells files apart only if the second is over.
    let is_over = |modified| now >= modified + Duration::from_secs(2);
    file.modified
        .is_some_and(|modified| date(if_range) == Some(modified) && is_over(modified))
}

/// A date; none if it is malformed, or if there are several.
fn date(lines: &[&[u8]]) -> Option<SystemTime> {
    let [line] = lines else {
        return None;
    };
    httpdate::parse_http_date(str::from_utf8(line).ok()?.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn file() -> Validators<'static> {
        let modified = httpdate::parse_http_date(AT).unwrap();
        Validators {
            etag: "\"x\"",
            modified: Some(modified),
        }
    }

    #[track_caller]
    fn check(headers: &[(&str, &str)], want: Verdict) {
        let header = |name: &str| {
            let named = headers.iter().filter(|(n, _)| *n == name);
            named.map(|(_, value)| value.as_bytes()).collect()
        };
        assert_eq!(judge(header, file()), want, "{headers:?}");
    }

    #[test]
    fn tags_are_compared_weakly_and_win_over_dates() {
        // H166 to H171, H204, X29
        check(&[], Verdict::Send);
        for matching in [
            "\"x\"",
            "W/\"x\"",
            "*",
            " * ",
            "\"a\", \"x\"",
            "\"a,\",W/\"x\"",
            ",, \"x\"",
            "\"a\"\"x\"",
        ] {
            check(&[("if-none-match", matching)], Verdict::NotModified);
        }
        for other in ["\"y\"", "x", "", "\"x", "\"X\"", "w/\"x\"", "\"a\" x", "**"] {
            check(&[("if-none-match", other)], Verdict::Send);
            check(
                &[("if-none-match", other), ("if-modified-since", LATER)],
                Verdict::Send,
            );
        }
        check(
            &[("if-none-match", "\"a\""), ("if-none-match", "\"x\"")],
            Verdict::NotModified,
        );
    }

    #[test]
    fn dates_are_compared_to_the_second() {
        // H202, H203
        check(&[("if-modified-since", AT)], Verdict::NotModified);
        check(&[("if-modified-since", LATER)], Verdict::NotModified);
        check(
            &[("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT")],
            Verdict::NotModified,
        );
        check(&[("if-modified-since", BEFORE)], Verdict::Send);
        check(
            &[("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT")],
            Verdict::NotModified,
        );
        check(
            &[("if-modified-since", "Sun Nov  6 08:49:37 1994")],
            Verdict::NotModified,
        );
        for bad in ["!nvalid", "", "0", "Sun, 06 Nov 1994 08:49:37 CET"] {
            check(&[("if-modified-since", bad)], Verdict::Send);
        }
        check(
            &[("if-modified-since", AT), ("if-modified-since", AT)],
            Verdict::Send,
        );
    }

    #[test]
    fn conditions_that_the_file_is_the_same_are_strong() {
        check(&[("if-match", "\"x\"")], Verdict::Send);
        check(&[("if-match", "*")], Verdict::Send);
        check(&[("if-match", "W/\"x\"")], Verdict::Failed);
        check(&[("if-match", "\"y\"")], Verdict::Failed);
        check(
            &[("if-match", "\"x\""), ("if-unmodified-since", BEFORE)],
            Verdict::Send,
        );
        check(&[("if-unmodified-since", AT)], Verdict::Send);
        check(&[("if-unmodified-since", BEFORE)], Verdict::Failed);
        check(&[("if-unmodified-since", "x")], Verdict::Send);
        check(
            &[("if-match", "\"x\""), ("if-none-match", "\"x\"")],
            Verdict::NotModified,
        );
    }

    #[test]
    fn range_is_of_the_file_that_the_client_has() {
        let later = file().modified.unwrap() + Duration::from_secs(60);
        let allows = |values: &[&str], now| {
            let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
            allows_range(&values, file(), now)
        };
        assert!(allows(&[], later));
        assert!(allows(&["\"x\""], later));
        assert!(allows(&[AT], later));
        assert!(!allows(&[AT], file().modified.unwrap()));
        for other in ["\"y\"", "W/\"x\"", BEFORE, LATER, "x", "", "*"] {
            assert!(!allows(&[other], later), "{other}");
        }
        assert!(!allows(&["\"x\"", "\"x\""], later));
    }
}
