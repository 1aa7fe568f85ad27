//! Finds the end of a head, and refuses line ends that are not CRLF.
//!
//! A head may arrive byte by byte. If every arrival parsed it anew, a peer
//! could make us do quadratic work; so we first look for the blank line, and
//! only in the bytes that are new. The same look sees each line feed, which is
//! where a bare one is refused (RFC 9112 §2.2 lets a server accept it, and
//! then two servers disagree about where a head ends).

use super::limits::Limits;
use super::parse::ParseError;

/// Returns the index after the blank line of a head that begins at `start`.
///
/// `scanned` bytes of `buf` were seen by an earlier call. `None` says that the
/// blank line did not arrive yet.
///
/// # Errors
///
/// A bare line feed, an empty first line, or a head over `max_head_bytes`.
pub(super) fn find_head_end(
    buf: &[u8],
    start: usize,
    scanned: usize,
    limits: &Limits,
) -> Result<Option<usize>, ParseError> {
    let max = limits.max_head_bytes;
    // What lies behind the limit is not looked at, so that a head is refused for the same reason
    // however much of it came at once.
    let end = find_blank_line(&buf[..max.min(buf.len())], start, scanned)?;
    let too_large = end.is_none() && buf.len() >= max;
    // Fields are kept as offsets of 32 bits.
    if too_large || end.is_some_and(|end| end > u32::MAX as usize) {
        return Err(too_large_error(buf, start, max));
    }
    Ok(end)
}

fn too_large_error(buf: &[u8], start: usize, max: usize) -> ParseError {
    let visible = buf.get(start..max.min(buf.len())).unwrap_or_default();
    if visible.contains(&b'\n') {
        ParseError::HeadTooLarge
    } else {
        ParseError::TargetTooLong
    }
}

fn find_blank_line(buf: &[u8], start: usize, scanned: usize) -> Result<Option<usize>, ParseError> {
    let from = scanned.clamp(start, buf.len().max(start));
    let fresh = buf.get(from..).unwrap_or_default();
    let (words, rest) = fresh.as_chunks::<8>();
    for (n, word) in words.iter().enumerate() {
        let mut marks = line_feeds(u64::from_le_bytes(*word));
        while marks != 0 {
            let at = from + n * 8 + (marks.trailing_zeros() / 8) as usize;
            if ends_head(buf, start, at)? {
                return Ok(Some(at + 1));
            }
            marks &= marks - 1;
        }
    }
    let rest_from = buf.len() - rest.len();
    for (n, byte) in rest.iter().enumerate() {
        if *byte == b'\n' && ends_head(buf, start, rest_from + n)? {
            return Ok(Some(rest_from + n + 1));
        }
    }
    Ok(None)
}

/// Marks the bytes of `word` that are line feeds with their top bit.
fn line_feeds(word: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let diff = word ^ 0x0a0a_0a0a_0a0a_0a0a;
    // The sum cannot carry from one byte into the next, so no byte is marked
    // in error: its top bit is set if any of the lower seven bits is.
    !(((diff & LOW) + LOW) | diff | LOW)
}

/// Judges the line feed at `at`: true if its line is the blank one.
fn ends_head(buf: &[u8], start: usize, at: usize) -> Result<bool, ParseError> {
    match &buf[start..at] {
        [b'\r'] => Err(ParseError::BadRequest("empty first line")),
        [.., b'\n', b'\r'] => Ok(true),
        [.., b'\r'] => Ok(false),
        _ => Err(ParseError::BadRequest("bare line feed")),
    }
}

/// Where `needle`, which is not empty, begins in `bytes` for the first time.
pub(super) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + bytes[from..].iter().position(|byte| *byte == needle[0])?;
        if bytes[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(buf: &[u8], want: Result<Option<usize>, ParseError>) {
        for scanned in 0..buf.len() {
            // Only bytes that an earlier call accepted count as scanned.
            if find_blank_line(&buf[..scanned], 0, 0) != Ok(None) {
                break;
            }
            let got = find_blank_line(buf, 0, scanned);
            assert_eq!(got, want, "scanned {scanned}");
        }
    }

    #[test]
    fn blank_line_is_found_wherever_the_last_look_stopped() {
        check(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Ok(Some(27)));
        check(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\n\n", Ok(Some(27)));
        check(b"G\r\n\r\n", Ok(Some(5)));
        check(b"GET / HTTP/1.1\r\nHost: a\r\n\r", Ok(None));
    }

    #[test]
    fn bare_line_feed_is_refused() {
        let bare = Err(ParseError::BadRequest("bare line feed"));
        check(b"GET / HTTP/1.1\nHost: a\n\n", bare.clone());
        check(b"GET / HTTP/1.1\r\nHost: a\r\n\n", bare.clone());
        check(b"\nGET / HTTP/1.1\r\n\r\n", bare);
    }

    #[test]
    fn only_line_feeds_are_marked() {
        for byte in 0..=u8::MAX {
            let marks = line_feeds(u64::from_le_bytes([b'\n', byte, 0, 0xff, byte, 0, 1, byte]));
            let other = if byte == b'\n' { 0x80 } else { 0 };
            assert_eq!(marks.to_le_bytes(), [0x80, other, 0, 0, other, 0, 0, other]);
        }
    }
}
