//! A request's head, kept as places in the buffer it was parsed from.
//!
//! Copying every name and value would cost an allocation per field. A
//! [`RequestHead`] keeps offsets instead, so it borrows nothing and can be used
//! again for the next request; its accessors take the buffer once more. The
//! caller keeps the bytes in place until it is done with the head.
//!
//! What every request needs (framing, keep-alive, `Expect`, `Upgrade`) is found
//! while parsing and kept as plain values.

use std::fmt;

use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::framing::BodyFraming;

/// Parsed head of a request, as offsets into a buffer that the caller owns.
///
/// Filled by [`parse_request`](super::parse_request). Accessors that take `buf`
/// want the buffer that was parsed, from the same first byte on; given another
/// one they return nonsense or nothing, but never panic.
#[derive(Debug, Default)]
pub struct RequestHead {
    pub(super) method: Method,
    pub(super) version: Version,
    pub(super) target: Target,
    /// In the order of the wire. Kept over `clear`, so that a connection
    /// allocates it once.
    pub(super) fields: Vec<FieldSpan>,
    pub(super) facts: Facts,
    /// Bytes from the buffer's start to the end of the blank line.
    pub(super) len: usize,
}

impl RequestHead {
    /// Creates an empty head, to be filled by [`parse_request`](super::parse_request).
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the request, but keeps the memory for the next one.
    pub fn clear(&mut self) {
        self.method = Method::GET;
        self.version = Version::default();
        self.target = Target::default();
        self.fields.clear();
        self.facts = Facts::default();
        self.len = 0;
    }

    /// Returns the method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Returns the version, of which there are two.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns how many bytes of the buffer the head takes, blank line included.
    ///
    /// The body begins there.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns true if no request was parsed since the head was made or cleared.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns how the body is delimited; [`BodyFraming::None`] if there is none.
    pub fn framing(&self) -> BodyFraming {
        self.facts.framing
    }

    /// Returns true if the connection may carry another request after this one.
    ///
    /// HTTP/1.1 does unless `Connection` has `close`, HTTP/1.0 does not unless
    /// it has `keep-alive`; `close` wins over both (RFC 9112 §9.3).
    pub fn keep_alive(&self) -> bool {
        self.facts.keep_alive
    }

    /// Returns true if the client waits for `100 Continue` before it sends the body.
    ///
    /// Never for HTTP/1.0 (RFC 9110 §10.1.1).
    pub fn expect_continue(&self) -> bool {
        self.facts.expect_continue
    }

    /// Returns true if the client offers another protocol.
    ///
    /// It takes an `Upgrade` header and the token `upgrade` in `Connection`,
    /// and HTTP/1.1 (RFC 9110 §7.8).
    pub fn upgrade(&self) -> bool {
        self.facts.upgrade
    }

    /// Returns the request target as it was sent.
    pub fn target<'b>(&self, buf: &'b [u8]) -> &'b str {
        self.target.whole.text(buf)
    }

    /// Returns the target's path, still percent-encoded.
    ///
    /// `*` for `OPTIONS *`; `/` if an absolute target has none; empty for
    /// `CONNECT`, whose target is an authority.
    pub fn path<'b>(&self, buf: &'b [u8]) -> &'b str {
        std::str::from_utf8(self.path_bytes(buf)).unwrap_or_default()
    }

    /// Returns the path as bytes, which are not looked at again as text's have to be.
    pub(crate) fn path_bytes<'b>(&self, buf: &'b [u8]) -> &'b [u8] {
        match self.target.path.bytes(buf) {
            b"" if self.method != Method::CONNECT => b"/",
            path => path,
        }
    }

    /// Returns what follows the first `?` of the target, if there is one.
    pub fn query<'b>(&self, buf: &'b [u8]) -> Option<&'b str> {
        self.target.query.map(|span| span.text(buf))
    }

    /// Returns the host and port that the request is for.
    ///
    /// That is the authority in the target if there is one, else the `Host`
    /// header (RFC 9112 §3.3). `None` only for HTTP/1.0 without `Host`.
    pub fn host<'b>(&self, buf: &'b [u8]) -> Option<&'b str> {
        let span = self.target.authority.or(self.facts.host)?;
        Some(span.text(buf))
    }

    /// Returns the value of the first field called `name`, in any case.
    pub fn header<'b>(&self, buf: &'b [u8], name: &str) -> Option<&'b [u8]> {
        let field = (self.fields.iter()).find(|field| field.is_called(name, buf))?;
        Some(field.value.bytes(buf))
    }

    /// Returns the values of all fields called `name`, in any case, in the order of the wire.
    pub fn header_values<'a, 'b: 'a>(
        &'a self,
        buf: &'b [u8],
        name: &'a str,
    ) -> impl Iterator<Item = &'b [u8]> + 'a {
        let named = (self.fields.iter()).filter(move |field| field.is_called(name, buf));
        named.map(|field| field.value.bytes(buf))
    }

    /// Returns all fields in the order of the wire, names as they were sent.
    pub fn headers<'a, 'b: 'a>(
        &'a self,
        buf: &'b [u8],
    ) -> impl Iterator<Item = (&'b str, &'b [u8])> + 'a {
        let pair = |field: &FieldSpan| (field.name.text(buf), field.value.bytes(buf));
        self.fields.iter().map(pair)
    }

    /// Copies all fields into a map.
    pub fn to_header_map(&self, buf: &[u8]) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.fields.len());
        for field in &self.fields {
            append_field(&mut map, field.name.bytes(buf), field.value.bytes(buf));
        }
        map
    }
}

/// Adds a field that `reader` accepted; the `http` crate accepts all of those.
pub(super) fn append_field(map: &mut HeaderMap, name: &[u8], value: &[u8]) {
    let name = HeaderName::from_bytes(name);
    let value = HeaderValue::from_bytes(value);
    if let (Ok(name), Ok(value)) = (name, value) {
        map.append(name, value);
    }
}

/// HTTP version of a message.
///
/// There are only two: version 2 has another wire format, and 0.9 is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// `HTTP/1.0`: closes after one answer unless asked not to, knows no chunks.
    Http10,
    /// `HTTP/1.1`.
    #[default]
    Http11,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        })
    }
}

/// A range of the buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Makes a span; `scan` refused every head that 32 bits cannot address.
    pub(super) fn new(start: usize, end: usize) -> Self {
        Span {
            start: start as u32,
            end: end as u32,
        }
    }

    /// Returns the part of this span from `start` to `end`, counted within it.
    pub(super) fn part(self, start: usize, end: usize) -> Self {
        let base = self.start as usize;
        Span::new(base + start, base + end)
    }

    pub(super) fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    pub(super) fn bytes(self, buf: &[u8]) -> &[u8] {
        buf.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }

    /// Returns the text; all that is asked for as text was checked to be ASCII.
    fn text(self, buf: &[u8]) -> &str {
        std::str::from_utf8(self.bytes(buf)).unwrap_or_default()
    }
}

/// Where a field's name and value are.
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldSpan {
    pub(super) name: Span,
    pub(super) value: Span,
}

impl FieldSpan {
    fn is_called(&self, name: &str, buf: &[u8]) -> bool {
        self.name.len() == name.len() && self.name.bytes(buf).eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The parts of a request target (RFC 9112 §3.2).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Target {
    pub(super) whole: Span,
    /// Of the absolute and the authority form.
    pub(super) authority: Option<Span>,
    pub(super) path: Span,
    pub(super) query: Option<Span>,
}

/// What the fields of a request say about its connection and body.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    pub(super) framing: BodyFraming,
    pub(super) keep_alive: bool,
    pub(super) expect_continue: bool,
    pub(super) upgrade: bool,
    pub(super) host: Option<Span>,
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, Parse, parse_request};
    use super::*;

    fn parse_into(head: &mut RequestHead, wire: &[u8]) {
        let parsed = parse_request(wire, 0, &Limits::default(), head);
        assert_eq!(parsed, Ok(Parse::Complete));
    }

    #[test]
    fn foreign_buffer_gives_nothing_and_no_panic() {
        let wire = b"GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n";
        let mut head = RequestHead::new();
        parse_into(&mut head, wire);
        assert_eq!(head.target(b""), "");
        assert_eq!(head.query(b"xx"), Some(""));
        assert_eq!(head.header(b"", "host"), None);
        assert_eq!(head.headers(b"").count(), 1);
        assert!(head.to_header_map(b"").is_empty());
    }

    #[test]
    fn cleared_head_keeps_its_memory() {
        let wire = b"POST /a?b HTTP/1.0\r\nHost: h\r\nContent-Length: 3\r\n\r\n";
        let mut head = RequestHead::new();
        parse_into(&mut head, wire);
        let capacity = head.fields.capacity();
        head.clear();
        assert!(head.is_empty());
        assert_eq!(head.method(), Method::GET);
        assert_eq!(head.framing(), BodyFraming::None);
        assert_eq!(head.fields.capacity(), capacity);
    }
}
