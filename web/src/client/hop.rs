//! One request as it goes on the wire, and the next one that a redirect makes of it. No I/O.

use std::rc::Rc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use url::Url;

use super::error::{FetchError, Kind};
use crate::http::{BodyFraming, encode_request_head};

/// A request for one server.
#[derive(Debug)]
pub(super) struct Hop {
    pub(super) method: Method,
    pub(super) url: Url,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// Where connections go: what the pool tells them apart by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    /// An IPv6 address is in brackets.
    pub(super) host: Rc<str>,
    pub(super) port: u16,
}

/// The bytes of a hop.
#[derive(Debug)]
pub(super) struct Outgoing<'h> {
    pub(super) method: &'h Method,
    /// The head, and the body behind it if it is small.
    pub(super) first: Vec<u8>,
    /// The body if it is not.
    pub(super) rest: &'h [u8],
    /// True if the request says that the connection closes after it.
    pub(super) closes: bool,
}

impl Hop {
    /// The first hop of a fetch; adds the headers that are ours.
    pub(super) fn new(method: Method, url: Url, mut headers: HeaderMap, body: Vec<u8>) -> Hop {
        (headers.entry(header::USER_AGENT)).or_insert(HeaderValue::from_static(USER_AGENT));
        let mut hop = Hop {
            method,
            url,
            headers,
            body,
        };
        hop.authorize();
        hop
    }

    /// Returns where to connect to.
    ///
    /// # Errors
    ///
    /// If the request is none that this client can make.
    pub(super) fn origin(&self) -> Result<Origin, FetchError> {
        let refused = match self.url.scheme() {
            _ if self.method == Method::CONNECT => "CONNECT makes a tunnel, which a fetch is not",
            "http" => {
                return Ok(Origin {
                    host: self.url.host_str().unwrap_or_default().into(),
                    port: self.url.port().unwrap_or(80),
                });
            }
            "https" => "https needs TLS, which this version does not have yet",
            _ => "the scheme is not http",
        };
        Err(self.error(Kind::Request(refused)))
    }

    /// Returns the bytes to send.
    ///
    /// # Errors
    ///
    /// If URL or `Host` hold what cannot stand in a head.
    pub(super) fn encode(&self) -> Result<Outgoing<'_>, FetchError> {
        let mut first = Vec::new();
        let target = &self.url[url::Position::BeforePath..url::Position::AfterQuery];
        let own_host = self.headers.get(header::HOST);
        let default_host = authority(&self.url);
        let host = own_host.map_or(Ok(&*default_host), HeaderValue::to_str);
        encode_request_head(
            &mut first,
            &self.method,
            target,
            host.unwrap_or_default(),
            &self.headers,
            self.framing(),
        )
        .map_err(|error| {
            self.error(Kind::Request("malformed url or host"))
                .because(error)
        })?;
        let mut rest = &*self.body;
        if rest.len() <= SMALL_BODY {
            first.extend_from_slice(rest);
            rest = &[];
        }
        Ok(Outgoing {
            method: &self.method,
            first,
            rest,
            closes: self.closes(),
        })
    }

    /// Becomes the next hop.
    ///
    /// # Errors
    ///
    /// If `location` is not a URL.
    pub(super) fn redirect(
        &mut self,
        status: StatusCode,
        location: &HeaderValue,
    ) -> Result<(), FetchError> {
        let url = std::str::from_utf8(location.as_bytes())
            .ok()
            .and_then(|location| self.url.join(location).ok())
            .ok_or_else(|| self.error(Kind::Redirect))?;
        if becomes_get(status, &self.method) {
            self.method = Method::GET;
            self.body = Vec::new();
            remove_all(&mut self.headers, &ABOUT_BODY);
        }
        if url.origin() != self.url.origin() {
            remove_all(&mut self.headers, &FOR_ONE_ORIGIN);
        }
        self.url = url;
        self.authorize();
        Ok(())
    }

    /// An error of this hop.
    pub(super) fn error(&self, kind: Kind) -> FetchError {
        FetchError::new(kind, authority(&self.url))
    }

    fn framing(&self) -> BodyFraming {
        // These announce an empty body too, or a server waits for one (RFC 9110 §8.6).
        let expected = [Method::POST, Method::PUT, Method::PATCH].contains(&self.method);
        if expected || !self.body.is_empty() {
            BodyFraming::Length(self.body.len() as u64)
        } else {
            BodyFraming::None
        }
    }

    fn closes(&self) -> bool {
        let values = self.headers.get_all(header::CONNECTION).iter();
        values
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
    }

    /// Makes a header of the URL's user and password, which do not go on the wire themselves.
    fn authorize(&mut self) {
        let password = self.url.password();
        if (self.url.username().is_empty() && password.is_none())
            || self.headers.contains_key(header::AUTHORIZATION)
        {
            return;
        }
        let mut plain: Vec<u8> = percent_decode_str(self.url.username()).collect();
        plain.push(b':');
        plain.extend(percent_decode_str(password.unwrap_or_default()));
        if let Ok(mut value) = HeaderValue::from_str(&format!("Basic {}", base64(&plain))) {
            value.set_sensitive(true);
            self.headers.insert(header::AUTHORIZATION, value);
        }
    }
}

/// Returns the host, with the port if it is not the scheme's own.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// True for the statuses that send the client elsewhere.
pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// What browsers do, and RFC 9110 §15.4 allows.
fn becomes_get(status: StatusCode, method: &Method) -> bool {
    match status.as_u16() {
        301 | 302 => *method == Method::POST,
        303 => *method != Method::HEAD,
        _ => false,
    }
}

fn remove_all(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) & 63;
            text.push(match digit <= group.len() {
                true => char::from(DIGITS[value as usize]),
                false => '=',
            });
        }
    }
    text
}

const USER_AGENT: &str = concat!("squall/", env!("CARGO_PKG_VERSION"));

/// A body up to this size is copied behind the head, to be sent with it.
const SMALL_BODY: usize = 16 * 1024;

const ABOUT_BODY: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
];

const FOR_ONE_ORIGIN: [HeaderName; 4] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::PROXY_AUTHORIZATION,
    header::HOST,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(method: Method, url: &str, headers: &[(&str, &str)], body: &str) -> Hop {
        let pair = |(name, value): &(&str, &str)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        };
        let headers = headers.iter().map(pair).collect();
        Hop::new(method, url.parse().unwrap(), headers, body.into())
    }

    fn wire(hop: &Hop) -> String {
        let out = hop.encode().unwrap();
        let bytes = [&out.first, out.rest].concat();
        let text = String::from_utf8(bytes).unwrap();
        text.replace(&format!("user-agent: {USER_AGENT}\r\n"), "")
    }

    #[track_caller]
    fn check_get(url: &str, want: &str) {
        let want = format!("{want}\r\n\r\n");
        assert_eq!(wire(&hop(Method::GET, url, &[], "")), want);
    }

    #[test]
    fn request_line_and_host_come_from_the_url() {
        check_get("http://a.example", "GET / HTTP/1.1\r\nHost: a.example");
        check_get(
            "http://A.Example:80/x?y=z#f",
            "GET /x?y=z HTTP/1.1\r\nHost: a.example",
        );
        check_get("http://a:81/?", "GET /? HTTP/1.1\r\nHost: a:81");
        check_get("http://[::1]/", "GET / HTTP/1.1\r\nHost: [::1]");
        check_get("http://[::1]:8080/", "GET / HTTP/1.1\r\nHost: [::1]:8080");
        check_get(
            "http://h/caf\u{e9} x",
            "GET /caf%C3%A9%20x HTTP/1.1\r\nHost: h",
        );
        check_get(
            "http://h/a\r\nX: y",
            "GET /aX:%20y HTTP/1.1\r\nHost: h", // The URL's parser drops line ends.
        );
    }

    #[test]
    fn only_bodies_and_methods_that_have_one_have_a_length() {
        let length = |method, body| wire(&hop(method, "http://h/", &[], body));
        assert!(!length(Method::GET, "").contains("Length"));
        assert!(!length(Method::DELETE, "").contains("Length"));
        assert!(length(Method::POST, "").ends_with("Content-Length: 0\r\n\r\n"));
        assert!(length(Method::PUT, "ab").ends_with("Content-Length: 2\r\n\r\nab"));
    }

    #[test]
    fn large_body_is_not_copied() {
        let body = "x".repeat(SMALL_BODY + 1);
        let hop = hop(Method::PUT, "http://h/", &[], &body);
        let out = hop.encode().unwrap();
        assert_eq!(out.rest.as_ptr(), hop.body.as_ptr());
        assert!(out.first.ends_with(b"\r\n\r\n"));
    }

    #[test]
    fn own_host_and_agent_replace_ours() {
        let own = [("host", "virtual"), ("user-agent", "mine")];
        let text = wire(&hop(Method::GET, "http://h/", &own, ""));
        assert_eq!(
            text,
            "GET / HTTP/1.1\r\nHost: virtual\r\nuser-agent: mine\r\n\r\n"
        );
        for bad in ["a b", "", "\u{e9}"] {
            let hop = hop(Method::GET, "http://h/", &[("host", bad)], "");
            let error = hop.encode().unwrap_err();
            assert_eq!(error.to_string(), "fetch from h: malformed url or host");
        }
    }

    #[test]
    fn other_schemes_and_tunnels_are_refused() {
        let refused = |method, url| {
            let error = hop(method, url, &[], "").origin().unwrap_err();
            error.to_string()
        };
        assert_eq!(
            refused(Method::GET, "https://h:8443/"),
            "fetch from h:8443: https needs TLS, which this version does not have yet"
        );
        assert_eq!(
            refused(Method::GET, "ftp://h/"),
            "fetch from h: the scheme is not http"
        );
        assert!(refused(Method::GET, "data:,x").contains("not http"));
        assert!(refused(Method::CONNECT, "http://h/").contains("tunnel"));
    }

    #[test]
    fn origin_has_the_port() {
        let origin = |url| {
            let origin = hop(Method::GET, url, &[], "").origin().unwrap();
            (origin.host.to_string(), origin.port)
        };
        assert_eq!(origin("http://h/"), ("h".into(), 80));
        assert_eq!(origin("http://[::1]:81/"), ("[::1]".into(), 81));
    }

    #[track_caller]
    fn check_redirect(from: (Method, &str), status: u16, location: &str, want: &str) -> Hop {
        let headers = [
            ("content-type", "t"),
            ("cookie", "c"),
            ("authorization", "a"),
            ("x", "y"),
        ];
        let mut hop = hop(from.0, from.1, &headers, "body");
        let status = StatusCode::from_u16(status).unwrap();
        let location = HeaderValue::from_str(location).unwrap();
        hop.redirect(status, &location).unwrap();
        let cookie = hop.headers.contains_key("cookie");
        assert_eq!(hop.headers.contains_key("authorization"), cookie);
        assert_eq!(
            hop.headers.contains_key("content-type"),
            !hop.body.is_empty()
        );
        assert!(hop.headers.contains_key("x"));
        let body = if hop.body.is_empty() { "" } else { " body" };
        let cookie = if cookie { " cookie" } else { "" };
        assert_eq!(format!("{} {}{body}{cookie}", hop.method, hop.url), want);
        hop
    }

    #[test]
    fn redirect_keeps_the_method_or_becomes_get() {
        let from = |method| (method, "http://h/a");
        for status in [301, 302, 303] {
            check_redirect(from(Method::POST), status, "b", "GET http://h/b cookie");
        }
        for status in [301, 302, 307, 308] {
            let want = "PUT http://h/b body cookie";
            check_redirect(from(Method::PUT), status, "b", want);
        }
        check_redirect(from(Method::PUT), 303, "b", "GET http://h/b cookie");
        let want = "POST http://h/b body cookie";
        check_redirect(from(Method::POST), 307, "b", want);
        check_redirect(from(Method::POST), 308, "/b", want);
    }

    #[test]
    fn credentials_stay_with_their_origin() {
        let from = || (Method::GET, "http://h/a");
        check_redirect(from(), 307, "//other/b", "GET http://other/b body");
        check_redirect(from(), 307, "http://h:81/", "GET http://h:81/ body");
        check_redirect(from(), 307, "https://h/", "GET https://h/ body");
        check_redirect(from(), 307, "http://H:80/", "GET http://h/ body cookie");
    }

    #[test]
    fn malformed_location_is_an_error() {
        let mut hop = hop(Method::GET, "http://h/", &[], "");
        for bad in [&b"http://["[..], b"\xff", b"http://a b/"] {
            let location = HeaderValue::from_bytes(bad).unwrap();
            let error = hop.redirect(StatusCode::FOUND, &location).unwrap_err();
            assert_eq!(
                error.to_string(),
                "fetch from h: redirected to a malformed url"
            );
        }
    }

    #[test]
    fn user_of_the_url_is_basic_authorization() {
        let sent = |url| {
            let hop = hop(Method::GET, url, &[], "");
            let text = wire(&hop);
            assert!(!text.contains('@'));
            let value = hop.headers.get("authorization").cloned();
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(sent("http://h/"), None);
        // RFC 7617 §2.
        assert_eq!(
            sent("http://Aladdin:open%20sesame@h/").as_deref(),
            Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
        );
        assert_eq!(sent("http://u@h/").as_deref(), Some("Basic dTo="));
    }

    #[test]
    fn base64_pads() {
        // RFC 4648 §10.
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }

    #[test]
    fn close_is_found_among_connection_options() {
        let closes = |value| hop(Method::GET, "http://h/", &[("connection", value)], "").closes();
        assert!(closes("close") && closes("te, Close"));
        assert!(!closes("keep-alive"));
    }
}
