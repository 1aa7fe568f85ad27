//! A line of those who wait: first come, first served.
//!
//! The places are linked both ways through a slab. So joining, calling and leaving cost the same
//! however long the line is, nothing is kept of those who gave up, wherever they stood, and a line
//! that has grown to its length takes no more memory from the heap.

use std::task::{Context, Poll, Waker};

use slab::Slab;

use crate::ioloop::ready::replace_waker;

#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Those who wait, and those who were called and have not looked yet.
    places: Slab<Place>,
    first: Option<usize>,
    last: Option<usize>,
    waiting: usize,
}

/// A place in the line. Whoever has it polls it until it is ready, or leaves.
#[derive(Debug)]
pub(crate) struct Ticket(usize);

/// How somebody was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// As the next: if he is gone the one after him shall have it.
    Next,
    /// With everybody.
    All,
}

#[derive(Debug)]
enum Place {
    Waiting {
        waker: Waker,
        before: Option<usize>,
        after: Option<usize>,
    },
    Called(Call),
}

impl Line {
    /// Joins the end of the line.
    pub(crate) fn join(&mut self) -> Ticket {
        let key = self.places.insert(Place::Waiting {
            waker: Waker::noop().clone(),
            before: self.last,
            after: None,
        });
        match self.last.replace(key) {
            Some(last) => self.set_after(last, Some(key)),
            None => self.first = Some(key),
        }
        self.waiting += 1;
        Ticket(key)
    }

    /// Calls the first in the line. The waker is to be woken outside of any borrow.
    pub(crate) fn call(&mut self, call: Call) -> Option<Waker> {
        let key = self.first?;
        let waker = self.unlink(key);
        self.places[key] = Place::Called(call);
        waker
    }

    /// Ready once called; the place is gone then. The waker is one that is not needed any more, to be
    /// dropped outside of any borrow.
    pub(crate) fn poll(
        &mut self,
        ticket: &Ticket,
        cx: &mut Context<'_>,
    ) -> (Poll<()>, Option<Waker>) {
        match &mut self.places[ticket.0] {
            Place::Waiting { waker, .. } => (Poll::Pending, replace_waker(waker, cx.waker())),
            Place::Called(_) => {
                self.places.remove(ticket.0);
                (Poll::Ready(()), None)
            }
        }
    }

    /// True if the place was called and nobody has looked.
    pub(crate) fn is_called(&self, ticket: &Ticket) -> bool {
        matches!(self.places[ticket.0], Place::Called(_))
    }

    /// Leaves the line; returns how the place was called, if it was, and otherwise its waker, to be
    /// dropped outside of any borrow.
    pub(crate) fn leave(&mut self, ticket: Ticket) -> Result<Call, Option<Waker>> {
        if let Place::Called(call) = self.places[ticket.0] {
            self.places.remove(ticket.0);
            return Ok(call);
        }
        let waker = self.unlink(ticket.0);
        self.places.remove(ticket.0);
        Err(waker)
    }

    /// How many wait and were not called.
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    /// True if nobody has a place any more.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Takes a place that waits out of the links; the place itself stays.
    fn unlink(&mut self, key: usize) -> Option<Waker> {
        let Place::Waiting {
            waker,
            before,
            after,
        } = &mut self.places[key]
        else {
            return None;
        };
        let waker = std::mem::replace(waker, Waker::noop().clone());
        let (before, after) = (*before, *after);
        match before {
            Some(before) => self.set_after(before, after),
            None => self.first = after,
        }
        match after {
            Some(after) => self.set_before(after, before),
            None => self.last = before,
        }
        self.waiting -= 1;
        Some(waker)
    }

    fn set_after(&mut self, key: usize, next: Option<usize>) {
        if let Place::Waiting { after, .. } = &mut self.places[key] {
            *after = next;
        }
    }

    fn set_before(&mut self, key: usize, previous: Option<usize>) {
        if let Place::Waiting { before, .. } = &mut self.places[key] {
            *before = previous;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ready(line: &mut Line, ticket: &Ticket) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        line.poll(ticket, &mut cx).0.is_ready()
    }

    /// Leaves by the positions in `gone`, in that order; then the rest is called.
    #[track_caller]
    fn check(gone: &[usize], want: &[usize]) {
        let mut line = Line::default();
        let mut tickets: Vec<Option<Ticket>> = (0..4).map(|_| Some(line.join())).collect();
        for &index in gone {
            assert!(line.leave(tickets[index].take().unwrap()).is_err());
        }
        assert_eq!(line.len(), want.len());
        for &index in want {
            assert!(line.call(Call::Next).is_some());
            assert!(is_ready(&mut line, tickets[index].as_ref().unwrap()));
        }
        assert!(line.call(Call::Next).is_none());
        assert!(line.is_empty() && line.places.capacity() <= 4);
    }

    #[test]
    fn who_leaves_is_not_called_wherever_he_stood() {
        check(&[], &[0, 1, 2, 3]);
        check(&[0], &[1, 2, 3]);
        check(&[1, 2], &[0, 3]);
        check(&[3, 0], &[1, 2]);
        check(&[2, 1, 3], &[0]);
        check(&[0, 1, 2, 3], &[]);
    }

    #[test]
    fn line_does_not_grow_by_those_who_gave_up_behind_one_who_waits() {
        let mut line = Line::default();
        let patient = line.join();
        for _ in 0..1000 {
            let ticket = line.join();
            assert!(line.leave(ticket).is_err());
        }
        assert_eq!((line.len(), line.places.len()), (1, 1));
        line.call(Call::All);
        assert!(matches!(line.leave(patient), Ok(Call::All)));
    }
}
