//! A connection: it accepts streams, and comes to its end.
//!
//! One timer serves the limits: a connection that has had no stream for `Limits::idle_timeout` is said
//! goodbye to; one that has some is asked by a ping as often whether anybody is there.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Ping, PingPong, Reason, RecvStream};
use http::{Method, Request, StatusCode};
use squall::net::IoStream;
use squall::{IoLoop, Sleep, with_timeout};

use super::exchange::{exchange, of_status};
use super::io::Io;
use crate::conn::{Conn, Shared, after};

/// What a client begins with that speaks HTTP/2 without having asked (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a client has to take a goodbye.
const GOODBYE: Duration = Duration::from_millis(250);

/// How much may come on a stream, and in all, that was not read.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// How much of an answer waits in `h2` for the socket.
const SEND_BUFFER: usize = 64 * 1024;

/// True if what has come can only be the preface of HTTP/2.
pub(crate) fn is_preface(input: &[u8]) -> bool {
    const LINE: usize = 16;
    let common = input.len().min(PREFACE.len());
    input.len() >= LINE && input[..common] == PREFACE[..common]
}

/// True if the two sides have agreed on HTTP/2 as they shook hands.
pub(crate) fn is_agreed(stream: &IoStream) -> bool {
    #[cfg(feature = "tls")]
    if stream.is_secure() {
        return stream.tls().is_some_and(|tls| tls.alpn() == Some(b"h2"));
    }
    let _ = stream;
    false
}

/// Serves a connection to its end; `read` has come already.
pub(crate) async fn serve(conn: Rc<Conn>, read: Vec<u8>) {
    conn.has_streams();
    serve_streams(&conn, read).await;
    conn.stream().close();
}

async fn serve_streams(conn: &Rc<Conn>, read: Vec<u8>) {
    let shared = conn.shared();
    let limits = &shared.settings.limits;
    let head = u32::try_from(limits.max_head_bytes).unwrap_or(u32::MAX);
    let io = Io::new(conn.stream().clone(), read);
    let handshake = Builder::new()
        .max_concurrent_streams(limits.max_concurrent_streams)
        .max_header_list_size(head)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .handshake::<_, Bytes>(io);
    let mut connection = match with_timeout(limits.header_timeout, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return debug(&error),
        Err(error) => return debug(&error),
    };
    let mut serving = Serving {
        pings: connection.ping_pong(),
        conn,
        shared,
        alive: Rc::default(),
        timer: squall::sleep(limits.idle_timeout),
        used: IoLoop::current().time(),
        awaits_pong: false,
        is_ending: false,
    };
    let mut draining = pin!(shared.settings.draining.wait());
    poll_fn(|cx| {
        if !serving.is_ending && draining.as_mut().poll(cx).is_ready() {
            serving.end(&mut connection);
        }
        serving.poll(&mut connection, cx)
    })
    .await;
}

fn debug(error: &dyn std::fmt::Display) {
    tracing::debug!(target: "squall::web", "a connection of HTTP/2 has ended: {error}");
}

struct Serving<'a> {
    conn: &'a Rc<Conn>,
    shared: &'a Rc<Shared>,
    alive: Rc<Alive>,
    pings: Option<PingPong>,
    awaits_pong: bool,
    timer: Sleep,
    /// When there was a stream last.
    used: Instant,
    /// True once goodbye was said: there are no new streams.
    is_ending: bool,
}

type H2 = Connection<Io, Bytes>;

impl Serving<'_> {
    fn poll(&mut self, connection: &mut H2, cx: &mut Context<'_>) -> Poll<()> {
        self.alive.waker.replace(Some(cx.waker().clone()));
        let most = self.shared.settings.limits.max_concurrent_streams as usize;
        loop {
            // A client may reset streams faster than their handlers notice: those count until they do.
            if self.alive.count.get() >= most {
                match connection.poll_closed(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => debug(&error),
                    Poll::Pending => break,
                }
                return Poll::Ready(());
            }
            match connection.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => self.start(request, respond),
                Poll::Ready(Some(Err(error))) => {
                    debug(&error);
                    return Poll::Ready(());
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        if self.awaits_pong
            && let Some(pings) = &mut self.pings
            && pings.poll_pong(cx).is_ready()
        {
            self.awaits_pong = false;
        }
        while Pin::new(&mut self.timer).poll(cx).is_ready() {
            if self.is_over(connection) {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    fn start(&mut self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        self.used = IoLoop::current().turn_time();
        if *request.method() == Method::CONNECT {
            // If the client is gone, nobody is told.
            let _ = respond.send_response(of_status(StatusCode::NOT_IMPLEMENTED), true);
            return;
        }
        let (near, far) = IoStream::pair();
        self.shared.start_within(far, self.conn);
        // It goes on by itself.
        drop(exchange(request, respond, near, Living::new(&self.alive)));
    }

    /// Time is up: for what, and is this the end?
    fn is_over(&mut self, connection: &mut H2) -> bool {
        let idle = self.shared.settings.limits.idle_timeout;
        let is_idle = self.alive.count.get() == 0;
        let now = IoLoop::current().time();
        if self.is_ending {
            self.timer.reset(after(GOODBYE));
            return is_idle;
        }
        if !is_idle {
            self.used = now;
            if self.awaits_pong {
                debug(&"nobody has answered a ping");
                return true;
            }
            let pings = self.pings.as_mut();
            self.awaits_pong = pings.is_some_and(|pings| pings.send_ping(Ping::opaque()).is_ok());
        }
        match (self.used.max(self.alive.used.get().unwrap_or(self.used))).checked_add(idle) {
            Some(until) if until > now => self.timer.reset(until),
            Some(_) => self.end(connection),
            None => self.timer.reset(after(idle)),
        }
        false
    }

    /// Says goodbye: the streams that there are go on to their end.
    fn end(&mut self, connection: &mut H2) {
        self.is_ending = true;
        match self.alive.count.get() {
            0 if self.shared.settings.draining.is_set() => connection.graceful_shutdown(),
            0 => connection.abrupt_shutdown(Reason::NO_ERROR),
            _ => connection.graceful_shutdown(),
        }
        self.timer.reset(after(GOODBYE));
    }
}

/// How many streams are served.
#[derive(Default)]
struct Alive {
    count: Cell<usize>,
    /// When the last one ended.
    used: Cell<Option<Instant>>,
    /// The connection, which may wait for one to end.
    waker: RefCell<Option<Waker>>,
}

/// Counts a stream among those that are served, until it is dropped.
pub(super) struct Living(Rc<Alive>);

impl Living {
    fn new(alive: &Rc<Alive>) -> Living {
        alive.count.set(alive.count.get() + 1);
        Living(alive.clone())
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get() - 1);
        if let Some(io_loop) = IoLoop::try_current() {
            self.0.used.set(Some(io_loop.turn_time()));
        }
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preface_is_told_from_requests() {
        assert!(is_preface(PREFACE) && is_preface(b"PRI * HTTP/2.0\r\n"));
        assert!(is_preface(&[PREFACE, b"more"].concat()));
        for other in [
            "PRI * HTTP/2.0",
            "PRI * HTTP/2.0\r\nHost: a",
            "GET / HTTP/1.1\r\n\r\n",
        ] {
            assert!(!is_preface(other.as_bytes()), "{other}");
        }
    }
}
