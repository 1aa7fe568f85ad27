//! The HTTP client: Tornado's `httpclient`, for HTTP/1.1, and HTTP/2 over TLS.
//!
//! A *fetch* is one call of [`AsyncHttpClient::fetch`]. It is made of *hops*: the request itself, and
//! one more for each redirect. A hop is one *round trip* on a *connection*, which comes out of the
//! pool or is made, and goes into the pool afterwards if both sides want to keep it.
//!
//! ```text
//! fetch ─▶ seat ─▶ pool ──idle──▶ round trip ──▶ pool        answer ─▶ redirect? ─▶ next hop
//!            │       └─none─▶ connect ─┘ └─fails─▶ closed         └──▶ error status? ─▶ result
//!            └ waits while the host, or the client, has its max_clients
//! ```
//!
//! | file | for |
//! |---|---|
//! | `request`, `response`, `stream`, `error`, `config` | what the caller sees |
//! | `blocking` | a client with a loop of its own |
//! | `fetch` | the life of a fetch: its timeouts, its hops, the one retry |
//! | `hop`, `auth`, `digest` | the bytes of a request, and what a redirect makes of it; no I/O |
//! | `body`, `multipart` | what is sent behind the head, and who makes it |
//! | `trip`, `wire` | one round trip on a stream; heads and bodies off it |
//! | `progress` | how far it has come, for errors and timeouts |
//! | `route`, `proxy`, `socks`, `connect` | where to connect to, through whom, and how |
//! | `tls` | by what connections are secured; with the feature `tls` |
//! | `sessions` | connections of HTTP/2; with the feature `http2` |
//! | `pool` | idle connections, and who may have one |
//! | `cookies` | the jar |
//!
//! A cancellation is for the fetch as a whole. What fails with an error of the runtime's is therefore
//! awaited without a yield: the yield would be told of the cancellation as of a failure of its own, which
//! a fetch deals with and goes on.

mod blocking;
mod body;
mod config;
mod cookies;
mod error;
mod multipart;
mod proxy;
mod request;
mod response;
mod stream;

mod auth;
mod connect;
#[cfg(feature = "digest")]
mod digest;
#[cfg(not(feature = "digest"))]
#[path = "no_digest.rs"]
mod digest;
mod fetch;
mod hop;
mod pool;
mod progress;
mod route;
#[cfg(all(feature = "http2", feature = "tls"))]
mod sessions;
mod socks;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
mod trip;
mod wire;

#[cfg(test)]
mod tests;

use std::fmt;
use std::rc::Rc;

use squall::Deferred;

pub use self::blocking::HttpClient;
pub use self::body::BodyWriter;
pub use self::config::ClientConfig;
pub use self::cookies::CookieJar;
pub use self::error::{FetchError, Stage};
pub use self::multipart::Multipart;
pub use self::proxy::{Proxies, Proxy};
pub use self::request::Request;
pub use self::response::{Response, TimeInfo};
pub use self::stream::ResponseStream;

use self::fetch::Shared;

/// Fetches over HTTP: Tornado's `AsyncHTTPClient`.
///
/// Cheap to clone; all clones have the same connections. Make one, and hand clones to the coroutines
/// that need one. It belongs to the loop that it fetches on.
///
/// Tornado's client is one a loop, by magic, and opens a connection for each request. This one is
/// what you make of it, and keeps connections.
///
/// # Examples
///
/// ```no_run
/// use squall::yield_;
/// use squall_web::client::{AsyncHttpClient, FetchError};
///
/// #[squall::main]
/// fn main() -> Result<(), FetchError> {
///     let client = AsyncHttpClient::new();
///     let urls = ["http://a.example/", "http://b.example/"];
///     let fetches: Vec<_> = urls.into_iter().map(|url| client.fetch(url)).collect();
///     for response in yield_!(fetches)? { // both at the same time
///         println!("{}: {} bytes", response.effective_url(), response.body().len());
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct AsyncHttpClient {
    shared: Rc<Shared>,
}

impl AsyncHttpClient {
    /// Makes a client with the default bounds.
    pub fn new() -> AsyncHttpClient {
        Self::with_config(ClientConfig::default())
    }

    /// Makes a client with bounds of your own.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall_web::client::{AsyncHttpClient, ClientConfig};
    ///
    /// let config = ClientConfig { max_body_bytes: 1024 * 1024, ..ClientConfig::default() };
    /// let client = AsyncHttpClient::with_config(config);
    /// ```
    pub fn with_config(config: ClientConfig) -> AsyncHttpClient {
        AsyncHttpClient {
            shared: Rc::new(Shared::new(config)),
        }
    }

    /// Fetches a URL, or what a [`Request`] says; starts at once.
    ///
    /// Takes `&str`, `String`, `&String`, [`Url`](url::Url) and [`Request`]. Dropping the `Deferred`
    /// lets the fetch go on.
    ///
    /// # Errors
    ///
    /// What went wrong with the request, on the way, or in the answer; see [`FetchError`]. A status
    /// outside of 200–299 is an error too, unless [`Request::raise_error`] says otherwise. All of
    /// them come out of the `Deferred`, a malformed URL as well.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use squall::yield_;
    /// # use squall_web::client::{AsyncHttpClient, FetchError, Request};
    /// # use std::time::Duration;
    /// # #[squall::main]
    /// # fn main() -> Result<(), FetchError> {
    /// let client = AsyncHttpClient::new();
    /// let request = Request::post("http://localhost:8888/items", "name=tea")
    ///     .header("Content-Type", "application/x-www-form-urlencoded")
    ///     .timeout(Duration::from_secs(5));
    /// match yield_!(client.fetch(request)) {
    ///     Ok(response) => println!("{}", response.text()?),
    ///     Err(error) if error.is_timeout() => println!("too slow"),
    ///     Err(error) => println!("{error}, status {:?}", error.status()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn fetch(&self, request: impl Into<Request>) -> Deferred<Result<Response, FetchError>> {
        fetch::fetch(self.shared.clone(), request.into())
    }

    /// Fetches as [`fetch`](Self::fetch) does, but is done when the head is there: the body is read
    /// in pieces, as fast as the caller asks for them.
    ///
    /// The request's timeout is for all of it, the body too: switch it off for a body that has no end,
    /// and say how long nothing may come instead.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch). The body of an answer whose status is an error is in the error.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use squall::yield_;
    /// # use squall_web::client::{AsyncHttpClient, FetchError, Request};
    /// # use std::time::Duration;
    /// # #[squall::main]
    /// # fn main() -> Result<(), FetchError> {
    /// let request = Request::get("http://a.example/large")
    ///     .timeout(None)
    ///     .stall_timeout(Duration::from_secs(30))
    ///     .max_body_bytes(1 << 40);
    /// let mut answer = yield_!(AsyncHttpClient::new().stream(request))?;
    /// println!("{:?} bytes", answer.content_length());
    /// while let Some(chunk) = yield_!(answer.chunk())? {
    ///     println!("{} more", chunk.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(
        &self,
        request: impl Into<Request>,
    ) -> Deferred<Result<ResponseStream, FetchError>> {
        fetch::stream(self.shared.clone(), request.into())
    }

    /// Closes the idle connections; every fetch that begins later is an error. Those that are under
    /// way go on, and close theirs at their end.
    pub fn close(&self) {
        self.shared.pool.close();
        #[cfg(all(feature = "http2", feature = "tls"))]
        self.shared.sessions.close();
    }
}

impl Default for AsyncHttpClient {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for AsyncHttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncHttpClient")
            .field("config", &self.shared.config)
            .field("idle", &self.shared.pool.idle_count())
            .field("waiting", &self.shared.pool.waiting_count())
            .finish_non_exhaustive()
    }
}
