//! Accepting connections.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, ToSocketAddrs};
use std::task::{Poll, ready};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Socket, Type};

use super::memory::{MemoryListener, Network};
use super::stream::IoStream;
use crate::coro::deferred::Deferred;
use crate::error::Result;
use crate::ioloop::sources::{Direction, Registration};
use crate::ioloop::{CallbackResult, IoLoop, sleep};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 4096;

/// How long to wait for descriptors when they have run out.
const PAUSE: Duration = Duration::from_millis(100);

/// How many connections are accepted before others run.
const BATCH: usize = 64;

/// A listening socket: Tornado's `TCPServer`.
pub struct TcpServer {
    // Before the socket: it is undone before the descriptor is closed.
    registration: Registration,
    listener: Listener,
}

enum Listener {
    Tcp(TcpListener),
    /// Of a simulated network.
    Memory(MemoryListener),
}

impl Listener {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Listener::Tcp(listener) => listener.local_addr(),
            Listener::Memory(listener) => Ok(listener.address()),
        }
    }

    fn accept(&self) -> io::Result<(Accepted, SocketAddr)> {
        match self {
            Listener::Tcp(listener) => {
                let (socket, peer) = listener.accept()?;
                Ok((Accepted::Tcp(socket), peer))
            }
            Listener::Memory(listener) => {
                let (stream, peer) = listener.accept()?;
                Ok((Accepted::Memory(stream), peer))
            }
        }
    }
}

enum Accepted {
    Tcp(TcpStream),
    Memory(IoStream),
}

impl TcpServer {
    /// Listens on the first of the addresses that can be bound; port 0 takes a free one.
    ///
    /// On a loop that is in a [`testing::Network`](crate::testing::Network), it listens there. A host's
    /// name is looked up on this thread: give an address, or call it before the loop runs.
    ///
    /// # Errors
    ///
    /// If none can be bound: the port is in use, or may not be used.
    pub fn bind(address: impl ToSocketAddrs) -> Result<TcpServer> {
        let mut last = None;
        let network = Network::of(&IoLoop::current());
        for address in address.to_socket_addrs()? {
            if let Some(network) = &network {
                return Self::in_network(network, address);
            }
            match listen(address) {
                Ok(listener) => return Self::from_std(listener),
                Err(error) => last = Some(error),
            }
        }
        let none = || io::Error::new(io::ErrorKind::InvalidInput, "the host has no address");
        Err(last.unwrap_or_else(none).into())
    }

    /// Takes a socket that listens already, such as one that was inherited.
    ///
    /// # Errors
    ///
    /// If the system cannot poll it.
    pub fn from_std(listener: StdListener) -> Result<TcpServer> {
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        let registration = Registration::new(&IoLoop::current(), &mut listener)?;
        Ok(TcpServer {
            registration,
            listener: Listener::Tcp(listener),
        })
    }

    /// Listens in a simulated network.
    pub(crate) fn in_network(network: &Network, address: SocketAddr) -> Result<TcpServer> {
        let registration = Registration::in_memory(&IoLoop::current());
        let listener = network.listen(address, &registration)?;
        Ok(TcpServer {
            registration,
            listener: Listener::Memory(listener),
        })
    }

    /// Returns the address that it listens on.
    ///
    /// # Errors
    ///
    /// If the system does not say.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Accepts one connection.
    ///
    /// # Errors
    ///
    /// If the system's accept fails; out of descriptors for instance. Trying again may help.
    ///
    /// # Cancellation
    ///
    /// No connection is lost.
    pub async fn accept(&self) -> Result<(IoStream, SocketAddr)> {
        let (accepted, peer) = poll_fn(|cx| {
            loop {
                ready!(self.registration.poll_ready(Direction::Read, cx))?;
                match self.listener.accept() {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.registration.clear_hard(Direction::Read);
                    }
                    accepted => return Poll::Ready(accepted),
                }
            }
        })
        .await?;
        let stream = match accepted {
            Accepted::Tcp(socket) => {
                // A peer that has gone again is found out at the first read.
                let _ = socket.set_nodelay(true);
                IoStream::from_mio(socket)?
            }
            Accepted::Memory(stream) => stream,
        };
        Ok((stream, peer))
    }

    /// Accepts connections for ever, and calls `handle` for each: with a coroutine that takes the
    /// stream, it serves them side by side.
    ///
    /// A panic in `handle` ends that connection, and is logged.
    /// When descriptors run out it waits until some are free again. Yield it to wait for its end, or
    /// drop the `Deferred` and let it run.
    ///
    /// # Errors
    ///
    /// If the listening socket itself fails.
    pub fn serve<R: CallbackResult + 'static>(
        self,
        handle: impl Fn(IoStream, SocketAddr) -> R + 'static,
    ) -> Deferred<Result<()>> {
        accept_loop(self, handle)
    }
}

#[crate::coroutine]
fn accept_loop<R: CallbackResult, H: Fn(IoStream, SocketAddr) -> R>(
    server: TcpServer,
    handle: H,
) -> Result<()> {
    let mut batch = 0;
    loop {
        match crate::yield_!(server.accept()) {
            Ok((stream, peer)) => {
                IoLoop::current().run_callback(|| handle(stream, peer).detach());
            }
            Err(error) if is_one_connection(&error) => {}
            Err(error) if is_listener(&error) => return Err(error),
            // Out of descriptors or memory, or a pending error of the network.
            Err(error) => {
                tracing::warn!(target: "squall", "accepting pauses, as {error}");
                crate::yield_!(sleep(PAUSE));
            }
        }
        batch += 1;
        if batch % BATCH == 0 {
            crate::yield_!(());
        }
    }
}

/// True for errors that concern the one connection only.
fn is_one_connection(error: &crate::Error) -> bool {
    error.io().is_some_and(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionRefused
                | io::ErrorKind::Interrupted
        )
    })
}

/// True for errors of the listening socket itself: trying again would not help.
fn is_listener(error: &crate::Error) -> bool {
    const EBADF: i32 = 9;
    const EFAULT: i32 = 14;
    const EINVAL: i32 = 22;
    const ENOTSOCK: i32 = 88;
    let code = error.io().and_then(io::Error::raw_os_error);
    matches!(code, None | Some(EBADF | EFAULT | EINVAL | ENOTSOCK))
}

fn listen(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl fmt::Debug for TcpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpServer")
            .field("address", &self.listener.local_addr().ok())
            .finish_non_exhaustive()
    }
}
