//! Accepting connections: the runtime's servers do, with one limit and one end for all of a server's.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use squall::net::{ServerHandle, TcpServer};
use squall::sync::Event;
use squall::yield_;

use crate::conn::Shared;

/// The sockets that listen for a server, and what stops them.
pub(super) struct Accepting {
    handle: ServerHandle,
    /// How many accept loops there are.
    pub(super) loops: Cell<usize>,
    pub(super) ended_one: Event,
}

impl Accepting {
    pub(super) fn new(max_connections: usize) -> Accepting {
        Accepting {
            handle: ServerHandle::new(max_connections),
            loops: Cell::new(0),
            ended_one: Event::new(),
        }
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
    yield_!(server.serve(move |stream, peer| shared.start(stream, Some(peer))))
}
