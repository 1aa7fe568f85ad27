//! How far a fetch has come: what an error or a timeout is blamed on, and when something moved last.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use squall::IoLoop;

use super::error::Stage;

/// A stage, and with whom or how far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct At {
    pub(super) stage: Stage,
    /// The name, the address, the proxy; of a body how much of it came.
    pub(super) detail: String,
}

/// Where a fetch is. One a fetch, shared by its parts.
#[derive(Debug)]
pub(super) struct Progress {
    stage: Cell<Stage>,
    with: RefCell<String>,
    received: Cell<u64>,
    expected: Cell<Option<u64>>,
    moved: Cell<Instant>,
}

impl Progress {
    pub(super) fn new() -> Progress {
        Progress {
            stage: Cell::default(),
            with: RefCell::default(),
            received: Cell::default(),
            expected: Cell::default(),
            moved: Cell::new(IoLoop::current().time()),
        }
    }

    pub(super) fn enter(&self, stage: Stage) {
        self.stage.set(stage);
        self.moved();
    }

    pub(super) fn enter_with(&self, stage: Stage, with: impl fmt::Display) {
        *self.with.borrow_mut() = with.to_string();
        self.enter(stage);
    }

    pub(super) fn enter_body(&self, expected: Option<u64>) {
        self.received.set(0);
        self.expected.set(expected);
        self.enter(Stage::Body);
    }

    /// Takes note of bytes of the response's body.
    pub(super) fn received(&self, count: usize) {
        self.received.set(self.received.get() + count as u64);
    }

    /// Takes note that bytes went out or came in.
    pub(super) fn moved(&self) {
        self.moved.set(IoLoop::current().time());
    }

    pub(super) fn at(&self) -> At {
        let stage = self.stage.get();
        let detail = match (stage, self.expected.get()) {
            (Stage::Body, Some(expected)) => format!("{} of {expected} bytes", self.received.get()),
            (Stage::Body, None) => format!("{} bytes", self.received.get()),
            (Stage::Resolve | Stage::Connect | Stage::Proxy | Stage::Handshake, _) => {
                self.with.borrow().clone()
            }
            _ => String::new(),
        };
        At { stage, detail }
    }

    /// Waits for `future` as long as something moves at least every `limit`; none if nothing did.
    pub(super) async fn unless_stalled<F: Future>(
        &self,
        limit: Option<Duration>,
        future: F,
    ) -> Option<F::Output> {
        let Some(limit) = limit else {
            return Some(future.await);
        };
        let mut future = pin!(future);
        let mut sleep = None;
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            loop {
                let Some(deadline) = self.moved.get().checked_add(limit) else {
                    return Poll::Pending;
                };
                // One that ends too early is asked again then; that is cheaper than a new one for each
                // piece that moves.
                let sleep = sleep.get_or_insert_with(|| squall::sleep_until(deadline));
                if Pin::new(&mut *sleep).poll(cx).is_pending() {
                    return Poll::Pending;
                }
                if IoLoop::current().time() >= deadline {
                    return Poll::Ready(None);
                }
                *sleep = squall::sleep_until(deadline);
            }
        })
        .await
    }
}

impl At {
    /// Writes what failed.
    pub(super) fn failed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = &self.detail;
        match self.stage {
            Stage::Resolve => write!(f, "looking up {detail} failed"),
            Stage::Connect => write!(f, "connect to {detail} failed"),
            Stage::Proxy => write!(f, "opening a tunnel through {detail} failed"),
            Stage::Handshake => write!(f, "TLS handshake with {detail} failed"),
            Stage::Send => f.write_str("sending the request failed"),
            Stage::Head => f.write_str("receiving the response head failed"),
            Stage::Body => write!(f, "receiving the response body failed after {detail}"),
            Stage::Request | Stage::Queue | Stage::Response => write!(f, "{self} failed"),
        }
    }
}

/// What was being done, as in "while …".
impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = &self.detail;
        match self.stage {
            Stage::Request => f.write_str("preparing the request"),
            Stage::Queue => f.write_str("waiting for a free connection"),
            Stage::Resolve => write!(f, "looking up {detail}"),
            Stage::Connect => write!(f, "connecting to {detail}"),
            Stage::Proxy => write!(f, "opening a tunnel through {detail}"),
            Stage::Handshake => write!(f, "agreeing on TLS with {detail}"),
            Stage::Send => f.write_str("sending the request"),
            Stage::Head => f.write_str("waiting for the response head"),
            Stage::Body => write!(f, "receiving the response body ({detail})"),
            Stage::Response => f.write_str("looking at the response"),
        }
    }
}
