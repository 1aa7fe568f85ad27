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
//! One timer a connection serves the limits of its idle time and of heads: it is moved, not set anew,
//! and only runs when nothing has moved it for long.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use http::StatusCode;
use squall::net::IoStream;
use squall::{IoLoop, Sleep, yield_};

use super::Call;
use super::body::{self, BodyError};
use super::clock::after;
use super::exchange::{Exchange, Phase, SEND_AT};
use super::failure::{log_error, log_panic};
use super::shared::{Activity, Conn, Shared};
use crate::error::Error;
use crate::http::{BodyFraming, Limits, Parse, ParseError, parse_request};
#[cfg(feature = "http2")]
use crate::http2;

/// How many requests, or reads of a body, one connection has before others run.
pub(super) const BATCH: u32 = 64;

/// What follows a step of a connection.
enum Next {
    /// The input is used up: wait without buffers.
    Idle,
    /// All is over.
    Close,
    /// The stream is somebody else's now.
    Leave,
    /// The client speaks HTTP/2, of which this has come.
    #[cfg(feature = "http2")]
    Http2(Vec<u8>),
}

/// Takes a connection off the server's list when its coroutine ends, however it does.
struct Entered {
    conn: Rc<Conn>,
    shared: Rc<Shared>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.shared.leave(&self.conn);
    }
}

/// Serves one connection to its end.
#[squall::coroutine(crate = squall)]
pub(crate) fn serve_connection(conn: Rc<Conn>, shared: Rc<Shared>) {
    let entered = Entered { conn, shared };
    let (conn, shared) = (&entered.conn, &entered.shared);
    let idle = shared.settings.limits.idle_timeout;
    #[cfg(feature = "http2")]
    if conn.is_secure && http2::is_agreed(&conn.stream) {
        conn.activity.set(Activity::Busy);
        yield_!(Box::pin(http2::serve(conn, shared, Vec::new())));
        return conn.stream.close();
    }
    let mut timer = squall::sleep_until(after(idle));
    loop {
        if !yield_!(wait_readable(&conn.stream, &mut timer)) {
            break;
        }
        conn.activity.set(Activity::Busy);
        let mut ex = shared.take_exchange(conn);
        let next = yield_!(serve_input(conn, shared, &mut ex, &mut timer));
        shared.give_back(ex);
        match next {
            Next::Idle => {
                conn.activity.set(Activity::Idle);
                timer.reset(after(idle));
            }
            Next::Close => break,
            Next::Leave => return,
            #[cfg(feature = "http2")]
            Next::Http2(read) => {
                yield_!(Box::pin(http2::serve(conn, shared, read)));
                break;
            }
        }
    }
    conn.stream.close();
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
async fn serve_input(conn: &Conn, shared: &Shared, ex: &mut Exchange, timer: &mut Sleep) -> Next {
    // Only the first head of a connection that woke up is read for; later the input decides.
    let mut may_read = true;
    let mut served = 0_u32;
    loop {
        match read_head(&conn.stream, &shared.settings.limits, ex, timer, may_read).await {
            Head::Complete => {}
            Head::UsedUp => {
                let sent = ex.send().await;
                return match sent.is_ok() && !ex.wire.ended.get() && !ex.is_draining() {
                    true => Next::Idle,
                    false => Next::Close,
                };
            }
            Head::Closed => {
                let _ = ex.send().await;
                return Next::Close;
            }
            #[cfg(feature = "http2")]
            Head::Refused(_) if served == 0 && http2::is_preface(ex.input.filled()) => {
                return Next::Http2(ex.input.split_behind(0));
            }
            Head::Refused(status) => return Box::pin(refuse(conn, shared, ex, status)).await,
        }
        may_read = false;
        ex.started = Some(IoLoop::current().turn_time());
        ex.keep_alive = ex.head.keep_alive();
        if ex.head.framing() != BodyFraming::None {
            // Where it has not come with the head this waits; in a box, so that connections that
            // idle are small.
            match begin_body(shared, ex) {
                Ok(Body::There) => {}
                Ok(Body::ToRead) => match Box::pin(ex.read_rest()).await {
                    Ok(()) => {}
                    Err(BodyError::Gone) => return Next::Close,
                    Err(error) => return Box::pin(refuse_body(conn, shared, ex, error)).await,
                },
                Err(error) => return Box::pin(refuse_body(conn, shared, ex, error)).await,
            }
        }
        respond(conn, shared, ex).await;
        if ex.detached {
            return Next::Leave;
        }
        if ex.has_unread_body() && ex.keep_alive {
            ex.keep_alive = Box::pin(drop_unread(ex)).await;
        }
        if ex.phase != Phase::Finished || !ex.keep_alive {
            return Box::pin(end(conn, ex)).await;
        }
        ex.next_request();
        if ex.wire.out.borrow().len() >= SEND_AT && ex.send().await.is_err() {
            return Next::Close;
        }
        served += 1;
        if served.is_multiple_of(BATCH) {
            squall::moment().await;
        }
    }
}

enum Body {
    /// It came with the head, or its handler reads it.
    There,
    ToRead,
}

/// Asks how the body is to be taken, and prepares for that.
fn begin_body(shared: &Shared, ex: &mut Exchange) -> Result<Body, BodyError> {
    let plan = shared.handler.body_plan(ex);
    ex.begin_body(plan)?;
    Ok(match ex.has_unread_body() && !plan.streamed {
        true => Body::ToRead,
        false => Body::There,
    })
}

/// Sends the answer, and drops what its handler left unread. False if that is too much.
async fn drop_unread(ex: &mut Exchange) -> bool {
    ex.send().await.is_ok() && ex.skip_rest().await
}

/// Sends the last answer, and ends the connection.
async fn end(conn: &Conn, ex: &mut Exchange) -> Next {
    let is_whole = ex.phase == Phase::Finished;
    let has_more = ex.has_unread_body() || ex.input.len() > ex.used();
    let sent = ex.send().await;
    if ex.is_secure && sent.is_ok() && is_whole {
        // Without the end of TLS a body that ends with the connection would look cut.
        let limit = ex.settings().limits.write_timeout;
        let _ = squall::with_timeout(limit, conn.stream.finish_writing()).await;
    }
    if sent.is_ok() && is_whole && has_more {
        body::linger(&conn.stream).await;
    }
    Next::Close
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
                Err(error) => {
                    // What it holds is of no use, and not for the log.
                    ex.head.clear();
                    return Head::Refused(status_of(&error));
                }
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
        if ex.wire.ended.get() {
            return Head::Closed;
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
            None if deadline.is_some() => {
                ex.head.clear();
                return Head::Refused(StatusCode::REQUEST_TIMEOUT);
            }
            None => return Head::Closed,
        }
    }
}

/// Has the request answered, whatever its handler does.
async fn respond(conn: &Conn, shared: &Shared, ex: &mut Exchange) {
    let failure = {
        let wire = ex.wire.clone();
        wire.may_read_ahead.set(!ex.has_unread_body());
        // In a block, so that a panic while the call is made is caught as well.
        let mut called = pin!(squall::catch_panic(async {
            let call: Call<'_> = shared.handler.handle(ex);
            call.await
        }));
        let called = poll_fn(|cx| {
            let called = called.as_mut().poll(cx);
            if called.is_pending() {
                wire.poll_beside(cx, &conn.stream, &shared.settings.limits);
            }
            called
        });
        called.await
    };
    let failure = match failure {
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
        _ if ex.detached => {}
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
    ex.take_read_ahead();
    shared.handler.finished(ex);
}

/// Answers a request whose body cannot be read, and ends the connection.
async fn refuse_body(conn: &Conn, shared: &Shared, ex: &mut Exchange, error: BodyError) -> Next {
    let BodyError::Refused(status, why) = error else {
        return Next::Close;
    };
    tracing::debug!(target: "squall::web", "request refused: {why}");
    refuse(conn, shared, ex, status).await
}

/// Answers what cannot be served, and ends the connection.
async fn refuse(conn: &Conn, shared: &Shared, ex: &mut Exchange, status: StatusCode) -> Next {
    ex.keep_alive = false;
    ex.write_error_page(&Error::status_only(status));
    ex.finish();
    shared.handler.finished(ex);
    if ex.send().await.is_ok() {
        body::linger(&conn.stream).await;
    }
    Next::Close
}

/// What the client is told of a head that cannot be read. The log gets the reason.
fn status_of(error: &ParseError) -> StatusCode {
    tracing::debug!(target: "squall::web", "request refused: {error}");
    error.status()
}
