//! Connecting.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::happy_eyeballs::connect_any;
use super::memory::Network;
use super::resolver::{Resolver, ThreadedResolver};
use super::stream::IoStream;
#[cfg(feature = "tls")]
use super::tls::TlsConnector;
use crate::coro::deferred::Deferred;
use crate::error::{Error, Result};
use crate::ioloop::{IoLoop, sleep};

/// How long to wait for a Unix server whose queue is full.
const PAUSE: Duration = Duration::from_millis(10);

/// Connects to hosts: Tornado's `TCPClient`.
///
/// # Examples
///
/// ```no_run
/// use squall::net::TcpClient;
/// use squall::yield_;
/// use std::time::Duration;
///
/// #[squall::main]
/// fn main() -> squall::Result<()> {
///     let client = TcpClient::new().timeout(Duration::from_secs(5));
///     let stream = yield_!(client.connect("localhost", 80))?;
///     println!("connected to {:?}", stream.peer_addr());
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct TcpClient {
    settings: Settings,
}

#[derive(Clone, Debug, Default)]
struct Settings {
    resolver: Option<Rc<dyn Resolver>>,
    source: Option<IpAddr>,
    source_port: u16,
    timeout: Option<Duration>,
    max_buffer_size: Option<usize>,
    #[cfg(feature = "tls")]
    tls: Option<TlsConnector>,
}

/// How far a connection is, in the words of an error.
#[derive(Clone, Copy)]
enum Stage {
    LookingUp,
    Connecting,
    #[cfg(feature = "tls")]
    ShakingHands,
}

impl Stage {
    fn words(self) -> &'static str {
        match self {
            Stage::LookingUp => "looking the name up",
            Stage::Connecting => "waiting for the host to accept",
            #[cfg(feature = "tls")]
            Stage::ShakingHands => "in the TLS handshake",
        }
    }
}

impl TcpClient {
    /// Makes a client.
    pub fn new() -> TcpClient {
        TcpClient::default()
    }

    /// Has names be looked up by `resolver`.
    pub fn resolver(mut self, resolver: impl Resolver + 'static) -> TcpClient {
        self.settings.resolver = Some(Rc::new(resolver));
        self
    }

    /// Connects from this address of the machine; hosts' addresses of the other version are passed
    /// over then.
    pub fn source_ip(mut self, source: impl Into<Option<IpAddr>>) -> TcpClient {
        self.settings.source = source.into();
        self
    }

    /// Connects from this port.
    pub fn source_port(mut self, port: u16) -> TcpClient {
        self.settings.source_port = port;
        self
    }

    /// Sets how long a connection may take in all: the look-up, all addresses, and TLS if there is
    /// any. There is no limit at first; the system's own is some minutes.
    pub fn timeout(mut self, timeout: Duration) -> TcpClient {
        self.settings.timeout = Some(timeout);
        self
    }

    /// Sets how much the streams buffer for one read at most; see
    /// [`IoStream::set_max_buffer_size`].
    pub fn max_buffer_size(mut self, bytes: usize) -> TcpClient {
        self.settings.max_buffer_size = Some(bytes);
        self
    }

    /// Makes the connections TLS ones; the server's certificate has to be for the host that
    /// [`connect`](Self::connect) is given. Those of [`connect_unix`](Self::connect_unix) stay plain.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: TlsConnector) -> TcpClient {
        self.settings.tls = Some(tls);
        self
    }

    /// Connects to a host's port; starts at once.
    ///
    /// Of a host with several addresses the first that accepts is taken. Those of its first address's
    /// version are tried in order; the others begin beside them after 0.3 seconds or the first
    /// failure ("happy eyeballs"). A name is looked up on another thread, unless the client has a
    /// [resolver](Self::resolver). On a loop that is in a
    /// [`testing::Network`](crate::testing::Network), it connects there.
    ///
    /// # Errors
    ///
    /// If the name cannot be looked up ([`Error::is_resolve`]); if none of its addresses accepts: the
    /// error is that of the first to fail, with the system's in [`Error::io`]; if it took longer than
    /// the [`timeout`](Self::timeout) ([`Error::is_timeout`]), with what it did then.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use squall::{net::TcpClient, yield_};
    /// #[squall::main]
    /// fn main() -> squall::Result<()> {
    ///     let stream = yield_!(TcpClient::new().connect("localhost", 80))?;
    ///     println!("connected to {:?}", stream.peer_addr());
    ///     Ok(())
    /// }
    /// ```
    pub fn connect(&self, host: impl Into<String>, port: u16) -> Deferred<Result<IoStream>> {
        connect(self.settings.clone(), host.into(), port)
    }

    /// Connects to the first of these addresses that accepts, as [`connect`](Self::connect) does with
    /// those that a name has; starts at once. TLS, if there is any, is left to
    /// `IoStream::start_tls`, as there is no name to check.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), and if there is no address.
    pub fn connect_addresses(&self, addresses: Vec<SocketAddr>) -> Deferred<Result<IoStream>> {
        connect_addresses(self.settings.clone(), addresses)
    }

    /// Connects to a Unix socket; starts at once. Waits while its queue of connections is full. A path
    /// that begins with a NUL is a name without a file, on Linux.
    ///
    /// # Errors
    ///
    /// If nobody listens at the path, if it may not be used, or if it took longer than the
    /// [`timeout`](Self::timeout) ([`Error::is_timeout`]).
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::net::{ListenOptions, TcpClient, TcpServer};
    /// use squall::yield_;
    ///
    /// #[squall::main]
    /// fn main() -> squall::Result<()> {
    ///     let path = std::env::temp_dir().join(format!("example-{}.sock", std::process::id()));
    ///     let server = TcpServer::bind_unix(&path, &ListenOptions::default())?;
    ///     let client = yield_!(TcpClient::new().connect_unix(&path))?;
    ///     let (accepted, _) = yield_!(server.accept())?;
    ///     yield_!(client.write(b"hello"))?;
    ///     assert_eq!(yield_!(accepted.read_bytes(5))?, b"hello");
    ///     Ok(())
    /// }
    /// ```
    pub fn connect_unix(&self, path: impl AsRef<Path>) -> Deferred<Result<IoStream>> {
        connect_unix(self.settings.clone(), path.as_ref().to_owned())
    }
}

#[crate::coroutine]
fn connect(settings: Settings, host: String, port: u16) -> Result<IoStream> {
    let stage = Cell::new(Stage::LookingUp);
    let name = || format!("{host}:{port}");
    let connected = within(
        settings.timeout,
        &stage,
        name,
        settings.connect(&host, port, &stage),
    );
    crate::yield_!(connected)
}

#[crate::coroutine]
fn connect_addresses(settings: Settings, addresses: Vec<SocketAddr>) -> Result<IoStream> {
    let stage = Cell::new(Stage::Connecting);
    let name = || {
        let all = addresses.iter().map(SocketAddr::to_string);
        all.collect::<Vec<_>>().join(", ")
    };
    let connecting = async {
        match settings.connect_any(addresses.clone()).await {
            Some(connected) => connected,
            None => Err(settings.no_address().into()),
        }
    };
    crate::yield_!(within(settings.timeout, &stage, name, connecting))
}

#[crate::coroutine]
fn connect_unix(settings: Settings, path: PathBuf) -> Result<IoStream> {
    let stage = Cell::new(Stage::Connecting);
    let name = || path.display().to_string();
    let connecting = async {
        loop {
            match IoStream::connect_unix(&path) {
                Err(error) if is_full(&error) => sleep(PAUSE).await,
                connected => {
                    let connected = connected.map_err(|error| Error::connect(name(), error))?;
                    return Ok(settings.set_up(connected));
                }
            }
        }
    };
    crate::yield_!(within(settings.timeout, &stage, name, connecting))
}

/// True if the queue of a Unix socket is full.
fn is_full(error: &Error) -> bool {
    (error.io()).is_some_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

impl Settings {
    async fn connect(&self, host: &str, port: u16, stage: &Cell<Stage>) -> Result<IoStream> {
        let found = match &self.resolver {
            Some(resolver) => resolver.resolve(host, port),
            None => ThreadedResolver::new().resolve(host, port),
        };
        let addresses = crate::yield_!(found)?;
        stage.set(Stage::Connecting);
        let Some(connected) = self.connect_any(addresses).await else {
            return Err(Error::resolve(host, self.no_address()));
        };
        let stream = connected?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            stage.set(Stage::ShakingHands);
            return stream.start_tls(tls, host).await;
        }
        Ok(stream)
    }

    /// Connects to the first of the addresses that accepts; none if none may be tried.
    async fn connect_any(&self, mut addresses: Vec<SocketAddr>) -> Option<Result<IoStream>> {
        if let Some(source) = self.source {
            addresses.retain(|address| address.is_ipv4() == source.is_ipv4());
        }
        let network = Network::of(&IoLoop::current());
        let connected = connect_any(addresses, |address| {
            let network = network.clone();
            async move {
                let connected = match (network, self.source_for(address)) {
                    (Some(network), _) => network.connect(address).await,
                    (None, source) => IoStream::connect(address, source).await,
                };
                connected.map_err(|error| Error::connect(address, error))
            }
        });
        let connected = connected.await?;
        Some(connected.map(|stream| self.set_up(stream)))
    }

    /// Where to connect from; `None` if the system may choose.
    fn source_for(&self, address: SocketAddr) -> Option<SocketAddr> {
        let any = match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let is_set = self.source.is_some() || self.source_port != 0;
        is_set.then(|| SocketAddr::new(self.source.unwrap_or(any), self.source_port))
    }

    fn no_address(&self) -> io::Error {
        let message = match self.source {
            Some(IpAddr::V4(_)) => "it has no address of version 4, and the source address is one",
            Some(IpAddr::V6(_)) => "it has no address of version 6, and the source address is one",
            None => "there is no address to connect to",
        };
        io::Error::new(io::ErrorKind::NotFound, message)
    }

    fn set_up(&self, stream: IoStream) -> IoStream {
        if let Some(bytes) = self.max_buffer_size {
            stream.set_max_buffer_size(bytes);
        }
        stream
    }
}

/// Gives what `connecting` does, or an error when the time is over: it is dropped then.
async fn within(
    timeout: Option<Duration>,
    stage: &Cell<Stage>,
    name: impl Fn() -> String,
    connecting: impl Future<Output = Result<IoStream>>,
) -> Result<IoStream> {
    let Some(timeout) = timeout else {
        return connecting.await;
    };
    let mut connecting = pin!(connecting);
    let mut timer = sleep(timeout);
    poll_fn(|cx| {
        if let Poll::Ready(connected) = connecting.as_mut().poll(cx) {
            return Poll::Ready(connected);
        }
        std::task::ready!(Pin::new(&mut timer).poll(cx));
        let (name, stage) = (name(), stage.get().words());
        let message = format!("connecting to {name} took more than {timeout:?}: it was {stage}");
        Poll::Ready(Err(Error::timed_out(message)))
    })
    .await
}
