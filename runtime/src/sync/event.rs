//! Something that happens once, until it is cleared.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use super::line::Line;
use crate::coro::deferred::Deferred;

/// Blocks coroutines until a flag is set: Tornado's `locks.Event`.
///
/// Cheap to clone; every clone is the same event.
///
/// # Examples
///
/// ```
/// # use squall::{sync::Event, yield_};
/// #[squall::coroutine]
/// fn runner(start: Event, lane: u32) {
///     yield_!(start.wait());
///     println!("lane {lane} is off");
/// }
///
/// #[squall::main]
/// fn main() {
///     let start = Event::new();
///     let runners = [runner(start.clone(), 1), runner(start.clone(), 2)];
///     start.set();
///     yield_!(runners);
/// }
/// ```
#[derive(Clone, Default)]
pub struct Event {
    state: Rc<RefCell<State>>,
}

#[derive(Default)]
struct State {
    set: bool,
    line: Line,
}

impl Event {
    /// Makes an event that is not set.
    pub fn new() -> Event {
        Event::default()
    }

    /// True while it is set.
    pub fn is_set(&self) -> bool {
        self.state.borrow().set
    }

    /// Sets it: all who wait go on, in the order in which they came. Harmless if it is set.
    pub fn set(&self) {
        self.state.borrow_mut().set = true;
        while let Some(next) = self.next() {
            next.set_result(());
        }
    }

    /// Clears it: from now on `wait` waits again.
    pub fn clear(&self) {
        self.state.borrow_mut().set = false;
    }

    /// Waits until it is set; done at once if it is.
    pub fn wait(&self) -> Deferred<()> {
        let mut state = self.state.borrow_mut();
        match state.set {
            true => Deferred::ready(()),
            false => state.line.join(),
        }
    }

    /// Ends the borrow before anyone is woken.
    fn next(&self) -> Option<crate::Promise<()>> {
        self.state.borrow_mut().line.next()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.borrow();
        f.debug_struct("Event")
            .field("set", &state.set)
            .field("waiters", &state.line.len())
            .finish()
    }
}
