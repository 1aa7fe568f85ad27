//! A queue of what is to happen in order, for timers.
//!
//! Most timers of a program are for few durations: a server's time-outs, a sleep in each handler. Those
//! of one duration come in the order in which they end, so a queue holds them, where they cost a few
//! comparisons; a heap of thousands costs a dozen misses of the cache. So there are a few queues, the
//! *lanes*, each of which takes whatever is not before its end. What fits none goes into a heap.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::ready::more_room;

/// How many lanes there are: all are looked at whenever an entry is added, or the first taken out.
const LANES: usize = 4;

/// What a lane keeps of its room when it is empty.
const KEPT: usize = 256;

#[derive(Debug)]
pub(super) struct Deadlines<T> {
    /// Invariant: each is in order.
    lanes: [VecDeque<T>; LANES],
    rest: BinaryHeap<Reverse<T>>,
    /// The first of all, and its lane, or `LANES` for the heap: it is asked for several times a turn.
    first: Option<(usize, T)>,
}

impl<T: Ord + Copy> Deadlines<T> {
    pub(super) fn new() -> Deadlines<T> {
        Deadlines {
            lanes: Default::default(),
            rest: BinaryHeap::new(),
            first: None,
        }
    }

    #[inline]
    pub(super) fn push(&mut self, entry: T) {
        let n = self.lane_for(&entry).unwrap_or(LANES);
        match self.lanes.get_mut(n) {
            Some(lane) => {
                if lane.len() == lane.capacity() {
                    lane.reserve_exact(more_room(lane.len()));
                }
                lane.push_back(entry);
            }
            None => {
                if self.rest.len() == self.rest.capacity() {
                    self.rest.reserve_exact(more_room(self.rest.len()));
                }
                self.rest.push(Reverse(entry));
            }
        }
        if self.first.is_none_or(|(_, first)| entry < first) {
            self.first = Some((n, entry));
        }
    }

    /// The lane whose end is the nearest before an entry; or else one that is empty.
    fn lane_for(&self, entry: &T) -> Option<usize> {
        let fitting = (self.lanes.iter().enumerate())
            .map(|(n, lane)| (lane.back(), n))
            .filter(|(end, _)| *end <= Some(entry));
        // None, the end of those that are empty, is before all others.
        fitting.max_by_key(|(end, _)| *end).map(|(_, n)| n)
    }

    /// Returns the first entry.
    #[inline]
    pub(super) fn first(&self) -> Option<T> {
        self.first.map(|(_, entry)| entry)
    }

    fn find_first(&self) -> Option<(usize, T)> {
        let mut first = self.rest.peek().map(|Reverse(entry)| (LANES, entry));
        for (n, lane) in self.lanes.iter().enumerate() {
            if let Some(front) = lane.front()
                && first.is_none_or(|(_, entry)| front < entry)
            {
                first = Some((n, front));
            }
        }
        first.map(|(n, entry)| (n, *entry))
    }

    /// Takes out the first entry.
    #[inline]
    pub(super) fn remove_first(&mut self) {
        let Some((n, _)) = self.first else {
            return;
        };
        match self.lanes.get_mut(n) {
            Some(lane) => {
                lane.pop_front();
                if lane.is_empty() && lane.capacity() > KEPT {
                    lane.shrink_to(KEPT);
                }
            }
            None => drop(self.rest.pop()),
        }
        self.first = self.find_first();
    }

    pub(super) fn len(&self) -> usize {
        self.lanes.iter().map(VecDeque::len).sum::<usize>() + self.rest.len()
    }

    /// Returns all of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        let rest = self.rest.iter().map(|Reverse(entry)| entry);
        self.lanes.iter().flatten().chain(rest)
    }

    /// Keeps those that `is_kept` says to.
    pub(super) fn retain(&mut self, is_kept: impl Fn(&T) -> bool) {
        for lane in &mut self.lanes {
            lane.retain(&is_kept);
        }
        self.rest.retain(|Reverse(entry)| is_kept(entry));
        self.first = self.find_first();
    }
}
