//! Timers of one loop.
//!
//! A timer is a deadline and what to do then. Deadlines live in a binary heap ordered by
//! (deadline, sequence), so that equal ones fire in the order they were set; the actions live in a
//! slab. Removing a timer empties its slot and leaves its deadline in the heap, which is swept when
//! more than half of it is dead.
//!
//! The module never reads a clock: `turn` hands it `now`. Tests hand it any `now`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::task::Waker;
use std::time::Instant;

use slab::Slab;

use super::callback::Callback;

/// Names a timer, for [`IoLoop::remove_timeout`](crate::IoLoop::remove_timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timeout {
    sequence: u64,
    slot: u32,
}

/// What happens at a deadline.
pub(crate) enum Action {
    Call(Callback),
    Wake(Waker),
}

#[derive(Default)]
pub(crate) struct Timers {
    /// Invariant: holds every live timer once, and `dead` entries whose slot is gone.
    deadlines: BinaryHeap<Reverse<(Instant, Timeout)>>,
    actions: Slab<(u64, Action)>,
    dead: usize,
    sequence: u64,
}

impl Timers {
    pub(crate) fn insert(&mut self, deadline: Instant, action: Action) -> Timeout {
        self.sequence += 1;
        let sequence = self.sequence;
        let slot = self.actions.insert((sequence, action));
        let slot = u32::try_from(slot).expect("fewer than 2^32 timers are set");
        let timeout = Timeout { sequence, slot };
        self.deadlines.push(Reverse((deadline, timeout)));
        timeout
    }

    pub(crate) fn remove(&mut self, timeout: Timeout) -> Option<Action> {
        if !self.contains(timeout) {
            return None;
        }
        let (_, action) = self.actions.remove(timeout.slot as usize);
        self.dead += 1;
        if self.dead > 64 && self.dead > self.deadlines.len() / 2 {
            self.sweep();
        }
        Some(action)
    }

    pub(crate) fn contains(&self, timeout: Timeout) -> bool {
        (self.actions.get(timeout.slot as usize)).is_some_and(|(seq, _)| *seq == timeout.sequence)
    }

    /// Makes a timer wake `waker`. False if it is not set any more.
    pub(crate) fn rewake(&mut self, timeout: Timeout, waker: &Waker) -> bool {
        if !self.contains(timeout) {
            return false;
        }
        match &mut self.actions[timeout.slot as usize].1 {
            Action::Wake(old) => old.clone_from(waker),
            action => *action = Action::Wake(waker.clone()),
        }
        true
    }

    pub(crate) fn len(&self) -> usize {
        self.actions.len()
    }

    /// The next deadline that is not dead.
    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        while let Some(&Reverse((deadline, timeout))) = self.deadlines.peek() {
            if self.contains(timeout) {
                return Some(deadline);
            }
            self.deadlines.pop();
            self.dead -= 1;
        }
        None
    }

    /// The last timer that has been set; those set from now on come after it.
    pub(crate) fn newest(&self) -> u64 {
        self.sequence
    }

    /// Takes the next timer that is due at `now` and not newer than `newest`.
    pub(crate) fn pop_due(&mut self, now: Instant, newest: u64) -> Option<Action> {
        let deadline = self.next_deadline()?;
        let &Reverse((_, timeout)) = self.deadlines.peek()?;
        if deadline > now || timeout.sequence > newest {
            return None;
        }
        self.deadlines.pop();
        Some(self.actions.remove(timeout.slot as usize).1)
    }

    fn sweep(&mut self) {
        let actions = &self.actions;
        self.deadlines.retain(|Reverse((_, timeout))| {
            (actions.get(timeout.slot as usize)).is_some_and(|(seq, _)| *seq == timeout.sequence)
        });
        self.dead = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::time::Duration;

    use super::*;

    fn note(log: &Rc<RefCell<Vec<u32>>>, n: u32) -> Action {
        let log = log.clone();
        Action::Call(Box::new(move || log.borrow_mut().push(n)))
    }

    fn run(timers: &mut Timers, now: Instant) {
        let newest = timers.newest();
        while let Some(Action::Call(f)) = timers.pop_due(now, newest) {
            f();
        }
    }

    #[test]
    fn equal_deadlines_fire_in_the_order_they_were_set() {
        let (log, start) = (Rc::default(), Instant::now());
        let mut timers = Timers::default();
        for n in 0..20 {
            timers.insert(start, note(&log, n));
        }
        run(&mut timers, start);
        assert_eq!(*log.borrow(), (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn removed_timers_do_not_fire_and_are_swept() {
        let (log, start) = (Rc::default(), Instant::now());
        let mut timers = Timers::default();
        let keep = timers.insert(start + Duration::from_secs(1), note(&log, 7));
        for n in 0..2000 {
            let timeout = timers.insert(start, note(&log, n));
            assert!(timers.remove(timeout).is_some());
            assert!(timers.remove(timeout).is_none(), "removed twice");
        }
        assert!(timers.deadlines.len() < 140, "{}", timers.deadlines.len());
        run(&mut timers, start + Duration::from_secs(2));
        assert_eq!(*log.borrow(), [7]);
        assert!(!timers.contains(keep));
    }

    #[test]
    fn a_key_of_a_reused_slot_is_stale() {
        let (log, start) = (Rc::default(), Instant::now());
        let mut timers = Timers::default();
        let old = timers.insert(start, note(&log, 1));
        timers.remove(old);
        let new = timers.insert(start, note(&log, 2));
        assert_eq!(old.slot, new.slot);
        assert!(timers.remove(old).is_none());
        assert!(timers.contains(new));
    }

    #[test]
    fn a_timer_set_while_timers_run_waits_for_the_next_turn() {
        let start = Instant::now();
        let mut timers = Timers::default();
        let log = Rc::default();
        timers.insert(start, note(&log, 1));
        let newest = timers.newest();
        timers.insert(start, note(&log, 2));
        assert!(timers.pop_due(start, newest).is_some());
        assert!(timers.pop_due(start, newest).is_none());
        assert_eq!(timers.next_deadline(), Some(start));
    }
}
