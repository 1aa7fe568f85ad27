//! Numbers that look random and follow from a seed: splitmix64.
//!
//! One state for all that is random on a simulated loop. Good enough to choose orders and delays by;
//! not for secrets. The sequence of a seed is a part of what replays a test, so it does not change
//! within a version.

use std::cell::Cell;

#[derive(Debug)]
pub(crate) struct Random {
    state: Cell<u64>,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random {
            state: Cell::new(seed),
        }
    }

    /// The next number.
    pub(crate) fn next(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if there is none. All are equally likely, to 1 in 2^64.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(bound);
        (wide >> 64) as u64
    }

    /// A number from 0 up to, but not, 1.
    pub(crate) fn fraction(&self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Puts the items in an order in which each order is equally likely.
    pub(crate) fn shuffle<T>(&self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn numbers_are_those_of_the_published_generator() {
        let random = Random::new(1_234_567);
        let numbers = [(); 3].map(|()| random.next());
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn bounded_numbers_are_below_their_bound_and_take_each_value() {
        let random = Random::new(1);
        let mut seen = [0; 7];
        for _ in 0..7_000 {
            seen[random.below(7) as usize] += 1;
        }
        assert!(seen.iter().all(|n| (850..1150).contains(n)), "{seen:?}");
        assert_eq!(random.below(1), 0);
        assert_eq!(random.below(0), 0);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&random.fraction())));
    }

    #[test]
    fn each_order_is_as_likely() {
        let random = Random::new(7);
        let mut orders = BTreeMap::new();
        for _ in 0..6_000 {
            let mut items = ['a', 'b', 'c'];
            random.shuffle(&mut items);
            *orders.entry(items).or_insert(0) += 1;
        }
        assert_eq!(orders.len(), 6);
        assert!(
            orders.values().all(|n| (850..1150).contains(n)),
            "{orders:?}"
        );
    }
}
