//! What is to be fetched.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::future::IntoFuture;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde::Serialize;
use url::Url;

use super::auth::basic;
use super::body::{Body, BodyWriter, Produced, Segment};
use super::digest::Digest;
use super::error::{FetchError, Source};
use super::multipart::{Multipart, urlencoded};
use super::proxy::Proxy;
use super::tls::TlsOptions;
use crate::http::DateCache;

/// A request: Tornado's `HTTPRequest`.
///
/// A mistake in it, a malformed URL or header, is remembered and comes out of
/// [`fetch`](super::AsyncHttpClient::fetch); of several, the first.
///
/// `Host`, `Content-Length`, `User-Agent` and `Accept-Encoding` (but beside `Range`) are added, and `Content-Type:
/// application/x-www-form-urlencoded` to a `POST` that has none, as Tornado and curl do. A `Host`,
/// `User-Agent` or `Accept-Encoding` of your own replaces ours. A user name and password in the URL
/// are sent as `Authorization: Basic`.
///
/// # Examples
///
/// ```
/// use squall_web::client::Request;
/// use std::time::Duration;
///
/// let request = Request::get("http://a.example/items?page=2")
///     .header("Accept", "application/json")
///     .timeout(Duration::from_secs(3))
///     .raise_error(false);
/// ```
#[derive(Clone)]
pub struct Request {
    pub(super) method: Method,
    pub(super) url: Result<Url, url::ParseError>,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    pub(super) options: Options,
    pub(super) callbacks: Callbacks,
    /// The first mistake of the builder, if the URL is none.
    mistake: Option<Cow<'static, str>>,
}

/// What does not go on the wire. None is what the client says.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) timeout: Option<Option<Duration>>,
    pub(super) connect_timeout: Option<Option<Duration>>,
    pub(super) stall_timeout: Option<Option<Duration>>,
    pub(super) max_body_bytes: Option<u64>,
    pub(super) proxy: Option<Option<Proxy>>,
    pub(super) source: Option<IpAddr>,
    pub(super) allow_ipv6: bool,
    pub(super) follow_redirects: bool,
    pub(super) max_redirects: u32,
    pub(super) raise_error: bool,
    pub(super) decompress: bool,
    pub(super) expect_continue: bool,
    pub(super) nonstandard: bool,
    pub(super) unix_socket: Option<Rc<Path>>,
    pub(super) tls: TlsOptions,
    pub(super) digest: Option<Digest>,
}

/// Whom to tell while the response comes.
#[derive(Clone, Default)]
pub(super) struct Callbacks {
    pub(super) head: Option<Rc<RefCell<HeadCallback>>>,
    pub(super) body: Option<Rc<RefCell<BodyCallback>>>,
}

pub(super) type HeadCallback = dyn FnMut(StatusCode, &HeaderMap);
pub(super) type BodyCallback = dyn FnMut(&[u8]);

impl Default for Options {
    fn default() -> Self {
        Options {
            timeout: None,
            connect_timeout: None,
            stall_timeout: None,
            max_body_bytes: None,
            proxy: None,
            source: None,
            allow_ipv6: true,
            follow_redirects: true,
            max_redirects: 5,
            raise_error: true,
            decompress: true,
            expect_continue: false,
            nonstandard: false,
            unix_socket: None,
            tls: TlsOptions::default(),
            digest: None,
        }
    }
}

impl Request {
    /// A request with this method, and without a body.
    pub fn new(method: Method, url: impl AsRef<str>) -> Request {
        Request {
            method,
            url: Url::parse(url.as_ref()),
            headers: HeaderMap::new(),
            body: Body::None,
            options: Options::default(),
            callbacks: Callbacks::default(),
            mistake: None,
        }
    }

    /// A `GET` request.
    pub fn get(url: impl AsRef<str>) -> Request {
        Self::new(Method::GET, url)
    }

    /// A `HEAD` request, whose answer has a head alone.
    pub fn head(url: impl AsRef<str>) -> Request {
        Self::new(Method::HEAD, url)
    }

    /// A `POST` request with a body. Say what it is with a `Content-Type` header.
    pub fn post(url: impl AsRef<str>, body: impl Into<Vec<u8>>) -> Request {
        Self::new(Method::POST, url).body(body)
    }

    /// A `PUT` request with a body.
    pub fn put(url: impl AsRef<str>, body: impl Into<Vec<u8>>) -> Request {
        Self::new(Method::PUT, url).body(body)
    }

    /// A `DELETE` request.
    pub fn delete(url: impl AsRef<str>) -> Request {
        Self::new(Method::DELETE, url)
    }

    /// Adds a header; one of the same name stays beside it.
    ///
    /// `Content-Length` says how long the body of a [`body_producer`](Self::body_producer) is; of
    /// other bodies it is known. `Transfer-Encoding` is left out.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) -> Request {
        let name = HeaderName::from_bytes(name.as_ref().as_bytes());
        let value = HeaderValue::from_bytes(value.as_ref());
        match (name, value) {
            (Ok(name), Ok(value)) => match self.headers.try_append(name, value) {
                Ok(_) => {}
                Err(_) => self.remember("too many headers"),
            },
            (Err(_), _) => self.remember("malformed header name"),
            (_, Err(_)) => self.remember("malformed header value"),
        }
        self
    }

    /// Sets the `User-Agent`, in place of the client's.
    #[must_use]
    pub fn user_agent(self, agent: impl AsRef<str>) -> Request {
        self.set(header::USER_AGENT, agent.as_ref(), "malformed user agent")
    }

    /// Sets user name and password, sent by the scheme Basic: Tornado's `auth_username` and
    /// `auth_password`. They replace those of the URL.
    #[must_use]
    pub fn auth(mut self, user: &str, password: &str) -> Request {
        match basic(user, password, false) {
            Some(value) => {
                self.headers.insert(header::AUTHORIZATION, value);
            }
            None => self.remember("a user name for basic authorization has no colon"),
        }
        self
    }

    /// Sets user name and password for the scheme Digest, with the feature `digest`: Tornado's
    /// `auth_mode="digest"`. MD5 and SHA-256 are known.
    ///
    /// The request goes without them first, and again with an answer to the server's challenge; its
    /// body is sent both times. They are not used for another host, scheme or port that a redirect
    /// leads to.
    #[cfg(feature = "digest")]
    #[must_use]
    pub fn digest_auth(mut self, user: &str, password: &str) -> Request {
        self.options.digest = Some(Digest::new(user, password));
        self
    }

    /// Sets a token, sent as `Authorization: Bearer`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Request {
        let value = format!("Bearer {token}");
        self.set(header::AUTHORIZATION, &value, "malformed bearer token")
    }

    /// Asks for the answer only if it is newer than this; otherwise it is a 304.
    #[must_use]
    pub fn if_modified_since(self, time: SystemTime) -> Request {
        let mut dates = DateCache::new();
        let date = String::from_utf8_lossy(dates.get(time)).into_owned();
        self.set(header::IF_MODIFIED_SINCE, &date, "malformed date")
    }

    /// Adds fields to the URL's query: Tornado's `url_concat`.
    ///
    /// ```
    /// use squall_web::client::Request;
    ///
    /// let request = Request::get("http://a.example/search?page=2").query([("q", "tea & jam")]);
    /// assert!(format!("{request:?}").contains("/search?page=2&q=tea+%26+jam"));
    /// ```
    #[must_use]
    pub fn query<K, V>(mut self, fields: impl IntoIterator<Item = (K, V)>) -> Request
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        if let Ok(url) = &mut self.url {
            let mut fields = fields.into_iter().peekable();
            if fields.peek().is_some() {
                url.query_pairs_mut().extend_pairs(fields);
            }
        }
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = Body::Bytes(Rc::new(body.into()));
        self
    }

    /// Sets the body to a form, and its `Content-Type`.
    ///
    /// ```
    /// # use squall_web::client::Request;
    /// let request = Request::post("http://a.example/login", "").form([("name", "tea")]);
    /// ```
    #[must_use]
    pub fn form<K, V>(self, fields: impl IntoIterator<Item = (K, V)>) -> Request
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let body = urlencoded(fields);
        self.set(header::CONTENT_TYPE, FORM, "").body(body)
    }

    /// Sets the body to a form with files, and its `Content-Type`.
    #[must_use]
    pub fn multipart(mut self, form: Multipart) -> Request {
        if let Some(mistake) = form.mistake() {
            self.remember(mistake);
        }
        let (segments, content_type) = form.encode();
        self.body = Body::Segments(Rc::new(segments));
        self.set(header::CONTENT_TYPE, &content_type, "")
    }

    /// Sets the body to a value as JSON, and its `Content-Type`.
    #[must_use]
    pub fn json(mut self, value: &(impl Serialize + ?Sized)) -> Request {
        match serde_json::to_vec(value) {
            Ok(body) => {
                let request = self.set(header::CONTENT_TYPE, "application/json", "");
                return request.body(body);
            }
            Err(error) => self.remember(format!("the body cannot be json: {error}")),
        }
        self
    }

    /// Sets the body to a file, which is read while it is sent.
    #[must_use]
    pub fn body_file(mut self, path: impl Into<PathBuf>) -> Request {
        let path = path.into();
        self.body = Body::Segments(Rc::new(vec![Segment::File { path, length: None }]));
        self
    }

    /// Sets a coroutine that makes the body while it is sent: Tornado's `body_producer`.
    ///
    /// It is called with a [`BodyWriter`] for each time that the body has to be sent: once, and again
    /// for a redirect that repeats it. The body goes in chunks, unless a `Content-Length` header says
    /// how long it is.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use squall::yield_;
    /// # use squall_web::client::{AsyncHttpClient, BodyWriter, FetchError, Request};
    /// #[squall::coroutine]
    /// fn lines(body: BodyWriter) -> squall::Result<()> {
    ///     for n in 0..1_000_000 {
    ///         yield_!(body.write(format!("line {n}\n")))?; // waits for a slow server
    ///     }
    ///     Ok(())
    /// }
    ///
    /// #[squall::main]
    /// fn main() -> Result<(), FetchError> {
    ///     let request = Request::put("http://localhost:8888/log", "").body_producer(lines);
    ///     yield_!(AsyncHttpClient::new().fetch(request))?;
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn body_producer<F, R, E>(mut self, producer: F) -> Request
    where
        F: Fn(BodyWriter) -> R + 'static,
        R: IntoFuture<Output = Result<(), E>> + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.body = Body::often::<F, R, E>(producer);
        self
    }

    /// As [`body_producer`](Self::body_producer), for what can be made only once. A redirect that
    /// repeats the body is an error then, and a connection that turns out to be closed is one as well.
    #[must_use]
    pub fn body_producer_once<F, R, E>(mut self, producer: F) -> Request
    where
        F: FnOnce(BodyWriter) -> R + 'static,
        R: IntoFuture<Output = Result<(), E>> + 'static,
        E: Into<Source>,
    {
        self.body = Body::once::<F, R, E>(producer);
        self
    }

    /// Sets whether to ask the server by `Expect: 100-continue` before the body is sent; false.
    ///
    /// A server that refuses answers without having got the body. One that says nothing for a second
    /// gets the body all the same, and one that answers 417 gets the request again without the
    /// question.
    #[must_use]
    pub fn expect_100_continue(mut self, expect: bool) -> Request {
        self.options.expect_continue = expect;
        self
    }

    /// Sets how long all of it may take, redirects included; the client's, which is 20 s. `None`, and
    /// zero, are for ever.
    ///
    /// Tornado's `request_timeout`, which begins anew with each redirect.
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Request {
        self.options.timeout = Some(timeout.into());
        self
    }

    /// Sets how long looking up the name and connecting may take, and before that waiting for one's
    /// turn; the client's, which is 20 s. `None`, and zero, are as long as the whole request may take.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Request {
        self.options.connect_timeout = Some(timeout.into());
        self
    }

    /// Sets how long nothing may be sent or received while the request is under way; the client's,
    /// which is `None`. For downloads that may take for ever as long as they go on.
    #[must_use]
    pub fn stall_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Request {
        self.options.stall_timeout = Some(timeout.into());
        self
    }

    /// Sets how many bytes the response's body may have, as it is sent and once it is decompressed;
    /// the client's, which is 100 MiB.
    #[must_use]
    pub fn max_body_bytes(mut self, max: u64) -> Request {
        self.options.max_body_bytes = Some(max);
        self
    }

    /// Sets whether redirects are followed; true. If not, a redirect is the answer.
    ///
    /// 303 goes on with `GET`, and so do 301 and 302 after a `POST`; all others repeat method and
    /// body. `Authorization`, `Cookie`, `Proxy-Authorization` and `Host` are not sent to another
    /// host, scheme or port. A body is not sent again from `https` to `http`.
    #[must_use]
    pub fn follow_redirects(mut self, follow: bool) -> Request {
        self.options.follow_redirects = follow;
        self
    }

    /// Sets how many redirects are followed; 5. One more is an error.
    #[must_use]
    pub fn max_redirects(mut self, max: u32) -> Request {
        self.options.max_redirects = max;
        self
    }

    /// Sets whether a status outside of 200–299 is an error; true. 304 is outside too, as in Tornado.
    ///
    /// If not, such an answer is a [`Response`](super::Response) like others, and so is the redirect
    /// that was one too many. Errors that have no answer remain errors.
    #[must_use]
    pub fn raise_error(mut self, raise: bool) -> Request {
        self.options.raise_error = raise;
        self
    }

    /// Sets whether compressed bodies are asked for and decompressed; true.
    ///
    /// `Content-Encoding` is renamed to `X-Consumed-Content-Encoding` then. gzip and deflate are
    /// known, and brotli with the feature `brotli`.
    #[must_use]
    pub fn decompress_response(mut self, decompress: bool) -> Request {
        self.options.decompress = decompress;
        self
    }

    /// Sets a function that is called with the pieces of the body as they come; the response has an
    /// empty one then. The bodies of redirects are not among them.
    ///
    /// A panic in it ends the fetch. To make the server wait, take
    /// [`AsyncHttpClient::stream`](super::AsyncHttpClient::stream).
    #[must_use]
    pub fn streaming_callback(mut self, callback: impl FnMut(&[u8]) + 'static) -> Request {
        self.callbacks.body = Some(Rc::new(RefCell::new(callback)));
        self
    }

    /// Sets a function that is called with the head of the last response, before its body.
    ///
    /// Tornado's is called with each line.
    #[must_use]
    pub fn header_callback(
        mut self,
        callback: impl FnMut(StatusCode, &HeaderMap) + 'static,
    ) -> Request {
        self.callbacks.head = Some(Rc::new(RefCell::new(callback)));
        self
    }

    /// Sets the proxy, in place of the client's; `None` is to connect directly.
    #[must_use]
    pub fn proxy(mut self, proxy: impl Into<Option<Proxy>>) -> Request {
        self.options.proxy = Some(proxy.into());
        self
    }

    /// Sets the address of this machine to connect from: Tornado's `network_interface`.
    #[must_use]
    pub fn source_ip(mut self, address: impl Into<IpAddr>) -> Request {
        self.options.source = Some(address.into());
        self
    }

    /// Connects to this Unix socket, whatever the URL's host is, and through no proxy: curl's
    /// `--unix-socket`.
    ///
    /// ```
    /// # use squall_web::client::Request;
    /// let request = Request::get("http://docker/version").unix_socket("/run/docker.sock");
    /// ```
    #[must_use]
    pub fn unix_socket(mut self, path: impl AsRef<Path>) -> Request {
        self.options.unix_socket = Some(path.as_ref().into());
        self
    }

    /// Sets whether IPv6 addresses of the host's name are tried; true.
    #[must_use]
    pub fn allow_ipv6(mut self, allow: bool) -> Request {
        self.options.allow_ipv6 = allow;
        self
    }

    /// Sets whether methods that HTTP does not define are allowed, bodies with methods that have
    /// none, and none with methods that have one; false.
    #[must_use]
    pub fn allow_nonstandard_methods(mut self, allow: bool) -> Request {
        self.options.nonstandard = allow;
        self
    }

    fn set(mut self, name: HeaderName, value: &str, mistake: &'static str) -> Request {
        match HeaderValue::from_str(value) {
            Ok(value) => {
                self.headers.insert(name, value);
            }
            Err(_) => self.remember(mistake),
        }
        self
    }

    fn remember(&mut self, mistake: impl Into<Cow<'static, str>>) {
        self.mistake.get_or_insert(mistake.into());
    }

    /// Returns the URL, if there was no mistake, and completes the headers.
    pub(super) fn check(&mut self) -> Result<Url, FetchError> {
        let url = match &self.url {
            Ok(url) => url.clone(),
            Err(error) => {
                return Err(FetchError::request("malformed url", "").because(*error));
            }
        };
        let host = url.host_str().unwrap_or_default();
        let mistake = match self.mistake.take() {
            Some(mistake) => Some(mistake),
            None if self.options.nonstandard => None,
            None => self.method_mistake().map(Cow::Borrowed),
        };
        if let Some(mistake) = mistake {
            return Err(FetchError::request(mistake, host));
        }
        if let Body::Produced(Produced { length, .. }) = &mut self.body
            && let Some(value) = self.headers.get(header::CONTENT_LENGTH)
        {
            let parsed = value.to_str().ok().and_then(|text| text.parse().ok());
            let mistake = || FetchError::request("malformed Content-Length", host);
            *length = Some(parsed.ok_or_else(mistake)?);
        }
        if self.method == Method::POST && !self.headers.contains_key(header::CONTENT_TYPE) {
            let form = HeaderValue::from_static(FORM);
            self.headers.insert(header::CONTENT_TYPE, form);
        }
        Ok(url)
    }

    /// S25.
    fn method_mistake(&self) -> Option<&'static str> {
        match (self.method.as_str(), self.body.is_none()) {
            ("POST" | "PUT" | "PATCH", true) => Some(
                "this method needs a body: set one, if an empty one, or allow_nonstandard_methods",
            ),
            ("GET" | "HEAD" | "DELETE" | "OPTIONS", false) => {
                Some("this method has no body; allow_nonstandard_methods lets it have one")
            }
            ("POST" | "PUT" | "PATCH" | "GET" | "HEAD" | "DELETE" | "OPTIONS", _) => None,
            ("CONNECT", _) => Some("CONNECT makes a tunnel, which a fetch is not"),
            _ => Some("the method is not one of HTTP's; allow_nonstandard_methods lets it pass"),
        }
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

impl From<&str> for Request {
    fn from(url: &str) -> Request {
        Request::get(url)
    }
}

impl From<String> for Request {
    fn from(url: String) -> Request {
        Request::get(url)
    }
}

impl From<&String> for Request {
    fn from(url: &String) -> Request {
        Request::get(url)
    }
}

impl From<Url> for Request {
    fn from(url: Url) -> Request {
        Request::get(url)
    }
}

impl From<&Url> for Request {
    fn from(url: &Url) -> Request {
        Request::get(url)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &self.url.as_ref().map(Url::as_str))
            .field("headers", &self.headers.len())
            .field("body", &self.body.framing())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refuse(mut request: Request, want: &str) {
        assert_eq!(request.check().unwrap_err().to_string(), want);
    }

    #[test]
    fn first_mistake_is_remembered() {
        let get = || Request::get("http://h/");
        assert!(get().header("A", "b").check().is_ok());
        refuse(
            get().header("a b", "c").header("A", "\n"),
            "fetch from h: malformed header name",
        );
        let text = "fetch from h: malformed header value";
        refuse(get().header("A", "b\r\nX: y"), text);
        refuse(
            get().user_agent("a\nb"),
            "fetch from h: malformed user agent",
        );
        refuse(get().bearer("\n"), "fetch from h: malformed bearer token");
        let text = "fetch from h: a user name for basic authorization has no colon";
        refuse(get().auth("a:b", ""), text);
        for bad in ["/relative", "", "no url"] {
            let text = "fetch: malformed url: relative URL without a base";
            refuse(Request::get(bad).header("a b", ""), text);
        }
        let mut request = Request::get("http://[::1");
        assert!(
            request
                .check()
                .unwrap_err()
                .to_string()
                .starts_with("fetch: malformed url: ")
        );
        let producer = |_: BodyWriter| async { Ok::<(), String>(()) };
        let request = Request::put("http://h/", "").body_producer(producer);
        let text = "fetch from h: malformed Content-Length";
        refuse(request.header("Content-Length", "many"), text);
    }

    #[test]
    fn headers_that_would_break_the_line_are_refused() {
        // U12, U17, S24
        for byte in (0..=u8::MAX).filter(|byte| byte.is_ascii_control() && *byte != b'\t') {
            let value = [b'a', byte, b'b'];
            let text = "fetch from h: malformed header value";
            refuse(Request::get("http://h/").header("X", value), text);
        }
        for name in ["", " ", "a b", "a\t", "a\n", "\0", "é", " a", "a ", "a:"] {
            let text = "fetch from h: malformed header name";
            refuse(Request::get("http://h/").header(name, "x"), text);
        }
        // S27: latin-1 and tab pass.
        let mut request = Request::get("http://h/").header("X", b"caf\xe9\t");
        assert!(request.check().is_ok());
    }

    #[test]
    fn method_and_body_fit_unless_that_is_allowed() {
        // S25
        let new = |method: &str| Request::new(method.parse().unwrap(), "http://h/");
        for method in ["POST", "PUT", "PATCH"] {
            assert!(new(method).body("").check().is_ok());
            let error = new(method).check().unwrap_err().to_string();
            assert!(error.contains("needs a body"), "{error}");
            assert!(new(method).allow_nonstandard_methods(true).check().is_ok());
        }
        for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
            assert!(new(method).check().is_ok());
            let error = new(method).body("").check().unwrap_err().to_string();
            assert!(error.contains("has no body"), "{error}");
            let allowed = new(method).body("x").allow_nonstandard_methods(true);
            assert!(allowed.clone().check().is_ok());
        }
        let error = new("OTHER").check().unwrap_err().to_string();
        assert!(error.contains("not one of HTTP's"), "{error}");
        assert!(new("OTHER").allow_nonstandard_methods(true).check().is_ok());
    }

    #[test]
    fn query_is_added_to_what_is_there() {
        // U1, U2
        for (url, want) in [
            ("http://h/p", "http://h/p?y=y&z=z"),
            ("http://h/p?", "http://h/p?y=y&z=z"),
            ("http://h/p?x", "http://h/p?x&y=y&z=z"),
            ("http://h/p?x&", "http://h/p?x&&y=y&z=z"),
            ("http://h/p?a=1&b=2", "http://h/p?a=1&b=2&y=y&z=z"),
            ("http://h/p#tab", "http://h/p?y=y&z=z#tab"),
        ] {
            let request = Request::get(url).query([("y", "y"), ("z", "z")]);
            assert_eq!(request.url.unwrap().as_str(), want);
        }
        let request = Request::get("http://h/p").query::<&str, &str>([]);
        assert_eq!(request.url.unwrap().as_str(), "http://h/p");
        let request = Request::get("http://h/p").query([("a", "/"), ("a", "é b")]);
        assert_eq!(request.url.unwrap().as_str(), "http://h/p?a=%2F&a=%C3%A9+b");
    }

    #[test]
    fn headers_beyond_what_a_map_holds_are_a_mistake() {
        let mut request = Request::get("http://h/");
        for n in 0..40_000 {
            request = request.header(format!("x-{n}"), "");
        }
        refuse(request, "fetch from h: too many headers");
    }

    #[test]
    fn texts_and_urls_are_get_requests() {
        let url = Url::parse("http://h/a").unwrap();
        let text = String::from("http://h/a");
        for mut request in [
            Request::from("http://h/a"),
            (&text).into(),
            text.into(),
            (&url).into(),
            url.clone().into(),
        ] {
            assert_eq!(request.method, Method::GET);
            assert_eq!(request.check().unwrap(), url);
        }
    }

    #[test]
    fn bodies_bring_their_type() {
        let kind = |request: Request| {
            let value = request.headers.get(header::CONTENT_TYPE).cloned();
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        let post = || Request::post("http://h/", "");
        assert_eq!(kind(post().form([("a", "b")])).as_deref(), Some(FORM));
        assert_eq!(
            kind(post().json(&[1, 2])).as_deref(),
            Some("application/json")
        );
        let multipart = kind(post().multipart(Multipart::new().text("a", "b"))).unwrap();
        assert!(multipart.starts_with("multipart/form-data; boundary="));
        let mut plain = post();
        plain.check().unwrap();
        assert_eq!(kind(plain).as_deref(), Some(FORM));
        let unprintable = std::collections::HashMap::from([((1, 2), 3)]);
        let error = post().json(&unprintable).check().unwrap_err().to_string();
        assert!(
            error.contains("the body cannot be json: key must be a string"),
            "{error}"
        );
    }

    #[test]
    fn request_shows_no_header() {
        // U20
        let request = Request::get("http://h/").header("Authorization", "secret");
        assert!(!format!("{request:?}").contains("secret"));
    }

    #[test]
    fn date_is_in_the_format_of_http() {
        // U19
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_359_312_200_503);
        let request = Request::get("http://h/").if_modified_since(time);
        let value = &request.headers[header::IF_MODIFIED_SINCE];
        assert_eq!(value, "Sun, 27 Jan 2013 18:43:20 GMT");
    }
}
