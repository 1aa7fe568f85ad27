//! Answers that are compressed: who wants them so (RFC 9110 §12.5.3), which are worth it, and gzip.

use std::fmt;
use std::io::Write;

use flate2::write::GzEncoder;

use super::grammar::essence;

/// Which answers are compressed: Tornado's `compress_response`.
///
/// Text, JSON and the like, from 1,024 bytes on, if the client accepts gzip. All of an application's
/// with [`Application::compress`](crate::Application::compress), one with
/// [`Exchange::compress`](crate::Exchange::compress).
///
/// Who can have his own text put into a page beside a secret, and see the answer's length, can guess
/// the secret. What masks it anew each time, as XSRF tokens are, is safe.
///
/// # Examples
///
/// ```
/// use squall_web::{Application, Compression};
///
/// let app = Application::new().compress(Compression::new().min_bytes(4096));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    min_bytes: usize,
    level: u32,
}

impl Default for Compression {
    fn default() -> Self {
        Compression::new()
    }
}

impl Compression {
    /// From 1,024 bytes on, at level 6, as in Tornado.
    pub fn new() -> Compression {
        Compression {
            min_bytes: 1024,
            level: 6,
        }
    }

    /// Sets from how many bytes on an answer is compressed whose length is known.
    pub fn min_bytes(mut self, bytes: usize) -> Compression {
        self.min_bytes = bytes;
        self
    }

    /// Sets how much work is put into it: from 0, which only packs, to 9. More than that is 9.
    pub fn level(mut self, level: u32) -> Compression {
        self.level = level.min(9);
        self
    }

    /// True for an answer of this length that is worth the work.
    pub(crate) fn is_worth(&self, bytes: u64) -> bool {
        bytes >= self.min_bytes as u64
    }

    /// Begins a compressed body.
    pub(crate) fn encoder(&self) -> GzipEncoder {
        let level = flate2::Compression::new(self.level);
        GzipEncoder(GzEncoder::new(Vec::new(), level))
    }
}

/// True for types whose content has something to spare.
pub(crate) fn is_compressible(content_type: &str) -> bool {
    let essence = essence(content_type).to_ascii_lowercase();
    let named = matches!(
        essence.as_str(),
        "application/javascript"
            | "application/json"
            | "application/manifest+json"
            | "application/wasm"
            | "application/x-javascript"
            | "application/xml"
            | "image/bmp"
            | "image/x-icon"
    );
    // Events have to come out one by one, which costs more than it saves.
    let is_text = essence.starts_with("text/") && essence != "text/event-stream";
    named || is_text || essence.ends_with("+json") || essence.ends_with("+xml")
}

/// True if an `Accept-Encoding`, in any number of lines, allows gzip.
///
/// Without one every coding is allowed, but a client that does not say so may not know any.
pub(crate) fn accepts_gzip<'a>(lines: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut gzip = None;
    let mut any = false;
    for line in lines {
        for element in line.split(|byte| *byte == b',') {
            let mut pieces = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let coding = pieces.next().unwrap_or_default();
            let is_allowed = pieces.all(|parameter| !forbids(parameter));
            if coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip") {
                gzip = Some(gzip.unwrap_or(true) && is_allowed);
            } else if coding == b"*" {
                any = is_allowed;
            }
        }
    }
    gzip.unwrap_or(any)
}

/// True for a weight of zero, and for one that is no weight.
fn forbids(parameter: &[u8]) -> bool {
    let Some(at) = parameter.iter().position(|byte| *byte == b'=') else {
        return false;
    };
    let (name, weight) = (
        parameter[..at].trim_ascii(),
        parameter[at + 1..].trim_ascii(),
    );
    let weight = || str::from_utf8(weight).ok()?.parse::<f32>().ok();
    name.eq_ignore_ascii_case(b"q") && !weight().is_some_and(|q| q > 0.0 && q <= 1.0)
}

/// Compresses a body piece by piece.
pub(crate) struct GzipEncoder(GzEncoder<Vec<u8>>);

impl GzipEncoder {
    /// Puts the compressed form in the place of a piece, so that the other side can decode all of it.
    pub(crate) fn encode(&mut self, piece: &mut Vec<u8>) {
        if piece.is_empty() {
            return;
        }
        // Writing into memory does not fail.
        let written = self.0.write_all(piece).and_then(|()| self.0.flush());
        debug_assert!(written.is_ok(), "{written:?}");
        piece.clear();
        std::mem::swap(piece, self.0.get_mut());
    }

    /// Puts the compressed form in the place of the last piece, with the end behind it.
    pub(crate) fn finish(mut self, piece: &mut Vec<u8>) {
        let written = self.0.write_all(piece);
        debug_assert!(written.is_ok(), "{written:?}");
        piece.clear();
        piece.append(&mut self.0.finish().unwrap_or_default());
    }
}

impl fmt::Debug for GzipEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GzipEncoder")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn accept_encoding_is_a_list_with_weights() {
        for (header, accepts) in [
            ("gzip", true),
            ("GZIP", true),
            ("x-gzip", true),
            ("deflate, gzip;q=0.5, br", true),
            ("*", true),
            ("gzip;q=0.001", true),
            ("gzip ; q=1", true),
            ("*;q=0, gzip", true),
            ("identity, *;q=0.1", true),
            ("", false),
            ("identity", false),
            ("deflate, br", false),
            ("gzip;q=0", false), // H207
            ("gzip;Q=0.000", false),
            ("gzip;q=0, *", false),
            ("*;q=0", false),
            ("gzip;q=x", false),
            ("gzip;q=", false),
            ("gzip;q=2", false),
            ("gzip;q=-1", false),
            ("gzip;q=NaN", false),
            ("gzipped", false),
            ("not-gzip", false),
        ] {
            let found = accepts_gzip([header.as_bytes()].into_iter());
            assert_eq!(found, accepts, "{header:?}");
        }
        let lines: [&[u8]; 2] = [b"br", b"gzip"];
        assert!(accepts_gzip(lines.into_iter()));
        assert!(!accepts_gzip(std::iter::empty()));
    }

    #[test]
    fn text_is_worth_it_and_pictures_are_not() {
        for wanted in [
            "text/html; charset=utf-8",
            "Application/JSON",
            "image/svg+xml",
            "text/css",
        ] {
            assert!(is_compressible(wanted), "{wanted}");
        }
        for left in [
            "image/png",
            "application/octet-stream",
            "",
            "application/gzip",
            "text/event-stream",
        ] {
            assert!(!is_compressible(left), "{left}");
        }
    }

    #[test]
    fn each_piece_can_be_decoded_when_it_is_there() {
        let mut encoder = Compression::new().level(99).encoder();
        let mut wire = Vec::new();
        for text in ["one ", "two ", ""] {
            let mut piece = text.as_bytes().to_vec();
            encoder.encode(&mut piece);
            wire.extend_from_slice(&piece);
        }
        let mut early = [0; 8];
        let mut decoder = flate2::read::GzDecoder::new(&wire[..]);
        decoder.read_exact(&mut early).unwrap();
        assert_eq!(&early, b"one two ");
        let mut last = b"three".to_vec();
        encoder.finish(&mut last);
        wire.extend_from_slice(&last);
        let mut text = String::new();
        let mut decoder = flate2::read::GzDecoder::new(&wire[..]);
        decoder.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one two three");
    }
}
