//! Listening: a port, its connections, and what they share.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use squall::Deferred;
use squall::net::{IoStream, TcpServer};

use crate::conn::{Handle, Shared, serve_connection};
use crate::error::Result;
use crate::http::Limits;

/// An HTTP/1.1 server: Tornado's `HTTPServer`.
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
}

impl HttpServer {
    /// Makes a server that has its requests answered by `handler`.
    pub fn new(handler: impl Handle) -> HttpServer {
        HttpServer {
            handler: Rc::new(handler),
            limits: Limits::default(),
        }
    }

    /// Sets the limits of what clients may send, and how long they may take.
    pub fn limits(mut self, limits: Limits) -> HttpServer {
        self.limits = limits;
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
        let shared = self.shared();
        let accepting =
            server.serve(move |stream, peer| serve_connection(stream, Some(peer), shared.clone()));
        Ok(Listening { address, accepting })
    }

    /// Serves one connection that is there already; done when it is closed.
    pub fn serve_stream(&self, stream: IoStream) -> Deferred<()> {
        let remote = stream.peer_addr();
        serve_connection(stream, remote, self.shared())
    }

    fn shared(&self) -> Rc<Shared> {
        Rc::new(Shared::new(self.handler.clone(), self.limits.clone()))
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A server that listens. It goes on when this is dropped; yielding it waits for its end.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    accepting: Deferred<squall::Result<()>>,
}

impl Listening {
    /// Returns the address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl IntoFuture for Listening {
    type Output = Result<()>;
    type IntoFuture = Serving;

    fn into_future(self) -> Serving {
        Serving {
            accepting: self.accepting,
        }
    }
}

/// The end of a server that is waited for; see [`Listening`].
#[must_use = "a server is waited for by yielding this"]
#[derive(Debug)]
pub struct Serving {
    accepting: Deferred<squall::Result<()>>,
}

impl Future for Serving {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        (Pin::new(&mut self.accepting).poll(cx)).map(|result| result.map_err(Into::into))
    }
}
