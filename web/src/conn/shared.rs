//! What all connections of a server share: handler, settings, buffers, and who of them is open.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashSet;
use std::fmt;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::rc::Rc;
use std::time::{Duration, Instant};

use slab::Slab;
use squall::net::IoStream;
use squall::sync::Event;
use squall::{Deferred, Timeout, turn_time};

use super::Handle;
use super::guest::Guests;
use super::server::{Entered, serve_connection};
use super::trusted::TrustedProxies;
use super::worker::{Worker, worker};
use crate::http::Limits;

/// How many workers are kept for the next connections when there are none.
const KEPT: usize = 64;

/// What a server was told to do.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) trusted: Option<TrustedProxies>,
    /// True if bodies with a `Content-Encoding` are taken apart.
    pub(crate) decompress: bool,
    /// True if no connection becomes one of HTTP/2.
    #[cfg_attr(not(feature = "http2"), allow(dead_code))] // none can
    pub(crate) http1_only: bool,
    /// Set once the server is to end: each answer is the last of its connection.
    pub(crate) draining: Event,
    /// Those who have a connection after HTTP, and want to know that.
    pub(crate) guests: Rc<Guests>,
}

/// The common part of a server's connections.
pub(crate) struct Shared {
    pub(crate) handler: Rc<dyn Handle>,
    pub(crate) settings: Rc<Settings>,
    /// Workers without work.
    pool: RefCell<Vec<Box<dyn Worker>>>,
    /// How many of them have had none since the last [`trim_pool`](Shared::trim_pool).
    spare: Cell<usize>,
    open: RefCell<Slab<Rc<Conn>>>,
    /// What `Conn::idle_since` counts from.
    began: Instant,
    pub(super) idle_timer: Cell<Option<Timeout>>,
    /// Set whenever a connection has closed.
    pub(crate) closed_one: Event,
    /// Clients in the handshake before their connection.
    pub(crate) joining: Cell<usize>,
    /// How many of the open ones are streams of HTTP/2.
    #[cfg(feature = "http2")]
    streams: Cell<usize>,
}

/// A connection of a server. There are many of them, so it has no more than it needs.
pub(crate) struct Conn {
    pub(super) shared: Rc<Shared>,
    pub(super) stream: Rc<IoStream>,
    /// What it is a stream of, if it is one of HTTP/2.
    #[cfg(feature = "http2")]
    pub(super) below: Option<Rc<IoStream>>,
    peer: Peer,
    /// Since when it waits for a request: nanoseconds.
    idle_since: Cell<u64>,
    key: u32,
    pub(super) activity: Cell<Activity>,
    task: OnceCell<Task>,
}

/// The coroutine that serves a connection.
enum Task {
    Own(Deferred<()>),
    /// It is somebody else's; its number among those that live.
    Lent(u64),
}

/// Whom a connection is with. The address of version 6, which is large, is boxed.
enum Peer {
    Unknown,
    V4(SocketAddrV4),
    V6(Box<SocketAddrV6>),
}

impl Conn {
    /// Returns the address of the other end.
    pub(super) fn remote(&self) -> Option<SocketAddr> {
        match &self.peer {
            Peer::Unknown => None,
            Peer::V4(address) => Some(SocketAddr::V4(*address)),
            Peer::V6(address) => Some(SocketAddr::V6(**address)),
        }
    }

    /// True if there is TLS on the connection.
    pub(super) fn is_secure(&self) -> bool {
        #[cfg(feature = "http2")]
        if let Some(below) = &self.below {
            return below.is_secure();
        }
        self.stream.is_secure()
    }

    /// Notes that it waits for a request from now on.
    pub(super) fn is_idle_now(&self) {
        let since = turn_time().saturating_duration_since(self.shared.began);
        self.idle_since.set(since.as_nanos() as u64);
    }

    pub(super) fn idle_since(&self) -> Instant {
        self.shared.began + Duration::from_nanos(self.idle_since.get())
    }

    /// The number of its coroutine.
    fn coroutine(&self) -> Option<u64> {
        match self.task.get()? {
            Task::Own(task) => task.coroutine_id(),
            Task::Lent(id) => Some(*id),
        }
    }
}

#[cfg(feature = "http2")]
impl Conn {
    pub(crate) fn stream(&self) -> &Rc<IoStream> {
        &self.stream
    }

    pub(crate) fn shared(&self) -> &Rc<Shared> {
        &self.shared
    }

    /// Notes that it has streams, which are connections of their own.
    pub(crate) fn has_streams(&self) {
        self.activity.set(Activity::Streams);
    }
}

impl Peer {
    /// A Unix socket's peer has no address, which port 0 stands for.
    fn new(remote: Option<SocketAddr>) -> Peer {
        match remote.filter(|remote| remote.port() != 0) {
            None => Peer::Unknown,
            Some(SocketAddr::V4(address)) => Peer::V4(address),
            Some(SocketAddr::V6(address)) => Peer::V6(Box::new(address)),
        }
    }
}

/// What a connection is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// It has just been made, and nothing has come.
    Fresh,
    /// It waits for a next request, of which nothing has come.
    Idle,
    /// It reads a request, or answers one.
    Busy,
    /// It has sent its last answer, and waits for its client to go.
    Ending,
    /// It is one of HTTP/2, whose streams are connections of their own.
    #[cfg(feature = "http2")]
    Streams,
}

impl Shared {
    pub(crate) fn new(handler: Rc<dyn Handle>, settings: Settings) -> Shared {
        Shared {
            handler,
            settings: Rc::new(settings),
            pool: RefCell::default(),
            spare: Cell::new(0),
            open: RefCell::default(),
            began: turn_time(),
            idle_timer: Cell::default(),
            closed_one: Event::new(),
            joining: Cell::new(0),
            #[cfg(feature = "http2")]
            streams: Cell::new(0),
        }
    }

    /// Begins to serve a connection.
    pub(crate) fn start(self: &Rc<Self>, stream: IoStream, remote: Option<SocketAddr>) {
        let (conn, task) = self.serve(stream, remote);
        let _ = conn.task.set(Task::Own(task));
    }

    /// Serves a connection for somebody who wants to know of its end.
    pub(crate) fn serve_stream(self: &Rc<Self>, stream: IoStream) -> Deferred<()> {
        let remote = stream.peer_addr();
        let (conn, task) = self.serve(stream, remote);
        if let Some(id) = task.coroutine_id() {
            let _ = conn.task.set(Task::Lent(id));
        }
        task
    }

    fn serve(
        self: &Rc<Self>,
        stream: IoStream,
        remote: Option<SocketAddr>,
    ) -> (Rc<Conn>, Deferred<()>) {
        let conn = self.enter(stream, remote);
        let entered = Entered(conn.clone());
        (conn, serve_connection(entered))
    }

    /// Begins to serve a stream of HTTP/2 as a connection: one within another.
    #[cfg(feature = "http2")]
    pub(crate) fn start_within(self: &Rc<Self>, stream: IoStream, below: &Conn) {
        self.streams.set(self.streams.get() + 1);
        let conn = self.enter_as(stream, below.remote(), Some(below.stream.clone()));
        let task = serve_connection(Entered(conn.clone()));
        let _ = conn.task.set(Task::Own(task));
    }

    /// Notes a connection among those that are open.
    fn enter(self: &Rc<Self>, stream: IoStream, remote: Option<SocketAddr>) -> Rc<Conn> {
        self.enter_as(stream, remote, None)
    }

    fn enter_as(
        self: &Rc<Self>,
        stream: IoStream,
        remote: Option<SocketAddr>,
        below: Option<Rc<IoStream>>,
    ) -> Rc<Conn> {
        #[cfg(not(feature = "http2"))]
        let _ = below;
        let mut open = self.open.borrow_mut();
        if open.len() == open.capacity() {
            // By half: doubling would leave much of it empty.
            let more = (open.len() / 2).max(16);
            open.reserve_exact(more);
        }
        let entry = open.vacant_entry();
        let conn = Rc::new(Conn {
            shared: self.clone(),
            stream: Rc::new(stream),
            #[cfg(feature = "http2")]
            below,
            peer: Peer::new(remote),
            idle_since: Cell::new(0),
            key: u32::try_from(entry.key()).expect("fewer than 2^32 connections are open"),
            activity: Cell::new(Activity::Fresh),
            task: OnceCell::new(),
        });
        conn.is_idle_now();
        entry.insert(conn.clone());
        drop(open);
        self.watch_idle();
        conn
    }

    /// Forgets a connection.
    pub(super) fn leave(&self, conn: &Conn) {
        let mut open = self.open.borrow_mut();
        let left = open.try_remove(conn.key as usize);
        if open.is_empty() {
            *open = Slab::new();
            self.unwatch_idle();
            self.spare
                .set(self.pool.borrow().len().saturating_sub(KEPT));
            self.trim_pool();
        }
        drop(open);
        // Outside of the borrow, as its task may be dropped with it.
        drop(left);
        #[cfg(feature = "http2")]
        if conn.below.is_some() {
            self.streams.set(self.streams.get() - 1);
        }
        self.closed_one.set();
    }

    /// How many connections are open.
    pub(crate) fn len(&self) -> usize {
        let all = self.open.borrow().len() + self.joining.get();
        #[cfg(feature = "http2")]
        let all = all - self.streams.get();
        all
    }

    /// Calls `f` with each connection.
    pub(super) fn each(&self, mut f: impl FnMut(&Conn)) {
        for (_, conn) in self.open.borrow().iter() {
            f(conn);
        }
    }

    /// Closes the connections that are about `what`.
    pub(crate) fn close_all(&self, what: Activity) {
        self.each(|conn| {
            if conn.activity.get() == what {
                conn.stream.close();
            }
        });
    }

    /// The numbers of the coroutines that read or answer a request.
    pub(crate) fn busy(&self) -> HashSet<u64> {
        let mut busy = HashSet::new();
        self.each(|conn| {
            if conn.activity.get() == Activity::Busy {
                busy.extend(conn.coroutine());
            }
        });
        busy
    }

    /// Cancels the coroutines of all connections.
    pub(crate) fn cancel_all(&self) {
        self.each(|conn| {
            if let Some(Task::Own(task)) = conn.task.get() {
                task.cancel();
            }
        });
    }

    /// Closes all connections, whatever they are about.
    pub(crate) fn abort_all(&self) {
        self.each(|conn| conn.stream.close());
    }

    pub(super) fn take_worker(&self) -> Box<dyn Worker> {
        let mut pool = self.pool.borrow_mut();
        let pooled = pool.pop();
        self.spare.set(self.spare.get().min(pool.len()));
        drop(pool);
        pooled.unwrap_or_else(|| worker(&self.settings))
    }

    pub(super) fn give_back(&self, worker: Box<dyn Worker>) {
        self.pool.borrow_mut().push(worker);
    }

    /// Drops the workers that have had nothing to do since the last time: a crowd is over.
    pub(super) fn trim_pool(&self) {
        let mut pool = self.pool.borrow_mut();
        // The last one is taken first, so those in front are the ones.
        pool.drain(..self.spare.get());
        let kept = pool.len();
        pool.shrink_to(2 * kept);
        self.spare.set(kept);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("settings", &self.settings)
            .field("open", &self.len())
            .finish_non_exhaustive()
    }
}
