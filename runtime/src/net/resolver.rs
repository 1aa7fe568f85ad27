//! From hosts' names to addresses.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::rc::Rc;

use super::memory::Network;
use crate::coro::deferred::Deferred;
use crate::error::{Error, Result};
use crate::executor::{ThreadPool, run_in_executor};
use crate::ioloop::IoLoop;

/// Looks hosts' names up: Tornado's `Resolver`.
///
/// A [`TcpClient`](super::TcpClient) uses a [`ThreadedResolver`] unless it is given another. Write one
/// for what knows addresses by other means, such as a service registry.
///
/// # Examples
///
/// ```
/// use squall::net::Resolver;
/// use squall::{Deferred, Result, yield_};
/// use std::net::SocketAddr;
///
/// /// Everybody is at home.
/// #[derive(Debug)]
/// struct Home;
///
/// #[squall::coroutine]
/// fn home(port: u16) -> Result<Vec<SocketAddr>> {
///     Ok(vec![([127, 0, 0, 1], port).into()])
/// }
///
/// impl Resolver for Home {
///     fn resolve(&self, _host: &str, port: u16) -> Deferred<Result<Vec<SocketAddr>>> {
///         home(port)
///     }
/// }
///
/// #[squall::main]
/// fn main() -> Result<()> {
///     let addresses = yield_!(Home.resolve("example.org", 80))?;
///     assert_eq!(addresses[0].to_string(), "127.0.0.1:80");
///     Ok(())
/// }
/// ```
pub trait Resolver: fmt::Debug {
    /// Looks the addresses of a host up, the one that is to be tried first in front; starts at once.
    ///
    /// The host may be an address already, which needs no look-up.
    fn resolve(&self, host: &str, port: u16) -> Deferred<Result<Vec<SocketAddr>>>;
}

impl<R: Resolver + ?Sized> Resolver for Rc<R> {
    fn resolve(&self, host: &str, port: u16) -> Deferred<Result<Vec<SocketAddr>>> {
        (**self).resolve(host, port)
    }
}

/// Looks names up as the system does, on other threads: Tornado's `DefaultExecutorResolver`, and with
/// a pool its `ThreadedResolver` and `ExecutorResolver`.
///
/// On a loop that is in a [`testing::Network`](crate::testing::Network), the network is asked instead.
#[derive(Clone, Debug, Default)]
pub struct ThreadedResolver {
    /// `None`: that of `run_in_executor`.
    pool: Option<ThreadPool>,
}

impl ThreadedResolver {
    /// Makes one that uses the threads of [`run_in_executor`].
    pub fn new() -> ThreadedResolver {
        ThreadedResolver::default()
    }

    /// Makes one that uses `pool`, so that slow look-ups keep nobody else waiting.
    pub fn on(pool: ThreadPool) -> ThreadedResolver {
        ThreadedResolver { pool: Some(pool) }
    }
}

impl Resolver for ThreadedResolver {
    fn resolve(&self, host: &str, port: u16) -> Deferred<Result<Vec<SocketAddr>>> {
        look_up(host.to_owned(), port, Means::Threads(self.pool.clone()))
    }
}

/// Looks names up as the system does, on this thread: Tornado's `BlockingResolver`.
///
/// The loop stands still meanwhile: for programs that may start no threads, where names are few or
/// stand in a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct BlockingResolver;

impl Resolver for BlockingResolver {
    fn resolve(&self, host: &str, port: u16) -> Deferred<Result<Vec<SocketAddr>>> {
        look_up(host.to_owned(), port, Means::Here)
    }
}

enum Means {
    Threads(Option<ThreadPool>),
    Here,
}

#[crate::coroutine]
fn look_up(host: String, port: u16, means: Means) -> Result<Vec<SocketAddr>> {
    let bare = bare(&host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    if let Some(network) = Network::of(&IoLoop::current()) {
        let known = network.resolve(bare);
        let known = known.map_err(|error| Error::resolve(&host, error))?;
        let at_port = known.into_iter().map(|host| SocketAddr::new(host, port));
        return Ok(at_port.collect());
    }
    let name = bare.to_owned();
    let ask = move || (name.as_str(), port).to_socket_addrs().map(Vec::from_iter);
    let found = match means {
        Means::Here => ask(),
        Means::Threads(None) => crate::yield_!(run_in_executor(ask))?,
        Means::Threads(Some(pool)) => crate::yield_!(pool.submit(ask))?,
    };
    let found = found.map_err(|error| Error::resolve(&host, error))?;
    if found.is_empty() {
        let none = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        return Err(Error::resolve(&host, none));
    }
    Ok(found)
}

/// Has some hosts be others, and asks another resolver for their addresses: Tornado's
/// `OverrideResolver`.
///
/// A host with a port is looked for first, then the host alone. For tests, and for what is not in the
/// name service.
///
/// # Examples
///
/// ```
/// use squall::net::{OverrideResolver, Resolver, ThreadedResolver};
/// use squall::yield_;
///
/// #[squall::main]
/// fn main() -> squall::Result<()> {
///     let resolver = OverrideResolver::new(ThreadedResolver::new())
///         .host("example.com", "127.0.0.1")
///         .host_and_port("example.com", 443, "127.0.0.2", 8443);
///     let plain = yield_!(resolver.resolve("example.com", 80))?;
///     assert_eq!(plain[0].to_string(), "127.0.0.1:80");
///     let secure = yield_!(resolver.resolve("example.com", 443))?;
///     assert_eq!(secure[0].to_string(), "127.0.0.2:8443");
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct OverrideResolver<R> {
    inner: R,
    hosts: HashMap<String, String>,
    hosts_and_ports: HashMap<(String, u16), (String, u16)>,
}

impl<R: Resolver> OverrideResolver<R> {
    /// Makes one that changes nothing yet.
    pub fn new(inner: R) -> OverrideResolver<R> {
        OverrideResolver {
            inner,
            hosts: HashMap::new(),
            hosts_and_ports: HashMap::new(),
        }
    }

    /// Has `host` be `other`, at all ports: a name or an address. Names are compared without case.
    pub fn host(mut self, host: impl AsRef<str>, other: impl Into<String>) -> Self {
        let host = host.as_ref().to_ascii_lowercase();
        self.hosts.insert(host, other.into());
        self
    }

    /// Has `host` be `other` at one port, and that port be another.
    pub fn host_and_port(
        mut self,
        host: impl AsRef<str>,
        port: u16,
        other: impl Into<String>,
        other_port: u16,
    ) -> Self {
        let host = host.as_ref().to_ascii_lowercase();
        self.hosts_and_ports
            .insert((host, port), (other.into(), other_port));
        self
    }
}

impl<R: Resolver> Resolver for OverrideResolver<R> {
    fn resolve(&self, host: &str, port: u16) -> Deferred<Result<Vec<SocketAddr>>> {
        let key = (host.to_ascii_lowercase(), port);
        match (self.hosts_and_ports.get(&key), self.hosts.get(&key.0)) {
            (Some((other, port)), _) => self.inner.resolve(other, *port),
            (None, Some(other)) => self.inner.resolve(other, port),
            (None, None) => self.inner.resolve(host, port),
        }
    }
}

/// True if the text is an address of version 4 or 6, and no name: Tornado's `is_valid_ip`.
///
/// # Examples
///
/// ```
/// use squall::net::is_valid_ip;
///
/// assert!(is_valid_ip("127.0.0.1") && is_valid_ip("::1"));
/// assert!(!is_valid_ip("localhost") && !is_valid_ip("") && !is_valid_ip("4.4.4.4\0"));
/// ```
pub fn is_valid_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// A host without the brackets of an address of version 6.
fn bare(host: &str) -> &str {
    let inside = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    inside.unwrap_or(host)
}
