//! A network in memory: who listens at which address, and how to get there.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::{Rc, Weak};

use super::conditions::Conditions;
use super::wire::Addresses;
use crate::error::Result;
use crate::ioloop::sources::{Direction, Notifier, Registration};
use crate::ioloop::{IoLoop, sleep};
use crate::net::stream::IoStream;

/// How many connections may wait to be accepted.
const BACKLOG: usize = 4096;

/// Ports that are given to those who ask for none.
const FREE_PORTS: std::ops::RangeInclusive<u16> = 49152..=65535;

/// Where connections come from that are made by nobody in particular.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 255, 255, 254));

pub(crate) struct Network {
    /// Of connections that are made from now on.
    pub(crate) conditions: RefCell<Conditions>,
    listeners: RefCell<BTreeMap<SocketAddr, Weak<Queue>>>,
    names: RefCell<BTreeMap<String, Vec<IpAddr>>>,
    /// Hosts that answer nothing.
    silent: RefCell<Vec<IpAddr>>,
    next_port: Cell<u16>,
}

/// Connections that wait to be accepted.
struct Queue {
    address: SocketAddr,
    waiting: RefCell<VecDeque<(IoStream, SocketAddr)>>,
    notifier: Notifier,
}

/// What a server listens with in the place of a socket.
pub(in crate::net) struct MemoryListener {
    queue: Rc<Queue>,
}

impl Network {
    pub(crate) fn new() -> Network {
        Network {
            conditions: RefCell::default(),
            listeners: RefCell::default(),
            names: RefCell::default(),
            silent: RefCell::default(),
            next_port: Cell::new(*FREE_PORTS.start()),
        }
    }

    /// The network that the loop's connections go over, if it is no real one.
    pub(in crate::net) fn of(io_loop: &IoLoop) -> Option<Rc<Network>> {
        io_loop.network()?.downcast().ok()
    }

    /// Two ends of a connection between nobody in particular.
    pub(crate) fn pair(&self) -> [IoStream; 2] {
        IoStream::joined(&self.conditions.borrow(), None)
    }

    /// Gives a host a name; several hosts may have the same.
    pub(crate) fn name(&self, name: String, host: IpAddr) {
        self.names.borrow_mut().entry(name).or_default().push(host);
    }

    /// Has a host answer nothing, not even that nobody listens.
    pub(crate) fn silence(&self, host: IpAddr) {
        self.silent.borrow_mut().push(host);
    }

    /// The addresses of the hosts that have a name.
    pub(in crate::net) fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = self.names.borrow().get(name).cloned();
        found.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                "no host of the simulated network has the name",
            )
        })
    }

    /// Listens at an address; port 0 takes a free one.
    pub(in crate::net) fn listen(
        &self,
        mut address: SocketAddr,
        registration: &Registration,
    ) -> io::Result<MemoryListener> {
        let mut listeners = self.listeners.borrow_mut();
        listeners.retain(|_, queue| queue.strong_count() > 0);
        if address.port() == 0 {
            address.set_port(self.free_port());
        }
        if listeners.contains_key(&address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let queue = Rc::new(Queue {
            address,
            waiting: RefCell::default(),
            notifier: registration.notifier(),
        });
        listeners.insert(address, Rc::downgrade(&queue));
        Ok(MemoryListener { queue })
    }

    /// Connects to an address; takes the latency there and back.
    pub(crate) async fn connect(self: Rc<Self>, address: SocketAddr) -> Result<IoStream> {
        let io_loop = IoLoop::current();
        self.travel(&io_loop).await;
        if self.silent.borrow().contains(&address.ip()) {
            io_loop.record(format_args!("connection to {address} is not answered"));
            return pending().await;
        }
        let queue = self
            .listeners
            .borrow()
            .get(&address)
            .and_then(Weak::upgrade);
        let queue = queue.filter(|queue| queue.waiting.borrow().len() < BACKLOG);
        let Some(queue) = queue else {
            io_loop.record(format_args!("connection to {address} refused"));
            self.travel(&io_loop).await;
            return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into());
        };
        let own = SocketAddr::new(CLIENT, self.free_port());
        let addresses = Addresses { own, peer: address };
        let [client, server] = IoStream::joined(&self.conditions.borrow(), Some(addresses));
        queue.waiting.borrow_mut().push_back((server, own));
        queue.notifier.notify(Direction::Read, false);
        drop(queue);
        self.travel(&io_loop).await;
        Ok(client)
    }

    /// Waits for the latency.
    async fn travel(&self, io_loop: &IoLoop) {
        let delay = self.conditions.borrow().delay(io_loop.seeded());
        if !delay.is_zero() {
            sleep(delay).await;
        }
    }

    /// The next free port; they go round.
    fn free_port(&self) -> u16 {
        let port = self.next_port.get();
        let next = port.checked_add(1).unwrap_or(*FREE_PORTS.start());
        self.next_port.set(next);
        port
    }
}

impl MemoryListener {
    pub(in crate::net) fn address(&self) -> SocketAddr {
        self.queue.address
    }

    /// Takes the next connection; "would block" if there is none.
    pub(in crate::net) fn accept(&self) -> io::Result<(IoStream, SocketAddr)> {
        let next = self.queue.waiting.borrow_mut().pop_front();
        next.ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listeners = self.listeners.borrow();
        f.debug_struct("Network")
            .field("conditions", &self.conditions.borrow())
            .field("listeners", &listeners.keys().collect::<Vec<_>>())
            .field("names", &self.names.borrow())
            .finish_non_exhaustive()
    }
}
