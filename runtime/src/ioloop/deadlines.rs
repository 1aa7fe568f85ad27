//! A queue of what is to happen in order, for timers.
//!
//! Most timers of a program are for few durations: a server's time-outs, a sleep in each handler. Those
//! of one duration come in the order in which they end, so a queue holds them, where they cost a few
//! comparisons; a heap of thousands costs a dozen misses of the cache. So there are a few queues, the
//! *lanes*, each of which takes whatever is not before its end. What fits none goes into a heap.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::ready::more_room;

/// How many lanes there are: all are looked at whenever the first entry is asked for.
const LANES: usize = 4;

/// What a lane keeps of its room when it is empty.
const KEPT: usize = 256;

#[derive(Debug)]
pub(super) struct Deadlines<T> {
    /// Invariant: each is in order.
    lanes: [VecDeque<T>; LANES],
    rest: BinaryHeap<Reverse<T>>,
}

/// Where the first entry is: a lane's number, or `LANES` for the heap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(usize);

impl<T: Ord + Copy> Deadlines<T> {
    pub(super) fn new() -> Deadlines<T> {
        Deadlines {
            lanes: Default::default(),
            rest: BinaryHeap::new(),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, entry: T) {
        // The fullest of those that fit: the end that is nearest before it. An empty one comes last.
        let mut best: Option<(usize, Option<T>)> = None;
        for (n, lane) in self.lanes.iter().enumerate() {
            let end = lane.back().copied();
            if end <= Some(entry) && best.is_none_or(|(_, of_best)| of_best < end) {
                best = Some((n, end));
            }
        }
        match best {
            Some((n, _)) => {
                let lane = &mut self.lanes[n];
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
    }

    /// Returns the first entry, and where it is.
    #[inline]
    pub(super) fn first(&self) -> Option<(Place, T)> {
        let mut first = self.rest.peek().map(|Reverse(entry)| (LANES, *entry));
        for (n, lane) in self.lanes.iter().enumerate() {
            if let Some(front) = lane.front()
                && first.is_none_or(|(_, entry)| *front < entry)
            {
                first = Some((n, *front));
            }
        }
        first.map(|(n, entry)| (Place(n), entry))
    }

    /// Takes the first entry out of its place, which [`first`](Self::first) has just told.
    #[inline]
    pub(super) fn remove(&mut self, Place(n): Place) {
        match self.lanes.get_mut(n) {
            Some(lane) => {
                lane.pop_front();
                if lane.is_empty() && lane.capacity() > KEPT {
                    lane.shrink_to(KEPT);
                }
            }
            None => drop(self.rest.pop()),
        }
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
    }
}
