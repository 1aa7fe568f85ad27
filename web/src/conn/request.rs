//! What the client asked for, as a handler sees it.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, Method};

use super::exchange::Exchange;
use super::trusted::TrustedProxies;
use crate::http::Version;

/// A view of the exchange's request: Tornado's `HTTPServerRequest`.
///
/// The head stays the bytes that came; a [`HeaderMap`] is made for those who ask for one.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    ex: &'a Exchange,
}

impl<'a> Request<'a> {
    pub(super) fn new(ex: &'a Exchange) -> Request<'a> {
        Request { ex }
    }

    /// Returns the method.
    pub fn method(&self) -> &'a Method {
        self.ex.head().method()
    }

    /// Returns the request's target as it was sent: `/a?b=c`.
    pub fn target(&self) -> &'a str {
        self.ex.head().target(self.ex.head_bytes())
    }

    /// Returns the path as it was sent, without the query; nothing in it is decoded.
    pub fn path(&self) -> &'a str {
        self.ex.head().path(self.ex.head_bytes())
    }

    /// Returns what follows the first `?` of the target, if there is one.
    pub fn query(&self) -> Option<&'a str> {
        self.ex.head().query(self.ex.head_bytes())
    }

    /// Returns the version that the client speaks.
    pub fn version(&self) -> Version {
        self.ex.head().version()
    }

    /// Returns the host that is asked, with its port if there is one.
    pub fn host(&self) -> Option<&'a str> {
        self.ex.head().host(self.ex.head_bytes())
    }

    /// Returns the URL that was asked for, with scheme and host: Tornado's `full_url`. Where the client has
    /// sent no host, it is the path with its query.
    pub fn full_url(&self) -> String {
        let target = match self.query() {
            Some(query) => format!("{}?{query}", self.path()),
            None => self.path().to_owned(),
        };
        match self.host() {
            Some(host) => format!("{}://{host}{target}", self.scheme()),
            None => target,
        }
    }

    /// Returns the first header of this name; names are compared without regard to case.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.ex.head().header(self.ex.head_bytes(), name)
    }

    /// Returns the first header of this name if it is text.
    pub fn header_str(&self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(self.header(name)?).ok()
    }

    /// Returns the values of all headers of this name, in the order in which they came.
    pub fn header_values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n>
    where
        'a: 'n,
    {
        self.ex.head().header_values(self.ex.head_bytes(), name)
    }

    /// Returns all headers in the order in which they came, each line by itself.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.ex.head().headers(self.ex.head_bytes())
    }

    /// Makes a map of the headers.
    pub fn header_map(&self) -> HeaderMap {
        self.ex.head().to_header_map(self.ex.head_bytes())
    }

    /// Returns the body. It has been read before the handler is called, unless its
    /// [plan](crate::BodyPlan) is to stream it: then it is empty until
    /// [`read_body`](Exchange::read_body).
    ///
    /// One that was compressed is plain, if the server is to
    /// [decompress](crate::HttpServer::decompress_request); its headers stay as they came.
    pub fn body(&self) -> &'a [u8] {
        self.ex.body()
    }

    /// Returns the address of the connection's other end; none on a Unix socket. Behind a proxy that is
    /// the proxy's: see [`remote_ip`](Request::remote_ip).
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.ex.remote
    }

    /// Returns the client's address: what a [trusted proxy](crate::TrustedProxies) says that it is, if
    /// the connection comes from one, and otherwise the connection's other end.
    pub fn remote_ip(&self) -> Option<IpAddr> {
        let peer = self.ex.remote.map(|remote| remote.ip());
        let told = self.proxies().and_then(|proxies| {
            // Several lines are one list.
            let forwarded = self.joined("x-forwarded-for");
            proxies.client(self.header_str("x-real-ip"), forwarded.as_deref())
        });
        told.or(peer)
    }

    /// Returns `http` or `https`: what a [trusted proxy](crate::TrustedProxies) says, and otherwise
    /// that of the connection.
    pub fn scheme(&self) -> &'static str {
        let told = self.proxies().and_then(|_| {
            let told = self.header_str("x-scheme");
            let told = told.or_else(|| self.header_str("x-forwarded-proto"))?;
            // The nearest proxy wrote last.
            told.rsplit(',').next()
        });
        let is_secure = match told.map(str::trim) {
            Some(told) => told.eq_ignore_ascii_case("https"),
            None => self.ex.is_secure,
        };
        if is_secure { "https" } else { "http" }
    }

    /// Returns what TLS has agreed on with the connection's other end: its certificate, the name that it
    /// asked for. None without TLS.
    #[cfg(feature = "tls")]
    pub fn tls(&self) -> Option<squall::net::TlsInfo> {
        #[cfg(feature = "http2")]
        if let Some(below) = &self.ex.below {
            return below.tls();
        }
        self.ex.stream.as_ref()?.tls()
    }

    /// True if it came as a stream of HTTP/2, with the feature `http2`. Its [`version`](Self::version) is
    /// HTTP/1.1 all the same: that is how it is told to handlers.
    #[cfg(feature = "http2")]
    pub fn is_http2(&self) -> bool {
        self.ex.below.is_some()
    }

    /// The trusted proxies, if the connection comes from one.
    fn proxies(&self) -> Option<&'a TrustedProxies> {
        let proxies = self.ex.settings().trusted.as_ref()?;
        proxies.trusts(self.ex.remote).then_some(proxies)
    }

    /// All values of a header as one list.
    fn joined(&self, name: &str) -> Option<String> {
        let values = self.header_values(name);
        let values: Vec<&str> = values
            .map(|value| str::from_utf8(value).unwrap_or(""))
            .collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    /// True if the body is still in a coding of its `Content-Encoding`.
    pub(super) fn is_encoded(&self) -> bool {
        let coding = self.header("content-encoding").map(<[u8]>::trim_ascii);
        let is_plain =
            |coding: &[u8]| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity");
        !self.ex.decoded && coding.is_some_and(|coding| !is_plain(coding))
    }
}

/// The methods that a handler can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // each is the method of its name
pub enum Verb {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Verb {
    /// All of them.
    pub const ALL: [Verb; 7] = [
        Verb::Get,
        Verb::Head,
        Verb::Post,
        Verb::Put,
        Verb::Patch,
        Verb::Delete,
        Verb::Options,
    ];

    /// Returns the verb of a method; none for one that handlers cannot have.
    #[inline]
    pub fn of(method: &Method) -> Option<Verb> {
        Some(match *method {
            Method::GET => Verb::Get,
            Method::HEAD => Verb::Head,
            Method::POST => Verb::Post,
            Method::PUT => Verb::Put,
            Method::PATCH => Verb::Patch,
            Method::DELETE => Verb::Delete,
            Method::OPTIONS => Verb::Options,
            _ => return None,
        })
    }

    /// Returns the method's name as it is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Head => "HEAD",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Patch => "PATCH",
            Verb::Delete => "DELETE",
            Verb::Options => "OPTIONS",
        }
    }
}
