//! What is to be fetched.

use std::fmt;
use std::time::Duration;

use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::error::{FetchError, Kind};

/// A request: Tornado's `HTTPRequest`.
///
/// A mistake in it, a malformed URL or header, is remembered and comes out of
/// [`fetch`](super::AsyncHttpClient::fetch); of several, the first.
///
/// `Host`, `Content-Length` and `User-Agent: squall/…` are added. A `Host` or `User-Agent` of your
/// own replaces ours. A user name and password in the URL are sent as `Authorization: Basic`.
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
    pub(super) body: Vec<u8>,
    pub(super) options: Options,
    /// The first mistake of the builder, if the URL is none.
    mistake: Option<&'static str>,
}

/// What does not go on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) timeout: Option<Duration>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) follow_redirects: bool,
    pub(super) max_redirects: u32,
    pub(super) raise_error: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            timeout: Some(Duration::from_secs(20)),
            connect_timeout: Some(Duration::from_secs(20)),
            follow_redirects: true,
            max_redirects: 5,
            raise_error: true,
        }
    }
}

impl Request {
    /// A request with this method.
    pub fn new(method: Method, url: impl AsRef<str>) -> Request {
        Request {
            method,
            url: Url::parse(url.as_ref()),
            headers: HeaderMap::new(),
            body: Vec::new(),
            options: Options::default(),
            mistake: None,
        }
    }

    /// A `GET` request.
    pub fn get(url: impl AsRef<str>) -> Request {
        Self::new(Method::GET, url)
    }

    /// A `POST` request with a body. Say what it is with a `Content-Type` header.
    pub fn post(url: impl AsRef<str>, body: impl Into<Vec<u8>>) -> Request {
        Self::new(Method::POST, url).body(body)
    }

    /// Adds a header; one of the same name stays beside it.
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

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = body.into();
        self
    }

    /// Sets how long all of it may take, redirects included; 20 s. `None` is for ever.
    ///
    /// Tornado's `request_timeout`, which begins anew with each redirect.
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Request {
        self.options.timeout = timeout.into();
        self
    }

    /// Sets how long looking up the name and connecting may take, and before that waiting for one's
    /// turn; 20 s. `None` is as long as the whole request may take.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Request {
        self.options.connect_timeout = timeout.into();
        self
    }

    /// Sets whether redirects are followed; true. If not, a redirect is the answer.
    ///
    /// 303 goes on with `GET`, and so do 301 and 302 after a `POST`; all others repeat method and
    /// body. `Authorization`, `Cookie`, `Proxy-Authorization` and `Host` are not sent to another
    /// host, scheme or port.
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

    fn remember(&mut self, mistake: &'static str) {
        self.mistake.get_or_insert(mistake);
    }

    /// Returns the URL, if there was no mistake.
    pub(super) fn check(&self) -> Result<Url, FetchError> {
        let url = match &self.url {
            Ok(url) => url,
            Err(error) => {
                return Err(FetchError::new(Kind::Request("malformed url"), "").because(*error));
            }
        };
        match self.mistake {
            Some(mistake) => {
                let host = url.host_str().unwrap_or_default();
                Err(FetchError::new(Kind::Request(mistake), host))
            }
            None => Ok(url.clone()),
        }
    }
}

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
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refuse(request: Request, want: &str) {
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
        refuse(
            get().header("A", "b\r\nX: y"),
            "fetch from h: malformed header value",
        );
        refuse(
            Request::get("/relative").header("a b", ""),
            "fetch: malformed url",
        );
        refuse(Request::get("http://[::1"), "fetch: malformed url");
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
        for request in [
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
}
