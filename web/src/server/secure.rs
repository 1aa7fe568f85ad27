//! TLS in front of connections: each handshake is a coroutine of its own, so that a slow one keeps
//! nobody waiting.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;

use squall::net::{IoStream, TlsAcceptor};
use squall::{Deferred, with_timeout, yield_};

use super::accept::Accepting;
use crate::conn::Shared;

/// The handshakes that are under way.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    next: Cell<u64>,
    tasks: RefCell<HashMap<u64, Deferred<()>>>,
}

impl Handshakes {
    /// Ends them all.
    pub(super) fn cancel(&self) {
        for task in self.tasks.borrow().values() {
            task.cancel();
        }
    }
}

/// Counts a client among the connections while it shakes hands.
struct Joining {
    id: u64,
    shared: Rc<Shared>,
    accepting: Rc<Accepting>,
}

impl Joining {
    fn new(shared: Rc<Shared>, accepting: Rc<Accepting>) -> Joining {
        let next = &accepting.handshakes.next;
        let id = next.replace(next.get() + 1);
        shared.joining.set(shared.joining.get() + 1);
        Joining {
            id,
            shared,
            accepting,
        }
    }
}

impl Drop for Joining {
    fn drop(&mut self) {
        let tasks = &self.accepting.handshakes.tasks;
        let task = tasks.borrow_mut().remove(&self.id);
        drop(task);
        self.shared.joining.set(self.shared.joining.get() - 1);
        self.shared.closed_one.set();
    }
}

/// Shakes hands with a client, and serves it then.
pub(super) fn start(
    stream: IoStream,
    remote: Option<SocketAddr>,
    tls: TlsAcceptor,
    shared: &Rc<Shared>,
    accepting: &Rc<Accepting>,
) {
    let joining = Joining::new(shared.clone(), accepting.clone());
    let id = joining.id;
    let task = join(stream, remote, tls, joining);
    if !task.done() {
        let tasks = &accepting.handshakes.tasks;
        tasks.borrow_mut().insert(id, task);
    }
}

#[squall::coroutine(crate = squall)]
fn join(stream: IoStream, remote: Option<SocketAddr>, tls: TlsAcceptor, joining: Joining) {
    if let Some(stream) = yield_!(shake_hands(stream, remote, tls, &joining.shared)) {
        joining.shared.start(stream, remote);
    }
}

/// As `start`, and waits for the connection's end.
#[squall::coroutine(crate = squall)]
pub(super) fn serve(
    stream: IoStream,
    tls: TlsAcceptor,
    shared: Rc<Shared>,
    accepting: Rc<Accepting>,
) {
    let remote = stream.peer_addr();
    let joining = Joining::new(shared.clone(), accepting);
    let secured = yield_!(shake_hands(stream, remote, tls, &shared));
    let serving = secured.map(|stream| shared.serve_stream(stream));
    drop(joining);
    if let Some(serving) = serving {
        yield_!(serving);
    }
}

/// A handshake may take as long as a head, and no longer than its own settings say.
async fn shake_hands(
    stream: IoStream,
    remote: Option<SocketAddr>,
    tls: TlsAcceptor,
    shared: &Shared,
) -> Option<IoStream> {
    let limit = shared.settings.limits.header_timeout;
    let error: squall::Error = match with_timeout(limit, stream.accept_tls(&tls)).await {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => error,
        Err(timeout) => timeout.into(),
    };
    // Anybody can cause it, so it is no warning.
    match remote {
        Some(peer) => tracing::info!(target: "squall::web", "no TLS with {peer}: {error}"),
        None => tracing::info!(target: "squall::web", "no TLS with a client: {error}"),
    }
    None
}
