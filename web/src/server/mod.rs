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
mod threads;

use std::cell::OnceCell;
use std::fmt;
use std::net::ToSocketAddrs;
use std::rc::Rc;
use std::time::Duration;

use squall::Deferred;
#[cfg(feature = "tls")]
use squall::net::TlsAcceptor;
use squall::net::{IoStream, ListenOptions, TcpServer};

use crate::conn::{Handle, Settings, Shared, TrustedProxies};
use crate::error::Result;
use crate::http::Limits;

pub use drain::{Drained, Unfinished};
pub use listening::{Listening, Serving};
pub use threads::HttpThreads;

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
    http1_only: bool,
    #[cfg(feature = "tls")]
    tls: Option<TlsAcceptor>,
    /// Made when it is first needed: all that the server serves is drained together.
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
            http1_only: false,
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
        self.tls = Some(tls);
        self.running = OnceCell::new();
        self
    }

    /// Speaks HTTP/1 and nothing else, with the feature `http2` as well.
    ///
    /// For servers behind a proxy that is to see every request, and for those who want no more than
    /// they use.
    pub fn http1_only(mut self) -> HttpServer {
        self.http1_only = true;
        self.running = OnceCell::new();
        self
    }

    /// Listens where the words say, and serves from now on: `127.0.0.1:80`, `localhost:80`, `:80` for all
    /// addresses of the machine, `unix:/run/app.sock`, `fd:3` or `systemd`; see
    /// [`TcpServer::listen`]. Port 0 takes a free one.
    ///
    /// Yield what it gives to serve for ever, or drop it and go on. It may be called several times: all
    /// that a server listens on has one [`max_connections`](Limits::max_connections), and one end.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall_web::{Application, Exchange, HttpServer, Result};
    ///
    /// fn hello(ex: &mut Exchange) {
    ///     ex.write("Hello, world");
    /// }
    ///
    /// #[squall::main]
    /// fn main() -> Result<()> {
    ///     let server = HttpServer::new(Application::new().get("/", hello));
    ///     let path = std::env::temp_dir().join(format!("hello-{}.sock", std::process::id()));
    ///     server.listen(&format!("unix:{}", path.display()))?;
    ///     let near = server.listen("127.0.0.1:0")?;
    ///     assert_ne!(near.local_addr().port(), 0);
    ///     server.stop();
    ///     yield_!(near) // both have ended
    /// }
    /// # use squall::yield_;
    /// ```
    ///
    /// # Errors
    ///
    /// If the words say nothing that can be listened on, or if that cannot be bound: the port is in
    /// use, or may not be used.
    pub fn listen(&self, words: &str) -> Result<Listening> {
        self.serve(TcpServer::listen(words, &ListenOptions::default())?)
    }

    /// As [`listen`](Self::listen), on the addresses of a type of them.
    ///
    /// # Errors
    ///
    /// If one cannot be bound.
    pub fn bind(&self, address: impl ToSocketAddrs) -> Result<Listening> {
        self.serve(TcpServer::bind(address)?)
    }

    /// Serves sockets that listen already, or that were made with options. With TLS, handshakes are side
    /// by side.
    ///
    /// # Errors
    ///
    /// If the system does not say their addresses.
    pub fn serve(&self, server: TcpServer) -> Result<Listening> {
        Ok(self.begin(server)?)
    }

    fn begin(&self, server: TcpServer) -> squall::Result<Listening> {
        let addresses = server.local_addrs()?;
        let running = self.running();
        let ended = accept(server, running.shared.clone(), running.accepting.clone());
        Ok(Listening::new(addresses, running.clone(), ended))
    }

    /// Serves one connection that is there already; done when it is closed.
    pub fn serve_stream(&self, stream: IoStream) -> Deferred<()> {
        #[cfg(feature = "tls")]
        if let Some(tls) = self.running().accepting.acceptor_for(&stream) {
            let Running { shared, accepting } = self.running().clone();
            return secure::serve(stream, tls, shared, accepting);
        }
        self.running().shared.serve_stream(stream)
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
    ///
    /// Who has connected is served, too, though nobody had accepted it yet; only a connection that comes
    /// about at the moment in which the listening socket closes is reset by the system.
    pub async fn drain(&self, limit: Duration) -> Drained {
        drain::drain(self.running().clone(), limit).await
    }

    /// The acceptor, with what the server speaks.
    #[cfg(feature = "tls")]
    fn acceptor(&self) -> Option<TlsAcceptor> {
        let tls = self.tls.clone()?;
        Some(match (tls.alpn(), self.http1_only) {
            ([], true) => tls.with_alpn(HTTP1.iter().copied()),
            ([], false) => tls.with_alpn(PROTOCOLS.iter().copied()),
            _ => tls,
        })
    }

    fn running(&self) -> &Running {
        self.running.get_or_init(|| {
            let settings = Settings {
                limits: self.limits.clone(),
                trusted: self.trusted.clone(),
                decompress: self.decompress,
                http1_only: self.http1_only,
                ..Settings::default()
            };
            let accepting = Accepting::new(self.limits.max_connections);
            #[cfg(feature = "tls")]
            let accepting = accepting.with_tls(self.acceptor());
            Running {
                shared: Rc::new(Shared::new(self.handler.clone(), settings)),
                accepting: Rc::new(accepting),
            }
        })
    }
}

/// What a server speaks over TLS, unless it is told otherwise.
#[cfg(feature = "tls")]
const PROTOCOLS: &[&str] = match cfg!(feature = "http2") {
    true => &["h2", "http/1.1"],
    false => HTTP1,
};
#[cfg(feature = "tls")]
const HTTP1: &[&str] = &["http/1.1"];

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer")
            .field("limits", &self.limits)
            .field("trusted", &self.trusted)
            .field("decompress", &self.decompress)
            .field("http1_only", &self.http1_only)
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Running").field(&self.shared).finish()
    }
}
