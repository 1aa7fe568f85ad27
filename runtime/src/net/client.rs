//! Connecting.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use super::memory::Network;
use super::stream::IoStream;
use crate::coro::deferred::Deferred;
use crate::error::{Error, Result};
use crate::executor::run_in_executor;
use crate::ioloop::IoLoop;

/// Connects to hosts: Tornado's `TCPClient`.
#[derive(Clone, Debug, Default)]
pub struct TcpClient {
    source: Option<IpAddr>,
}

impl TcpClient {
    /// Makes a client.
    pub fn new() -> TcpClient {
        TcpClient::default()
    }

    /// Connects from this address of the machine: Tornado's `source_ip`.
    ///
    /// Addresses of the other family are not tried from it.
    #[must_use]
    pub fn source_ip(mut self, source: impl Into<Option<IpAddr>>) -> TcpClient {
        self.source = source.into();
        self
    }

    /// Connects to a host's port; starts at once.
    ///
    /// On a loop that is in a [`testing::Network`](crate::testing::Network), it connects there. A name
    /// is looked up on another thread. Its addresses are tried one after the other.
    ///
    /// # Errors
    ///
    /// If the name cannot be looked up ([`Error::is_resolve`]), or none of its addresses accepts:
    /// the error is that of the last.
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
        connect(host.into(), port, self.source)
    }

    /// Connects to an address.
    ///
    /// # Errors
    ///
    /// If it does not accept, or the machine lacks the source address.
    ///
    /// # Cancellation
    ///
    /// The attempt is given up, and its socket closed.
    pub async fn connect_to(&self, address: SocketAddr) -> Result<IoStream> {
        match Network::of(&IoLoop::current()) {
            Some(network) => network.connect(address).await,
            None => IoStream::connect(address, self.source).await,
        }
    }

    /// Looks up the addresses of a host's port, on another thread unless it is an address itself.
    ///
    /// # Errors
    ///
    /// If the name cannot be looked up ([`Error::is_resolve`]).
    pub fn resolve(&self, host: impl Into<String>, port: u16) -> Deferred<Result<Vec<SocketAddr>>> {
        resolve(host.into(), port)
    }
}

#[crate::coroutine]
fn connect(host: String, port: u16, source: Option<IpAddr>) -> Result<IoStream> {
    let mut last = None;
    let client = TcpClient { source };
    for address in crate::yield_!(resolve(host.clone(), port))? {
        match crate::yield_!(client.connect_to(address)) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    let none = || std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    Err(last.unwrap_or_else(|| Error::resolve(&host, none())))
}

/// A host without the brackets of an address of version 6.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Looks a name up, on another thread unless it is an address.
#[crate::coroutine]
fn resolve(host: String, port: u16) -> Result<Vec<SocketAddr>> {
    let bare = bare(&host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    if let Some(network) = Network::of(&IoLoop::current()) {
        let known = network.resolve(bare);
        let address = known.map_err(|error| Error::resolve(&host, error))?;
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let name = host.clone();
    let looked_up =
        run_in_executor(move || (name.as_str(), port).to_socket_addrs().map(Vec::from_iter));
    crate::yield_!(looked_up)?.map_err(|error| Error::resolve(&host, error))
}
