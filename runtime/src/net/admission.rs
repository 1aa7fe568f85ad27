//! How many connections a server has, how many it may have, and whether it takes more.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

pub(super) struct Admission {
    /// True if connections are counted at all: most servers need not know.
    counts: Cell<bool>,
    connections: Cell<usize>,
    max: Cell<usize>,
    stopped: Cell<bool>,
    /// Who waits for any of it to change.
    waiting: RefCell<Vec<Waker>>,
}

impl Default for Admission {
    fn default() -> Admission {
        Admission {
            counts: Cell::new(false),
            connections: Cell::new(0),
            max: Cell::new(usize::MAX),
            stopped: Cell::new(false),
            waiting: RefCell::default(),
        }
    }
}

/// One connection, until it is dropped.
pub(super) struct Admitted(Rc<Admission>);

impl Admission {
    pub(super) fn count(&self) {
        self.counts.set(true);
    }

    pub(super) fn limit(&self, max: usize) {
        self.count();
        self.max.set(max);
    }

    pub(super) fn max(&self) -> usize {
        self.max.get()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.get()
    }

    pub(super) fn is_full(&self) -> bool {
        self.connections.get() >= self.max.get()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    pub(super) fn stop(&self) {
        self.stopped.set(true);
        self.changed();
    }

    /// Counts a connection; none if they are not counted.
    pub(super) fn admit(self: &Rc<Self>) -> Option<Admitted> {
        self.counts.get().then(|| {
            self.connections.set(self.connections.get() + 1);
            Admitted(self.clone())
        })
    }

    /// Ready when there are no connections.
    pub(super) fn poll_idle(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.connections.get() == 0 {
            return Poll::Ready(());
        }
        self.wait(cx);
        Poll::Pending
    }

    /// Has the waker woken at the next change.
    pub(super) fn wait(&self, cx: &mut Context<'_>) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|other| other.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
    }

    fn changed(&self) {
        for waker in self.waiting.take() {
            waker.wake();
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.connections.set(self.0.connections.get() - 1);
        self.0.changed();
    }
}
