//! Something that happens once, until it is cleared.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use super::line::Call;
use super::wait::{Crowd, Wait};

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
    is_set: Rc<Cell<bool>>,
    crowd: Crowd,
}

impl Event {
    /// Makes an event that is not set.
    pub fn new() -> Event {
        Event::default()
    }

    /// True while it is set.
    pub fn is_set(&self) -> bool {
        self.is_set.get()
    }

    /// Sets it: all who wait go on, in the order in which they came, even if it is cleared before they
    /// run. Harmless if it is set.
    pub fn set(&self) {
        self.is_set.set(true);
        self.crowd.tell(self.crowd.len(), Call::All);
    }

    /// Clears it: from now on `wait` waits again.
    pub fn clear(&self) {
        self.is_set.set(false);
    }

    /// Waits until it is set; done at once if it is.
    pub fn wait(&self) -> Wait {
        match self.is_set() {
            true => Wait::over(),
            false => self.crowd.wait(),
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("set", &self.is_set())
            .field("waiters", &self.crowd.len())
            .finish()
    }
}
