//! What the client asked for, as a handler sees it.

use std::net::SocketAddr;

use http::{HeaderMap, Method};

use super::exchange::Exchange;
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

    /// Returns the first header of this name; names are compared without regard to case.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.ex.head().header(self.ex.head_bytes(), name)
    }

    /// Returns the first header of this name if it is text.
    pub fn header_str(&self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(self.header(name)?).ok()
    }

    /// Returns all headers in the order in which they came, each line by itself.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.ex.head().headers(self.ex.head_bytes())
    }

    /// Makes a map of the headers.
    pub fn header_map(&self) -> HeaderMap {
        self.ex.head().to_header_map(self.ex.head_bytes())
    }

    /// Returns the body. It has been read before the handler is called.
    pub fn body(&self) -> &'a [u8] {
        self.ex.body()
    }

    /// Returns the address of the client; none on a Unix socket.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.ex.remote
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
