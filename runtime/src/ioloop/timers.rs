//! Timers of one loop.
//!
//! A timer is a deadline and what to do then. Deadlines are in the order of (deadline, sequence), so
//! that equal ones fire in the order they were set; the actions live in a slab. Removing a timer
//! empties its slot and leaves its deadline where it is, which is swept when more than half of them
//! are dead.
//!
//! The module never reads a clock: `turn` hands it `now`. Tests hand it any `now`.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Waker;

use slab::Slab;

use super::callback::Callback;
use super::deadlines::Deadlines;
use super::ready::{give_room_back, make_room, replace_waker};
use crate::coro::tick::Tick;

/// Names a timer, for [`IoLoop::remove_timeout`](crate::IoLoop::remove_timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timeout {
    sequence: u64,
    slot: u32,
    /// Whose timer it is: another loop has one of the same sequence and slot.
    owner: u32,
}

impl Timeout {
    /// Names no timer.
    pub(super) const NONE: Timeout = Timeout {
        sequence: 0,
        slot: u32::MAX,
        owner: 0,
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
    deadlines: Deadlines<Entry>,
    actions: Slab<(u64, Action)>,
    /// Entries that `pop_due` has taken out of `deadlines` until it is through.
    passed_over: Vec<Entry>,
    dead: usize,
    sequence: u64,
    /// Written into each timeout; no two loops of the process have the same.
    owner: u32,
}

/// A timer in the order in which they fire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    deadline: Tick,
    timeout: Timeout,
}

/// Numbers the loops, beginning past the owner of `Timeout::NONE`.
static OWNERS: AtomicU32 = AtomicU32::new(1);

impl Timers {
    pub(crate) fn new() -> Timers {
        Timers {
            deadlines: Deadlines::new(),
            actions: Slab::new(),
            passed_over: Vec::new(),
            dead: 0,
            sequence: 0,
            owner: OWNERS.fetch_add(1, Ordering::Relaxed),
        }
    }

    pub(crate) fn insert(&mut self, deadline: Tick, action: Action) -> Timeout {
        self.sequence += 1;
        let sequence = self.sequence;
        make_room(&mut self.actions);
        let slot = self.actions.insert((sequence, action));
        let slot = u32::try_from(slot).expect("fewer than 2^32 timers are set");
        let timeout = Timeout {
            sequence,
            slot,
            owner: self.owner,
        };
        self.deadlines.push(Entry { deadline, timeout });
        timeout
    }

    pub(crate) fn remove(&mut self, timeout: Timeout) -> Option<Action> {
        if !self.contains(timeout) {
            return None;
        }
        let (_, action) = self.actions.remove(timeout.slot as usize);
        give_room_back(&mut self.actions);
        self.dead += 1;
        if self.dead > 64 && self.dead > self.deadlines.len() / 2 {
            self.sweep();
        }
        Some(action)
    }

    pub(crate) fn contains(&self, timeout: Timeout) -> bool {
        timeout.owner == self.owner
            && (self.actions.get(timeout.slot as usize))
                .is_some_and(|(seq, _)| *seq == timeout.sequence)
    }

    /// Makes a timer wake `waker`. None if it is not set any more; otherwise inside what it did
    /// before, if that is something else.
    pub(crate) fn rewake(&mut self, timeout: Timeout, waker: &Waker) -> Option<Option<Action>> {
        if !self.contains(timeout) {
            return None;
        }
        Some(match &mut self.actions[timeout.slot as usize].1 {
            Action::Wake(old) => replace_waker(old, waker).map(Action::Wake),
            action => Some(std::mem::replace(action, Action::Wake(waker.clone()))),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.actions.len()
    }

    /// Takes all timers out, to be dropped when nothing is borrowed. No number is used again.
    pub(crate) fn clear(&mut self) -> Timers {
        let empty = Timers {
            sequence: self.sequence,
            owner: self.owner,
            ..Timers::new()
        };
        std::mem::replace(self, empty)
    }

    /// Drops what was to be called, and wakes those who wait.
    pub(super) fn wake_all(self) {
        for (_, (_, action)) in self.actions {
            if let Action::Wake(waker) = action {
                waker.wake();
            }
        }
    }

    /// All timers that are set, in order: the deadlines, and whether they call back.
    pub(super) fn set(&self) -> Vec<(Tick, bool)> {
        let live = (self.deadlines.iter()).filter(|entry| self.contains(entry.timeout));
        let mut set: Vec<Entry> = live.copied().collect();
        set.sort_unstable();
        let action = |entry: &Entry| &self.actions[entry.timeout.slot as usize].1;
        let calls = |entry: &Entry| matches!(action(entry), Action::Call(_));
        set.iter()
            .map(|entry| (entry.deadline, calls(entry)))
            .collect()
    }

    /// The next deadline that is not dead.
    pub(crate) fn next_deadline(&mut self) -> Option<Tick> {
        Some(self.next()?.deadline)
    }

    /// The last timer that has been set; those set from now on come after it.
    pub(crate) fn newest(&self) -> u64 {
        self.sequence
    }

    /// Takes the next timer that is due at `now` and not newer than `newest`.
    ///
    /// Newer ones that are due as well are passed over; at the end, when there are no more, they are
    /// put back.
    pub(crate) fn pop_due(&mut self, now: Tick, newest: u64) -> Option<Action> {
        while let Some(entry) = self.next().filter(|entry| entry.deadline <= now) {
            self.deadlines.remove_first();
            if entry.timeout.sequence <= newest {
                return Some(self.actions.remove(entry.timeout.slot as usize).1);
            }
            self.passed_over.push(entry);
        }
        for entry in self.passed_over.drain(..) {
            self.deadlines.push(entry);
        }
        None
    }

    /// The next entry that is not dead; it stays.
    fn next(&mut self) -> Option<Entry> {
        while let Some(entry) = self.deadlines.first() {
            if self.contains(entry.timeout) {
                return Some(entry);
            }
            self.deadlines.remove_first();
            self.dead -= 1;
        }
        None
    }

    fn sweep(&mut self) {
        let actions = &self.actions;
        let is_set = |Entry { timeout, .. }: &Entry| {
            (actions.get(timeout.slot as usize)).is_some_and(|(seq, _)| *seq == timeout.sequence)
        };
        self.deadlines.retain(is_set);
        self.dead = (self.passed_over.iter())
            .filter(|entry| !is_set(entry))
            .count();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::time::{Duration, Instant};

    use super::*;

    fn note(log: &Rc<RefCell<Vec<u32>>>, n: u32) -> Action {
        let log = log.clone();
        Action::Call(Box::new(move || log.borrow_mut().push(n)))
    }

    fn run(timers: &mut Timers, now: Instant) {
        let newest = timers.newest();
        while let Some(Action::Call(f)) = timers.pop_due(now.into(), newest) {
            f();
        }
    }

    #[test]
    fn equal_deadlines_fire_in_the_order_they_were_set() {
        let (log, start) = (Rc::default(), Instant::now());
        let mut timers = Timers::new();
        for n in 0..20 {
            timers.insert(start.into(), note(&log, n));
        }
        run(&mut timers, start);
        assert_eq!(*log.borrow(), (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn removed_timers_do_not_fire_and_are_swept() {
        let (log, start) = (Rc::default(), Instant::now());
        let mut timers = Timers::new();
        let keep = timers.insert((start + Duration::from_secs(1)).into(), note(&log, 7));
        for n in 0..2000 {
            let timeout = timers.insert(start.into(), note(&log, n));
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
        let mut timers = Timers::new();
        let old = timers.insert(start.into(), note(&log, 1));
        timers.remove(old);
        let new = timers.insert(start.into(), note(&log, 2));
        assert_eq!(old.slot, new.slot);
        assert!(timers.remove(old).is_none());
        assert!(timers.contains(new));
    }

    #[test]
    fn a_timer_set_while_timers_run_waits_for_the_next_turn() {
        let start = Instant::now();
        let mut timers = Timers::new();
        let log = Rc::default();
        timers.insert(start.into(), note(&log, 1));
        let newest = timers.newest();
        timers.insert(start.into(), note(&log, 2));
        assert!(timers.pop_due(start.into(), newest).is_some());
        assert!(timers.pop_due(start.into(), newest).is_none());
        assert_eq!(timers.next_deadline(), Some(start.into()));
    }

    #[test]
    fn a_timer_that_sets_itself_in_the_past_does_not_keep_others_from_their_time() {
        let start = Instant::now();
        let now = start + Duration::from_secs(1);
        let mut timers = Timers::new();
        let log = Rc::default();
        timers.insert(start.into(), note(&log, 1));
        timers.insert((start + Duration::from_millis(1)).into(), note(&log, 2));
        let newest = timers.newest();
        let again = timers.insert((start - Duration::from_millis(1)).into(), note(&log, 3));
        for _ in 0..2 {
            assert!(timers.pop_due(now.into(), newest).is_some());
        }
        assert!(timers.pop_due(now.into(), newest).is_none());
        assert_eq!((timers.len(), timers.deadlines.len()), (1, 1));
        assert!(timers.remove(again).is_some());
        assert!(timers.next_deadline().is_none());
    }

    #[test]
    fn deadlines_of_all_sizes_fire_in_order_whatever_is_removed() {
        // As a sorted map has them.
        let base = Instant::now();
        let start = base + Duration::from_secs(10);
        let mut timers = Timers::new();
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
                    let timeout = timers.insert(deadline.into(), note(&log, n));
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
                        assert_eq!(
                            timers.next_deadline(),
                            due.map(|(deadline, _)| deadline.into())
                        );
                        let due = due.filter(|(deadline, _)| *deadline <= now);
                        let popped = timers.pop_due(now.into(), newest);
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
        let mut timers = Timers::new();
        let far = start + Duration::from_secs(1 << 40);
        let (log, timeout) = (
            Rc::default(),
            timers.insert(far.into(), note(&Rc::default(), 1)),
        );
        timers.insert(start.into(), note(&log, 2));
        run(&mut timers, start);
        assert_eq!((log.take(), timers.len()), (vec![2], 1));
        assert!(timers.next_deadline() > Some((start + Duration::from_secs(1 << 33)).into()));
        assert!(timers.remove(timeout).is_some());
        assert_eq!(timers.next_deadline(), None);
    }

    #[test]
    fn timer_takes_seven_words() {
        assert_eq!(size_of::<Entry>(), 24);
        assert_eq!(size_of::<(u64, Action)>(), 32);
    }
}
