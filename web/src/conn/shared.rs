//! What all connections of a server share: handler, settings, buffers, and who of them is open.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

use squall::Deferred;
use squall::net::IoStream;
use squall::sync::Event;

use super::Handle;
use super::exchange::Exchange;
use super::server::serve_connection;
use super::trusted::TrustedProxies;
use crate::http::Limits;

/// Exchanges that are kept for the next connections.
const POOL: usize = 256;

/// What a server was told to do.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) trusted: Option<TrustedProxies>,
    /// True if bodies with a `Content-Encoding` are taken apart.
    pub(crate) decompress: bool,
    /// True once the server is to end: each answer is the last of its connection.
    pub(crate) is_draining: Cell<bool>,
}

/// The common part of a server's connections.
pub(crate) struct Shared {
    pub(crate) handler: Rc<dyn Handle>,
    pub(crate) settings: Rc<Settings>,
    // Boxed, so that taking one moves a pointer.
    #[allow(clippy::vec_box)]
    pool: RefCell<Vec<Box<Exchange>>>,
    open: RefCell<HashMap<u64, Open>>,
    next_id: Cell<u64>,
    /// Set whenever a connection has closed.
    pub(crate) closed_one: Event,
    /// Clients in the handshake before their connection.
    pub(crate) joining: Cell<usize>,
    /// How many of the open ones are streams of HTTP/2.
    #[cfg(feature = "http2")]
    streams: Cell<usize>,
    /// Set once the server is to end.
    #[cfg(feature = "http2")]
    pub(crate) draining: Event,
}

/// An open connection, and the coroutine that serves it.
struct Open {
    conn: Rc<Conn>,
    task: Option<Deferred<()>>,
}

/// A connection of a server.
pub(crate) struct Conn {
    pub(super) stream: Rc<IoStream>,
    pub(super) remote: Option<SocketAddr>,
    pub(super) is_secure: bool,
    /// What it is a stream of, if it is one of HTTP/2.
    #[cfg(feature = "http2")]
    below: Option<Rc<IoStream>>,
    pub(super) activity: Cell<Activity>,
    id: u64,
}

#[cfg(feature = "http2")]
impl Conn {
    pub(crate) fn stream(&self) -> &Rc<IoStream> {
        &self.stream
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
}

impl Shared {
    pub(crate) fn new(handler: Rc<dyn Handle>, settings: Settings) -> Shared {
        Shared {
            handler,
            settings: Rc::new(settings),
            pool: RefCell::default(),
            open: RefCell::default(),
            next_id: Cell::new(0),
            closed_one: Event::new(),
            joining: Cell::new(0),
            #[cfg(feature = "http2")]
            streams: Cell::new(0),
            #[cfg(feature = "http2")]
            draining: Event::new(),
        }
    }

    /// Begins to serve a connection.
    pub(crate) fn start(self: &Rc<Self>, stream: IoStream, remote: Option<SocketAddr>) {
        self.run(self.enter(stream, remote));
    }

    fn run(self: &Rc<Self>, conn: Rc<Conn>) {
        let id = conn.id;
        let task = serve_connection(conn, self.clone());
        if let Some(open) = self.open.borrow_mut().get_mut(&id) {
            open.task = Some(task);
        }
    }

    /// Notes a connection among those that are open.
    pub(crate) fn enter(&self, stream: IoStream, remote: Option<SocketAddr>) -> Rc<Conn> {
        let is_secure = stream.is_secure();
        self.enter_as(Conn {
            stream: Rc::new(stream),
            remote,
            is_secure,
            #[cfg(feature = "http2")]
            below: None,
            activity: Cell::new(Activity::Fresh),
            id: 0,
        })
    }

    /// Begins to serve a stream of HTTP/2 as a connection: one within another.
    #[cfg(feature = "http2")]
    pub(crate) fn start_within(self: &Rc<Self>, stream: IoStream, below: &Conn) {
        self.streams.set(self.streams.get() + 1);
        let conn = self.enter_as(Conn {
            stream: Rc::new(stream),
            remote: below.remote,
            is_secure: below.is_secure,
            below: Some(below.stream.clone()),
            activity: Cell::new(Activity::Fresh),
            id: 0,
        });
        self.run(conn);
    }

    fn enter_as(&self, mut conn: Conn) -> Rc<Conn> {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        conn.id = id;
        let conn = Rc::new(conn);
        let open = Open {
            conn: conn.clone(),
            task: None,
        };
        self.open.borrow_mut().insert(id, open);
        conn
    }

    /// Forgets a connection.
    pub(super) fn leave(&self, conn: &Conn) {
        let open = self.open.borrow_mut().remove(&conn.id);
        // Outside of the borrow, as its task may be dropped with it.
        drop(open);
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

    /// Closes the connections that are about `what`.
    pub(crate) fn close_all(&self, what: Activity) {
        let open = self.open.borrow();
        for open in open.values().filter(|o| o.conn.activity.get() == what) {
            open.conn.stream.close();
        }
    }

    /// Cancels the coroutines of all connections.
    pub(crate) fn cancel_all(&self) {
        for open in self.open.borrow().values() {
            if let Some(task) = &open.task {
                task.cancel();
            }
        }
    }

    /// Closes all connections, whatever they are about.
    pub(crate) fn abort_all(&self) {
        for open in self.open.borrow().values() {
            open.conn.stream.close();
        }
    }

    pub(super) fn take_exchange(&self, conn: &Conn) -> Box<Exchange> {
        let pooled = self.pool.borrow_mut().pop();
        let mut ex = pooled.unwrap_or_else(|| Exchange::new(self.settings.clone()));
        ex.stream = Some(conn.stream.clone());
        ex.remote = conn.remote;
        ex.is_secure = conn.is_secure;
        #[cfg(feature = "http2")]
        ex.below.clone_from(&conn.below);
        ex
    }

    pub(super) fn give_back(&self, mut ex: Box<Exchange>) {
        ex.release();
        let mut pool = self.pool.borrow_mut();
        if pool.len() < POOL {
            pool.push(ex);
        }
    }

    /// Waits until fewer than `most` connections are open.
    pub(crate) async fn room(&self, most: usize) {
        while self.len() >= most {
            self.closed_one.clear();
            self.closed_one.wait().await;
        }
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
