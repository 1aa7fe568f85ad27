//! One decoder for every kind of body, for server and client alike.

use http::HeaderMap;

use super::chunked::{ChunkError, ChunkedDecoder};
use super::framing::BodyFraming;
use super::limits::Limits;

/// Takes the bytes of one body from the connection, and knows where they end.
///
/// ```
/// use squall_web::http::{BodyDecoder, BodyFraming, Limits};
///
/// let mut decoder = BodyDecoder::new(BodyFraming::Length(5), &Limits::default())?;
/// let mut body = Vec::new();
/// assert_eq!(decoder.decode(b"hel", &mut body)?, (3, false));
/// assert_eq!(decoder.decode(b"loGET /", &mut body)?, (2, true));
/// # Ok::<(), squall_web::http::ChunkError>(())
/// ```
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Length { remaining: u64 },
    Chunked(ChunkedDecoder),
    UntilClose { allowance: u64 },
}

impl BodyDecoder {
    /// Creates a decoder for the body of a head that was framed so.
    ///
    /// # Errors
    ///
    /// [`ChunkError::TooLarge`] if the announced length exceeds
    /// `max_body_bytes`. Answer 413 and close.
    pub fn new(framing: BodyFraming, limits: &Limits) -> Result<Self, ChunkError> {
        let kind = match framing {
            BodyFraming::None => Kind::Length { remaining: 0 },
            BodyFraming::Length(length) if length > limits.max_body_bytes => {
                return Err(ChunkError::TooLarge);
            }
            BodyFraming::Length(length) => Kind::Length { remaining: length },
            BodyFraming::Chunked => Kind::Chunked(ChunkedDecoder::new(limits)),
            BodyFraming::UntilClose => Kind::UntilClose {
                allowance: limits.max_body_bytes,
            },
        };
        Ok(BodyDecoder { kind })
    }

    /// Decodes `input`, appends what it holds of the body to `out`.
    ///
    /// Returns how many bytes were consumed, and whether the body is finished.
    /// All of `input` is consumed unless it reaches past the body's end.
    ///
    /// # Errors
    ///
    /// Answer with the error's [`status`](ChunkError::status) and close; the
    /// decoder is of no further use.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(usize, bool), ChunkError> {
        let taken = match &mut self.kind {
            Kind::Chunked(chunks) => return chunks.decode(input, out),
            Kind::Length { remaining } => {
                let taken = usize::try_from(*remaining).map_or(input.len(), |n| n.min(input.len()));
                *remaining -= taken as u64;
                taken
            }
            Kind::UntilClose { allowance } => {
                *allowance = allowance
                    .checked_sub(input.len() as u64)
                    .ok_or(ChunkError::TooLarge)?;
                input.len()
            }
        };
        out.extend_from_slice(&input[..taken]);
        Ok((taken, self.is_finished()))
    }

    /// Takes `len` bytes of input that are all body, as they are. Returns whether it is finished then;
    /// none if they are not all body, or something is to be taken out.
    pub(crate) fn pass(&mut self, len: usize) -> Option<bool> {
        let Kind::Length { remaining } = &mut self.kind else {
            return None;
        };
        *remaining = remaining.checked_sub(len as u64)?;
        Some(*remaining == 0)
    }

    /// Returns true if the body is complete.
    ///
    /// A body that runs until the connection closes never is; there ask
    /// [`is_finished_at_close`](Self::is_finished_at_close).
    pub fn is_finished(&self) -> bool {
        match &self.kind {
            Kind::Length { remaining } => *remaining == 0,
            Kind::Chunked(chunks) => chunks.is_finished(),
            Kind::UntilClose { .. } => false,
        }
    }

    /// Returns true if the body is complete once the peer has closed.
    ///
    /// False says that it was cut short (RFC 9112 §8).
    pub fn is_finished_at_close(&self) -> bool {
        matches!(self.kind, Kind::UntilClose { .. }) || self.is_finished()
    }

    /// Returns the trailers of a chunked body that is finished.
    pub fn trailers(&self) -> HeaderMap {
        match &self.kind {
            Kind::Chunked(chunks) => chunks.trailers(),
            Kind::Length { .. } | Kind::UntilClose { .. } => HeaderMap::new(),
        }
    }

    /// Returns how many bytes of the body are still to come, where that is known.
    pub fn remaining_hint(&self) -> Option<u64> {
        match &self.kind {
            Kind::Length { remaining } => Some(*remaining),
            Kind::Chunked(chunks) if chunks.is_finished() => Some(0),
            Kind::Chunked(_) | Kind::UntilClose { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            max_body_bytes: 8,
            ..Limits::default()
        }
    }

    /// Decodes `wire` in two pieces at every split.
    #[track_caller]
    fn check(framing: BodyFraming, wire: &[u8], body: &[u8], used: usize, finished: bool) {
        for cut in 0..=wire.len() {
            let mut decoder = BodyDecoder::new(framing, &limits()).unwrap();
            let mut out = Vec::new();
            let mut consumed = 0;
            for piece in [&wire[..cut], &wire[cut..]] {
                consumed += decoder.decode(piece, &mut out).unwrap().0;
            }
            assert_eq!(out, body, "cut after byte {cut}");
            assert_eq!(consumed, used);
            assert_eq!(decoder.is_finished(), finished);
        }
    }

    #[test]
    fn each_framing_ends_where_it_says() {
        check(BodyFraming::None, b"GET", b"", 0, true);
        check(BodyFraming::Length(0), b"GET", b"", 0, true);
        check(BodyFraming::Length(5), b"helloGET", b"hello", 5, true);
        check(BodyFraming::Length(5), b"hell", b"hell", 4, false);
        check(
            BodyFraming::Chunked,
            b"2\r\nok\r\n0\r\n\r\nGET",
            b"ok",
            12,
            true,
        );
        check(BodyFraming::UntilClose, b"hello", b"hello", 5, false);
    }

    #[test]
    fn announced_length_over_the_limit_is_refused_at_once() {
        assert!(BodyDecoder::new(BodyFraming::Length(8), &limits()).is_ok()); // H102
        let error = BodyDecoder::new(BodyFraming::Length(9), &limits()).unwrap_err(); // H103
        assert_eq!(error, ChunkError::TooLarge);
        assert_eq!(error.status(), 413);
    }

    #[test]
    fn body_until_close_is_limited() {
        let mut decoder = BodyDecoder::new(BodyFraming::UntilClose, &limits()).unwrap();
        let mut out = Vec::new();
        decoder.decode(b"12345678", &mut out).unwrap();
        assert_eq!(decoder.decode(b"9", &mut out), Err(ChunkError::TooLarge));
        assert_eq!(out.len(), 8);
    }

    #[test]
    fn close_ends_only_a_body_that_runs_until_close() {
        let at_close = |framing| {
            let decoder = BodyDecoder::new(framing, &limits()).unwrap();
            decoder.is_finished_at_close()
        };
        assert!(at_close(BodyFraming::UntilClose));
        assert!(at_close(BodyFraming::None));
        assert!(!at_close(BodyFraming::Length(1)));
        assert!(!at_close(BodyFraming::Chunked));
    }

    #[test]
    fn hint_counts_down() {
        let mut decoder = BodyDecoder::new(BodyFraming::Length(5), &limits()).unwrap();
        assert_eq!(decoder.remaining_hint(), Some(5));
        decoder.decode(b"abc", &mut Vec::new()).unwrap();
        assert_eq!(decoder.remaining_hint(), Some(2));
        let mut decoder = BodyDecoder::new(BodyFraming::Chunked, &limits()).unwrap();
        assert_eq!(decoder.remaining_hint(), None);
        decoder.decode(b"0\r\n\r\n", &mut Vec::new()).unwrap();
        assert_eq!(decoder.remaining_hint(), Some(0));
    }
}
