//! The wait of an event and of a condition.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::line::{Call, Line, Ticket};
use crate::coro::context;
use crate::coro::waits::WaitsFor;

/// A line whose people wait to be told.
#[derive(Clone, Default)]
pub(super) struct Crowd {
    line: Rc<RefCell<Line>>,
}

impl Crowd {
    /// Joins it; the place is that of this call.
    pub(super) fn wait(&self) -> Wait {
        let ticket = self.line.borrow_mut().join();
        Wait {
            place: Some((ticket, self.clone())),
        }
    }

    /// Wakes the first `count`, or fewer if fewer wait.
    pub(super) fn tell(&self, count: usize, call: Call) {
        for _ in 0..count {
            // The borrow ends before anyone is woken.
            let waker = self.line.borrow_mut().call(call);
            let Some(waker) = waker else { return };
            waker.wake();
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.line.borrow().len()
    }
}

/// The wait for an [`Event`](super::Event) to be set, or for a notification of a
/// [`Condition`](super::Condition).
///
/// The place in the line is that of the call that made it. Once it is done it stays done.
///
/// # Cancellation
///
/// Dropping it leaves the line. If [`Condition::notify`](super::Condition::notify) has chosen it by
/// then, the next in the line is notified instead.
#[must_use = "nothing is waited for unless this is yielded"]
pub struct Wait {
    /// `None` once it is done.
    place: Option<(Ticket, Crowd)>,
}

impl Wait {
    /// A wait that is done.
    pub(super) fn over() -> Wait {
        Wait { place: None }
    }

    /// True when it is over: a yield of it would go on at once.
    pub fn done(&self) -> bool {
        let place = self.place.as_ref();
        place.is_none_or(|(ticket, crowd)| crowd.line.borrow().is_called(ticket))
    }
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some((ticket, crowd)) = &self.place {
            let (polled, old) = crowd.line.borrow_mut().poll(ticket, cx);
            drop(old);
            if polled.is_pending() {
                context::waits_for(WaitsFor::Event);
                return Poll::Pending;
            }
        }
        self.place = None;
        Poll::Ready(())
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let Some((ticket, crowd)) = self.place.take() else {
            return;
        };
        let called = crowd.line.borrow_mut().leave(ticket);
        if let Ok(Call::Next) = called {
            crowd.tell(1, Call::Next);
        }
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("done", &self.done()).finish()
    }
}
