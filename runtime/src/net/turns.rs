//! Turns of those who write to one stream: first come, first served, each until it is done.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Context, Poll};

use crate::sync::line::{Call, Line, Ticket};

#[derive(Default)]
pub(super) struct Turns {
    busy: Cell<bool>,
    /// Boxed, and there only while somebody waits: a stream that idles pays a word for it.
    line: Cell<Option<Box<Line>>>,
}

impl Turns {
    /// Waits for a turn; it lasts until the answer is dropped.
    pub(super) async fn wait(&self) -> Turn<'_> {
        if !self.busy.replace(true) {
            return Turn(self);
        }
        let mut place = Place {
            turns: self,
            ticket: Some(self.with_line(Line::join)),
        };
        poll_fn(|cx| place.poll(cx)).await;
        Turn(self)
    }

    /// True while somebody has a turn.
    pub(super) fn is_busy(&self) -> bool {
        self.busy.get()
    }

    /// Gives the turn to the first in the line.
    fn pass_on(&self) {
        let line = self.line.take();
        match line.and_then(|line| self.put_back(line, |line| line.call(Call::Next))) {
            Some(waker) => waker.wake(),
            None => self.busy.set(false),
        }
    }

    /// Uses the line, and makes it if there is none.
    fn with_line<R>(&self, f: impl FnOnce(&mut Line) -> R) -> R {
        self.put_back(self.line.take().unwrap_or_default(), f)
    }

    /// Puts the line back after `f`, unless nobody is in it.
    fn put_back<R>(&self, mut line: Box<Line>, f: impl FnOnce(&mut Line) -> R) -> R {
        let result = f(&mut line);
        if !line.is_empty() {
            self.line.set(Some(line));
        }
        result
    }
}

/// The right to write.
pub(super) struct Turn<'a>(&'a Turns);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.pass_on();
    }
}

/// A place in the line. Left after the turn was given to it, it passes the turn on.
struct Place<'a> {
    turns: &'a Turns,
    /// `None` once the turn is one's own.
    ticket: Option<Ticket>,
}

impl Place<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(ticket) = &self.ticket {
            let (polled, old) = self.turns.with_line(|line| line.poll(ticket, cx));
            drop(old);
            std::task::ready!(polled);
        }
        self.ticket = None;
        Poll::Ready(())
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        let called = self.turns.with_line(|line| line.leave(ticket));
        if called.is_ok() {
            self.turns.pass_on();
        }
    }
}
