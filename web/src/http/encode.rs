//! From a head to bytes.
//!
//! The caller says what it means (a body of 13 bytes, a connection that stays
//! open) and the fields that express it are written here, so that they cannot
//! contradict each other. That is why `Content-Length`, `Transfer-Encoding` and
//! `Connection` among a response's headers are left out: they belong to whoever
//! drives the connection.

use std::{error, fmt};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::framing::BodyFraming;
use super::head::Version;
use super::host::is_authority;

/// The whole interim answer to `Expect: 100-continue` (RFC 9110 §15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What follows a response's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseBody {
    /// A body of this many bytes; in an answer to `HEAD`, what `GET` would send.
    Length(u64),
    /// A body in chunks; only for a client that speaks HTTP/1.1.
    Chunked,
    /// A body that ends with the connection.
    UntilClose,
    /// No body and no word about one: status 1xx, 204 and 304.
    None,
}

/// Appends a response's head to `out`, blank line included.
///
/// `version` is the request's. The status line says HTTP/1.1 for both, as our
/// version does not depend on the client's (RFC 9110 §6.2).
///
/// `headers` are written in their order. `Date` and `Server: squall` are added
/// unless they are among them. `Content-Length`, `Transfer-Encoding` and
/// `Connection` among them are left out: `body` and `keep_alive` say these. The
/// exception is `Connection` of status 101, where only the caller knows it.
///
/// [`ResponseBody::UntilClose`] closes whatever `keep_alive` says.
///
/// ```
/// use http::StatusCode;
/// use squall_web::http::{ResponseBody, Version, encode_response_head};
///
/// let mut out = Vec::new();
/// let date = b"Sun, 06 Nov 1994 08:49:37 GMT";
/// let body = ResponseBody::Length(5);
/// encode_response_head(&mut out, Version::Http11, StatusCode::OK, &[], body, true, date);
/// assert!(out.starts_with(b"HTTP/1.1 200 OK\r\n"));
/// assert!(out.ends_with(b"\r\nContent-Length: 5\r\n\r\n"));
/// ```
pub fn encode_response_head(
    out: &mut Vec<u8>,
    version: Version,
    status: StatusCode,
    headers: &[(HeaderName, HeaderValue)],
    body: ResponseBody,
    keep_alive: bool,
    date: &[u8; 29],
) {
    out.reserve(HEAD_GUESS + 32 * headers.len());
    encode_status_line(out, status);
    let mut server = true;
    let mut dated = true;
    let mut upgrades = false;
    for (name, value) in headers {
        match own_field(name) {
            Some(Own::Framing) => continue,
            Some(Own::Connection) if status != StatusCode::SWITCHING_PROTOCOLS => continue,
            Some(Own::Server) => server = false,
            Some(Own::Date) => dated = false,
            Some(Own::Upgrade) => upgrades = true,
            Some(Own::Connection) | None => {}
        }
        encode_field(out, name.as_str(), value.as_bytes());
    }
    match (server, dated) {
        (true, true) => encode_server_and_date(out, date),
        (true, false) => out.extend_from_slice(SERVER),
        (false, true) => encode_date(out, date),
        (false, false) => {}
    }
    if !status.is_informational() {
        let keep_alive = keep_alive && body != ResponseBody::UntilClose;
        encode_connection(out, version, keep_alive, upgrades);
    }
    encode_response_framing(out, body);
}

/// Appends a request's head to `out`, blank line included.
///
/// `host` goes first, and into no second field: `Host` among `headers` is left
/// out, and so are `Content-Length` and `Transfer-Encoding`, which `body` says.
/// All other headers are written, `Connection` too. A request cannot run until
/// close; [`BodyFraming::UntilClose`] is written as no body.
///
/// # Errors
///
/// [`EncodeError`] if `target` or `host` have bytes that would end the line or
/// begin another word. Nothing was written then; such a request is a mistake
/// of the program, or an injection that it let through.
pub fn encode_request_head(
    out: &mut Vec<u8>,
    method: &Method,
    target: &str,
    host: &str,
    headers: &HeaderMap,
    body: BodyFraming,
) -> Result<(), EncodeError> {
    if target.is_empty() || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(EncodeError::Target);
    }
    if !is_authority(host.as_bytes()) {
        return Err(EncodeError::Host);
    }
    out.reserve(HEAD_GUESS + target.len() + 32 * headers.len());
    for part in [
        method.as_str(),
        " ",
        target,
        " HTTP/1.1\r\nHost: ",
        host,
        "\r\n",
    ] {
        out.extend_from_slice(part.as_bytes());
    }
    for (name, value) in headers {
        if own_field(name) != Some(Own::Framing) && name != header::HOST {
            encode_field(out, name.as_str(), value.as_bytes());
        }
    }
    match body {
        BodyFraming::Length(length) => {
            encode_last_length(out, length);
            return Ok(());
        }
        BodyFraming::Chunked => out.extend_from_slice(CHUNKED),
        BodyFraming::None | BodyFraming::UntilClose => {}
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Why a request's head was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The target is empty or has a byte outside visible ASCII.
    Target,
    /// The host is not a host with an optional port.
    Host,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EncodeError::Target => "malformed request target",
            EncodeError::Host => "malformed host",
        })
    }
}

impl error::Error for EncodeError {}

/// Room for what we write ourselves.
const HEAD_GUESS: usize = 192;

const SERVER: &[u8] = b"Server: squall\r\n";

const CHUNKED: &[u8] = b"Transfer-Encoding: chunked\r\n";

/// Fields that the codec has a word in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Own {
    Framing,
    Connection,
    Server,
    Date,
    Upgrade,
}

/// Looks at the length first, as most fields are none of ours.
fn own_field(name: &HeaderName) -> Option<Own> {
    match name.as_str() {
        "content-length" | "transfer-encoding" => Some(Own::Framing),
        "connection" => Some(Own::Connection),
        "server" => Some(Own::Server),
        "date" => Some(Own::Date),
        "upgrade" => Some(Own::Upgrade),
        _ => None,
    }
}

fn encode_status_line(out: &mut Vec<u8>, status: StatusCode) {
    if let Some(line) = common_status_line(status) {
        return out.extend_from_slice(line);
    }
    // Tornado's word for a status that has no name.
    let reason = status.canonical_reason().unwrap_or("Unknown");
    for part in ["HTTP/1.1 ", status.as_str(), " ", reason, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn common_status_line(status: StatusCode) -> Option<&'static [u8]> {
    Some(match status.as_u16() {
        101 => b"HTTP/1.1 101 Switching Protocols\r\n",
        200 => b"HTTP/1.1 200 OK\r\n",
        201 => b"HTTP/1.1 201 Created\r\n",
        202 => b"HTTP/1.1 202 Accepted\r\n",
        204 => b"HTTP/1.1 204 No Content\r\n",
        206 => b"HTTP/1.1 206 Partial Content\r\n",
        301 => b"HTTP/1.1 301 Moved Permanently\r\n",
        302 => b"HTTP/1.1 302 Found\r\n",
        303 => b"HTTP/1.1 303 See Other\r\n",
        304 => b"HTTP/1.1 304 Not Modified\r\n",
        400 => b"HTTP/1.1 400 Bad Request\r\n",
        401 => b"HTTP/1.1 401 Unauthorized\r\n",
        403 => b"HTTP/1.1 403 Forbidden\r\n",
        404 => b"HTTP/1.1 404 Not Found\r\n",
        405 => b"HTTP/1.1 405 Method Not Allowed\r\n",
        500 => b"HTTP/1.1 500 Internal Server Error\r\n",
        503 => b"HTTP/1.1 503 Service Unavailable\r\n",
        _ => return None,
    })
}

fn encode_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Both in one piece, since nearly every answer has them.
fn encode_server_and_date(out: &mut Vec<u8>, date: &[u8; 29]) {
    let mut lines = *b"Server: squall\r\nDate: 01234567890123456789012345678\r\n";
    lines[22..51].copy_from_slice(date);
    out.extend_from_slice(&lines);
}

fn encode_date(out: &mut Vec<u8>, date: &[u8; 29]) {
    let mut line = *b"Date: 01234567890123456789012345678\r\n";
    line[6..35].copy_from_slice(date);
    out.extend_from_slice(&line);
}

/// Writes only what differs from the version's default (RFC 9112 §9.3), and that an `Upgrade` is for the
/// next hop only (RFC 9110 §7.8).
fn encode_connection(out: &mut Vec<u8>, version: Version, keep_alive: bool, upgrades: bool) {
    match (version, keep_alive) {
        (Version::Http11, false) if upgrades => {
            out.extend_from_slice(b"Connection: close, Upgrade\r\n");
        }
        (Version::Http11, true) if upgrades => out.extend_from_slice(b"Connection: Upgrade\r\n"),
        (Version::Http11, false) => out.extend_from_slice(b"Connection: close\r\n"),
        (Version::Http10, true) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        (Version::Http11, true) | (Version::Http10, false) => {}
    }
}

fn encode_response_framing(out: &mut Vec<u8>, body: ResponseBody) {
    match body {
        ResponseBody::Length(length) => return encode_last_length(out, length),
        ResponseBody::Chunked => out.extend_from_slice(CHUNKED),
        ResponseBody::UntilClose | ResponseBody::None => {}
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes `Content-Length` and the blank line in one piece: digits from the last to the first, and the
/// name in front of them.
fn encode_last_length(out: &mut Vec<u8>, length: u64) {
    const NAME: &[u8; 16] = b"Content-Length: ";
    const DIGITS: usize = 20;
    let mut line = [0; NAME.len() + DIGITS + 4];
    line[NAME.len() + DIGITS..].copy_from_slice(b"\r\n\r\n");
    let mut at = NAME.len() + DIGITS;
    let mut rest = length;
    loop {
        at -= 1;
        line[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    line[at - NAME.len()..at].copy_from_slice(NAME);
    out.extend_from_slice(&line[at - NAME.len()..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";

    fn pairs(headers: &[(&str, &str)]) -> Vec<(HeaderName, HeaderValue)> {
        let pair = |(name, value): &(&str, &str)| {
            (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())
        };
        headers.iter().map(pair).collect()
    }

    struct Answer {
        version: Version,
        status: u16,
        headers: &'static [(&'static str, &'static str)],
        body: ResponseBody,
        keep_alive: bool,
    }

    const PLAIN: Answer = Answer {
        version: Version::Http11,
        status: 200,
        headers: &[],
        body: ResponseBody::Length(5),
        keep_alive: true,
    };

    impl Answer {
        /// Checks the head, given as its lines without those that never change.
        #[track_caller]
        fn check(self, want: &[&str]) {
            let mut out = b"before".to_vec();
            let status = StatusCode::from_u16(self.status).unwrap();
            let headers = pairs(self.headers);
            encode_response_head(
                &mut out,
                self.version,
                status,
                &headers,
                self.body,
                self.keep_alive,
                DATE,
            );
            let text = String::from_utf8(out).unwrap();
            let text = text
                .strip_prefix("before")
                .unwrap()
                .replace("Server: squall\r\n", "")
                .replace("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "");
            assert_eq!(text, format!("{}\r\n\r\n", want.join("\r\n")));
        }
    }

    #[test]
    fn plain_answer_is_written_whole() {
        let mut out = Vec::new();
        let headers = pairs(&[("content-type", "text/plain")]);
        let body = ResponseBody::Length(13);
        encode_response_head(
            &mut out,
            Version::Http11,
            StatusCode::OK,
            &headers,
            body,
            true,
            DATE,
        );
        let want = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nServer: squall\r\n\
                    Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 13\r\n\r\n";
        assert_eq!(str::from_utf8(&out).unwrap(), want);
    }

    #[test]
    fn connection_header_tells_what_differs_from_the_default() {
        let ok = "HTTP/1.1 200 OK";
        let length = "Content-Length: 5";
        PLAIN.check(&[ok, length]);
        Answer {
            keep_alive: false,
            ..PLAIN
        }
        .check(&[ok, "Connection: close", length]);
        let old = || Answer {
            version: Version::Http10,
            ..PLAIN
        };
        old().check(&[ok, "Connection: keep-alive", length]);
        Answer {
            keep_alive: false,
            ..old()
        }
        .check(&[ok, length]);
    }

    #[test]
    fn each_body_has_its_framing() {
        let ok = "HTTP/1.1 200 OK";
        let body = |body| Answer { body, ..PLAIN };
        body(ResponseBody::Length(0)).check(&[ok, "Content-Length: 0"]);
        body(ResponseBody::Length(u64::MAX)).check(&[ok, "Content-Length: 18446744073709551615"]);
        body(ResponseBody::Chunked).check(&[ok, "Transfer-Encoding: chunked"]);
        body(ResponseBody::UntilClose).check(&[ok, "Connection: close"]);
        body(ResponseBody::None).check(&[ok]);
    }

    #[test]
    fn unframed_answer_to_http_1_0_does_not_promise_to_stay_open() {
        // H14: Tornado does, and the client waits for ever.
        let body = ResponseBody::UntilClose;
        Answer {
            version: Version::Http10,
            body,
            ..PLAIN
        }
        .check(&["HTTP/1.1 200 OK"]);
    }

    #[test]
    fn every_status_has_a_line() {
        let status = |status| Answer {
            status,
            body: ResponseBody::None,
            ..PLAIN
        };
        status(204).check(&["HTTP/1.1 204 No Content"]);
        status(304).check(&["HTTP/1.1 304 Not Modified"]);
        status(418).check(&["HTTP/1.1 418 I'm a teapot"]);
        status(682).check(&["HTTP/1.1 682 Unknown"]);
        for code in 100..1000 {
            let status = StatusCode::from_u16(code).unwrap();
            if let Some(line) = common_status_line(status) {
                let reason = status.canonical_reason().unwrap();
                assert_eq!(line, format!("HTTP/1.1 {code} {reason}\r\n").as_bytes());
            }
        }
    }

    #[test]
    fn caller_cannot_contradict_the_framing() {
        let headers = &[
            ("Content-Length", "99"),
            ("Transfer-Encoding", "chunked"),
            ("Connection", "close"),
            ("X-Y", "z"),
        ];
        Answer { headers, ..PLAIN }.check(&["HTTP/1.1 200 OK", "x-y: z", "Content-Length: 5"]);
    }

    #[test]
    fn own_date_and_server_replace_ours() {
        let headers = pairs(&[("date", "never"), ("server", "mine")]);
        let mut out = Vec::new();
        let body = ResponseBody::None;
        encode_response_head(
            &mut out,
            Version::Http11,
            StatusCode::OK,
            &headers,
            body,
            true,
            DATE,
        );
        assert_eq!(
            out,
            b"HTTP/1.1 200 OK\r\ndate: never\r\nserver: mine\r\n\r\n"
        );
    }

    #[test]
    fn switching_protocols_keeps_its_connection_header() {
        Answer {
            status: 101,
            headers: &[("Upgrade", "websocket"), ("Connection", "Upgrade")],
            body: ResponseBody::None,
            keep_alive: false,
            ..PLAIN
        }
        .check(&[
            "HTTP/1.1 101 Switching Protocols",
            "upgrade: websocket",
            "connection: Upgrade",
        ]);
    }

    #[track_caller]
    fn check_request(headers: &[(&str, &str)], body: BodyFraming, want: &str) {
        let headers: HeaderMap = pairs(headers).into_iter().collect();
        let mut out = Vec::new();
        encode_request_head(&mut out, &Method::POST, "/a?b", "h:1", &headers, body).unwrap();
        let want = format!("POST /a?b HTTP/1.1\r\nHost: h:1\r\n{want}\r\n");
        assert_eq!(str::from_utf8(&out).unwrap(), want);
    }

    #[test]
    fn request_has_one_host_and_one_framing() {
        check_request(&[], BodyFraming::None, "");
        check_request(&[], BodyFraming::Length(7), "Content-Length: 7\r\n");
        check_request(&[], BodyFraming::Chunked, "Transfer-Encoding: chunked\r\n");
        let own = [
            ("host", "x"),
            ("content-length", "1"),
            ("connection", "close"),
        ];
        check_request(&own, BodyFraming::None, "connection: close\r\n");
    }

    #[test]
    fn request_splitting_through_target_or_host_is_refused() {
        let encode = |target, host| {
            let mut out = Vec::new();
            let headers = HeaderMap::new();
            let done = encode_request_head(
                &mut out,
                &Method::GET,
                target,
                host,
                &headers,
                BodyFraming::None,
            );
            assert!(done.is_ok() || out.is_empty());
            done
        };
        assert_eq!(encode("/", "a"), Ok(()));
        for target in ["", "/ HTTP/1.1", "/\r\nX: y", "/\u{e9}", "/\n"] {
            assert_eq!(encode(target, "a"), Err(EncodeError::Target), "{target}");
        }
        for host in ["", "a\r\nX: y", "a/b", "a b"] {
            assert_eq!(encode("/", host), Err(EncodeError::Host), "{host}");
        }
    }
}
