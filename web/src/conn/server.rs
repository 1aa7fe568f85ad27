//! The server's side of a connection.
//!
//! ```text
//!              bytes           head complete         answered, input used up
//!   ──► Idle ─────────► Head ───────────────► Request ───────────────────► Idle
//!        │               │                       │  └── more input: Head
//!        │ idle_timeout  │ malformed, too large,  │ close wanted, client gone
//!        ▼               ▼ header_timeout: 4xx     ▼
//!      closed          closed                    closed
//! ```
//!
//! One timer a connection serves all limits of time: it is moved, not set anew, and only runs when
//! nothing has moved it for long.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::StatusCode;
use squall::net::IoStream;
use squall::{IoLoop, Sleep, yield_};

use super::body::{self, BodyError};
use super::exchange::{Exchange, Phase, SEND_AT};
use super::failure::{log_error, log_panic};
use super::{Call, Handle};
use crate::error::{Error, Result};
use crate::http::{Limits, Parse, ParseError, parse_request};

/// Exchanges that are kept for the next connections.
const POOL: usize = 256;

/// What all connections of a server share.
pub(crate) struct Shared {
    pub(crate) handler: Rc<dyn Handle>,
    pub(crate) limits: Limits,
    // Boxed, so that taking one moves a pointer.
    #[allow(clippy::vec_box)]
    pool: RefCell<Vec<Box<Exchange>>>,
}

impl Shared {
    pub(crate) fn new(handler: Rc<dyn Handle>, limits: Limits) -> Shared {
        Shared {
            handler,
            limits,
            pool: RefCell::default(),
        }
    }

    fn take_exchange(&self, stream: &Rc<IoStream>, remote: Option<SocketAddr>) -> Box<Exchange> {
        let pooled = self.pool.borrow_mut().pop();
        let mut ex = pooled.unwrap_or_else(Exchange::new);
        ex.stream = Some(stream.clone());
        ex.remote = remote;
        ex.write_timeout = self.limits.write_timeout;
        ex
    }

    fn give_back(&self, mut ex: Box<Exchange>) {
        ex.release();
        let mut pool = self.pool.borrow_mut();
        if pool.len() < POOL {
            pool.push(ex);
        }
    }
}

/// How many requests, or reads of a body, one connection has before others run.
pub(super) const BATCH: u32 = 64;

/// A time that does not come while a handler works.
const FAR: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The point that lies `limit` from now; a far one if the limit is none that a clock can hold.
fn after(limit: Duration) -> Instant {
    let now = IoLoop::current().turn_time();
    now.checked_add(limit).unwrap_or_else(|| now + FAR)
}

/// What follows a step of a connection.
enum Next {
    /// The input is used up: wait without buffers.
    Idle,
    /// All is over.
    Close,
}

/// Serves one connection to its end.
#[squall::coroutine(crate = squall)]
pub(crate) fn serve_connection(stream: IoStream, remote: Option<SocketAddr>, shared: Rc<Shared>) {
    let stream = Rc::new(stream);
    let idle = shared.limits.idle_timeout;
    let mut timer = squall::sleep_until(after(idle));
    loop {
        if !yield_!(wait_readable(&stream, &mut timer)) {
            break;
        }
        let mut ex = shared.take_exchange(&stream, remote);
        let next = yield_!(serve_input(&stream, &shared, &mut ex, &mut timer));
        shared.give_back(ex);
        match next {
            Next::Idle => timer.reset(after(idle)),
            Next::Close => break,
        }
    }
    stream.close();
}

/// Waits for bytes. False if none come in time, or the stream fails.
async fn wait_readable(stream: &IoStream, timer: &mut Sleep) -> bool {
    poll_fn(|cx| {
        if let Poll::Ready(readable) = stream.poll_readable(cx) {
            return Poll::Ready(readable.is_ok());
        }
        Pin::new(&mut *timer).poll(cx).map(|()| false)
    })
    .await
}

/// Serves the requests that come until the input is used up.
async fn serve_input(
    stream: &Rc<IoStream>,
    shared: &Rc<Shared>,
    ex: &mut Exchange,
    timer: &mut Sleep,
) -> Next {
    // Only the first head of a connection that woke up is read for; later the input decides.
    let mut may_read = true;
    let mut served = 0_u32;
    loop {
        match read_head(stream, &shared.limits, ex, timer, may_read).await {
            Head::Complete => {}
            Head::UsedUp => {
                return match ex.send().await {
                    Ok(()) => Next::Idle,
                    Err(_) => Next::Close,
                };
            }
            Head::Closed => {
                let _ = ex.send().await;
                return Next::Close;
            }
            Head::Refused(status) => return refuse(stream, ex, status).await,
        }
        may_read = false;
        let io_loop = IoLoop::current();
        ex.started = Some(io_loop.turn_time());
        ex.keep_alive = ex.head.keep_alive();
        match ex.take_body_from_input(&shared.limits) {
            Ok(true) => {}
            Ok(false) => {
                // Before its time begins: earlier answers are no part of it.
                if ex.send().await.is_err() {
                    return Next::Close;
                }
                let limit = after(shared.limits.body_timeout);
                if let Err(status) = read_body(stream, &shared.limits, ex, limit, timer).await {
                    return match status {
                        Some(status) => refuse(stream, ex, status).await,
                        None => Next::Close,
                    };
                }
            }
            Err(error) => return refuse(stream, ex, error.status()).await,
        }
        respond(shared, ex).await;
        if ex.phase != Phase::Finished || !ex.keep_alive {
            let complete = ex.phase == Phase::Finished;
            ex.next_request();
            if ex.send().await.is_ok() && complete && !ex.input.is_empty() {
                body::linger(stream).await;
            }
            return Next::Close;
        }
        ex.next_request();
        if ex.out.len() >= SEND_AT && ex.send().await.is_err() {
            return Next::Close;
        }
        served += 1;
        if served.is_multiple_of(BATCH) {
            squall::moment().await;
        }
    }
}

enum Head {
    Complete,
    /// There is no input, and none of a next request.
    UsedUp,
    /// The client has gone, or time is up.
    Closed,
    Refused(StatusCode),
}

/// Reads until a head is complete.
async fn read_head(
    stream: &IoStream,
    limits: &Limits,
    ex: &mut Exchange,
    timer: &mut Sleep,
    mut may_read: bool,
) -> Head {
    let mut scanned = 0;
    let mut deadline: Option<Instant> = None;
    loop {
        if !ex.input.is_empty() {
            match parse_request(ex.input.filled(), scanned, limits, &mut ex.head) {
                Ok(Parse::Complete) => return Head::Complete,
                Ok(Parse::NeedMore) => scanned = ex.input.len(),
                Err(error) => return Head::Refused(status_of(&error)),
            }
            // Before waiting for the rest, answers of earlier requests have to go out.
            if ex.send().await.is_err() {
                return Head::Closed;
            }
            may_read = true;
            if deadline.is_none() {
                let at = after(limits.header_timeout);
                timer.reset(at);
                deadline = Some(at);
            }
        }
        if !may_read {
            return Head::UsedUp;
        }
        let room = ex.input.room(limits.max_head_bytes + 1024);
        let read = poll_fn(|cx| {
            if let Poll::Ready(read) = stream.poll_read(cx, room) {
                return Poll::Ready(Some(read));
            }
            Pin::new(&mut *timer).poll(cx).map(|()| None)
        })
        .await;
        match read {
            Some(Ok(0) | Err(_)) => return Head::Closed,
            Some(Ok(count)) => ex.input.add(count),
            None if deadline.is_some() => return Head::Refused(StatusCode::REQUEST_TIMEOUT),
            None => return Head::Closed,
        }
    }
}

/// Reads a body within its time. `Err(None)` if the client has gone.
async fn read_body(
    stream: &Rc<IoStream>,
    limits: &Limits,
    ex: &mut Exchange,
    deadline: Instant,
    timer: &mut Sleep,
) -> Result<(), Option<StatusCode>> {
    timer.reset(deadline);
    let mut reading = std::pin::pin!(ex.read_body(stream, limits));
    let read = poll_fn(|cx| {
        if let Poll::Ready(read) = reading.as_mut().poll(cx) {
            return Poll::Ready(Some(read));
        }
        Pin::new(&mut *timer).poll(cx).map(|()| None)
    })
    .await;
    // No limit runs while the handler works.
    timer.reset(after(FAR));
    match read {
        Some(Ok(())) => Ok(()),
        Some(Err(BodyError::Refused(error))) => Err(Some(error.status())),
        Some(Err(BodyError::Gone)) => Err(None),
        None => Err(Some(StatusCode::REQUEST_TIMEOUT)),
    }
}

/// Has the request answered, whatever its handler does.
async fn respond(shared: &Rc<Shared>, ex: &mut Exchange) {
    // In a block, so that a panic while the call is made is caught as well.
    let called = squall::catch_panic(async {
        let call: Call<'_> = shared.handler.handle(ex);
        call.await
    });
    let failure = match called.await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => {
            log_error(ex, &error);
            Some(error)
        }
        Err(panic) => {
            log_panic(ex, &panic);
            Some(Error::status_only(StatusCode::INTERNAL_SERVER_ERROR))
        }
    };
    match failure {
        // A stream that fails midway is cut, so that the client sees that it is not whole.
        Some(_) if matches!(ex.phase, Phase::Streaming(_)) => ex.keep_alive = false,
        Some(error) => {
            if ex.phase == Phase::Open {
                ex.write_error_page(&error);
            }
            ex.finish();
        }
        None => ex.finish(),
    }
    shared.handler.finished(ex);
}

/// Answers what cannot be served, and ends the connection.
async fn refuse(stream: &IoStream, ex: &mut Exchange, status: StatusCode) -> Next {
    ex.keep_alive = false;
    ex.write_error_page(&Error::status_only(status));
    ex.finish();
    if ex.send().await.is_ok() {
        body::linger(stream).await;
    }
    Next::Close
}

/// What the client is told of a head that cannot be read. The log gets the reason.
fn status_of(error: &ParseError) -> StatusCode {
    tracing::debug!(target: "squall::web", "request refused: {error}");
    error.status()
}
