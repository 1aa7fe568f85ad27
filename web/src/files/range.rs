//! Which part of a file is wanted (RFC 9110 §14).

use std::ops::Range;

/// What a `Range` comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// There is none, it is malformed, or it has several parts: those may be ignored, and are.
    All,
    Part(Range<u64>),
    /// 416: the file has no such bytes.
    Nothing,
}

/// Reads the `Range` headers of a request for a file of `len` bytes.
pub(super) fn wanted(lines: &[&[u8]], len: u64) -> Wanted {
    let [line] = lines else {
        return Wanted::All;
    };
    let parsed = str::from_utf8(line).ok().and_then(parse);
    match parsed {
        Some((Some(first), _)) if first >= len => Wanted::Nothing,
        Some((Some(first), Some(last))) => Wanted::Part(first..(last.saturating_add(1)).min(len)),
        Some((Some(first), None)) => Wanted::Part(first..len),
        Some((None, Some(0))) => Wanted::Nothing,
        // The end of nothing is all of it.
        Some((None, Some(_))) if len == 0 => Wanted::All,
        Some((None, Some(last))) => Wanted::Part(len.saturating_sub(last)..len),
        _ => Wanted::All,
    }
}

/// The first and the last byte; without a first, how many at the end. None if it is malformed.
fn parse(text: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, set) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    // A list may have empty elements.
    let mut specs = set
        .split(',')
        .map(str::trim)
        .filter(|spec| !spec.is_empty());
    let (spec, None) = (specs.next()?, specs.next()) else {
        return None;
    };
    let (first, last) = spec.split_once('-')?;
    let (first, last) = (position(first)?, position(last)?);
    match (first, last) {
        (None, None) => None,
        (Some(first), Some(last)) if last < first => None,
        both => Some(both),
    }
}

/// A position that may be left out. One that no number can hold is beyond every file.
fn position(text: &str) -> Option<Option<u64>> {
    match text {
        "" => Some(None),
        _ if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(Some(text.parse().unwrap_or(u64::MAX)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, len: u64, want: Wanted) {
        assert_eq!(wanted(&[text.as_bytes()], len), want, "{text} of {len}");
    }

    #[test]
    fn parts_are_cut_to_the_file() {
        // H174 to H180
        check("bytes=0-9", 26, Wanted::Part(0..10));
        check("bytes=0-", 26, Wanted::Part(0..26));
        check("bytes=0-10000000", 26, Wanted::Part(0..26));
        check("bytes=22-", 26, Wanted::Part(22..26));
        check("bytes=25-25", 26, Wanted::Part(25..26));
        check("bytes=-4", 26, Wanted::Part(22..26));
        check("bytes=-1000000", 26, Wanted::Part(0..26));
        check(
            "bytes=1-99999999999999999999999999",
            26,
            Wanted::Part(1..26),
        );
        check("bytes=-99999999999999999999999999", 26, Wanted::Part(0..26));
        check("bytes=1-18446744073709551615", 26, Wanted::Part(1..26));
        check("Bytes=0-1", 26, Wanted::Part(0..2)); // RFC 9110 §14.1: units know no case
        check("bytes=,0-1 ,", 26, Wanted::Part(0..2));
    }

    #[test]
    fn bytes_beyond_the_end_are_none() {
        // H182, H184
        check("bytes=26-", 26, Wanted::Nothing);
        check("bytes=99999999999999999999999999-", 26, Wanted::Nothing);
        check("bytes=-0", 26, Wanted::Nothing);
        check("bytes=0-", 0, Wanted::Nothing);
        check("bytes=0-5", 0, Wanted::Nothing);
        check("bytes=-5", 0, Wanted::All);
    }

    #[test]
    fn malformed_and_several_are_ignored() {
        // H181, H185 to H189
        for text in [
            "asdf",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=26",
            "bytes=a-b",
            "bytes=10-3",
            "bytes=0-1,3-4",
            "bytes= 0 - 3",
            "bytes=+1-2",
            "bytes=1--2",
            "bytes=0x1-2",
            "lines=0-1",
            "=0-1",
            "bytes=0-1-2",
        ] {
            check(text, 26, Wanted::All);
        }
        assert_eq!(wanted(&[b"bytes=0-1", b"bytes=0-1"], 26), Wanted::All);
        assert_eq!(wanted(&[b"bytes=0-\xff"], 26), Wanted::All);
        assert_eq!(wanted(&[], 26), Wanted::All);
    }
}
