//! From bytes to a [`RequestHead`].
//!
//! [`parse_request`] is called whenever bytes arrived, with all bytes since the
//! end of the last message. It looks for the blank line (see `scan`), and once
//! that is there it parses the head in one go: httparse splits it into fields,
//! and a single pass over these finds the framing and the rest of what a server
//! must know. Afterwards the body begins at [`RequestHead::len`].
//!
//! Refused here, beyond what the grammar of RFC 9112 forbids: bare line feeds,
//! folded lines, a `#` or a byte outside visible ASCII in the target, more than
//! one `Host` in any version.

use std::mem::MaybeUninit;
use std::{error, fmt};

use http::{Method, StatusCode};

use super::fields::FieldFacts;
use super::head::{FieldSpan, RequestHead, Span, Target, Version};
use super::host::is_authority;
use super::limits::Limits;
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
    let end = match find_head_end(buf, start, scanned, limits) {
        Ok(Some(end)) => end,
        sought => {
            // First, as it is known first: all reasons are the same however much came at once.
            check_first_byte(&buf[start..])?;
            return sought.map(|_| Parse::NeedMore);
        }
    };
    head.clear();
    // Nearly no request has more fields, so nearly none allocates for this.
    // Uninitialised slots cost nothing.
    let mut slots = [const { MaybeUninit::uninit() }; STACK_FIELDS];
    let allowed = limits.max_headers.min(STACK_FIELDS);
    let parsed = parse_head(&buf[..end], start, &mut slots[..allowed], head);
    if parsed == Err(ParseError::TooManyHeaders) && limits.max_headers > allowed {
        let mut slots = Vec::new();
        slots.resize_with(limits.max_headers.min(end), MaybeUninit::uninit);
        head.clear();
        parse_head(&buf[..end], start, &mut slots, head)?;
        return Ok(Parse::Complete);
    }
    if parsed == Err(ParseError::UnsupportedVersion)
        && let Some(at) = minor_version(&buf[start..end])
    {
        let mut like_1_1 = buf[..end].to_vec();
        like_1_1[start + at] = b'1';
        return parse_request(&like_1_1, 0, limits, head);
    }
    parsed.map(|()| Parse::Complete)
}

/// Fields for which there is room on the stack.
pub(super) const STACK_FIELDS: usize = 100;

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

    /// Translates httparse's kinds, of which most mean the same to a caller.
    pub(super) fn from_httparse(error: httparse::Error) -> Self {
        ParseError::BadRequest(match error {
            httparse::Error::HeaderName => "malformed header name",
            httparse::Error::HeaderValue => "malformed header value",
            httparse::Error::NewLine => "malformed line end",
            httparse::Error::Status => "malformed status",
            httparse::Error::Token => "malformed first line",
            httparse::Error::Version => "malformed version",
            httparse::Error::TooManyHeaders => return ParseError::TooManyHeaders,
        })
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

/// Parses a whole head, whose last line is known to be the blank one.
fn parse_head<'b>(
    buf: &'b [u8],
    start: usize,
    slots: &mut [MaybeUninit<httparse::Header<'b>>],
    head: &mut RequestHead,
) -> Result<(), ParseError> {
    let mut request = httparse::Request::new(&mut []);
    let complete = request
        .parse_with_uninit_headers(&buf[start..], slots)
        .map_err(|error| refine(error, &buf[start..]))?;
    if complete != httparse::Status::Complete(buf.len() - start) {
        return Err(ParseError::BadRequest("malformed line end"));
    }
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Err(ParseError::BadRequest("malformed first line"));
    };
    head.method = Method::from_bytes(method.as_bytes())
        .map_err(|_| ParseError::BadRequest("malformed method"))?;
    head.version = Version::from_minor(request.version);
    let at = Span::within(buf, target.as_bytes());
    head.target = parse_target(&head.method, target.as_bytes(), at)?;
    parse_fields(buf, request.headers, head)?;
    head.len = buf.len();
    Ok(())
}

fn parse_fields(
    buf: &[u8],
    fields: &[httparse::Header<'_>],
    head: &mut RequestHead,
) -> Result<(), ParseError> {
    let mut seen = FieldFacts::default();
    for field in fields {
        seen.see_request_field(buf, field.name, field.value)?;
        head.fields.push(FieldSpan {
            name: Span::within(buf, field.name.as_bytes()),
            value: Span::within(buf, field.value),
        });
    }
    let modern = head.version == Version::Http11;
    if modern && seen.host.is_none() {
        return Err(ParseError::BadRequest("missing Host"));
    }
    let facts = &mut head.facts;
    facts.framing = seen.framing.of_request(head.version)?;
    facts.keep_alive = seen.keep_alive(head.version);
    facts.expect_continue = modern && seen.expect_continue;
    facts.upgrade = modern && seen.has_upgrade && seen.wants_upgrade;
    facts.host = seen.host;
    Ok(())
}

/// Tells a version that we do not speak from a line that is no request.
fn refine(error: httparse::Error, head: &[u8]) -> ParseError {
    if error == httparse::Error::Version && names_a_version(head) {
        return ParseError::UnsupportedVersion;
    }
    ParseError::from_httparse(error)
}

/// Where the minor version stands of a request that is of HTTP/1, but later than 1.1: it means the same
/// as in 1.1 (RFC 9110 §2.5).
fn minor_version(head: &[u8]) -> Option<usize> {
    let line_end = head.iter().position(|byte| *byte == b'\r')?;
    let is_later = matches!(&head[..line_end], [.., b'1', b'.', b'2'..=b'9']);
    is_later.then(|| line_end - 1)
}

/// Looks whether the first line is three words, the last like `HTTP/2.0`.
fn names_a_version(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ').skip(2);
    let (Some(version), None) = (words.next(), words.next()) else {
        return false;
    };
    matches!(version, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

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
    let mut mark = None;
    for (n, byte) in target.iter().enumerate().skip(start) {
        match byte {
            b'?' if mark.is_none() => mark = Some(n),
            // A fragment is not part of a target. Programs that drop it and
            // programs that keep it see different paths.
            b'#' => return Err(BAD_TARGET),
            0x21..=0x7e => {}
            _ => return Err(BAD_TARGET),
        }
    }
    Ok(match mark {
        None => (at.part(start, target.len()), None),
        Some(mark) => {
            let query = at.part(mark + 1, target.len());
            (at.part(start, mark), Some(query))
        }
    })
}

const BAD_TARGET: ParseError = ParseError::BadRequest("malformed request target");

#[cfg(test)]
mod tests;
