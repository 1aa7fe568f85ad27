//! Those who have a connection after HTTP has left it: who they are, how they learn that the server is
//! to end, and how long they stay.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::rc::{Rc, Weak};

use super::exchange::Exchange;

/// What wants to know that the server is to end.
pub(crate) trait Leaves {
    fn server_ends(self: Rc<Self>);
}

/// All that a server has to tell.
#[derive(Default)]
pub(crate) struct Guests {
    all: RefCell<HashMap<u64, Weak<dyn Leaves>>>,
    next_id: Cell<u64>,
}

impl Guests {
    /// Adds one, until what this gives is dropped.
    pub(crate) fn enter(self: Rc<Self>, guest: Weak<dyn Leaves>) -> Place {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        self.all.borrow_mut().insert(id, guest);
        Place { guests: self, id }
    }

    /// Tells all of them that the server is to end.
    pub(crate) fn tell_all(&self) {
        let all: Vec<_> = self
            .all
            .borrow()
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        for guest in all {
            guest.server_ends();
        }
    }
}

impl fmt::Debug for Guests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guests")
            .field(&self.all.borrow().len())
            .finish()
    }
}

/// A place among the guests.
pub(crate) struct Place {
    guests: Rc<Guests>,
    id: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.guests.all.borrow_mut().remove(&self.id);
    }
}

/// What goes on with a connection after its handler: it is open until this is over.
pub(crate) struct Stay {
    pub(crate) rest: Pin<Box<dyn Future<Output = ()>>>,
    /// Set if the handler has failed.
    pub(crate) has_failed: Rc<Cell<bool>>,
}

impl Exchange {
    pub(crate) fn guests(&self) -> Rc<Guests> {
        self.settings().guests.clone()
    }

    /// Has the connection's coroutine go on with `stay` when the handler is done, and the exchange is
    /// somebody else's.
    pub(crate) fn stay(&mut self, stay: Stay) {
        self.stay = Some(Box::new(stay));
    }

    /// The same, with another rest.
    pub(crate) fn stay_for(&mut self, rest: Pin<Box<dyn Future<Output = ()>>>) {
        if let Some(stay) = &mut self.stay {
            stay.rest = rest;
        }
    }
}
