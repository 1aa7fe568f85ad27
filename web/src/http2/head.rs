//! Heads from one version to the other.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
#[cfg(feature = "tls")]
use http::{Request, Uri, Version};
use http::{Response, request};

#[cfg(feature = "tls")]
use crate::http::RequestHead;
use crate::http::{BodyFraming, EncodeError, ResponseHead, encode_request_head};

/// Fields that are about a connection, which HTTP/2 has no use for (RFC 9113 §8.2.2).
const OF_THE_CONNECTION: [HeaderName; 5] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Writes a request as HTTP/1.1 has it. `is_bare` says that no body follows.
///
/// # Errors
///
/// If the target or the host hold what cannot stand in a head; a bad request.
pub(super) fn encode_request(
    parts: request::Parts,
    is_bare: bool,
) -> Result<(Vec<u8>, BodyFraming), EncodeError> {
    let mut headers = parts.headers;
    join_cookies(&mut headers);
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
    let framing = match (is_bare, length) {
        (true, _) => BodyFraming::None,
        (false, Some(length)) => BodyFraming::Length(length),
        (false, None) => BodyFraming::Chunked,
    };
    // The authority is what counts (RFC 9113 §8.3.1).
    let own = headers.remove(header::HOST);
    let own = own.as_ref().and_then(|host| host.to_str().ok());
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    let host = authority.or(own).unwrap_or_default();
    let target = parts.uri.path_and_query().map_or("/", |both| both.as_str());
    let mut out = Vec::with_capacity(512);
    encode_request_head(&mut out, &parts.method, target, host, &headers, framing)?;
    Ok((out, framing))
}

/// A client may send each cookie by itself, to have them compressed better (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let all: Vec<&[u8]> = (headers.get_all(header::COOKIE).iter())
        .map(HeaderValue::as_bytes)
        .collect();
    if all.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, joined);
    }
}

/// A request as HTTP/2 has it, over TLS. None if that is not one for HTTP/2.
#[cfg(feature = "tls")]
pub(super) fn request(head: &RequestHead, bytes: &[u8]) -> Option<Request<()>> {
    let uri = Uri::builder()
        .scheme("https")
        .authority(head.host(bytes)?)
        .path_and_query(head.target(bytes))
        .build();
    let mut request = Request::new(());
    *request.method_mut() = head.method().clone();
    *request.uri_mut() = uri.ok()?;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = head.to_header_map(bytes);
    request.headers_mut().remove(header::HOST);
    for name in &OF_THE_CONNECTION {
        request.headers_mut().remove(name);
    }
    Some(request)
}

/// Writes an answer as HTTP/1.1 has it.
#[cfg(feature = "tls")]
pub(super) fn encode_response(out: &mut Vec<u8>, response: &Response<()>, framing: BodyFraming) {
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or_default();
    out.extend_from_slice(format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).as_bytes());
    for (name, value) in response.headers() {
        if OF_THE_CONNECTION.contains(name) {
            continue;
        }
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    let says_length = response.headers().contains_key(header::CONTENT_LENGTH);
    match framing {
        BodyFraming::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        BodyFraming::Length(0) if !says_length => out.extend_from_slice(b"content-length: 0\r\n"),
        _ => {}
    }
    out.extend_from_slice(b"\r\n");
}

/// An answer as HTTP/2 has it.
pub(super) fn response(head: ResponseHead) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    for name in &OF_THE_CONNECTION {
        response.headers_mut().remove(name);
    }
    response
}

#[cfg(test)]
mod tests {
    use http::{Method, Request};

    use super::*;
    #[cfg(feature = "tls")]
    use crate::http::{Limits, Parse, RequestHead, parse_request};

    #[track_caller]
    fn check(request: request::Builder, is_bare: bool, want: &str) {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let (bytes, _) = encode_request(parts, is_bare).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), want);
    }

    #[test]
    fn requests_are_told_as_http1_has_them() {
        let get = || Request::get("https://a.example:81/x?y=z").header("Host", "other");
        check(
            get(),
            true,
            "GET /x?y=z HTTP/1.1\r\nHost: a.example:81\r\n\r\n",
        );
        let crumbs = get()
            .header("cookie", "a=1")
            .header("accept", "*/*")
            .header("cookie", "b=2");
        check(
            crumbs,
            true,
            "GET /x?y=z HTTP/1.1\r\nHost: a.example:81\r\naccept: */*\r\ncookie: a=1; b=2\r\n\r\n",
        );
        let post = || Request::post("/p").header("host", "own");
        check(
            post(),
            false,
            "POST /p HTTP/1.1\r\nHost: own\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        check(
            post().header("content-length", "3"),
            false,
            "POST /p HTTP/1.1\r\nHost: own\r\nContent-Length: 3\r\n\r\n",
        );
        let all = Request::builder()
            .method(Method::OPTIONS)
            .uri("*")
            .header("host", "h");
        check(all, true, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
    }

    #[cfg(feature = "tls")]
    #[test]
    fn requests_of_http1_become_ones_of_http2() {
        let bytes = b"PUT /x?y HTTP/1.1\r\nHost: a:81\r\nConnection: close\r\nX: y\r\nContent-Length: 3\r\n\r\n";
        let mut head = RequestHead::new();
        let parsed = parse_request(bytes, 0, &Limits::default(), &mut head);
        assert!(matches!(parsed, Ok(Parse::Complete)));
        let request = request(&head, bytes).unwrap();
        assert_eq!(request.uri(), "https://a:81/x?y");
        assert_eq!(request.method(), Method::PUT);
        let names: Vec<&str> = request.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["content-length", "x"]);
    }

    #[cfg(feature = "tls")]
    #[test]
    fn answers_say_how_long_they_are() {
        let text = |response: http::response::Builder, framing| {
            let mut out = Vec::new();
            encode_response(&mut out, &response.body(()).unwrap(), framing);
            String::from_utf8(out).unwrap()
        };
        let found = || Response::builder().status(404).header("x", "y");
        assert_eq!(
            text(found(), BodyFraming::Length(0)),
            "HTTP/1.1 404 Not Found\r\nx: y\r\ncontent-length: 0\r\n\r\n"
        );
        let long = found().header("content-length", "7");
        assert_eq!(
            text(long, BodyFraming::Length(7)),
            "HTTP/1.1 404 Not Found\r\nx: y\r\ncontent-length: 7\r\n\r\n"
        );
        assert!(
            text(found(), BodyFraming::Chunked).ends_with("transfer-encoding: chunked\r\n\r\n")
        );
        let early = Response::builder().status(103).header("link", "</a>");
        assert_eq!(
            text(early, BodyFraming::None),
            "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
        );
    }

    #[test]
    fn answers_lose_what_is_about_a_connection() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("x", "y"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let head = ResponseHead {
            version: crate::http::Version::Http11,
            status: http::StatusCode::IM_A_TEAPOT,
            reason: "short".into(),
            headers,
            framing: BodyFraming::Chunked,
            keep_alive: false,
            len: 1,
        };
        let response = response(head);
        assert_eq!(response.status(), 418);
        assert_eq!(response.headers().len(), 1);
    }
}
