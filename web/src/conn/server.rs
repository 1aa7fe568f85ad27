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
//! A connection that idles has no timer and no buffers: `idle` looks after its time, and what serves
//! its requests is a [`worker`](super::worker), which it has as long as it is not idle.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use http::StatusCode;
use squall::net::IoStream;
use squall::{Panicked, Sleep, yield_};

use super::Call;
use super::body::{self, BodyError};
use super::clock::after;
use super::exchange::{Exchange, Phase, SEND_AT};
use super::failure::{log_error, log_panic};
use super::guest::Stay;
use super::plan::BodyPlan;
use super::shared::{Activity, Conn, Shared};
use crate::error::Error;
use crate::http::{BodyFraming, Limits, Parse, ParseError, ResponseBody, parse_request};
#[cfg(feature = "http2")]
use crate::http2;

/// How many requests, or reads of a body, one connection has before others run.
pub(super) const BATCH: u32 = 64;

/// What follows a step of a connection.
pub(super) enum Next {
    /// The input is used up: wait without buffers.
    Idle,
    /// There was no input after all: go on waiting.
    Nothing,
    /// All is over.
    Close,
    /// The stream is somebody else's now; the connection is there as long as this stays.
    Leave(Option<Box<Stay>>),
}

/// Takes a connection off the server's list when its coroutine ends, however it does.
pub(super) struct Entered(pub(super) Rc<Conn>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.shared.leave(&self.0);
    }
}

/// Serves one connection to its end. What it holds over its first yield is what one that idles costs.
#[squall::coroutine(crate = squall)]
pub(super) fn serve_connection(entered: Entered) {
    #[cfg(feature = "http2")]
    if !entered.0.shared.settings.http1_only && http2::is_agreed(&entered.0.stream) {
        return yield_!(Box::pin(http2::serve(entered.0.clone(), Vec::new())));
    }
    while yield_!(Readable(&entered.0.stream)) {
        let before = entered.0.activity.replace(Activity::Busy);
        let mut worker = entered.0.shared.take_worker();
        worker.begin(entered.0.clone());
        let next = yield_!(poll_fn(|cx| worker.poll(cx)));
        entered.0.shared.give_back(worker);
        match next {
            Next::Idle => {
                entered.0.activity.set(Activity::Idle);
                entered.0.is_idle_now();
            }
            Next::Nothing => entered.0.activity.set(before),
            Next::Close => break,
            Next::Leave(stay) => {
                if let Some(mut stay) = stay {
                    yield_!(poll_fn(|cx| stay.rest.as_mut().poll(cx)));
                }
                return;
            }
        }
    }
    entered.0.stream.close();
}

/// Waits for bytes. False if the stream fails, or is closed since none came in time.
struct Readable<'a>(&'a IoStream);

impl Future for Readable<'_> {
    type Output = bool;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        (self.0.poll_readable(cx)).map(|readable| readable.is_ok())
    }
}

/// Serves the requests that come until the input is used up.
pub(super) async fn serve_input(
    conn: Rc<Conn>,
    mut exchange: Box<Exchange>,
) -> (Next, Box<Exchange>) {
    let next = serve_requests(&conn, &conn.shared, &mut exchange).await;
    (next, exchange)
}

async fn serve_requests(conn: &Rc<Conn>, shared: &Shared, ex: &mut Exchange) -> Next {
    // Only the first head of a connection that woke up is read for; later the input decides.
    let mut may_read = true;
    let mut served = 0_u32;
    loop {
        match read_head(&conn.stream, &shared.settings.limits, ex, may_read).await {
            Head::Complete => {}
            Head::UsedUp => {
                let sent = ex.send().await;
                return match sent.is_ok() && !ex.wire.ended.get() && !ex.is_draining() {
                    true => Next::Idle,
                    false => Next::Close,
                };
            }
            Head::Nothing => return Next::Nothing,
            Head::Closed => {
                let _ = ex.send().await;
                return Next::Close;
            }
            #[cfg(feature = "http2")]
            Head::Refused(_)
                if served == 0
                    && !shared.settings.http1_only
                    && http2::is_preface(ex.input.filled()) =>
            {
                let read = ex.input.split_behind(0);
                let stay = Stay {
                    rest: Box::pin(http2::serve(conn.clone(), read)),
                    has_failed: Rc::default(),
                };
                return Next::Leave(Some(Box::new(stay)));
            }
            Head::Refused(status) => return Box::pin(refuse(conn, shared, ex, status)).await,
        }
        may_read = false;
        ex.started = Some(squall::turn_time());
        ex.keep_alive = ex.head.keep_alive();
        if ex.head.framing() != BodyFraming::None {
            // Where it has not come with the head this waits; in a box, so that connections that
            // idle are small.
            let read = match begin_body(shared, ex) {
                Ok(Body::ToRead) => Box::pin(ex.read_rest()).await,
                begun => begun.map(drop),
            };
            if let Err(error) = read {
                return Box::pin(refuse_body(conn, shared, ex, error)).await;
            }
        }
        respond(conn, shared, ex).await;
        if ex.detached {
            return Next::Leave(ex.stay.take());
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
    let plan = body_plan(shared, ex)?;
    ex.begin_body(plan)?;
    Ok(match ex.has_unread_body() && !plan.streamed {
        true => Body::ToRead,
        false => Body::There,
    })
}

/// The handler's plan. A panic of it becomes a 500.
fn body_plan(shared: &Shared, ex: &mut Exchange) -> Result<BodyPlan, BodyError> {
    call(|| shared.handler.body_plan(ex)).map_err(|panic| {
        log_panic(ex, &panic);
        let why = "the plan for the body panicked";
        BodyError::Refused(StatusCode::INTERNAL_SERVER_ERROR, why)
    })
}

/// Tells the handler that the answer is complete; that it panics then is no reason not to send it.
fn tell_finished(shared: &Shared, ex: &mut Exchange) {
    if let Err(panic) = call(|| shared.handler.finished(ex)) {
        log_panic(ex, &panic);
    }
}

/// Calls a hook. Its panic ends what it is asked for, and not the connection's coroutine.
pub(super) fn call<T>(hook: impl FnOnce() -> T) -> Result<T, Panicked> {
    let mut called = pin!(squall::catch_panic(async { hook() }));
    match called
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(called) => called,
        Poll::Pending => unreachable!("nothing in it waits"),
    }
}

/// Sends the answer, and drops what its handler left unread. False if that is too much.
async fn drop_unread(ex: &mut Exchange) -> bool {
    ex.send().await.is_ok() && ex.skip_rest().await
}

/// Sends the last answer, and ends the connection.
async fn end(conn: &Conn, ex: &mut Exchange) -> Next {
    let has_more = ex.has_unread_body() || ex.input.len() > ex.used();
    // A client that has not asked for the end may be sending a next request.
    let may_send = ex.head.keep_alive() && !ex.wire.ended.get();
    let sent = ex.send().await;
    if ex.is_secure && sent.is_ok() && ex.phase == Phase::Finished {
        // Without the end of TLS a body that ends with the connection would look cut.
        let limit = ex.settings().limits.write_timeout;
        let _ = squall::with_timeout(limit, conn.stream.finish_writing()).await;
    }
    match ex.phase {
        Phase::Finished if sent.is_ok() && (has_more || may_send) => linger(conn).await,
        // Its end would say that it is whole.
        Phase::Streaming(ResponseBody::UntilClose) => conn.stream.reset(),
        _ => {}
    }
    Next::Close
}

async fn linger(conn: &Conn) {
    conn.activity.set(Activity::Ending);
    body::linger(&conn.stream).await;
}

enum Read {
    Done(squall::Result<usize>),
    Nothing,
    TimeUp,
}

enum Head {
    Complete,
    /// There is no input, and none of a next request.
    UsedUp,
    /// The stream seemed to have something, and has not.
    Nothing,
    /// The client has gone, or time is up.
    Closed,
    Refused(StatusCode),
}

/// Reads until a head is complete.
async fn read_head(
    stream: &IoStream,
    limits: &Limits,
    ex: &mut Exchange,
    mut may_read: bool,
) -> Head {
    let mut scanned = 0;
    let mut timer: Option<Sleep> = None;
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
            timer.get_or_insert_with(|| squall::sleep_until(after(limits.header_timeout)));
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
                return Poll::Ready(Read::Done(read));
            }
            match &mut timer {
                Some(timer) => Pin::new(timer).poll(cx).map(|()| Read::TimeUp),
                // It is not for this that buffers are held.
                None => Poll::Ready(Read::Nothing),
            }
        })
        .await;
        match read {
            Read::Done(Ok(0) | Err(_)) => return Head::Closed,
            Read::Done(Ok(count)) => ex.input.add(count),
            Read::Nothing => return Head::Nothing,
            Read::TimeUp => {
                ex.head.clear();
                return Head::Refused(StatusCode::REQUEST_TIMEOUT);
            }
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
        Ok(Err(error)) if error.is_finish() => None,
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
        _ if ex.detached => {
            if let Some(stay) = &ex.stay {
                stay.has_failed.set(failure.is_some());
            }
        }
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
    tell_finished(shared, ex);
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
    tell_finished(shared, ex);
    if ex.send().await.is_ok() {
        linger(conn).await;
    }
    Next::Close
}

/// What the client is told of a head that cannot be read. The log gets the reason.
fn status_of(error: &ParseError) -> StatusCode {
    tracing::debug!(target: "squall::web", "request refused: {error}");
    error.status()
}
