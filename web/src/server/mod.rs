//! Listening: a port, its connections, and what they share; and the end of it all.
//!
//! `accept` takes connections as long as there is room, `listening` is what a program holds of that,
//! `secure` shakes hands with them before,
//! and `drain` lets the requests in flight finish.

mod accept;
mod drain;
mod listening;
#[cfg(feature = "tls")]
mod secure;

use std::cell::OnceCell;
use std::fmt;
use std::net::ToSocketAddrs;
use std::rc::Rc;
use std::time::Duration;

use squall::Deferred;
#[cfg(feature = "tls")]
use squall::net::TlsAcceptor;
use squall::net::{IoStream, TcpServer};

use crate::conn::{Handle, Settings, Shared, TrustedProxies, serve_connection};
use crate::error::Result;
use crate::http::Limits;

pub use drain::{Drained, Unfinished};
pub use listening::{Listening, Serving};

use accept::{Accepting, accept};

/// An HTTP/1.1 server: Tornado's `HTTPServer`.
///
/// With the feature `http2` it speaks HTTP/2 as well: to clients who agree on it as they shake hands
/// for TLS, and to those who begin with it. The handlers are the same.
///
/// # Examples
///
/// ```no_run
/// use squall::yield_;
/// use squall_web::{Application, Exchange, HttpServer, Result};
///
/// #[squall::coroutine]
/// fn hello(ex: &mut Exchange) -> Result<()> {
///     ex.write("Hello, world");
///     Ok(())
/// }
///
/// #[squall::main]
/// fn main() -> Result<()> {
///     let server = HttpServer::new(Application::new().get("/", hello));
///     yield_!(server.listen("127.0.0.1:8888")?)
/// }
/// ```
pub struct HttpServer {
    handler: Rc<dyn Handle>,
    limits: Limits,
    trusted: Option<TrustedProxies>,
    decompress: bool,
    #[cfg(feature = "tls")]
    tls: Option<TlsAcceptor>,
    /// Made when the first socket is served: all that it serves is drained together.
    running: OnceCell<Running>,
}

/// What a server that has begun consists of.
#[derive(Clone)]
struct Running {
    shared: Rc<Shared>,
    accepting: Rc<Accepting>,
}

impl HttpServer {
    /// Makes a server that has its requests answered by `handler`: an
    /// [`Application`](crate::Application), or anything that implements [`Handle`].
    pub fn new(handler: impl Handle) -> HttpServer {
        HttpServer {
            handler: Rc::new(handler),
            limits: Limits::default(),
            trusted: None,
            decompress: false,
            #[cfg(feature = "tls")]
            tls: None,
            running: OnceCell::new(),
        }
    }

    /// Sets the limits of what clients may send, and how long they may take.
    pub fn limits(mut self, limits: Limits) -> HttpServer {
        self.limits = limits;
        self.running = OnceCell::new();
        self
    }

    /// Believes these proxies about who the client is and how it came: Tornado's `xheaders`.
    ///
    /// See [`Request::remote_ip`](crate::Request::remote_ip) and
    /// [`Request::scheme`](crate::Request::scheme).
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> HttpServer {
        self.trusted = Some(proxies);
        self.running = OnceCell::new();
        self
    }

    /// Takes apart bodies that come with a `Content-Encoding` of `gzip` or `deflate`.
    ///
    /// The limit on bodies holds for what comes out as well, and `Limits::max_body_expansion` for how
    /// much that is of what went in. A body in another coding stays as it is.
    pub fn decompress_request(mut self, on: bool) -> HttpServer {
        self.decompress = on;
        self.running = OnceCell::new();
        self
    }

    /// Speaks TLS: serves `https`, with the feature `tls`.
    ///
    /// A client has `Limits::header_timeout` for its handshake. One that does not come to its end, for
    /// it speaks plain HTTP or does not believe the certificate, is closed, and logged with its reason
    /// as an info of the target `squall::web`. If the acceptor has no protocols (ALPN), it gets those
    /// that this server speaks.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use squall::net::{Identity, TlsAcceptor};
    /// use squall::yield_;
    /// use squall_web::{Application, Exchange, HttpServer, Result};
    ///
    /// fn hello(ex: &mut Exchange) {
    ///     ex.write(format!("Hello over {}", ex.request().scheme()));
    /// }
    ///
    /// #[squall::main]
    /// fn main() -> Result<()> {
    ///     let tls = TlsAcceptor::builder(Identity::files("cert.pem", "key.pem")?).build()?;
    ///     let server = HttpServer::new(Application::new().get("/", hello)).tls(tls);
    ///     yield_!(server.listen("0.0.0.0:443")?)
    /// }
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: TlsAcceptor) -> HttpServer {
        self.tls = Some(match tls.alpn() {
            [] => tls.with_alpn(PROTOCOLS),
            _ => tls,
        });
        self.running = OnceCell::new();
        self
    }

    /// Listens on an address, and serves from now on; port 0 takes a free one.
    ///
    /// Yield what it gives to serve for ever, or drop it and go on.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound: the port is in use, or may not be used.
    pub fn listen(&self, address: impl ToSocketAddrs) -> Result<Listening> {
        self.serve(TcpServer::bind(address)?)
    }

    /// Serves a socket that listens already.
    ///
    /// # Errors
    ///
    /// If the system does not say its address.
    pub fn serve(&self, server: TcpServer) -> Result<Listening> {
        let address = server.local_addr()?;
        let running = self.running();
        let ended = accept(server, running.shared.clone(), running.accepting.clone());
        Ok(Listening::new(address, running.clone(), ended))
    }

    /// Serves one connection that is there already; done when it is closed.
    pub fn serve_stream(&self, stream: IoStream) -> Deferred<()> {
        let shared = &self.running().shared;
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls.clone().filter(|_| !stream.is_secure()) {
            let accepting = self.running().accepting.clone();
            return secure::serve(stream, tls, shared.clone(), accepting);
        }
        let remote = stream.peer_addr();
        serve_connection(shared.enter(stream, remote), shared.clone())
    }

    /// Returns how many connections are open.
    pub fn connections(&self) -> usize {
        self.running.get().map_or(0, |running| running.shared.len())
    }

    /// Stops to listen, on all addresses: Tornado's `stop`. Connections that are there go on.
    pub fn stop(&self) {
        if let Some(running) = self.running.get() {
            running.accepting.stop();
        }
    }

    /// Stops to listen, lets the requests in flight finish, and tells which did not within `limit`.
    ///
    /// Connections that wait for a next request are closed at once; each answer in flight says
    /// `Connection: close`, if its head is not sent yet. What still runs at the end is cancelled, and
    /// its connection closed.
    pub async fn drain(&self, limit: Duration) -> Drained {
        drain::drain(self.running().clone(), limit).await
    }

    fn running(&self) -> &Running {
        self.running.get_or_init(|| {
            let settings = Settings {
                limits: self.limits.clone(),
                trusted: self.trusted.clone(),
                decompress: self.decompress,
                ..Settings::default()
            };
            #[cfg(feature = "tls")]
            let accepting = Accepting::with_tls(self.tls.clone());
            #[cfg(not(feature = "tls"))]
            let accepting = Accepting::default();
            Running {
                shared: Rc::new(Shared::new(self.handler.clone(), settings)),
                accepting: Rc::new(accepting),
            }
        })
    }
}

/// What a server speaks over TLS.
#[cfg(all(feature = "tls", feature = "http2"))]
const PROTOCOLS: [&str; 2] = ["h2", "http/1.1"];
#[cfg(all(feature = "tls", not(feature = "http2")))]
const PROTOCOLS: [&str; 1] = ["http/1.1"];

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer")
            .field("limits", &self.limits)
            .field("trusted", &self.trusted)
            .field("decompress", &self.decompress)
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Running").field(&self.shared).finish()
    }
}
