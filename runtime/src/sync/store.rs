//! Which item of a queue is the next.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

/// An item and its number, by which one that is given back finds its place again.
#[derive(Debug)]
pub(super) struct Item<T> {
    pub(super) number: u64,
    pub(super) value: T,
}

/// How many items there are; asked without a bound on what they are.
pub(super) trait Len {
    fn len(&self) -> usize;
}

/// Where a queue keeps its items.
pub(super) trait Store<T>: Default + Len {
    fn push(&mut self, item: Item<T>);

    fn pop(&mut self) -> Option<Item<T>>;

    /// Puts an item back that was taken before.
    fn put_back(&mut self, item: Item<T>);
}

/// The oldest first.
pub(super) struct Fifo<T>(VecDeque<Item<T>>);

/// The newest first.
pub(super) struct Lifo<T>(Vec<Item<T>>);

/// The smallest first, of equal ones the oldest.
pub(super) struct Smallest<T>(BinaryHeap<Reverse<Ranked<T>>>);

impl<T> Len for Fifo<T> {
    fn len(&self) -> usize {
        self.0.len()
    }
}

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Fifo(VecDeque::new())
    }
}

impl<T> Store<T> for Fifo<T> {
    fn push(&mut self, item: Item<T>) {
        self.0.push_back(item);
    }

    fn pop(&mut self) -> Option<Item<T>> {
        self.0.pop_front()
    }

    fn put_back(&mut self, item: Item<T>) {
        let place = self.0.partition_point(|other| other.number < item.number);
        self.0.insert(place, item);
    }
}

impl<T> Len for Lifo<T> {
    fn len(&self) -> usize {
        self.0.len()
    }
}

impl<T> Default for Lifo<T> {
    fn default() -> Self {
        Lifo(Vec::new())
    }
}

impl<T> Store<T> for Lifo<T> {
    fn push(&mut self, item: Item<T>) {
        self.0.push(item);
    }

    fn pop(&mut self) -> Option<Item<T>> {
        self.0.pop()
    }

    fn put_back(&mut self, item: Item<T>) {
        let place = self.0.partition_point(|other| other.number < item.number);
        self.0.insert(place, item);
    }
}

impl<T> Len for Smallest<T> {
    fn len(&self) -> usize {
        self.0.len()
    }
}

impl<T: Ord> Default for Smallest<T> {
    fn default() -> Self {
        Smallest(BinaryHeap::new())
    }
}

impl<T: Ord> Store<T> for Smallest<T> {
    fn push(&mut self, item: Item<T>) {
        self.0.push(Reverse(Ranked(item)));
    }

    fn pop(&mut self) -> Option<Item<T>> {
        self.0.pop().map(|Reverse(Ranked(item))| item)
    }

    fn put_back(&mut self, item: Item<T>) {
        self.push(item);
    }
}

/// An item ordered by its value, then by its number.
struct Ranked<T>(Item<T>);

impl<T: Ord> Ord for Ranked<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_value = self.0.value.cmp(&other.0.value);
        by_value.then(self.0.number.cmp(&other.0.number))
    }
}

impl<T: Ord> PartialOrd for Ranked<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> PartialEq for Ranked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Ord> Eq for Ranked<T> {}
