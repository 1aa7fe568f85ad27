//! From bytes to a [`RequestHead`].
//!
//! [`parse_request`] is called whenever bytes arrived, with all bytes since the
//! end of the last message. Nearly every head comes whole and is right, and then
//! it is read in one pass, in which each field tells what it says about framing
//! and connection. What is left is not whole or not right: the blank line is
//! looked for (see `scan`), and only when it is there is the head read again.
//! Afterwards the body begins at [`RequestHead::len`].
//!
//! Refused here, beyond what the grammar of RFC 9112 forbids: bare line feeds,
//! folded lines, a `#` or a byte outside visible ASCII in the target, more than
//! one `Host` in any version.

use std::{error, fmt};

use http::{Method, StatusCode};

use super::fields::FieldFacts;
use super::head::{Facts, RequestHead, Span, Target, Version};
use super::host::is_authority;
use super::limits::Limits;
use super::reader::Reader;
use super::scan::find_head_end;

/// What [`parse_request`] made of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Parse {
    /// The head is filled in.
    Complete,
    /// The blank line is still missing; call again when more has arrived.
    NeedMore,
}

/// Parses a request's head from the start of `buf` into `head`.
///
/// `scanned` is the length of `buf` at the last call that returned
/// [`Parse::NeedMore`] for this head, else 0; those bytes are not searched
/// again. One empty line before the request line is skipped (RFC 9112 §2.2) and
/// counts in [`RequestHead::len`].
///
/// After an error or [`Parse::NeedMore`], `head` holds nothing of use.
///
/// ```
/// use squall_web::http::{Limits, Parse, RequestHead, parse_request};
///
/// let buf = b"GET /hello?who=you HTTP/1.1\r\nHost: a.example\r\n\r\n";
/// let mut head = RequestHead::new();
/// let parse = parse_request(buf, 0, &Limits::default(), &mut head)?;
/// assert_eq!(parse, Parse::Complete);
/// assert_eq!(head.path(buf), "/hello");
/// assert_eq!(head.header(buf, "HOST"), Some(&b"a.example"[..]));
/// # Ok::<(), squall_web::http::ParseError>(())
/// ```
///
/// # Errors
///
/// Every [`ParseError`]. Answer with its [`status`](ParseError::status) and
/// close: where the next request would begin is not known.
pub fn parse_request(
    buf: &[u8],
    scanned: usize,
    limits: &Limits,
    head: &mut RequestHead,
) -> Result<Parse, ParseError> {
    let start = if buf.starts_with(b"\r\n") { 2 } else { 0 };
    let largest = limits.max_head_bytes.min(u32::MAX as usize);
    if scanned == 0 && read_head(buf, start, limits, head).is_ok() && head.len <= largest {
        return Ok(Parse::Complete);
    }
    let end = match find_head_end(buf, start, scanned, limits) {
        Ok(Some(end)) => end,
        sought => {
            // First, as it is known first: all reasons are the same however much came at once.
            check_first_byte(&buf[start..])?;
            return sought.map(|_| Parse::NeedMore);
        }
    };
    read_head(&buf[..end], start, limits, head)?;
    Ok(Parse::Complete)
}

/// Why a head was refused; each variant is another status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// The message is malformed or ambiguous (400); the reason is for the log.
    BadRequest(&'static str),
    /// The head exceeds `max_head_bytes` (431).
    HeadTooLarge,
    /// Already the request line exceeds `max_head_bytes` (414).
    TargetTooLong,
    /// There are more than `max_headers` fields (431).
    TooManyHeaders,
    /// The major version is not 1 (505).
    UnsupportedVersion,
    /// The body has a transfer coding besides `chunked` (501).
    UnsupportedCoding,
}

impl ParseError {
    /// Returns the status of the answer to a request with this error.
    pub fn status(&self) -> StatusCode {
        match self {
            ParseError::BadRequest(_) => StatusCode::BAD_REQUEST,
            ParseError::HeadTooLarge | ParseError::TooManyHeaders => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            ParseError::TargetTooLong => StatusCode::URI_TOO_LONG,
            ParseError::UnsupportedVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            ParseError::UnsupportedCoding => StatusCode::NOT_IMPLEMENTED,
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ParseError::BadRequest(reason) => return write!(f, "bad message: {reason}"),
            ParseError::HeadTooLarge => "head too large",
            ParseError::TargetTooLong => "request line too long",
            ParseError::TooManyHeaders => "too many header fields",
            ParseError::UnsupportedVersion => "unsupported HTTP version",
            ParseError::UnsupportedCoding => "unsupported transfer coding",
        })
    }
}

impl error::Error for ParseError {}

/// Refuses at once what can never become a request, such as a TLS handshake.
fn check_first_byte(line: &[u8]) -> Result<(), ParseError> {
    match line {
        // The first half of the empty line that may stand before a request.
        [] | [b'\r'] => Ok(()),
        [0x21..=0x7e, ..] => Ok(()),
        _ => Err(ParseError::BadRequest("not an HTTP request")),
    }
}

/// Reads a head. One that is not whole is an error as well.
fn read_head(
    buf: &[u8],
    start: usize,
    limits: &Limits,
    head: &mut RequestHead,
) -> Result<(), ParseError> {
    head.fields.clear();
    let mut reader = Reader::new(buf, start);
    head.method = read_method(&mut reader)?;
    head.target = read_target(&mut reader, &head.method)?;
    head.version = read_version(&mut reader)?;
    reader.line_end()?;
    let mut seen = FieldFacts::default();
    while let Some(field) = reader.field()? {
        if head.fields.len() == limits.max_headers {
            return Err(ParseError::TooManyHeaders);
        }
        seen.see_request_field(buf, field)?;
        head.fields.push(field);
    }
    let modern = head.version == Version::Http11;
    if modern && seen.host.is_none() {
        return Err(ParseError::BadRequest("missing Host"));
    }
    head.facts = Facts {
        framing: seen.framing.of_request(head.version)?,
        keep_alive: seen.keep_alive(head.version),
        expect_continue: modern && seen.expect_continue,
        upgrade: modern && seen.has_upgrade && seen.wants_upgrade,
        host: seen.host,
    };
    head.len = reader.at();
    Ok(())
}

/// Reads the method and the blank behind it.
fn read_method(reader: &mut Reader<'_>) -> Result<Method, ParseError> {
    let (method, len) = match reader.rest() {
        [b'G', b'E', b'T', b' ', ..] => (Method::GET, 4),
        [b'P', b'O', b'S', b'T', b' ', ..] => (Method::POST, 5),
        _ => {
            let method = Method::from_bytes(reader.token()).map_err(|_| FIRST_LINE)?;
            return match reader.literal(b" ") {
                true => Ok(method),
                false => Err(FIRST_LINE),
            };
        }
    };
    reader.skip(len);
    Ok(method)
}

/// Reads the target and the blank behind it.
fn read_target(reader: &mut Reader<'_>, method: &Method) -> Result<Target, ParseError> {
    let (rest, start) = (reader.rest(), reader.at());
    if let [b'/', path @ ..] = rest
        && *method != Method::CONNECT
    {
        let len = 1 + path_len(path);
        if rest.get(len) == Some(&b' ') {
            // What most targets are: a path that is right, and no query.
            let at = Span::new(start, start + len);
            reader.skip(len + 1);
            return Ok(Target {
                whole: at,
                path: at,
                ..Target::default()
            });
        }
    }
    let end = rest.iter().position(|byte| *byte <= b' ');
    let target = &rest[..end.ok_or(FIRST_LINE)?];
    reader.skip(target.len());
    if target.is_empty() || !reader.literal(b" ") {
        return Err(FIRST_LINE);
    }
    parse_target(method, target, Span::new(start, start + target.len()))
}

/// Reads the version. A minor one that is later than 1.1 means the same (RFC 9110 §2.5).
fn read_version(reader: &mut Reader<'_>) -> Result<Version, ParseError> {
    let version = match reader.rest() {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor, b'\r', ..] => match (major, minor) {
            (b'1', b'1'..=b'9') => Version::Http11,
            (b'1', b'0') => Version::Http10,
            (b'0'..=b'9', b'0'..=b'9') => return Err(ParseError::UnsupportedVersion),
            _ => return Err(BAD_VERSION),
        },
        _ => return Err(BAD_VERSION),
    };
    reader.skip(8);
    Ok(version)
}

const FIRST_LINE: ParseError = ParseError::BadRequest("malformed first line");
const BAD_VERSION: ParseError = ParseError::BadRequest("malformed version");

/// Takes a target apart, which lies in the buffer at `at` (RFC 9112 §3.2).
fn parse_target(method: &Method, target: &[u8], at: Span) -> Result<Target, ParseError> {
    if *method == Method::CONNECT {
        return authority_form(target, at);
    }
    match target {
        [b'/', ..] => origin_form(target, at),
        b"*" if *method == Method::OPTIONS => Ok(Target {
            whole: at,
            path: at,
            ..Target::default()
        }),
        _ => absolute_form(target, at),
    }
}

fn origin_form(target: &[u8], at: Span) -> Result<Target, ParseError> {
    let (path, query) = split_query(target, at, 0)?;
    Ok(Target {
        whole: at,
        authority: None,
        path,
        query,
    })
}

/// `example.com:443`; the port must be there (RFC 9112 §3.2.3).
fn authority_form(target: &[u8], at: Span) -> Result<Target, ParseError> {
    if !is_authority(target) || !target.last().is_some_and(u8::is_ascii_digit) {
        return Err(BAD_TARGET);
    }
    let has_port = target.rsplit(|byte| *byte == b':').next() != Some(target);
    if !has_port {
        return Err(BAD_TARGET);
    }
    Ok(Target {
        whole: at,
        authority: Some(at),
        ..Target::default()
    })
}

/// `http://example.com/path?query`, as a proxy receives it.
fn absolute_form(target: &[u8], at: Span) -> Result<Target, ParseError> {
    let scheme = scheme_len(target).ok_or(BAD_TARGET)?;
    let rest = &target[scheme..];
    let authority = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .unwrap_or(rest.len());
    if !is_authority(&rest[..authority]) {
        return Err(BAD_TARGET);
    }
    let (path, query) = split_query(target, at, scheme + authority)?;
    Ok(Target {
        whole: at,
        authority: Some(at.part(scheme, scheme + authority)),
        path,
        query,
    })
}

fn scheme_len(target: &[u8]) -> Option<usize> {
    let is = |scheme: &str| {
        target
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
    };
    ["http://", "https://"]
        .into_iter()
        .find(|scheme| is(scheme))
        .map(str::len)
}

/// Splits `target` from `start` on into path and query, and checks its bytes.
fn split_query(target: &[u8], at: Span, start: usize) -> Result<(Span, Option<Span>), ParseError> {
    let rest = &target[start..];
    let path = path_len(rest);
    match rest.get(path..) {
        None | Some([]) => Ok((at.part(start, target.len()), None)),
        // In a query, a question mark is a letter as any other.
        Some([b'?', query @ ..]) if query.split(|byte| *byte == b'?').all(is_path) => {
            let path = start + path;
            Ok((at.part(start, path), Some(at.part(path + 1, target.len()))))
        }
        Some(_) => Err(BAD_TARGET),
    }
}

fn path_len(bytes: &[u8]) -> usize {
    let end = bytes.iter().position(|byte| !PATH[usize::from(*byte)]);
    end.unwrap_or(bytes.len())
}

fn is_path(bytes: &[u8]) -> bool {
    path_len(bytes) == bytes.len()
}

/// Visible ASCII without the question mark, and without `#`: a fragment is not part of a target, and
/// programs that drop it see another path than those that keep it.
static PATH: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0x21;
    while byte <= 0x7e {
        table[byte] = byte as u8 != b'#' && byte as u8 != b'?';
        byte += 1;
    }
    table
};

const BAD_TARGET: ParseError = ParseError::BadRequest("malformed request target");

#[cfg(test)]
mod tests;
