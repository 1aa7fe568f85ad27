//! Accepting connections: the runtime's servers do, with one limit and one end for all of a server's.

use std::cell::Cell;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

#[cfg(feature = "tls")]
use squall::net::TlsAcceptor;
use squall::net::{IoStream, ServerHandle, TcpServer};
use squall::sync::Event;
use squall::yield_;

#[cfg(feature = "tls")]
use super::secure::{self, Handshakes};
use crate::conn::Shared;

/// The sockets that listen for a server, and what stops them.
pub(super) struct Accepting {
    handle: ServerHandle,
    /// How many accept loops there are.
    pub(super) loops: Cell<usize>,
    pub(super) ended_one: Event,
    #[cfg(feature = "tls")]
    tls: Option<TlsAcceptor>,
    #[cfg(feature = "tls")]
    pub(super) handshakes: Handshakes,
}

impl Accepting {
    pub(super) fn new(max_connections: usize) -> Accepting {
        Accepting {
            handle: ServerHandle::new(max_connections),
            loops: Cell::new(0),
            ended_one: Event::new(),
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "tls")]
            handshakes: Handshakes::default(),
        }
    }

    #[cfg(feature = "tls")]
    pub(super) fn with_tls(mut self, tls: Option<TlsAcceptor>) -> Accepting {
        self.tls = tls;
        self
    }

    /// Who shakes hands with this client; nobody if it speaks TLS already, or is not to.
    #[cfg(feature = "tls")]
    pub(super) fn acceptor_for(&self, stream: &IoStream) -> Option<TlsAcceptor> {
        self.tls.clone().filter(|_| !stream.is_secure())
    }

    pub(super) fn stop(&self) {
        self.handle.stop();
    }
}

impl fmt::Debug for Accepting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Accepting").field(&self.handle).finish()
    }
}

/// Counts an accept loop, until it ends.
struct Listens(Rc<Accepting>);

impl Listens {
    fn new(accepting: Rc<Accepting>) -> Listens {
        accepting.loops.set(accepting.loops.get() + 1);
        Listens(accepting)
    }
}

impl Drop for Listens {
    fn drop(&mut self) {
        self.0.loops.set(self.0.loops.get() - 1);
        self.0.ended_one.set();
    }
}

/// Serves those who come, until it is told to stop; then those that the system has taken in already.
#[squall::coroutine(crate = squall)]
pub(super) fn accept(
    server: TcpServer,
    shared: Rc<Shared>,
    accepting: Rc<Accepting>,
) -> squall::Result<()> {
    let _listens = Listens::new(accepting.clone());
    let server = server.with_handle(&accepting.handle);
    yield_!(server.serve(move |stream, peer| welcome(stream, peer, &shared, &accepting)))
}

/// Serves a client, after the handshake if there is to be one.
fn welcome(stream: IoStream, peer: SocketAddr, shared: &Rc<Shared>, accepting: &Rc<Accepting>) {
    #[cfg(feature = "tls")]
    if let Some(tls) = accepting.acceptor_for(&stream) {
        return secure::start(stream, Some(peer), tls, shared, accepting);
    }
    #[cfg(not(feature = "tls"))]
    let _ = accepting;
    shared.start(stream, Some(peer));
}
