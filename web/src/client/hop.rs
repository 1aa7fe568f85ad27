//! One request as it goes on the wire, and the next one that a redirect makes of it. No I/O.

use std::borrow::Cow;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use url::Url;

use super::auth::basic;
use super::body::Body;
use super::config::ClientConfig;
use super::digest::Digest;
use super::error::{FetchError, Kind};
use super::request::Options;
use super::route::{Origin, Route, Through};
use crate::http::grammar::list_has;
use crate::http::{BodyFraming, ContentDecoder, encode_request_head};

/// A request for one server.
pub(super) struct Hop {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Body,
    headers: HeaderMap,
    /// True until a server did not like the question.
    pub(super) expects_continue: bool,
    pub(super) digest: Option<Digest>,
}

/// The bytes of a hop.
pub(super) struct Outgoing {
    pub(super) method: Method,
    /// The head, and the body behind it if it is small.
    pub(super) first: Vec<u8>,
    /// The body if it is not.
    pub(super) rest: Option<Body>,
    /// True if the body is sent only after the server has agreed.
    pub(super) asks: bool,
    /// True if the request says that the connection closes after it.
    pub(super) closes: bool,
}

impl Hop {
    /// The first hop of a fetch; adds the headers that are ours.
    ///
    /// # Errors
    ///
    /// If the client's own `User-Agent` is malformed.
    pub(super) fn new(
        method: Method,
        url: Url,
        mut headers: HeaderMap,
        body: Body,
        options: &Options,
        config: &ClientConfig,
    ) -> Result<Hop, FetchError> {
        if let header::Entry::Vacant(agent) = headers.entry(header::USER_AGENT) {
            let own = HeaderValue::from_str(&config.user_agent).map_err(|_| {
                FetchError::request("malformed user agent of the client", &authority(&url))
            })?;
            agent.insert(own);
        }
        // A part of a compressed body cannot be decompressed.
        if options.decompress && !headers.contains_key(header::RANGE) {
            (headers.entry(header::ACCEPT_ENCODING))
                .or_insert(HeaderValue::from_static(ContentDecoder::ACCEPTED));
        }
        let mut hop = Hop {
            method,
            url,
            headers,
            body,
            expects_continue: options.expect_continue,
            digest: options.digest.clone(),
        };
        hop.authorize();
        Ok(hop)
    }

    /// Returns where to connect to.
    ///
    /// # Errors
    ///
    /// If the request is none that this client can make.
    pub(super) fn route(
        &self,
        options: &Options,
        config: &ClientConfig,
    ) -> Result<Route, FetchError> {
        let refuse = |why: &'static str| self.error(Kind::Request(why.into()));
        if self.method == Method::CONNECT {
            return Err(refuse("CONNECT makes a tunnel, which a fetch is not"));
        }
        let trust = match self.url.scheme() {
            "http" => None,
            "https" => Some(options.tls.trust(config).map_err(refuse)?),
            _ => return Err(refuse("the scheme is neither http nor https")),
        };
        let target = Origin {
            host: self.url.host_str().unwrap_or_default().into(),
            port: self.url.port_or_known_default().unwrap_or(80),
        };
        let proxy = match &options.proxy {
            _ if options.unix_socket.is_some() => None,
            Some(own) => own.as_ref(),
            None => config.proxies.for_url(&self.url),
        };
        Ok(Route {
            unix: options.unix_socket.clone(),
            source: options.source,
            ..Route::new(target, proxy, trust)
        })
    }

    /// Returns the bytes to send.
    ///
    /// # Errors
    ///
    /// If URL or `Host` hold what cannot stand in a head.
    pub(super) fn encode(
        &self,
        route: &Route,
        config: &ClientConfig,
    ) -> Result<Outgoing, FetchError> {
        let mut first = Vec::new();
        let mut headers = self.headers_for(route, config);
        let target = match route.through {
            Through::Forward(_) => &self.url[..url::Position::AfterQuery],
            Through::Nobody | Through::Tunnel(_) => {
                &self.url[url::Position::BeforePath..url::Position::AfterQuery]
            }
        };
        let target = without_user(target, &self.url);
        let answer = self.digest.as_ref();
        if let Some(value) = answer.and_then(|own| own.header(self.method.as_str(), &target)) {
            headers.to_mut().insert(header::AUTHORIZATION, value);
        }
        let own_host = headers.get(header::HOST);
        let default_host = authority(&self.url);
        let host = own_host.map_or(Ok(&*default_host), HeaderValue::to_str);
        encode_request_head(
            &mut first,
            &self.method,
            &target,
            host.unwrap_or_default(),
            &headers,
            self.framing(),
        )
        .map_err(|error| {
            self.error(Kind::Request("malformed url or host".into()))
                .because(error)
        })?;
        let asks = self.asks();
        let rest = match &self.body {
            Body::None => None,
            Body::Bytes(bytes) if bytes.len() <= SMALL_BODY && !asks => {
                first.extend_from_slice(bytes);
                None
            }
            body => Some(body.clone()),
        };
        Ok(Outgoing {
            method: self.method.clone(),
            first,
            rest,
            asks,
            closes: self.closes(),
        })
    }

    /// Becomes the next hop.
    ///
    /// # Errors
    ///
    /// If `location` is not a URL, or the body cannot or must not be sent there.
    pub(super) fn redirect(
        &mut self,
        status: StatusCode,
        location: &HeaderValue,
    ) -> Result<(), FetchError> {
        let mut url = std::str::from_utf8(location.as_bytes())
            .ok()
            .and_then(|location| self.url.join(location).ok())
            .ok_or_else(|| self.error(Kind::Redirect("redirected to a malformed url")))?;
        if url.fragment().is_none() {
            // RFC 9110 §10.2.2.
            url.set_fragment(self.url.fragment());
        }
        if becomes_get(status, &self.method) {
            self.method = Method::GET;
            self.body = Body::None;
            self.expects_continue = false;
            remove_all(&mut self.headers, &ABOUT_BODY);
        }
        if !self.body.can_be_sent() {
            let text = "redirected with a body that cannot be made again; see body_producer";
            return Err(self.error(Kind::Redirect(text)));
        }
        if self.url.scheme() == "https" && url.scheme() == "http" && !self.body.is_none() {
            let text = "redirected from https to http with a body, which would go unprotected";
            return Err(self.error(Kind::Redirect(text)));
        }
        if url.origin() != self.url.origin() {
            remove_all(&mut self.headers, &FOR_ONE_ORIGIN);
            self.digest = None;
        }
        self.url = url;
        self.authorize();
        Ok(())
    }

    /// An error of this hop.
    pub(super) fn error(&self, kind: Kind) -> FetchError {
        FetchError::new(kind, authority(&self.url))
    }

    /// True if it can be sent again after a failure that the server said nothing about.
    pub(super) fn can_be_repeated(&self) -> bool {
        self.method.is_idempotent() && self.body.can_be_sent()
    }

    /// The headers for a connection: with what the jar and the proxy want.
    fn headers_for<'h>(&'h self, route: &Route, config: &ClientConfig) -> Cow<'h, HeaderMap> {
        let mut headers = Cow::Borrowed(&self.headers);
        let jar = config
            .cookies
            .as_ref()
            .and_then(|jar| jar.header(&self.url));
        if let Some(kept) = jar {
            let own = self
                .headers
                .get(header::COOKIE)
                .and_then(|own| own.to_str().ok());
            let all = own.map_or(kept.clone(), |own| format!("{own}; {kept}"));
            if let Ok(mut value) = HeaderValue::from_str(&all) {
                value.set_sensitive(true);
                headers.to_mut().insert(header::COOKIE, value);
            }
        }
        if let Through::Forward(proxy) = &route.through
            && let Some(authorization) = &proxy.authorization
        {
            let name = header::PROXY_AUTHORIZATION;
            headers.to_mut().insert(name, authorization.clone());
        }
        if self.asks() {
            let value = HeaderValue::from_static("100-continue");
            headers.to_mut().insert(header::EXPECT, value);
        }
        headers
    }

    /// True if the server is asked before the body is sent.
    fn asks(&self) -> bool {
        self.expects_continue && self.framing().has_body()
    }

    fn framing(&self) -> BodyFraming {
        // These announce an empty body too, or a server waits for one (RFC 9110 §8.6).
        let expected = [Method::POST, Method::PUT, Method::PATCH].contains(&self.method);
        match self.body.framing() {
            BodyFraming::None if expected => BodyFraming::Length(0),
            BodyFraming::Length(0) if !expected => BodyFraming::None,
            framing => framing,
        }
    }

    fn closes(&self) -> bool {
        let mut values = self.headers.get_all(header::CONNECTION).iter();
        values.any(|value| list_has(value.as_bytes(), b"close"))
    }

    /// Makes a header of the URL's user and password, which do not go on the wire themselves.
    fn authorize(&mut self) {
        let password = self.url.password();
        if (self.url.username().is_empty() && password.is_none())
            || self.headers.contains_key(header::AUTHORIZATION)
        {
            return;
        }
        let user = self.url.username();
        if let Some(value) = basic(user, password.unwrap_or_default(), true) {
            self.headers.insert(header::AUTHORIZATION, value);
        }
    }
}

/// Takes user and password out of an absolute target.
fn without_user<'t>(target: &'t str, url: &Url) -> Cow<'t, str> {
    let end = &url[..url::Position::BeforeHost];
    match target.strip_prefix(end).filter(|_| end.ends_with('@')) {
        Some(rest) => Cow::Owned(format!("{}://{rest}", url.scheme())),
        None => Cow::Borrowed(target),
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
    use std::rc::Rc;

    use super::super::proxy::Proxy;
    use super::*;

    fn hop(method: Method, url: &str, headers: &[(&str, &str)], body: &str) -> Hop {
        let pair = |(name, value): &(&str, &str)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        };
        let headers = headers.iter().map(pair).collect();
        let body = match body {
            "" => Body::None,
            text => Body::Bytes(Rc::new(text.into())),
        };
        let options = Options {
            decompress: false,
            ..Options::default()
        };
        let url = url.parse().unwrap();
        Hop::new(method, url, headers, body, &options, &CONFIG()).unwrap()
    }

    const CONFIG: fn() -> ClientConfig = ClientConfig::default;

    fn direct(hop: &Hop) -> Route {
        hop.route(&Options::default(), &CONFIG()).unwrap()
    }

    fn encode(hop: &Hop) -> Result<Outgoing, FetchError> {
        hop.encode(&direct(hop), &CONFIG())
    }

    fn text(out: &Outgoing) -> String {
        let rest = match &out.rest {
            Some(Body::Bytes(bytes)) => bytes.as_slice(),
            _ => &[],
        };
        let text = String::from_utf8([&out.first, rest].concat()).unwrap();
        text.replace(&format!("user-agent: {}\r\n", CONFIG().user_agent), "")
    }

    fn wire(hop: &Hop) -> String {
        text(&encode(hop).unwrap())
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
        let out = encode(&hop).unwrap();
        let (Some(Body::Bytes(rest)), Body::Bytes(own)) = (&out.rest, &hop.body) else {
            panic!("it is sent behind the head");
        };
        assert!(Rc::ptr_eq(rest, own));
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
            let error = encode(&hop).err().unwrap().to_string();
            assert_eq!(error, "fetch from h: malformed url or host: malformed host");
        }
    }

    #[test]
    fn other_schemes_and_tunnels_are_refused() {
        let refused = |method, url| {
            let hop = hop(method, url, &[], "");
            let error = hop.route(&Options::default(), &CONFIG()).unwrap_err();
            error.to_string()
        };
        #[cfg(not(feature = "tls"))]
        assert_eq!(
            refused(Method::GET, "https://h:8443/"),
            "fetch from h:8443: https needs the feature `tls` of squall-web"
        );
        assert_eq!(
            refused(Method::GET, "ftp://h/"),
            "fetch from h: the scheme is neither http nor https"
        );
        assert!(refused(Method::GET, "data:,x").contains("neither http nor"));
        assert!(refused(Method::CONNECT, "http://h/").contains("tunnel"));
    }

    #[test]
    fn origin_has_the_port() {
        let origin = |url| {
            let route = direct(&hop(Method::GET, url, &[], ""));
            (route.to.host.to_string(), route.to.port)
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
            !hop.body.is_none()
        );
        assert!(hop.headers.contains_key("x"));
        let body = if hop.body.is_none() { "" } else { " body" };
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
    fn fragment_is_kept_unless_there_is_another() {
        // RFC 9110 §10.2.2
        let from = || (Method::GET, "http://h/a#top");
        check_redirect(from(), 302, "b", "GET http://h/b#top body cookie");
        check_redirect(from(), 302, "b#end", "GET http://h/b#end body cookie");
        assert!(wire(&hop(Method::GET, "http://h/a#top", &[], "")).starts_with("GET /a HTTP"));
    }

    #[test]
    fn body_does_not_go_from_https_to_http() {
        let mut with_body = hop(Method::PUT, "https://h/", &[], "secret");
        let to = HeaderValue::from_static("http://h/");
        let error = with_body.redirect(StatusCode::TEMPORARY_REDIRECT, &to);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("from https to http with a body"), "{error}");
        // Without one it goes, and the credentials stay.
        check_redirect(
            (Method::POST, "https://h/"),
            303,
            "http://h/",
            "GET http://h/",
        );
    }

    #[test]
    fn proxy_gets_the_whole_url_and_its_own_credentials() {
        let hop = hop(Method::GET, "http://u:p@h:81/x?y#z", &[], "");
        let through = |proxy| Options {
            proxy: Some(Some(proxy)),
            ..Options::default()
        };
        let proxy = Proxy::new("p:3128").unwrap().auth("a", "b");
        let forward = hop.route(&through(proxy.clone()), &CONFIG()).unwrap();
        assert_eq!((&*forward.to.host, forward.to.port), ("p", 3128));
        assert_eq!(
            text(&hop.encode(&forward, &CONFIG()).unwrap()),
            "GET http://h:81/x?y HTTP/1.1\r\nHost: h:81\r\nauthorization: Basic dTpw\r\n\
             proxy-authorization: Basic YTpi\r\n\r\n"
        );
        let tunnel = hop.route(&through(proxy.tunnel(true)), &CONFIG()).unwrap();
        assert_ne!(tunnel, forward);
        assert_eq!(
            text(&hop.encode(&tunnel, &CONFIG()).unwrap()),
            "GET /x?y HTTP/1.1\r\nHost: h:81\r\nauthorization: Basic dTpw\r\n\r\n"
        );
    }

    #[test]
    fn cookies_of_the_jar_join_ones_own() {
        let jar = super::super::CookieJar::new();
        let config = ClientConfig {
            cookies: Some(jar.clone()),
            ..ClientConfig::default()
        };
        let own = hop(Method::GET, "http://h/x", &[("cookie", "a=1")], "");
        let sent = || text(&own.encode(&direct(&own), &config).unwrap());
        assert!(sent().contains("\r\ncookie: a=1\r\n"));
        jar.set(&own.url, "b=2; Path=/");
        assert!(sent().contains("\r\ncookie: a=1; b=2\r\n"));
    }

    #[test]
    fn question_is_asked_only_with_a_body() {
        for (body, asks) in [("", false), ("x", true)] {
            let mut hop = hop(Method::POST, "http://h/", &[], body);
            hop.expects_continue = true;
            let out = encode(&hop).unwrap();
            assert_eq!(out.asks, asks);
            assert_eq!(out.rest.is_some(), asks);
            assert_eq!(text(&out).contains("expect: 100-continue"), asks);
        }
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
    fn close_is_found_among_connection_options() {
        let closes = |value| hop(Method::GET, "http://h/", &[("connection", value)], "").closes();
        assert!(closes("close") && closes("te, Close"));
        assert!(!closes("keep-alive"));
    }
}
