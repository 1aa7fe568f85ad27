//! What a request's handler and its connection both reach while the handler works: the answers that
//! are encoded and not sent, what came meanwhile, and whether the client is still there.
//!
//! The handler holds the [`Exchange`](super::Exchange). Whenever it waits, the connection sends what
//! is encoded, so that earlier answers of a pipeline and those that were finished early go out, and
//! reads ahead a little, since that is how a client that has gone is noticed.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use squall::net::IoStream;
use squall::{Sleep, turn_time};

use crate::http::{Allowance, Limits};

/// How much is read ahead at a time.
const AHEAD: usize = 4 * 1024;

#[derive(Debug, Default)]
pub(super) struct Wire {
    /// Encoded answers that are not sent yet.
    pub(super) out: RefCell<Vec<u8>>,
    /// How much of them is sent: a send that is dropped midway goes on from there.
    sent: Cell<usize>,
    /// Set while the client keeps us waiting.
    stall: RefCell<Option<Stall>>,
    /// Bytes of next requests that came while the handler worked.
    pub(super) ahead: RefCell<Vec<u8>>,
    /// True while whatever comes belongs to a next request.
    pub(super) may_read_ahead: Cell<bool>,
    /// True once the client has said that it writes no more.
    pub(super) ended: Cell<bool>,
    /// Those who wait for the client to go.
    gone: RefCell<Option<Rc<Gone>>>,
}

/// A wait for the client to take more.
#[derive(Debug)]
struct Stall {
    timer: Sleep,
    allowance: Allowance,
    since: Option<Instant>,
}

impl Stall {
    fn new(limits: &Limits) -> Stall {
        Stall {
            timer: squall::sleep(limits.write_timeout),
            allowance: Allowance::new(limits.write_timeout, limits.min_write_rate),
            since: None,
        }
    }

    fn sent(&mut self, bytes: usize) {
        if let Some(since) = self.since.take() {
            let now = turn_time();
            self.allowance.spend(now.saturating_duration_since(since));
        }
        self.allowance.earn(bytes);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.since.is_none() {
            let now = turn_time();
            self.since = Some(now);
            self.timer.reset_after(self.allowance.left());
        }
        Pin::new(&mut self.timer).poll(cx)
    }
}

impl Wire {
    /// Sends what is encoded, as fast as the client reads, but not for ever.
    pub(super) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        stream: &IoStream,
        limits: &Limits,
    ) -> Poll<squall::Result<()>> {
        loop {
            let out = self.out.borrow();
            let rest = &out[self.sent.get()..];
            if rest.is_empty() {
                drop(out);
                self.forget_output();
                return Poll::Ready(Ok(()));
            }
            match stream.poll_write(cx, rest) {
                Poll::Ready(Ok(count)) => {
                    self.sent.set(self.sent.get() + count);
                    if let Some(stall) = &mut *self.stall.borrow_mut() {
                        stall.sent(count);
                    }
                }
                Poll::Ready(Err(error)) => {
                    drop(out);
                    stream.close();
                    return Poll::Ready(self.give_up(error));
                }
                Poll::Pending => {
                    let mut stall = self.stall.borrow_mut();
                    let stall = stall.get_or_insert_with(|| Stall::new(limits));
                    if stall.poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    drop(out);
                    // The system would keep what it has for a client that may never take it.
                    stream.reset();
                    let error = stalled(limits.write_timeout).into();
                    return Poll::Ready(self.give_up(error));
                }
            }
        }
    }

    /// What follows would have a gap in front, so nothing does.
    fn give_up(&self, error: squall::Error) -> squall::Result<()> {
        self.out.borrow_mut().clear();
        self.sent.set(0);
        self.note_gone();
        Err(error)
    }

    fn forget_output(&self) {
        self.out.borrow_mut().clear();
        self.sent.set(0);
        if let Ok(mut stall) = self.stall.try_borrow_mut() {
            *stall = None;
        }
    }

    /// Does what there is to do beside a handler that waits.
    pub(super) fn poll_beside(&self, cx: &mut Context<'_>, stream: &IoStream, limits: &Limits) {
        if !self.out.borrow().is_empty() {
            // An error is told to the handler by its next flush.
            let _ = self.poll_send(cx, stream, limits);
        }
        if self.may_read_ahead.get() {
            self.read_ahead(cx, stream, limits.max_pipelined_bytes);
        }
    }

    fn read_ahead(&self, cx: &mut Context<'_>, stream: &IoStream, most: usize) {
        while !self.ended.get() && stream.poll_readable(cx).is_ready() {
            let mut ahead = self.ahead.borrow_mut();
            let have = ahead.len();
            let room = most.saturating_sub(have).min(AHEAD);
            if room == 0 {
                return;
            }
            ahead.resize(have + room, 0);
            let read = stream.poll_read(cx, &mut ahead[have..]);
            ahead.truncate(match &read {
                Poll::Ready(Ok(count)) => have + count,
                _ => have,
            });
            drop(ahead);
            match read {
                Poll::Ready(Ok(count)) if count > 0 => {}
                Poll::Ready(_) => {
                    self.ended.set(true);
                    self.note_gone();
                }
                Poll::Pending => return,
            }
        }
    }

    /// Wakes those who wait for the client to go.
    pub(super) fn note_gone(&self) {
        if let Some(gone) = &*self.gone.borrow() {
            gone.tell();
        }
    }

    /// A future that is done when the client has gone.
    pub(super) fn client_gone(&self, is_over: bool) -> ClientGone {
        let mut gone = self.gone.borrow_mut();
        let gone = gone.get_or_insert_default();
        if is_over || self.ended.get() {
            gone.tell();
        }
        ClientGone(gone.clone())
    }

    /// Makes ready for the next request.
    pub(super) fn next_request(&self) {
        if let Some(gone) = self.gone.take() {
            gone.tell();
        }
        self.may_read_ahead.set(false);
    }

    /// Makes ready for another connection.
    pub(super) fn release(&self) {
        self.next_request();
        self.forget_output();
        super::body::give_back(&mut self.out.borrow_mut());
        *self.ahead.borrow_mut() = Vec::new();
        self.ended.set(false);
    }
}

fn stalled(stall: Duration) -> io::Error {
    let message = format!("the client has read nothing, or too slowly, for {stall:?}");
    io::Error::new(io::ErrorKind::TimedOut, message)
}

#[derive(Debug, Default)]
struct Gone {
    is_gone: Cell<bool>,
    wakers: RefCell<Vec<Waker>>,
}

impl Gone {
    fn tell(&self) {
        self.is_gone.set(true);
        let wakers = self.wakers.take();
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// Done when the client of a request has gone, or the request is over; see
/// [`Exchange::client_gone`](super::Exchange::client_gone).
#[must_use = "the future tells when it is yielded"]
#[derive(Clone)]
pub struct ClientGone(Rc<Gone>);

impl Future for ClientGone {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.is_gone.get() {
            return Poll::Ready(());
        }
        let mut wakers = self.0.wakers.borrow_mut();
        if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl fmt::Debug for ClientGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientGone")
            .field(&self.0.is_gone.get())
            .finish()
    }
}
