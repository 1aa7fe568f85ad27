//! Timers of one loop.
//!
//! A timer is a deadline and what to do then. The next ones to fire, up to the *horizon*, are in a
//! binary heap ordered by (deadline, sequence), so that equal deadlines fire in the order they were
//! set. All later ones are in the buckets of a wheel, unordered: most timers are time-outs that are
//! removed long before they would fire, and to set and remove one there is a push on a list and a
//! cut out of it.
//!
//! ```text
//!                horizon
//!   ── heap ───────┤├─ level 0 ─┤├──── level 1 ────┤├──────── level 2 ────────┤ …
//!   sorted            64 buckets     64 buckets          64 buckets
//!                     of 1 tick      of 64 ticks         of 4096 ticks
//! ```
//!
//! When the heap is empty the horizon moves on to the next bucket that is not, and the bucket's
//! timers move to lower levels or the heap: each at most once a level. The horizon may run ahead of
//! the time; what is set for earlier than the horizon goes into the heap.
//!
//! Removing a timer that is in the heap leaves its deadline there; the heap is swept when more than
//! half of it is dead.
//!
//! The module never reads a clock: `turn` hands it `now`. Tests hand it any `now`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
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

/// What happens at a deadline.
pub(crate) enum Action {
    Call(Callback),
    Wake(Waker),
}

pub(crate) struct Timers {
    timers: Slab<Timer>,
    /// Invariant: holds every timer up to the horizon once, and `dead` entries whose timer is gone.
    near: BinaryHeap<Reverse<Near>>,
    dead: usize,
    /// The tick up to which timers are in `near`; those of later ticks are in the wheel.
    horizon: u64,
    /// A bit for each bucket of a level that is not empty. Invariant: on each level it is later than
    /// the horizon's bucket.
    occupied: [u64; LEVELS],
    /// The first timer of each bucket that is not empty.
    heads: [[u32; BUCKETS]; LEVELS],
    sequence: u64,
    /// What deadlines are counted from.
    base: Instant,
    /// The tick of the latest `now`: where the horizon goes back to when no timer is set.
    floor: u64,
}

struct Timer {
    sequence: u64,
    /// In nanoseconds; see `Timers::nanos`.
    deadline: u64,
    action: Action,
    /// The one before in the bucket, `FIRST` with the bucket's number, or `NEAR` if it is in the heap.
    previous: u32,
    /// The one after in the bucket, or `LAST`.
    next: u32,
}

/// A timer in the heap, in the order in which they fire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Near {
    deadline: u64,
    timeout: Timeout,
}

/// A tick is 2^20 nanoseconds, about a millisecond.
const TICK_BITS: u32 = 20;
const LEVEL_BITS: u32 = 6;
const BUCKETS: usize = 1 << LEVEL_BITS;
/// Enough for every tick of 64 - 20 bits.
const LEVELS: usize = 8;

const NEAR: u32 = u32::MAX;
const LAST: u32 = u32::MAX;
const FIRST: u32 = 1 << 31;

/// Where `base` lies among the nanoseconds, so that deadlines before it can be told apart, too.
const BASE: u64 = 1 << 62;

impl Timers {
    /// Timers of a loop whose time is `now`.
    pub(crate) fn new(now: Instant) -> Timers {
        let floor = BASE >> TICK_BITS;
        Timers {
            timers: Slab::new(),
            near: BinaryHeap::new(),
            dead: 0,
            horizon: floor,
            occupied: [0; LEVELS],
            heads: [[LAST; BUCKETS]; LEVELS],
            sequence: 0,
            base: now,
            floor,
        }
    }

    pub(crate) fn insert(&mut self, deadline: Instant, action: Action) -> Timeout {
        if self.timers.is_empty() {
            self.near.clear();
            self.dead = 0;
            self.horizon = self.floor;
        }
        self.sequence += 1;
        let (sequence, deadline) = (self.sequence, self.nanos(deadline));
        let slot = self.timers.insert(Timer {
            sequence,
            deadline,
            action,
            previous: NEAR,
            next: LAST,
        });
        let slot = u32::try_from(slot).expect("fewer than 2^31 timers are set");
        assert!(slot < FIRST, "fewer than 2^31 timers are set");
        let timeout = Timeout { sequence, slot };
        self.place(Near { deadline, timeout });
        timeout
    }

    pub(crate) fn remove(&mut self, timeout: Timeout) -> Option<Action> {
        if !self.contains(timeout) {
            return None;
        }
        let timer = self.timers.remove(timeout.slot as usize);
        if timer.previous == NEAR {
            self.dead += 1;
            if self.dead > 64 && self.dead > self.near.len() / 2 {
                self.sweep();
            }
        } else {
            self.unlink(timer.previous, timer.next);
        }
        Some(timer.action)
    }

    pub(crate) fn contains(&self, timeout: Timeout) -> bool {
        (self.timers.get(timeout.slot as usize))
            .is_some_and(|timer| timer.sequence == timeout.sequence)
    }

    /// Makes a timer wake `waker`. False if it is not set any more.
    pub(crate) fn rewake(&mut self, timeout: Timeout, waker: &Waker) -> bool {
        if !self.contains(timeout) {
            return false;
        }
        match &mut self.timers[timeout.slot as usize].action {
            Action::Wake(old) => old.clone_from(waker),
            action => *action = Action::Wake(waker.clone()),
        }
        true
    }

    pub(crate) fn len(&self) -> usize {
        self.timers.len()
    }

    /// The next deadline.
    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        let next = self.next()?;
        let since_base = Duration::from_nanos(next.deadline.saturating_sub(BASE));
        let before_base = Duration::from_nanos(BASE.saturating_sub(next.deadline));
        Some(self.base + since_base - before_base)
    }

    /// The last timer that has been set; those set from now on come after it.
    pub(crate) fn newest(&self) -> u64 {
        self.sequence
    }

    /// Takes the next timer that is due at `now` and not newer than `newest`.
    pub(crate) fn pop_due(&mut self, now: Instant, newest: u64) -> Option<Action> {
        let now = self.nanos(now);
        self.floor = now >> TICK_BITS;
        let Near { deadline, timeout } = self.next()?;
        if deadline > now || timeout.sequence > newest {
            return None;
        }
        self.near.pop();
        Some(self.timers.remove(timeout.slot as usize).action)
    }

    /// The next timer, which is in the heap then.
    fn next(&mut self) -> Option<Near> {
        loop {
            while let Some(&Reverse(next)) = self.near.peek() {
                if self.contains(next.timeout) {
                    return Some(next);
                }
                self.near.pop();
                self.dead -= 1;
            }
            if !self.advance() {
                return None;
            }
        }
    }

    /// Moves the horizon on to the next bucket, and its timers to where they belong then. False if
    /// the wheel is empty.
    fn advance(&mut self) -> bool {
        let Some(level) = self.occupied.iter().position(|buckets| *buckets != 0) else {
            return false;
        };
        let bucket = self.occupied[level].trailing_zeros();
        self.occupied[level] &= !(1 << bucket);
        let first = self.heads[level][bucket as usize];
        let shift = level as u32 * LEVEL_BITS;
        let above = self.horizon >> (shift + LEVEL_BITS) << (shift + LEVEL_BITS);
        self.horizon = above | u64::from(bucket) << shift;
        let only = &self.timers[first as usize];
        if only.next == LAST {
            // Nothing is earlier: the way through the levels can be left out.
            self.horizon = only.deadline >> TICK_BITS;
        }
        let mut slot = first;
        while slot != LAST {
            let timer = &mut self.timers[slot as usize];
            let next = timer.next;
            timer.previous = NEAR;
            let sequence = timer.sequence;
            let timeout = Timeout { sequence, slot };
            let deadline = timer.deadline;
            self.place(Near { deadline, timeout });
            slot = next;
        }
        true
    }

    /// Puts a timer into the heap, or first into its bucket.
    fn place(&mut self, timer: Near) {
        let tick = timer.deadline >> TICK_BITS;
        if tick <= self.horizon {
            self.near.push(Reverse(timer));
            return;
        }
        // The highest bit in which it differs from the horizon.
        let level = (tick ^ self.horizon).ilog2() / LEVEL_BITS;
        let bucket = (tick >> (level * LEVEL_BITS)) as usize & (BUCKETS - 1);
        let number = level << LEVEL_BITS | bucket as u32;
        let level = level as usize;
        let is_empty = self.occupied[level] & (1 << bucket) == 0;
        let next = if is_empty {
            LAST
        } else {
            self.heads[level][bucket]
        };
        self.occupied[level] |= 1 << bucket;
        let slot = timer.timeout.slot;
        self.heads[level][bucket] = slot;
        let timer = &mut self.timers[slot as usize];
        (timer.previous, timer.next) = (FIRST | number, next);
        if next != LAST {
            self.timers[next as usize].previous = slot;
        }
    }

    /// Closes the gap that a timer leaves in its bucket.
    fn unlink(&mut self, previous: u32, next: u32) {
        if next != LAST {
            self.timers[next as usize].previous = previous;
        }
        if previous & FIRST == 0 {
            self.timers[previous as usize].next = next;
            return;
        }
        let number = (previous & !FIRST) as usize;
        let (level, bucket) = (number >> LEVEL_BITS, number & (BUCKETS - 1));
        self.heads[level][bucket] = next;
        if next == LAST {
            self.occupied[level] &= !(1 << bucket);
        }
    }

    fn sweep(&mut self) {
        let timers = &self.timers;
        self.near.retain(|Reverse(Near { timeout, .. })| {
            (timers.get(timeout.slot as usize)).is_some_and(|t| t.sequence == timeout.sequence)
        });
        self.dead = 0;
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
        assert!(timers.near.len() < 140, "{}", timers.near.len());
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
        // As a sorted map has them. Steps of all sizes, so that every level is used.
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
    fn timer_takes_six_words() {
        assert_eq!(size_of::<Timer>(), 48);
        assert_eq!(size_of::<Reverse<Near>>(), 24);
    }
}
