//! Accepting connections, while there is room for them.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

#[cfg(feature = "tls")]
use squall::net::TlsAcceptor;
use squall::net::{IoStream, TcpServer};
use squall::sync::Event;
use squall::{sleep, yield_};

#[cfg(feature = "tls")]
use super::secure::{self, Handshakes};
use crate::conn::Shared;

/// How long to wait for descriptors when they have run out.
const PAUSE: Duration = Duration::from_millis(100);

/// How many connections are accepted before others run.
const BATCH: u32 = 64;

/// What stops a server's listening.
#[derive(Debug, Default)]
pub(super) struct Accepting {
    stop: Event,
    /// How many sockets listen.
    pub(super) sockets: Cell<usize>,
    pub(super) ended_one: Event,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<TlsAcceptor>,
    #[cfg(feature = "tls")]
    pub(super) handshakes: Handshakes,
}

impl Accepting {
    #[cfg(feature = "tls")]
    pub(super) fn with_tls(tls: Option<TlsAcceptor>) -> Accepting {
        Accepting {
            tls,
            ..Accepting::default()
        }
    }

    pub(super) fn stop(&self) {
        self.stop.set();
    }
}

/// Counts a socket that listens, until it does not.
struct Listens(Rc<Accepting>);

impl Listens {
    fn new(accepting: Rc<Accepting>) -> Listens {
        accepting.sockets.set(accepting.sockets.get() + 1);
        Listens(accepting)
    }
}

impl Drop for Listens {
    fn drop(&mut self) {
        self.0.sockets.set(self.0.sockets.get() - 1);
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
    let most = shared.settings.limits.max_connections;
    let mut batch = 0_u32;
    loop {
        if shared.len() >= most && !accepting.stop.is_set() {
            tracing::warn!(target: "squall::web", "accepting pauses, as {most} connections are open");
            yield_!(or_stopped(shared.room(most), &accepting));
        }
        match yield_!(or_stopped(server.accept(), &accepting)) {
            Some(Ok((stream, peer))) => welcome(stream, peer, &shared, &accepting),
            None => return Ok(()),
            Some(Err(error)) if is_one_connection(&error) => {}
            Some(Err(error)) if is_listener(&error) => return Err(error),
            // Out of descriptors or memory, or a pending error of the network.
            Some(Err(error)) => {
                tracing::warn!(target: "squall::web", "accepting pauses, as {error}");
                yield_!(or_stopped(sleep(PAUSE), &accepting));
                if accepting.stop.is_set() {
                    return Ok(());
                }
            }
        }
        batch += 1;
        if batch.is_multiple_of(BATCH) {
            yield_!(());
        }
    }
}

/// Serves a client, after the handshake if there is to be one.
fn welcome(stream: IoStream, peer: SocketAddr, shared: &Rc<Shared>, accepting: &Rc<Accepting>) {
    #[cfg(feature = "tls")]
    if let Some(tls) = accepting.tls.clone().filter(|_| !stream.is_secure()) {
        return secure::start(stream, Some(peer), tls, shared, accepting);
    }
    #[cfg(not(feature = "tls"))]
    let _ = accepting;
    shared.start(stream, Some(peer));
}

/// What the future gives; none if it is to stop before.
async fn or_stopped<F: Future>(future: F, accepting: &Accepting) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut stopped = pin!(accepting.stop.wait());
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        stopped.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// True for errors that concern the one connection only.
fn is_one_connection(error: &squall::Error) -> bool {
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
fn is_listener(error: &squall::Error) -> bool {
    const EBADF: i32 = 9;
    const EFAULT: i32 = 14;
    const EINVAL: i32 = 22;
    const ENOTSOCK: i32 = 88;
    let code = error.io().and_then(io::Error::raw_os_error);
    matches!(code, None | Some(EBADF | EFAULT | EINVAL | ENOTSOCK))
}
