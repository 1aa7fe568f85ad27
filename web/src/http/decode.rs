//! Bodies that are compressed: `Content-Encoding` (RFC 9110 §8.4.1), taken apart as they arrive.
//!
//! A decoder is fed what comes, and read in pieces, so that a few bytes which stand for a gigabyte
//! never take more memory than one piece; who reads counts, and stops at its limit.
//!
//! ```text
//! feed(bytes) ─▶ read ─▶ Some (a piece) ─▶ read … ─▶ NeedMore ─▶ feed … ─▶ end ─▶ read ─▶ Finished
//! ```

use std::io::{self, BufRead, Read};
use std::{error, fmt};

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// Takes a compressed body apart.
pub(crate) struct ContentDecoder {
    kind: Kind,
    piece: Vec<u8>,
}

enum Kind {
    Gzip(Box<MultiGzDecoder<Feed>>),
    /// `deflate` before its first two bytes came: they tell which of the two it is.
    Unknown(Feed),
    Zlib(Box<ZlibDecoder<Feed>>),
    /// Without zlib's frame, as some servers send it.
    Deflate(Box<DeflateDecoder<Feed>>),
    #[cfg(feature = "brotli")]
    Brotli(Box<brotli_decompressor::Decompressor<Feed>>),
}

/// What a read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// A piece was appended; there may be more.
    Some,
    /// All that was fed is used up.
    NeedMore,
    /// The body has ended, as it should.
    Finished,
}

impl ContentDecoder {
    /// What a client accepts, as the value of `Accept-Encoding`.
    #[cfg(not(feature = "brotli"))]
    pub(crate) const ACCEPTED: &'static str = "gzip, deflate";
    /// What a client accepts, as the value of `Accept-Encoding`.
    #[cfg(feature = "brotli")]
    pub(crate) const ACCEPTED: &'static str = "gzip, deflate, br";

    /// Makes a decoder for a coding; none for one that is not known, and for a list of several.
    pub(crate) fn new(coding: &[u8]) -> Option<ContentDecoder> {
        let kind = match coding.trim_ascii().to_ascii_lowercase().as_slice() {
            b"gzip" | b"x-gzip" => Kind::Gzip(Box::new(MultiGzDecoder::new(Feed::default()))),
            b"deflate" => Kind::Unknown(Feed::default()),
            #[cfg(feature = "brotli")]
            b"br" => Kind::Brotli(Box::new(brotli_decompressor::Decompressor::new(
                Feed::default(),
                4096,
            ))),
            _ => return None,
        };
        Some(ContentDecoder {
            kind,
            piece: Vec::new(),
        })
    }

    /// Takes bytes of the body. All that was fed before has to be read first.
    pub(crate) fn feed(&mut self, input: &[u8]) {
        let feed = self.feed_mut();
        feed.bytes.drain(..std::mem::take(&mut feed.at));
        feed.bytes.extend_from_slice(input);
    }

    /// Takes note that the body has no more bytes.
    pub(crate) fn end(&mut self) {
        self.feed_mut().ended = true;
    }

    /// Appends a piece of the plain body to `out`, [`PIECE`] bytes at most.
    ///
    /// # Errors
    ///
    /// If the body is not of its coding, ends too early, or goes on after its end.
    pub(crate) fn read(&mut self, out: &mut Vec<u8>) -> Result<Decoded, DecodeError> {
        self.decide();
        if self.piece.is_empty() {
            self.piece.resize(PIECE, 0);
        }
        let read = match &mut self.kind {
            Kind::Gzip(decoder) => decoder.read(&mut self.piece),
            Kind::Zlib(decoder) => decoder.read(&mut self.piece),
            Kind::Deflate(decoder) => decoder.read(&mut self.piece),
            #[cfg(feature = "brotli")]
            Kind::Brotli(decoder) => decoder.read(&mut self.piece),
            Kind::Unknown(feed) if feed.ended => return Err(DecodeError::Truncated),
            Kind::Unknown(_) => return Ok(Decoded::NeedMore),
        };
        match read {
            Ok(0) => self.judge_end(),
            Ok(read) => {
                out.extend_from_slice(&self.piece[..read]);
                Ok(Decoded::Some)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Decoded::NeedMore),
            Err(_) if self.feed_mut().is_at_end() => Err(DecodeError::Truncated),
            Err(_) => Err(DecodeError::Malformed),
        }
    }

    /// The decoder has seen the end; is it the body's?
    fn judge_end(&mut self) -> Result<Decoded, DecodeError> {
        let feed = self.feed_mut();
        match () {
            () if feed.is_at_end() => Ok(Decoded::Finished),
            () if feed.at == feed.bytes.len() => Ok(Decoded::NeedMore),
            () => Err(DecodeError::Trailing),
        }
    }

    /// Tells the two meanings of `deflate` apart.
    fn decide(&mut self) {
        let Kind::Unknown(feed) = &mut self.kind else {
            return;
        };
        let [first, second, ..] = feed.bytes[..] else {
            return;
        };
        // RFC 1950 §2.2: method 8, and a multiple of 31.
        let is_zlib = first & 0xf == 8 && u16::from_be_bytes([first, second]).is_multiple_of(31);
        let feed = std::mem::take(feed);
        self.kind = match is_zlib {
            true => Kind::Zlib(Box::new(ZlibDecoder::new(feed))),
            false => Kind::Deflate(Box::new(DeflateDecoder::new(feed))),
        };
    }

    fn feed_mut(&mut self) -> &mut Feed {
        match &mut self.kind {
            Kind::Gzip(decoder) => decoder.get_mut(),
            Kind::Unknown(feed) => feed,
            Kind::Zlib(decoder) => decoder.get_mut(),
            Kind::Deflate(decoder) => decoder.get_mut(),
            #[cfg(feature = "brotli")]
            Kind::Brotli(decoder) => decoder.get_mut(),
        }
    }
}

impl fmt::Debug for ContentDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Gzip(_) => "gzip",
            Kind::Unknown(_) | Kind::Zlib(_) | Kind::Deflate(_) => "deflate",
            #[cfg(feature = "brotli")]
            Kind::Brotli(_) => "br",
        })
    }
}

/// Why a body could not be taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecodeError {
    Malformed,
    Truncated,
    Trailing,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DecodeError::Malformed => "the compressed body is malformed",
            DecodeError::Truncated => "the compressed body is cut short",
            DecodeError::Trailing => "the compressed body goes on after its end",
        })
    }
}

impl error::Error for DecodeError {}

/// How much one read gives.
///
/// Larger than the window of deflate (32 KiB) and what one byte may stand for, see [`Feed`].
pub(crate) const PIECE: usize = 64 * 1024;

/// What was fed and not decoded yet.
#[derive(Debug, Default)]
struct Feed {
    bytes: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Feed {
    fn is_at_end(&self) -> bool {
        self.ended && self.at == self.bytes.len()
    }
}

impl BufRead for Feed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match &self.bytes[self.at..] {
            [] if !self.ended => Err(io::ErrorKind::WouldBlock.into()),
            rest @ ([] | [_]) => Ok(rest),
            // The last byte comes alone. A decoder that was given all the rest may hold up to its
            // window back, and asks for input before it hands that out; with one byte left there
            // is input, and then room for all that it held back.
            [rest @ .., _] => Ok(rest),
        }
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}

impl Read for Feed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn raw(plain: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    /// Decodes pieces; gives the body, or the first error.
    fn decode(coding: &str, pieces: &[&[u8]]) -> Result<Vec<u8>, DecodeError> {
        let mut decoder = ContentDecoder::new(coding.as_bytes()).expect("a coding that is known");
        let mut out = Vec::new();
        for piece in pieces {
            decoder.feed(piece);
            while decoder.read(&mut out)? == Decoded::Some {}
        }
        decoder.end();
        loop {
            match decoder.read(&mut out)? {
                Decoded::Some => {}
                Decoded::NeedMore => panic!("there is no more"),
                Decoded::Finished => return Ok(out),
            }
        }
    }

    #[track_caller]
    fn check(coding: &str, wire: &[u8], want: &[u8]) {
        for cut in 0..=wire.len() {
            let (head, tail) = wire.split_at(cut);
            let got = decode(coding, &[head, tail]);
            assert!(got.as_deref() == Ok(want), "{coding}, cut after byte {cut}");
        }
        let bytes: Vec<&[u8]> = wire.chunks(1).collect();
        assert!(decode(coding, &bytes).as_deref() == Ok(want), "{coding}");
    }

    #[test]
    fn codings_are_decoded_however_they_arrive() {
        let plain = "a squall is a sudden wind; ".repeat(20);
        let plain = plain.as_bytes();
        for name in ["gzip", "x-gzip", " GZIP "] {
            check(name, &gzip(plain), plain);
        }
        check("deflate", &zlib(plain), plain);
        check("deflate", &raw(plain), plain);
        check("gzip", &gzip(b""), b"");
    }

    #[test]
    fn unknown_codings_and_lists_have_no_decoder() {
        for coding in ["", "identity", "zstd", "gzip, gzip", "compress"] {
            assert!(ContentDecoder::new(coding.as_bytes()).is_none(), "{coding}");
        }
        let brotli = ContentDecoder::new(b"br").is_some();
        assert_eq!(brotli, ContentDecoder::ACCEPTED.contains("br"));
    }

    #[test]
    fn several_members_are_one_body() {
        // S23
        let wire = [gzip(b"one, "), gzip(b""), gzip(b"two")].concat();
        check("gzip", &wire, b"one, two");
    }

    #[test]
    fn what_is_cut_short_malformed_or_too_long_is_an_error() {
        // S23
        for (coding, whole) in [
            ("gzip", gzip(b"plain")),
            ("deflate", zlib(b"plain")),
            ("deflate", raw(b"plain")),
        ] {
            for len in 0..whole.len() {
                let got = decode(coding, &[&whole[..len]]);
                assert_eq!(got, Err(DecodeError::Truncated), "{coding}, {len} bytes");
            }
        }
        for tail in [
            &b"\0"[..],
            b"garbage, and more of it",
            b"\0\0\0\0\0\0\0\0\0\0\0",
        ] {
            let wire = [&gzip(b"plain"), tail].concat();
            let got = decode("gzip", &[&wire]).unwrap_err();
            assert!(got != DecodeError::Trailing, "gzip reads on: {got}");
            let wire = [&zlib(b"plain"), tail].concat();
            assert_eq!(decode("deflate", &[&wire]), Err(DecodeError::Trailing));
        }
        let mut wrong = gzip(b"plain");
        let sum = wrong.len() - 8;
        wrong[sum] ^= 1;
        assert!(decode("gzip", &[&wrong]).is_err());
        assert_eq!(
            decode("gzip", &[b"plain text, not gzip"]),
            Err(DecodeError::Malformed)
        );
    }

    #[test]
    fn a_bomb_is_read_in_pieces() {
        let wire = gzip(&vec![0; 50 << 20]);
        assert!(wire.len() < 60_000);
        let mut decoder = ContentDecoder::new(b"gzip").unwrap();
        decoder.feed(&wire);
        let mut piece = Vec::new();
        let mut total = 0;
        while decoder.read(&mut piece).unwrap() == Decoded::Some {
            assert!(piece.len() <= PIECE);
            total += piece.len();
            piece.clear();
        }
        assert_eq!(total, 50 << 20);
    }

    #[test]
    fn what_was_flushed_is_given_before_more_comes() {
        // A stream of events is of no use if its last event waits for the next.
        for len in [
            1,
            1000,
            PIECE - 1,
            PIECE,
            PIECE + 1,
            PIECE + 40_000,
            3 * PIECE,
        ] {
            let plain: Vec<u8> = (0..len).map(|n| (n / 7 % 251) as u8).collect();
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&plain).unwrap();
            encoder.flush().unwrap();
            let mut decoder = ContentDecoder::new(b"gzip").unwrap();
            decoder.feed(encoder.get_ref());
            let mut out = Vec::new();
            while decoder.read(&mut out).unwrap() == Decoded::Some {}
            assert!(out == plain, "{} of {len} bytes", out.len());
        }
    }

    #[cfg(feature = "brotli")]
    #[test]
    fn brotli_is_decoded() {
        // "a squall is a sudden wind" of the reference encoder.
        let wire = b"\x1b\x18\x00\xf8\x05\x74\x63\xa9\x2e\xd7\xc3\x0d\x82\x08\x72\x0c\
            \x89\x62\x98\x89\xdc\x6b\x86\x0e\x22\x6f\xd7\x52";
        check("br", wire, b"a squall is a sudden wind");
        for len in 0..wire.len() {
            let got = decode("br", &[&wire[..len]]);
            assert_eq!(got, Err(DecodeError::Truncated), "{len} bytes");
        }
        let long = [&wire[..], b"x"].concat();
        assert_eq!(decode("br", &[&long]), Err(DecodeError::Trailing));
        assert!(decode("br", &[b"no brotli"]).is_err());
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let good = gzip("a squall is a sudden wind".repeat(9).as_bytes());
        for _ in 0..500 {
            let mut wire = good.clone();
            for _ in 0..=random() % 3 {
                let at = (random() % wire.len() as u64) as usize;
                wire[at] = random() as u8;
            }
            let _ = decode("gzip", &[&wire]);
            let _ = decode("deflate", &[&wire]);
        }
    }
}
