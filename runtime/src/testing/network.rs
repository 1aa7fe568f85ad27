//! A network in memory whose faults come from the seed.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;

use crate::coro::deferred::Deferred;
use crate::error::Result;
use crate::ioloop::IoLoop;
use crate::net::memory;
use crate::net::{IoStream, TcpServer};

/// A network in memory: streams and listeners of the types of the real ones, as slow, short and
/// broken as it is told to be.
///
/// What is a chance comes from the seed of the loop's [`Simulation`](super::Simulation). Without one
/// the network is calm: bytes take the shortest latency, reads and writes move what they can, and
/// nothing breaks. What is set holds for connections that are made afterwards. Latency is that of the loop's clock, so on a virtual one it takes no time.
///
/// # Examples
///
/// ```
/// use squall::net::IoStream;
/// use squall::testing::{Network, Simulation};
/// use squall::yield_;
/// use std::time::Duration;
///
/// #[squall::coroutine]
/// fn echo(stream: IoStream) -> squall::Result<()> {
///     let line = yield_!(stream.read_until(b"\n", 80))?;
///     yield_!(stream.write(&line))
/// }
///
/// #[squall::coroutine]
/// fn talk() -> squall::Result<Vec<u8>> {
///     let (near, far) = (Duration::from_millis(1), Duration::from_millis(50));
///     let network = Network::new().latency(near..=far).short_transfers();
///     let server = network.listen("10.0.0.1:7".parse().expect("an address"))?;
///     drop(server.serve(|stream, _| echo(stream)));
///     let stream = yield_!(network.connect("10.0.0.1:7".parse().expect("an address")))?;
///     yield_!(stream.write(b"hello\n"))?;
///     yield_!(stream.read_until(b"\n", 80))
/// }
///
/// let run = Simulation::new().seed(1).run(talk);
/// assert_eq!(run.into_value()?, b"hello\n");
/// # Ok::<(), squall::Error>(())
/// ```
/// Cheap to clone; every clone is the same network.
#[derive(Clone)]
pub struct Network {
    hosts: Rc<memory::Network>,
}

impl Default for Network {
    fn default() -> Network {
        Network::new()
    }
}

impl Network {
    /// A network that carries all at once, and loses nothing.
    pub fn new() -> Network {
        Network {
            hosts: Rc::new(memory::Network::new()),
        }
    }

    /// Has bytes, connections and ends be on their way for a time in `range`. They stay in order.
    ///
    /// # Panics
    ///
    /// If the range begins after its end.
    pub fn latency(self, range: RangeInclusive<Duration>) -> Network {
        let (least, most) = range.into_inner();
        assert!(
            least <= most,
            "a latency of at least {least:?} and at most {most:?} cannot be: swap them"
        );
        self.hosts.conditions.borrow_mut().latency = (least, most);
        self
    }

    /// Has reads and writes move any number of the bytes that they could, one at least.
    pub fn short_transfers(self) -> Network {
        self.hosts.conditions.borrow_mut().short_transfers = true;
        self
    }

    /// Has a write break its connection with this chance, from 0 to 1: what is under way is lost, and
    /// reads and writes of both ends fail with `ConnectionReset`.
    ///
    /// # Panics
    ///
    /// If the chance is not from 0 to 1.
    pub fn resets(self, chance: f64) -> Network {
        assert!(
            (0.0..=1.0).contains(&chance),
            "a chance is from 0 to 1, and not {chance}"
        );
        self.hosts.conditions.borrow_mut().resets = chance;
        self
    }

    /// Sets how many bytes of one direction may be under way or unread until a write waits; 64 KiB
    /// if this is not called.
    ///
    /// # Panics
    ///
    /// If it is 0: nothing could be written at all.
    pub fn buffer(self, bytes: usize) -> Network {
        assert!(bytes > 0, "a buffer of no bytes lets nothing through");
        self.hosts.conditions.borrow_mut().buffer = bytes;
        self
    }

    /// Gives a host a name, for [`TcpClient`](crate::net::TcpClient) on a loop that
    /// [is in the network](Self::install). A name that is given to several hosts has all their
    /// addresses, in that order.
    pub fn name(self, name: impl Into<String>, host: IpAddr) -> Network {
        self.hosts.name(name.into(), host);
        self
    }

    /// Has a host answer nothing: connections to it are neither made nor refused.
    pub fn silent(self, host: IpAddr) -> Network {
        self.hosts.silence(host);
        self
    }

    /// Makes two streams that are joined over the network.
    pub fn pair(&self) -> (IoStream, IoStream) {
        let [left, right] = self.hosts.pair();
        (left, right)
    }

    /// Listens at an address of the network; port 0 takes a free one. The server is one of the type
    /// of the real ones.
    ///
    /// # Errors
    ///
    /// If somebody listens there already.
    pub fn listen(&self, address: SocketAddr) -> Result<TcpServer> {
        TcpServer::in_network(&self.hosts, address)
    }

    /// Connects to an address of the network; starts at once.
    ///
    /// # Errors
    ///
    /// With `ConnectionRefused`, if nobody listens there, or 4,096 connections wait to be accepted.
    pub fn connect(&self, address: SocketAddr) -> Deferred<Result<IoStream>> {
        connect(self.hosts.clone(), address)
    }

    /// Puts the current loop into the network, for as long as it lives: from now on its
    /// [`TcpServer::bind`] listens there, and [`TcpClient`](crate::net::TcpClient) connects there. So
    /// a whole program can be tested in memory, servers and clients of HTTP too.
    ///
    /// Streams that are open stay what they are.
    pub fn install(&self) {
        IoLoop::current().set_network(self.hosts.clone());
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hosts.fmt(f)
    }
}

#[crate::coroutine]
fn connect(network: Rc<memory::Network>, address: SocketAddr) -> Result<IoStream> {
    crate::yield_!(network.connect(address))
}
