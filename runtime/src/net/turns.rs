//! Turns of those who write to one stream: first come, first served, each until it is done.

use std::cell::Cell;

use crate::coro::deferred::Deferred;
use crate::sync::line::Line;

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
        let mut line = self.line.take().unwrap_or_default();
        let mut place = Place {
            turns: self,
            granted: Some(line.join()),
        };
        self.line.set(Some(line));
        if let Some(granted) = &mut place.granted {
            granted.await;
        }
        // The turn is this one's own now.
        place.granted = None;
        Turn(self)
    }

    /// Gives the turn to the first in the line who still waits.
    fn pass_on(&self) {
        let mut line = self.line.take().unwrap_or_default();
        let next = line.next();
        if !line.is_empty() {
            self.line.set(Some(line));
        }
        match next {
            Some(next) => next.set_result(()),
            None => self.busy.set(false),
        }
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
    granted: Option<Deferred<()>>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.granted.take().is_some_and(|granted| granted.done()) {
            self.turns.pass_on();
        }
    }
}
