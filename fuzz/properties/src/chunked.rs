//! Chunked bodies.
//!
//! The decoder says the same of a body in pieces as of the whole, never gives more than the limit, and
//! agrees with a reader of its own; what the encoder wrote is what it reads.

use squall_web::http::{ChunkError, ChunkedDecoder, LAST_CHUNK, Limits, encode_chunk};

use crate::request_head::{limits, neighbours, splits};

/// What a decoder made of some bytes.
#[derive(Debug, PartialEq, Eq)]
struct Decoded {
    body: Vec<u8>,
    used: usize,
    is_finished: bool,
    trailers: Vec<(String, Vec<u8>)>,
}

/// Fails if the decoder does not do as it should with `data`, or the encoder with it as a body.
pub fn check(data: &[u8]) {
    let whole = decode(&[data]);
    for cut in splits(data.len()) {
        let (head, tail) = data.split_at(cut);
        assert_eq!(decode(&[head, tail]), whole, "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = data.chunks(1).collect();
    assert_eq!(decode(&bytes), whole, "byte by byte");
    against_reader(data, &whole);
    if data.len() <= 48 {
        neighbours(data, |near| against_reader(near, &decode(&[near])));
    }
    there_and_back(data);
}

/// Agrees with a reader that takes the body apart line by line.
fn against_reader(data: &[u8], decoded: &Result<Decoded, ChunkError>) {
    match (decoded, read(data)) {
        (Ok(decoded), Ok(Some((body, used)))) => {
            assert!(decoded.is_finished, "it ends after {used}");
            assert_eq!((&decoded.body, decoded.used), (&body, used));
        }
        (Ok(decoded), Ok(None)) => assert!(!decoded.is_finished, "it has no end"),
        (Ok(decoded), Err(why)) => {
            assert!(!decoded.is_finished, "taken, but: {why}");
        }
        // The limits are the decoder's alone.
        (Err(ChunkError::TooLarge), _) => {}
        (Err(ChunkError::Malformed(why)), Ok(Some(_))) => {
            assert!(
                why.starts_with("too m") || why.ends_with("too long"),
                "{why}"
            );
        }
        (Err(_), _) => {}
    }
}

fn decode(pieces: &[&[u8]]) -> Result<Decoded, ChunkError> {
    let limits = limits();
    let mut decoder = ChunkedDecoder::new(&limits);
    let (mut body, mut used) = (Vec::new(), 0);
    for piece in pieces {
        let had = body.len();
        let (taken, is_finished) = decoder.decode(piece, &mut body)?;
        assert!(body.len() as u64 <= limits.max_body_bytes, "over the limit");
        assert!(body.len() - had <= taken, "more out than in");
        assert_eq!(is_finished, decoder.is_finished());
        assert!(is_finished || taken == piece.len(), "stopped early");
        used += taken;
    }
    let trailers = decoder.trailers();
    let trailers = trailers.iter();
    Ok(Decoded {
        body,
        used,
        is_finished: decoder.is_finished(),
        trailers: trailers
            .map(|(name, value)| (name.as_str().into(), value.as_bytes().to_vec()))
            .collect(),
    })
}

/// Takes a body apart line by line: the body and how long it was on the wire, `None` if it has no end.
fn read(wire: &[u8]) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = line(wire, &mut at)? else {
            return Ok(None);
        };
        let end = line.iter().position(|byte| *byte == b';');
        let digits = std::str::from_utf8(&line[..end.unwrap_or(line.len())]);
        let digits = digits.map_err(|_| "a size outside of ASCII")?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("a size that is no number");
        }
        let size = u64::from_str_radix(digits, 16).map_err(|_| "a size over 64 bits")?;
        let size = usize::try_from(size).map_err(|_| "a size over the machine's")?;
        if size == 0 {
            break;
        }
        let Some(data) = wire.get(at..).and_then(|rest| rest.get(..size)) else {
            return Ok(None);
        };
        body.extend_from_slice(data);
        at += size;
        match wire.get(at..at + 2) {
            None => return Ok(None),
            Some(b"\r\n") => at += 2,
            Some(_) => return Err("a chunk that is longer than its size"),
        }
    }
    loop {
        match line(wire, &mut at)? {
            None => return Ok(None),
            Some([]) => return Ok(Some((body, at))),
            Some(line) => {
                let colon = line.iter().position(|byte| *byte == b':');
                let name = &line[..colon.ok_or("a trailer without a colon")?];
                let name = std::str::from_utf8(name).map_err(|_| "a trailer's name")?;
                if !crate::strict::is_token(name) {
                    return Err("a trailer's name that is no token");
                }
            }
        }
    }
}

/// The next line, without its end; `None` if it has none.
fn line<'w>(wire: &'w [u8], at: &mut usize) -> Result<Option<&'w [u8]>, &'static str> {
    let rest = &wire[*at..];
    let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else {
        return Ok(None);
    };
    let line = &rest[..end];
    let is_text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    if !line.iter().all(is_text) {
        return Err("a control character in a line");
    }
    *at += end + 2;
    Ok(Some(line))
}

/// Sends `data` in chunks whose sizes it says itself, and reads that.
fn there_and_back(data: &[u8]) {
    let limits = Limits {
        max_body_bytes: data.len() as u64,
        ..Limits::default()
    };
    let mut wire = Vec::new();
    let mut rest = data;
    while let [size, ..] = *rest {
        let (chunk, more) = rest.split_at(rest.len().min(1 + usize::from(size) * 3));
        encode_chunk(chunk, &mut wire);
        rest = more;
    }
    encode_chunk(&[], &mut wire);
    wire.extend_from_slice(LAST_CHUNK);
    let mut body = Vec::new();
    let mut decoder = ChunkedDecoder::new(&limits);
    let decoded = decoder.decode(&wire, &mut body);
    assert_eq!(decoded, Ok((wire.len(), true)));
    assert_eq!(body, data);
}
