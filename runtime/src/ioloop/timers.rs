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
use std::fmt;
use std::task::Waker;
use std::time::{Duration, Instant};

use slab::Slab;

use super::callback::Callback;

/// Names a timer, for [`IoLoop::remove_timeout`](crate::IoLoop::remove_timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timeout {
    sequence: u64,
    slot: u32,
}

impl Timeout {
    /// Names no timer.
    pub(super) const NONE: Timeout = Timeout {
        sequence: 0,
        slot: u32::MAX,
    };
}

/// What happens at a deadline.
pub(crate) enum Action {
    Call(Callback),
    Wake(Waker),
}

/// What happens, in a word.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Call(_) => "calls",
            Action::Wake(_) => "wakes",
        })
    }
}

pub(crate) struct Timers {
    /// Invariant: holds every live timer once, and `dead` entries whose slot is gone.
    deadlines: BinaryHeap<Reverse<Entry>>,
    actions: Slab<(u64, Action)>,
    dead: usize,
    sequence: u64,
    /// What deadlines are counted from.
    base: Instant,
}

/// A timer in the order in which they fire; in nanoseconds, to be small and quick to compare.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    nanos: u64,
    timeout: Timeout,
}

/// Where `base` lies among the nanoseconds, so that deadlines before it can be told apart, too.
const BASE: u64 = 1 << 62;

impl Timers {
    /// Timers that count from `base`, about when they are made.
    pub(crate) fn new(base: Instant) -> Timers {
        Timers {
            deadlines: BinaryHeap::new(),
            actions: Slab::new(),
            dead: 0,
            sequence: 0,
            base,
        }
    }

    pub(crate) fn insert(&mut self, deadline: Instant, action: Action) -> Timeout {
        self.sequence += 1;
        let sequence = self.sequence;
        let slot = self.actions.insert((sequence, action));
        let slot = u32::try_from(slot).expect("fewer than 2^32 timers are set");
        let timeout = Timeout { sequence, slot };
        let nanos = self.nanos(deadline);
        self.deadlines.push(Reverse(Entry { nanos, timeout }));
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

    /// Takes all timers out, to be dropped when nothing is borrowed. No number is used again.
    pub(crate) fn clear(&mut self) -> Timers {
        let empty = Timers {
            sequence: self.sequence,
            ..Timers::new(self.base)
        };
        std::mem::replace(self, empty)
    }

    /// All timers that are set, in order: the deadlines, and whether they call back.
    pub(super) fn set(&self) -> Vec<(Instant, bool)> {
        let live = (self.deadlines.iter()).filter(|Reverse(entry)| self.contains(entry.timeout));
        let mut set: Vec<Entry> = live.map(|Reverse(entry)| *entry).collect();
        set.sort_unstable();
        let action = |entry: &Entry| &self.actions[entry.timeout.slot as usize].1;
        set.iter()
            .map(|entry| {
                (
                    self.instant(entry.nanos),
                    matches!(action(entry), Action::Call(_)),
                )
            })
            .collect()
    }

    /// The next deadline that is not dead.
    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        let nanos = self.next()?.nanos;
        Some(self.instant(nanos))
    }

    /// The last timer that has been set; those set from now on come after it.
    pub(crate) fn newest(&self) -> u64 {
        self.sequence
    }

    /// Takes the next timer that is due at `now` and not newer than `newest`.
    pub(crate) fn pop_due(&mut self, now: Instant, newest: u64) -> Option<Action> {
        let Entry { nanos, timeout } = self.next()?;
        if nanos > self.nanos(now) || timeout.sequence > newest {
            return None;
        }
        self.deadlines.pop();
        Some(self.actions.remove(timeout.slot as usize).1)
    }

    /// The next entry that is not dead; it stays.
    fn next(&mut self) -> Option<Entry> {
        while let Some(&Reverse(entry)) = self.deadlines.peek() {
            if self.contains(entry.timeout) {
                return Some(entry);
            }
            self.deadlines.pop();
            self.dead -= 1;
        }
        None
    }

    fn sweep(&mut self) {
        let actions = &self.actions;
        self.deadlines.retain(|Reverse(Entry { timeout, .. })| {
            (actions.get(timeout.slot as usize)).is_some_and(|(seq, _)| *seq == timeout.sequence)
        });
        self.dead = 0;
    }

    fn instant(&self, nanos: u64) -> Instant {
        let after = Duration::from_nanos(nanos.saturating_sub(BASE));
        let before = Duration::from_nanos(BASE.saturating_sub(nanos));
        self.base + after - before
    }

    /// Nanoseconds from 146 years before `base` to 438 after it; what lies outside counts as the end.
    fn nanos(&self, point: Instant) -> u64 {
        let nanos = |duration: Duration| {
            (duration.as_secs().checked_mul(1_000_000_000))
                .and_then(|nanos| nanos.checked_add(duration.subsec_nanos().into()))
        };
        match point.checked_duration_since(self.base) {
            Some(after) => {
                (nanos(after).and_then(|nanos| BASE.checked_add(nanos))).unwrap_or(u64::MAX)
            }
            None => BASE.saturating_sub(nanos(self.base - point).unwrap_or(u64::MAX)),
        }
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
        let mut timers = Timers::new(start);
        for n in 0..20 {
            timers.insert(start, note(&log, n));
        }
        run(&mut timers, start);
        assert_eq!(*log.borrow(), (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn removed_timers_do_not_fire_and_are_swept() {
        let (log, start) = (Rc::default(), Instant::now());
        let mut timers = Timers::new(start);
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
        let mut timers = Timers::new(start);
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
        let mut timers = Timers::new(start);
        let log = Rc::default();
        timers.insert(start, note(&log, 1));
        let newest = timers.newest();
        timers.insert(start, note(&log, 2));
        assert!(timers.pop_due(start, newest).is_some());
        assert!(timers.pop_due(start, newest).is_none());
        assert_eq!(timers.next_deadline(), Some(start));
    }

    #[test]
    fn deadlines_of_all_sizes_fire_in_order_whatever_is_removed() {
        // As a sorted map has them.
        let base = Instant::now();
        let start = base + Duration::from_secs(10);
        let mut timers = Timers::new(start);
        let mut model = std::collections::BTreeMap::new();
        let mut set = Vec::new();
        let mut random = 1_u64;
        let mut next = move || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random
        };
        let (mut now, mut fired) = (start, 0);
        for n in 0..50_000_u32 {
            match next() % 8 {
                0..4 => {
                    let away = Duration::from_nanos(next() % (1 << (next() % 58)));
                    let deadline = match next() % 16 {
                        0 => now - Duration::from_secs(5),
                        1 => now,
                        _ => now + away,
                    };
                    let log = Rc::default();
                    let timeout = timers.insert(deadline, note(&log, n));
                    model.insert((deadline, timeout), n);
                    set.push((deadline, timeout));
                }
                4..6 if !set.is_empty() => {
                    let entry = set.swap_remove(next() as usize % set.len());
                    let is_set = model.remove(&entry).is_some();
                    assert_eq!(timers.remove(entry.1).is_some(), is_set);
                }
                6 => {
                    now += Duration::from_nanos(next() % (1 << (next() % 40)));
                }
                _ => {
                    let newest = timers.newest();
                    for _ in 0..next() % 20 {
                        let due = model.first_key_value().map(|(key, _)| *key);
                        assert_eq!(timers.next_deadline(), due.map(|(deadline, _)| deadline));
                        let due = due.filter(|(deadline, _)| *deadline <= now);
                        let popped = timers.pop_due(now, newest);
                        assert_eq!(popped.is_some(), due.is_some());
                        if let Some(due) = due {
                            assert!(!timers.contains(due.1), "the one that is due was taken");
                            model.remove(&due);
                            fired += 1;
                        }
                    }
                }
            }
            assert_eq!(timers.len(), model.len());
        }
        assert!(fired > 1000, "{fired}");
    }

    #[test]
    fn timer_that_nobody_lives_to_see_is_set_all_the_same() {
        let start = Instant::now();
        let mut timers = Timers::new(start);
        let far = start + Duration::from_secs(1 << 40);
        let (log, timeout) = (Rc::default(), timers.insert(far, note(&Rc::default(), 1)));
        timers.insert(start, note(&log, 2));
        run(&mut timers, start);
        assert_eq!((log.take(), timers.len()), (vec![2], 1));
        assert!(timers.next_deadline() > Some(start + Duration::from_secs(1 << 33)));
        assert!(timers.remove(timeout).is_some());
        assert_eq!(timers.next_deadline(), None);
    }

    #[test]
    fn timer_takes_seven_words() {
        assert_eq!(size_of::<Reverse<Entry>>(), 24);
        assert_eq!(size_of::<(u64, Action)>(), 32);
    }
}
