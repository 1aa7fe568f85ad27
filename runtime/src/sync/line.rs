//! A line of those who wait: first come, first served, and nobody who left is called.

use std::collections::VecDeque;

use crate::coro::deferred::Deferred;
use crate::future::Promise;

#[derive(Debug, Default)]
pub(crate) struct Line {
    waiting: VecDeque<Promise<()>>,
}

impl Line {
    /// Joins the end of the line; the answer is done when it is one's turn.
    pub(crate) fn join(&mut self) -> Deferred<()> {
        self.remove_gone();
        let (promise, turn) = Promise::new();
        self.waiting.push_back(promise);
        turn
    }

    /// Takes the first who still waits out of the line. Set its result outside of any borrow.
    pub(crate) fn next(&mut self) -> Option<Promise<()>> {
        self.remove_gone();
        self.waiting.pop_front()
    }

    /// True if nobody waits any more.
    pub(crate) fn is_empty(&mut self) -> bool {
        self.remove_gone();
        self.waiting.is_empty()
    }

    /// Those in the line, with some who have left it.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    fn remove_gone(&mut self) {
        while self.waiting.front().is_some_and(Promise::is_abandoned) {
            self.waiting.pop_front();
        }
    }
}
