//! Accepting connections.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::admission::Admission;
use super::listen::{
    Accepted, Bound, ListenOptions, Listener, Listening, bind_all, bind_unix, parse,
};
use super::memory::Network;
use super::stream::IoStream;
use super::threads::Settings;
#[cfg(feature = "tls")]
use super::tls::TlsAcceptor;
use crate::coro::deferred::Deferred;
use crate::error::{Error, Result};
use crate::ioloop::sources::{Direction, Registration};
use crate::ioloop::{CallbackResult, IoLoop, sleep};

/// How long to wait for descriptors when they have run out.
const PAUSE: Duration = Duration::from_millis(100);

/// How often it is logged that they have.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// How many connections are accepted before others run.
const BATCH: usize = 64;

/// One or more listening sockets: Tornado's `TCPServer`.
///
/// They may be TCP or Unix sockets. A Unix socket has no address of the type that others have:
/// `0.0.0.0:0` stands for it, as in Tornado.
///
/// # Examples
///
/// A line is answered, then the server is stopped:
///
/// ```
/// use squall::net::{IoStream, TcpClient, TcpServer};
/// use squall::yield_;
///
/// #[squall::coroutine]
/// fn answer(stream: IoStream) -> squall::Result<()> {
///     let line = yield_!(stream.read_until(b"\n", 80))?;
///     yield_!(stream.write(&line))
/// }
///
/// #[squall::main]
/// fn main() -> squall::Result<()> {
///     let server = TcpServer::bind("127.0.0.1:0")?;
///     let (port, handle) = (server.local_addr()?.port(), server.handle());
///     let serving = server.serve(|stream, _| answer(stream));
///     let client = yield_!(TcpClient::new().connect("127.0.0.1", port))?;
///     yield_!(client.write(b"hello\n"))?;
///     assert_eq!(yield_!(client.read_until(b"\n", 80))?, b"hello\n");
///     handle.stop();
///     yield_!(serving)?; // no more are accepted
///     yield_!(handle.idle()); // and those that were are served
///     Ok(())
/// }
/// ```
pub struct TcpServer {
    listening: Vec<Listening>,
    /// Which is asked first: they take turns.
    first: Cell<usize>,
    admission: Rc<Admission>,
    max_buffer_size: Option<usize>,
    #[cfg(feature = "tls")]
    tls: Option<TlsAcceptor>,
}

impl TcpServer {
    /// Listens on all of the addresses; port 0 takes a free one.
    ///
    /// A name such as `localhost` has two addresses, of either version of the protocol. Those of a
    /// version that the system has not are left out. On a loop that is in a
    /// [`testing::Network`](crate::testing::Network), it listens there. A host's name is looked up on
    /// this thread: give an address, or call it before the loop runs.
    ///
    /// # Errors
    ///
    /// If one cannot be bound: the port is in use, or may not be used.
    pub fn bind(address: impl ToSocketAddrs) -> Result<TcpServer> {
        Self::bind_with(address, &ListenOptions::default())
    }

    /// As [`bind`](Self::bind), with options.
    ///
    /// # Errors
    ///
    /// As those of [`bind`](Self::bind).
    pub fn bind_with(address: impl ToSocketAddrs, options: &ListenOptions) -> Result<TcpServer> {
        let addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
        let Some(network) = Network::of(&IoLoop::current()) else {
            return Self::on_loop(bind_all(&addresses, options)?);
        };
        let listening = addresses
            .into_iter()
            .map(|address| in_network(&network, address));
        Ok(Self::new(listening.collect::<Result<_>>()?))
    }

    /// Listens at a path, by a Unix socket.
    ///
    /// A file that is there already is removed if it is a socket that nobody listens at; any other is
    /// left alone, and is an error. The file goes when the server does. On Linux, a path that begins
    /// with a NUL is a name without a file, and without a mode.
    ///
    /// # Errors
    ///
    /// If another server listens there, if something else is there, or if the path is too long or may
    /// not be written.
    pub fn bind_unix(path: impl AsRef<Path>, options: &ListenOptions) -> Result<TcpServer> {
        Self::on_loop(vec![bind_unix(path.as_ref(), options)?])
    }

    /// Listens where the words of a configuration say.
    ///
    /// | words | |
    /// |---|---|
    /// | `127.0.0.1:80`, `[::1]:80`, `localhost:80` | as [`bind`](Self::bind) |
    /// | `:80`, `*:80` | all addresses of the machine |
    /// | `unix:/run/app.sock` | as [`bind_unix`](Self::bind_unix) |
    /// | `fd:3` | a socket that listens already and that the process was started with, under this number |
    /// | `systemd` | all that systemd passes (`LISTEN_FDS`) |
    ///
    /// What was inherited is duplicated: the socket listens until the process ends, though the server
    /// may be stopped before.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::net::{ListenOptions, TcpServer};
    ///
    /// #[squall::main]
    /// fn main() {
    ///     let error = TcpServer::listen("fd:3x", &ListenOptions::default()).expect_err("no number");
    ///     assert_eq!(error.to_string(), r#""fd:3x" has no number behind `fd:`"#);
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// If the words say nothing that can be listened on, and as those of what they stand for.
    pub fn listen(words: &str, options: &ListenOptions) -> Result<TcpServer> {
        match Network::of(&IoLoop::current()) {
            // A simulated network has addresses, and nothing else to listen on.
            Some(_) => Self::bind_with(words, options),
            None => Self::on_loop(parse(words, options)?),
        }
    }

    /// Takes a TCP socket that listens already, such as one that was inherited.
    ///
    /// # Errors
    ///
    /// If the system cannot poll it.
    pub fn from_std(listener: StdListener) -> Result<TcpServer> {
        Self::from_fd(listener)
    }

    /// Takes a TCP or Unix socket that listens already.
    ///
    /// # Errors
    ///
    /// If it is none that listens, or if the system cannot poll it.
    pub fn from_fd(listener: impl Into<OwnedFd>) -> Result<TcpServer> {
        Self::on_loop(vec![Bound::from_fd(listener.into())?])
    }

    /// Listens in a simulated network.
    pub(crate) fn in_network(network: &Network, address: SocketAddr) -> Result<TcpServer> {
        Ok(Self::new(vec![in_network(network, address)?]))
    }

    pub(super) fn on_loop(bound: Vec<Bound>) -> Result<TcpServer> {
        let listening = bound.into_iter().map(Bound::onto_loop);
        Ok(Self::new(listening.collect::<io::Result<_>>()?))
    }

    fn new(listening: Vec<Listening>) -> TcpServer {
        TcpServer {
            listening,
            first: Cell::new(0),
            admission: Rc::default(),
            max_buffer_size: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Takes the sockets from the loop.
    pub(super) fn off_loop(self) -> Result<Vec<Bound>> {
        let bound = self.listening.into_iter().map(Listening::off_loop);
        Ok(bound.collect::<io::Result<_>>()?)
    }

    pub(super) fn settings(&self) -> Settings {
        Settings {
            max_connections: self.admission.max(),
            max_buffer_size: self.max_buffer_size,
            #[cfg(feature = "tls")]
            tls: self.tls.clone(),
        }
    }

    pub(super) fn with_settings(mut self, settings: Settings) -> TcpServer {
        self.max_buffer_size = settings.max_buffer_size;
        #[cfg(feature = "tls")]
        {
            self.tls = settings.tls;
        }
        self.max_connections(settings.max_connections)
    }

    /// Adds the sockets of another server: Tornado's `add_sockets`.
    pub fn and(mut self, other: TcpServer) -> TcpServer {
        self.listening.extend(other.listening);
        self
    }

    /// Has no more than `max` connections at the same time; further ones wait to be accepted until
    /// one has gone, which is when its stream is dropped.
    pub fn max_connections(self, max: usize) -> TcpServer {
        self.admission.limit(max);
        self
    }

    /// Sets how much the streams of the connections buffer for one read at most; see
    /// [`IoStream::set_max_buffer_size`].
    pub fn max_buffer_size(mut self, bytes: usize) -> TcpServer {
        self.max_buffer_size = Some(bytes);
        self
    }

    /// Makes the connections TLS ones: Tornado's `ssl_options`.
    ///
    /// With [`serve`](Self::serve), handshakes are side by side, each in its own time, and a failed one
    /// is logged and ends its connection. [`accept`](Self::accept) does one after the other.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: TlsAcceptor) -> TcpServer {
        self.tls = Some(tls);
        self
    }

    /// Returns the address that it listens on; the first, if there are several.
    ///
    /// # Errors
    ///
    /// If the system does not say.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        match self.listening.first() {
            Some(first) => Ok(first.listener.local_addr()?),
            None => Err(io::Error::from(io::ErrorKind::AddrNotAvailable).into()),
        }
    }

    /// Returns all addresses that it listens on.
    ///
    /// # Errors
    ///
    /// If the system does not say.
    pub fn local_addrs(&self) -> Result<Vec<SocketAddr>> {
        let addresses = self.listening.iter().map(|one| one.listener.local_addr());
        Ok(addresses.collect::<io::Result<_>>()?)
    }

    /// Returns the paths of the Unix sockets that it listens at; those that were inherited, and names
    /// without a file, are not among them.
    pub fn unix_paths(&self) -> Vec<PathBuf> {
        let files = self.listening.iter().filter_map(|one| match &one.listener {
            Listener::Unix(_, file) => file.as_ref(),
            _ => None,
        });
        files.map(|file| file.path().to_owned()).collect()
    }

    /// Returns what stops the server, and knows its connections from now on.
    pub fn handle(&self) -> ServerHandle {
        self.admission.count();
        ServerHandle {
            admission: self.admission.clone(),
        }
    }

    /// Accepts one connection; with TLS, the handshake is done then.
    ///
    /// # Errors
    ///
    /// If the system's accept fails; out of descriptors for instance. Trying again may help, also after
    /// a failed handshake of TLS. If the server was stopped: [`Error::is_closed`].
    ///
    /// # Cancellation
    ///
    /// No connection is lost, unless it was in its handshake.
    pub async fn accept(&self) -> Result<(IoStream, SocketAddr)> {
        let (stream, peer) = self.accept_plain().await?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return Ok((stream.accept_tls(tls).await?, peer));
        }
        Ok((stream, peer))
    }

    async fn accept_plain(&self) -> Result<(IoStream, SocketAddr)> {
        let (accepted, peer) = poll_fn(|cx| self.poll_accept(cx)).await?;
        let mut stream = accepted.into_stream()?;
        if let Some(bytes) = self.max_buffer_size {
            stream.set_max_buffer_size(bytes);
        }
        stream.admitted = self.admission.admit();
        Ok((stream, peer))
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Result<(Accepted, SocketAddr)>> {
        let is_stopped = self.admission.is_stopped();
        if is_stopped || !self.admission.is_full() {
            let (first, count) = (self.first.get(), self.listening.len());
            for index in (first..count).chain(0..first) {
                let one = &self.listening[index];
                while is_stopped || one.registration.poll_ready(Direction::Read, cx)?.is_ready() {
                    match one.listener.accept() {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            one.registration.clear_hard(Direction::Read);
                            if is_stopped {
                                break;
                            }
                        }
                        accepted => {
                            self.first.set((index + 1) % count);
                            return Poll::Ready(Ok(accepted?));
                        }
                    }
                }
            }
        }
        if is_stopped {
            return Poll::Ready(Err(Error::stream_closed()));
        }
        self.admission.wait(cx);
        Poll::Pending
    }

    /// Counts the connections together with those of another server, and is stopped with it: of all
    /// that share a handle, no more than one limit's are open. The limit of its own is forgotten.
    pub fn with_handle(mut self, handle: &ServerHandle) -> TcpServer {
        self.admission = handle.admission.clone();
        self
    }

    /// Accepts connections until it is [stopped](ServerHandle::stop), and calls `handle` for each: with
    /// a coroutine that takes the stream, it serves them side by side.
    ///
    /// A panic in `handle` ends that connection, and is logged.
    /// When descriptors run out it waits until some are free again, and says so once a minute. Yield
    /// it to wait for its end, or drop the `Deferred` and let it run.
    ///
    /// # Errors
    ///
    /// If a listening socket itself fails.
    pub fn serve<R: CallbackResult + 'static>(
        self,
        handle: impl Fn(IoStream, SocketAddr) -> R + 'static,
    ) -> Deferred<Result<()>> {
        accept_loop(self, handle)
    }
}

fn in_network(network: &Network, address: SocketAddr) -> Result<Listening> {
    let registration = Registration::in_memory(&IoLoop::current());
    let listener = network.listen(address, &registration)?;
    Ok(Listening {
        registration,
        listener: Listener::Memory(listener),
    })
}

#[crate::coroutine]
fn accept_loop<R: CallbackResult, H: Fn(IoStream, SocketAddr) -> R>(
    server: TcpServer,
    handle: H,
) -> Result<()> {
    #[cfg(feature = "tls")]
    let handle = Rc::new(handle);
    let mut batch = 0;
    let mut logged: Option<Instant> = None;
    loop {
        if server.admission.is_full() && !server.admission.is_stopped() && may_log(&mut logged) {
            let max = server.admission.max();
            tracing::warn!(target: "squall", "accepting pauses, as {max} connections are open");
        }
        match crate::yield_!(server.accept_plain()) {
            #[cfg(feature = "tls")]
            Ok((stream, peer)) if server.tls.is_some() => {
                if let Some(tls) = server.tls.clone() {
                    drop(secure(stream, peer, tls, handle.clone()));
                }
            }
            Ok((stream, peer)) => {
                IoLoop::current().run_callback(|| handle(stream, peer).detach());
            }
            Err(error) if is_one_connection(&error) => {}
            Err(_) if server.admission.is_stopped() => return Ok(()),
            Err(error) if is_listener(&error) => return Err(error),
            // Out of descriptors or memory, or a pending error of the network.
            Err(error) => {
                if may_log(&mut logged) {
                    tracing::warn!(target: "squall", "accepting pauses, as {error}");
                }
                crate::yield_!(sleep(PAUSE));
            }
        }
        batch += 1;
        if batch % BATCH == 0 {
            crate::yield_!(());
        }
    }
}

/// True once in a while.
fn may_log(logged: &mut Option<Instant>) -> bool {
    let now = IoLoop::current().time();
    let may = logged.is_none_or(|before| now.duration_since(before) >= LOG_EVERY);
    if may {
        *logged = Some(now);
    }
    may
}

/// Shakes hands with one client, then has it handled.
#[cfg(feature = "tls")]
#[crate::coroutine]
fn secure<R: CallbackResult, H: Fn(IoStream, SocketAddr) -> R>(
    stream: IoStream,
    peer: SocketAddr,
    tls: TlsAcceptor,
    handle: Rc<H>,
) {
    match crate::yield_!(stream.accept_tls(&tls)) {
        Ok(stream) => IoLoop::current().run_callback(|| handle(stream, peer).detach()),
        // Anybody can cause it, so it is no warning.
        Err(error) => tracing::info!(target: "squall", "no TLS with {peer}: {error}"),
    }
}

/// True for errors that concern the one connection only.
fn is_one_connection(error: &Error) -> bool {
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
fn is_listener(error: &Error) -> bool {
    const EBADF: i32 = 9;
    const EFAULT: i32 = 14;
    const EINVAL: i32 = 22;
    const ENOTSOCK: i32 = 88;
    let code = error.io().and_then(io::Error::raw_os_error);
    matches!(code, None | Some(EBADF | EFAULT | EINVAL | ENOTSOCK))
}

impl fmt::Debug for TcpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpServer")
            .field("addresses", &self.local_addrs().ok())
            .field("unix_paths", &self.unix_paths())
            .finish_non_exhaustive()
    }
}

/// Stops a [`TcpServer`], and knows how many connections it has. Cheap to clone.
#[derive(Clone)]
pub struct ServerHandle {
    admission: Rc<Admission>,
}

impl ServerHandle {
    /// A handle for servers that are to have [one in common](TcpServer::with_handle), which have no more
    /// than `max_connections` together.
    pub fn new(max_connections: usize) -> ServerHandle {
        let admission = Rc::<Admission>::default();
        admission.limit(max_connections);
        ServerHandle { admission }
    }

    /// Has the server accept no more, and close its listening sockets: its
    /// [`serve`](TcpServer::serve) comes to its end. Connections that there are go on; those that the
    /// system has taken in already are accepted before, for to close with them would reset them.
    pub fn stop(&self) {
        self.admission.stop();
    }

    /// Returns how many connections there are whose streams have not been dropped; of those that were
    /// accepted after [`handle`](TcpServer::handle) was called.
    pub fn connections(&self) -> usize {
        self.admission.connections()
    }

    /// Waits until there is no connection.
    pub async fn idle(&self) {
        poll_fn(|cx| self.admission.poll_idle(cx)).await;
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("connections", &self.connections())
            .field("stopped", &self.admission.is_stopped())
            .finish()
    }
}
