//! From bytes to a [`ResponseHead`], for the client.
//!
//! A client parses far fewer heads than a server and wants to hand them on, so
//! this one owns its parts. It is as strict as the request's parser: a response
//! that can be read in two ways poisons the answers after it on the connection.

use http::header::HeaderMap;
use http::{Method, StatusCode};

use super::fields::FieldFacts;
use super::framing::BodyFraming;
use super::head::{Version, append_field};
use super::limits::Limits;
use super::parse::ParseError;
use super::reader::Reader;
use super::scan::find_head_end;

/// Parsed head of a response.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// The server's version.
    pub version: Version,
    /// The status; 1xx announces that another head follows.
    pub status: StatusCode,
    /// The reason phrase, which means nothing (RFC 9112 §4) but is nice in a log.
    pub reason: String,
    /// All fields.
    pub headers: HeaderMap,
    /// How the body is delimited, after the rules of RFC 9112 §6.3.
    pub framing: BodyFraming,
    /// True if the connection may carry another request after the body.
    pub keep_alive: bool,
    /// Bytes of the head, blank line included; the body begins there.
    pub len: usize,
}

/// Parses a response's head from the start of `buf`.
///
/// `None` says that the blank line is still missing. `scanned` is the length of
/// `buf` at the last call that returned `None` for this head, else 0.
/// `request_method` is that of the request which this answers, for an answer to
/// `HEAD` or `CONNECT` has no body whatever its fields say.
///
/// # Errors
///
/// Every [`ParseError`]. Close: where the next response would begin is not
/// known.
pub fn parse_response(
    buf: &[u8],
    scanned: usize,
    limits: &Limits,
    request_method: &Method,
) -> Result<Option<ResponseHead>, ParseError> {
    let Some(end) = find_head_end(buf, 0, scanned, limits)? else {
        return Ok(None);
    };
    read_head(&buf[..end], limits, request_method).map(Some)
}

/// Reads a head that is known to be whole.
fn read_head(
    buf: &[u8],
    limits: &Limits,
    request_method: &Method,
) -> Result<ResponseHead, ParseError> {
    let mut reader = Reader::new(buf, 0);
    let version = match reader.rest() {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0', ..] => Version::Http10,
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9', ..] => Version::Http11,
        _ => return Err(ParseError::BadRequest("malformed version")),
    };
    reader.skip(8);
    let status = match reader.rest() {
        [b' ', status @ ..] if status.len() >= 3 => StatusCode::from_bytes(&status[..3]).ok(),
        _ => None,
    };
    let status = status.ok_or(BAD_STATUS)?;
    reader.skip(4);
    // A server may leave the reason out, and the blank with it.
    let reason = match reader.literal(b" ") {
        true => reader.text(),
        false => b"",
    };
    reader.line_end()?;
    let has_body = may_have_body(status, request_method);

    let mut seen = FieldFacts::default();
    let mut headers = HeaderMap::new();
    while let Some(field) = reader.field()? {
        if headers.len() == limits.max_headers {
            return Err(ParseError::TooManyHeaders);
        }
        let (name, value) = (field.name.bytes(buf), field.value.bytes(buf));
        seen.see_shared_field(name, value, has_body)?;
        append_field(&mut headers, name, value);
    }
    let framing = if has_body {
        seen.framing.of_response(version)?
    } else {
        BodyFraming::None
    };
    Ok(ResponseHead {
        version,
        status,
        reason: String::from_utf8_lossy(reason).into_owned(),
        headers,
        framing,
        keep_alive: seen.keep_alive(version) && framing != BodyFraming::UntilClose,
        len: buf.len(),
    })
}

const BAD_STATUS: ParseError = ParseError::BadRequest("malformed status");

/// Rules 1 and 2 of RFC 9112 §6.3.
pub(crate) fn may_have_body(status: StatusCode, request_method: &Method) -> bool {
    let bare_status = status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    let tunnel = *request_method == Method::CONNECT && status.is_success();
    !bare_status && !tunnel && *request_method != Method::HEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses `wire` at every length; only the whole head is complete.
    #[track_caller]
    fn check(wire: &str, method: Method) -> ResponseHead {
        let limits = Limits::default();
        let bytes = wire.as_bytes();
        let head = parse_response(bytes, 0, &limits, &method).unwrap().unwrap();
        for len in 0..head.len {
            for scanned in [0, len.saturating_sub(1)] {
                let parsed = parse_response(&bytes[..len], scanned, &limits, &method).unwrap();
                assert!(parsed.is_none(), "after {len} bytes");
            }
            let parsed = parse_response(bytes, len, &limits, &method).unwrap();
            assert_eq!(format!("{parsed:?}"), format!("{:?}", Some(&head)));
        }
        head
    }

    #[track_caller]
    fn framing(status_and_fields: &str, method: Method) -> (BodyFraming, bool) {
        let head = check(&format!("HTTP/1.1 {status_and_fields}\r\n\r\n"), method);
        (head.framing, head.keep_alive)
    }

    #[track_caller]
    fn refuse(wire: &str) {
        let parsed = parse_response(wire.as_bytes(), 0, &Limits::default(), &Method::GET);
        assert!(parsed.is_err(), "{wire:?}: {parsed:?}");
    }

    #[test]
    fn head_is_taken_apart() {
        let wire = "HTTP/1.1 404 Not Here\r\nA: 1\r\na: 2\r\nContent-Length: 3\r\n\r\nabc";
        let head = check(wire, Method::GET);
        assert_eq!(head.version, Version::Http11);
        assert_eq!(head.status, 404);
        assert_eq!(head.reason, "Not Here");
        assert_eq!(head.headers.get_all("a").iter().count(), 2);
        assert_eq!(head.framing, BodyFraming::Length(3));
        assert_eq!(head.len, wire.len() - 3);
        assert_eq!(check("HTTP/1.1 200\r\n\r\n", Method::GET).reason, "");
        assert_eq!(check("HTTP/1.1 200 \r\n\r\n", Method::GET).reason, "");
    }

    #[test]
    fn body_ends_as_the_fields_say_or_with_the_connection() {
        let get = |text| framing(text, Method::GET);
        assert_eq!(get("200 OK"), (BodyFraming::UntilClose, false));
        assert_eq!(
            get("200 OK\r\nContent-Length: 0"),
            (BodyFraming::Length(0), true)
        );
        assert_eq!(
            get("200 OK\r\nTransfer-Encoding: chunked"),
            (BodyFraming::Chunked, true)
        );
        let close = "200 OK\r\nConnection: x, close\r\nContent-Length: 1";
        assert_eq!(get(close), (BodyFraming::Length(1), false));
    }

    #[test]
    fn some_answers_have_no_body_whatever_they_say() {
        let none = (BodyFraming::None, true);
        for fields in [
            "",
            "\r\nContent-Length: 5",
            "\r\nTransfer-Encoding: chunked",
            "\r\nContent-Length: x",
        ] {
            for status in [
                "100 Continue",
                "101 Switching Protocols",
                "204 No Content",
                "304 Not Modified",
            ] {
                assert_eq!(framing(&format!("{status}{fields}"), Method::GET), none);
            }
            assert_eq!(framing(&format!("200 OK{fields}"), Method::HEAD), none);
            assert_eq!(framing(&format!("200 OK{fields}"), Method::CONNECT), none);
        }
        let refused = framing("403 Forbidden\r\nContent-Length: 5", Method::CONNECT);
        assert_eq!(refused.0, BodyFraming::Length(5));
    }

    #[test]
    fn http_1_0_closes_unless_it_says_otherwise() {
        let keep = |fields: &str| {
            let wire = format!("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n{fields}\r\n");
            check(&wire, Method::GET).keep_alive
        };
        assert!(!keep(""));
        assert!(keep("Connection: Keep-Alive\r\n"));
    }

    #[test]
    fn ambiguous_or_malformed_response_is_refused() {
        for wire in [
            "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
            "\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "ICY 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            refuse(wire);
        }
    }

    #[test]
    fn head_is_limited() {
        let limits = Limits {
            max_head_bytes: 30,
            max_headers: 120,
            ..Limits::default()
        };
        let long = format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(30));
        let error = parse_response(long.as_bytes(), 0, &limits, &Method::GET).unwrap_err();
        assert_eq!(error, ParseError::HeadTooLarge);

        let limits = Limits {
            max_head_bytes: 9000,
            ..limits
        };
        let wire = |fields| format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(fields));
        let head = parse_response(wire(120).as_bytes(), 0, &limits, &Method::GET);
        assert_eq!(head.unwrap().unwrap().headers.len(), 120);
        let error = parse_response(wire(121).as_bytes(), 0, &limits, &Method::GET).unwrap_err();
        assert_eq!(error, ParseError::TooManyHeaders);
    }
}
