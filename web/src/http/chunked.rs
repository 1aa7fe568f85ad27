//! Bodies in chunks (RFC 9112 §7.1), both ways.
//!
//! ```text
//!        ┌────────────────────────── CRLF ───────────────────────────┐
//!        ▼                                                           │
//!   Size ─┬─────────▶ SizeLf ── size > 0 ──▶ Data ──▶ DataCr ──▶ DataLf
//!         └▶ Extension ─┘ │
//!                      size = 0
//!                         ▼
//!        ┌──────▶ TrailerStart ── CR ──▶ EndLf ──▶ Done
//!        │                └▶ TrailerName ─▶ TrailerValue ─┐
//!        └────────────── TrailerLf ◀──────────────────────┘
//! ```
//!
//! Line ends are CRLF and nothing else, a size is hex digits and nothing else.
//! Extensions are checked, counted and dropped. Trailers are kept by
//! themselves: one must never become a header.

use std::{error, fmt};

use http::header::HeaderMap;
use http::{HeaderName, HeaderValue, StatusCode};

use super::grammar::is_token_byte;
use super::head::append_field;
use super::limits::Limits;

/// The chunk that ends a body, with an empty trailer section.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Appends `data` to `out` as one chunk.
///
/// Appends nothing if `data` is empty, for an empty chunk would end the body;
/// that is what [`LAST_CHUNK`] is for.
pub fn encode_chunk(data: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    if data.is_empty() {
        return;
    }
    let digits = (usize::BITS - data.len().leading_zeros()).div_ceil(4);
    out.reserve(data.len() + digits as usize + 4);
    for digit in (0..digits).rev() {
        out.push(HEX[(data.len() >> (digit * 4)) & 0xf]);
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Appends the chunk that ends a body, with trailers (RFC 9112 §7.1.2).
///
/// ```
/// use http::{HeaderName, HeaderValue};
/// use squall_web::http::encode_last_chunk;
///
/// let sum = (HeaderName::from_static("x-sum"), HeaderValue::from_static("7"));
/// let mut out = Vec::new();
/// encode_last_chunk(&[sum], &mut out);
/// assert_eq!(out, b"0\r\nx-sum: 7\r\n\r\n");
/// ```
pub fn encode_last_chunk(trailers: &[(HeaderName, HeaderValue)], out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Takes a chunked body apart, however its bytes arrive.
///
/// ```
/// use squall_web::http::{ChunkedDecoder, Limits};
///
/// let mut decoder = ChunkedDecoder::new(&Limits::default());
/// let mut body = Vec::new();
/// let (consumed, finished) = decoder.decode(b"2\r\nok\r\n0\r\n\r\nGET", &mut body)?;
/// assert_eq!((consumed, finished), (12, true));
/// assert_eq!(body, b"ok");
/// # Ok::<(), squall_web::http::ChunkError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ChunkedDecoder {
    state: State,
    /// The size being read, then what is left of the chunk.
    remaining: u64,
    /// Bytes that the body may still have.
    allowance: u64,
    /// Bytes of the current size line, or of the trailer section.
    line: usize,
    /// Bytes spent on lines beyond what chunks of their size may cost.
    excess: u64,
    max_line: usize,
    max_trailers: usize,
    /// Trailer lines that there may still be.
    trailer_lines: usize,
    /// The trailer section as it came, without the blank line.
    trailers: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
}

impl ChunkedDecoder {
    /// Creates a decoder that waits for the first chunk.
    pub fn new(limits: &Limits) -> Self {
        ChunkedDecoder {
            state: State::Size,
            remaining: 0,
            allowance: limits.max_body_bytes,
            line: 0,
            excess: 0,
            max_line: limits.max_chunk_line_bytes,
            max_trailers: limits.max_head_bytes,
            trailer_lines: limits.max_headers,
            trailers: Vec::new(),
        }
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
        let mut rest = input;
        while self.state != State::Done {
            rest = match (self.state, rest) {
                (_, []) => break,
                (State::Data, _) => self.take_data(rest, out),
                (_, [byte, rest @ ..]) => {
                    self.state = self.step(*byte)?;
                    rest
                }
            };
        }
        Ok((input.len() - rest.len(), self.is_finished()))
    }

    /// Returns true if the body was decoded to its end.
    pub fn is_finished(&self) -> bool {
        self.state == State::Done
    }

    /// Returns the trailers that came behind the last chunk; none before.
    ///
    /// They are the sender's afterthought, and no headers: nothing that frames,
    /// routes or authorises may be taken from them (RFC 9110 §6.5.1).
    pub fn trailers(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for line in self.trailers.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if let Some(colon) = line.iter().position(|byte| *byte == b':') {
                append_field(&mut map, &line[..colon], line[colon + 1..].trim_ascii());
            }
        }
        map
    }

    fn take_data<'i>(&mut self, input: &'i [u8], out: &mut Vec<u8>) -> &'i [u8] {
        let len = usize::try_from(self.remaining).map_or(input.len(), |n| n.min(input.len()));
        let (data, rest) = input.split_at(len);
        out.extend_from_slice(data);
        self.remaining -= len as u64;
        if self.remaining == 0 {
            self.state = State::DataCr;
        }
        rest
    }

    /// Takes one byte that is not data; the only writer of `state` but for the
    /// end of a chunk's data.
    fn step(&mut self, byte: u8) -> Result<State, ChunkError> {
        match (self.state, byte) {
            (State::Size, b'\r') if self.line > 0 => Ok(State::SizeLf),
            (State::Size, b';') if self.line > 0 => self.count_line(State::Extension),
            (State::Size, _) => self.size_digit(byte),

            (State::Extension, b'\r') => Ok(State::SizeLf),
            (State::Extension, _) if is_text(byte) => self.count_line(State::Extension),
            (State::Extension, _) => Err(ChunkError::Malformed("malformed chunk extension")),

            (State::SizeLf, b'\n') => self.begin_chunk(),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::Size),

            (State::TrailerStart, b'\r') => Ok(State::EndLf),
            (State::TrailerStart | State::TrailerName, _) if is_token_byte(byte) => {
                self.trailer(byte, State::TrailerName)
            }
            (State::TrailerName, b':') => self.trailer(byte, State::TrailerValue),
            (State::TrailerValue, b'\r') => self.trailer(byte, State::TrailerLf),
            (State::TrailerValue, _) if is_text(byte) => self.trailer(byte, State::TrailerValue),
            (State::TrailerLf, b'\n') => self.end_trailer(),
            (State::EndLf, b'\n') => Ok(State::Done),

            (State::TrailerStart | State::TrailerName | State::TrailerValue, _) => {
                Err(ChunkError::Malformed("malformed trailer"))
            }
            _ => Err(ChunkError::Malformed("malformed chunk end")),
        }
    }

    fn size_digit(&mut self, byte: u8) -> Result<State, ChunkError> {
        const MALFORMED: ChunkError = ChunkError::Malformed("malformed chunk size");
        let digit = char::from(byte).to_digit(16).ok_or(MALFORMED)?;
        // Sixteen digits fill 64 bits, so the shift loses nothing.
        if self.line == 16 {
            return Err(MALFORMED);
        }
        self.remaining = self.remaining << 4 | u64::from(digit);
        self.count_line(State::Size)
    }

    fn count_line(&mut self, next: State) -> Result<State, ChunkError> {
        self.line += 1;
        if self.line > self.max_line {
            return Err(ChunkError::Malformed("chunk line too long"));
        }
        Ok(next)
    }

    fn trailer(&mut self, byte: u8, next: State) -> Result<State, ChunkError> {
        if self.trailers.len() >= self.max_trailers {
            return Err(ChunkError::Malformed("trailers too long"));
        }
        self.trailers.push(byte);
        Ok(next)
    }

    fn end_trailer(&mut self) -> Result<State, ChunkError> {
        self.trailer_lines = (self.trailer_lines.checked_sub(1))
            .ok_or(ChunkError::Malformed("too many trailers"))?;
        self.trailer(b'\n', State::TrailerStart)
    }

    /// Checks the size that was read, before the first byte of the chunk is.
    fn begin_chunk(&mut self) -> Result<State, ChunkError> {
        let line = std::mem::take(&mut self.line);
        if self.remaining == 0 {
            return Ok(State::TrailerStart);
        }
        self.allowance = self
            .allowance
            .checked_sub(self.remaining)
            .ok_or(ChunkError::TooLarge)?;
        self.charge(line as u64)?;
        Ok(State::Data)
    }

    /// Refuses a peer that sends far more lines than data.
    ///
    /// A body limit does not stop one byte per chunk with a long extension
    /// each (CVE-2023-39326). Each chunk may cost 16 bytes plus twice its size;
    /// what goes beyond is counted, and small chunks among large ones pay it back.
    fn charge(&mut self, line: u64) -> Result<(), ChunkError> {
        let allowed = self.remaining.saturating_mul(2).saturating_add(16);
        self.excess = (self.excess + line).saturating_sub(allowed);
        if self.excess > MAX_EXCESS {
            return Err(ChunkError::Malformed("too much beside the chunks"));
        }
        Ok(())
    }
}

/// Why a body was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChunkError {
    /// The chunks are malformed (400); the reason is for the log.
    Malformed(&'static str),
    /// The body exceeds `max_body_bytes` (413).
    TooLarge,
}

impl ChunkError {
    /// Returns the status of the answer to a request with this error.
    pub fn status(&self) -> StatusCode {
        match self {
            ChunkError::Malformed(_) => StatusCode::BAD_REQUEST,
            ChunkError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }
}

impl fmt::Display for ChunkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChunkError::Malformed(reason) => write!(f, "bad body: {reason}"),
            ChunkError::TooLarge => f.write_str("body too large"),
        }
    }
}

impl error::Error for ChunkError {}

const MAX_EXCESS: u64 = 16 * 1024;

/// A byte of a field value (RFC 9110 §5.5), or of an extension.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: fn() -> Limits = || Limits {
        max_body_bytes: 4096,
        max_head_bytes: 64,
        ..Limits::default()
    };

    /// Decodes pieces to the end of the body; gives the body and what was left.
    fn decode(pieces: &[&[u8]]) -> Result<(Vec<u8>, usize, bool), ChunkError> {
        let mut decoder = ChunkedDecoder::new(&LIMITS());
        let (mut body, mut consumed) = (Vec::new(), 0);
        for piece in pieces {
            let (taken, finished) = decoder.decode(piece, &mut body)?;
            assert_eq!(finished, decoder.is_finished());
            assert!(finished || taken == piece.len());
            consumed += taken;
        }
        Ok((body, consumed, decoder.is_finished()))
    }

    /// Runs `judge` on the result for the whole, for every split, and for bytes.
    fn each_split(wire: &[u8], judge: impl Fn(Result<(Vec<u8>, usize, bool), ChunkError>, &str)) {
        for cut in 0..=wire.len() {
            let (head, tail) = wire.split_at(cut);
            judge(decode(&[head, tail]), &format!("cut after byte {cut}"));
        }
        let bytes: Vec<&[u8]> = wire.chunks(1).collect();
        judge(decode(&bytes), "byte by byte");
    }

    #[track_caller]
    fn check(wire: &[u8], want: &[u8]) {
        let with_next = [wire, b"GET / HTTP/1.1"].concat();
        each_split(&with_next, |got, how| {
            assert_eq!(got, Ok((want.to_vec(), wire.len(), true)), "{how}");
        });
        for len in 0..wire.len() {
            let (_, consumed, finished) = decode(&[&wire[..len]]).unwrap();
            assert_eq!((consumed, finished), (len, false), "cut short at {len}");
        }
    }

    #[track_caller]
    fn refuse(wire: &[u8], status: u16) {
        each_split(wire, |got, how| {
            let error = got.expect_err(how);
            assert_eq!(error.status().as_u16(), status, "{how}: {error}");
        });
    }

    #[test]
    fn chunks_are_joined() {
        check(b"4\r\nfoo=\r\n3\r\nbar\r\n0\r\n\r\n", b"foo=bar"); // H77
        check(b"0\r\n\r\n", b"");
        check(b"00A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"); // H96
        check(b"a\r\n0123456789\r\n000\r\n\r\n", b"0123456789");
        check(b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n");
    }

    #[test]
    fn size_is_hex_digits_only() {
        // H85–H90, H92
        for bad in [
            "1_a", "0x2", "+2", "-2", " 2", "", "2 ", "2\t", "g", "2\n", "\r\n2", "2\r",
        ] {
            refuse(format!("{bad}\r\nok\r\n0\r\n\r\n").as_bytes(), 400);
        }
        refuse(b"2\nok\n0\n\n", 400);
    }

    #[test]
    fn size_over_64_bits_is_refused() {
        refuse(b"10000000000000000\r\nok", 400);
        refuse(b"00000000000000001\r\nok", 400);
        refuse(&[b'0'; 70], 400); // H97
        refuse(b"ffffffffffffffff\r\nok", 413); // H98
        check(b"0000000000000002\r\nok\r\n0\r\n\r\n", b"ok");
    }

    #[test]
    fn extensions_are_ignored() {
        check(b"2;a=b\r\nok\r\n0;c;d=\"e\"\r\n\r\n", b"ok"); // H91; Tornado refuses
        for bad in [&b"2;a\nb\r\n"[..], b"2;a\rb\r\n", b"2;\0\r\n", b"2;\n"] {
            refuse(&[bad, b"ok\r\n0\r\n\r\n"].concat(), 400);
        }
        refuse(
            &[b"2;", &[b'a'; 256][..], b"\r\nok\r\n0\r\n\r\n"].concat(),
            400,
        );
    }

    #[test]
    fn chunk_ends_with_crlf() {
        refuse(b"2\r\nokXX0\r\n\r\n", 400); // H93
        refuse(b"2\r\nok\n0\r\n\r\n", 400);
        refuse(b"2\r\nok\rX0\r\n\r\n", 400);
        refuse(b"2\r\nok0\r\n\r\n", 400);
    }

    #[test]
    fn trailers_are_checked_and_dropped() {
        check(b"2\r\nok\r\n0\r\nX: y\r\nz:\r\n\r\n", b"ok"); // H94; Tornado refuses
        refuse(b"2\r\nok\r\n0\r\nXX\r\n\r\n", 400); // H95
        refuse(b"0\r\n: y\r\n\r\n", 400);
        refuse(b"0\r\nX : y\r\n\r\n", 400);
        refuse(b"0\r\nX: y\n\r\n", 400);
        refuse(b"0\r\nX: y\0\r\n\r\n", 400);
        refuse(b"0\r\nX: y\r\n z\r\n\r\n", 400);
        refuse(b"0\r\n\n", 400);
    }

    #[test]
    fn trailers_are_limited_in_total() {
        check(
            b"0\r\nX: 0123456789012345678\r\nX: 0123456789012345678\r\n\r\n",
            b"",
        );
        refuse(
            "0\r\nX: 0123456789012345678\r\n"
                .repeat(3)
                .replace("\r\n0\r\n", "\r\n")
                .as_bytes(),
            400,
        );
    }

    #[test]
    fn body_over_the_limit_is_refused_before_it_is_read() {
        let mut decoder = ChunkedDecoder::new(&LIMITS());
        let mut out = Vec::new();
        let error = decoder.decode(b"1001\r\n", &mut out).unwrap_err(); // H99
        assert_eq!(error, ChunkError::TooLarge);
        assert_eq!(out.capacity(), 0);
    }

    #[test]
    fn sum_of_chunks_is_limited() {
        let chunk = |size: usize| {
            [
                format!("{size:x}\r\n").as_bytes(),
                &vec![b'a'; size],
                b"\r\n",
            ]
            .concat()
        };
        let fits = [chunk(2048), chunk(2048), LAST_CHUNK.to_vec()].concat(); // H100
        assert_eq!(decode(&[&fits]).unwrap().0.len(), 4096);
        let over = [chunk(2048), chunk(2049), LAST_CHUNK.to_vec()].concat();
        assert_eq!(decode(&[&over]), Err(ChunkError::TooLarge));
    }

    #[test]
    fn flood_of_extensions_is_refused() {
        let chunk = [b"1;", &[b'x'; 200][..], b"\r\na\r\n"].concat();
        let error = decode(&[&chunk.repeat(100)]).unwrap_err();
        assert_eq!(error, ChunkError::Malformed("too much beside the chunks"));
        let plain = b"1\r\na\r\n".repeat(4096);
        assert_eq!(decode(&[&plain]).unwrap().0.len(), 4096);
    }

    #[test]
    fn encoded_chunks_decode_to_the_same() {
        for len in [0, 1, 15, 16, 17, 255, 256, 4095, 4096] {
            let data = vec![b'x'; len];
            let mut wire = Vec::new();
            encode_chunk(&data, &mut wire);
            if len > 0 {
                assert!(wire.starts_with(format!("{len:x}\r\n").as_bytes()));
            }
            wire.extend_from_slice(LAST_CHUNK);
            assert_eq!(decode(&[&wire]), Ok((data, wire.len(), true)));
        }
    }
}
