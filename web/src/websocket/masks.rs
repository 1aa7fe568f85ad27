//! What a client masks its frames with: numbers that a page which has it send chosen data cannot
//! foresee (RFC 6455 §10.3).

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// A keyed hash of 1, 2, 3…; the key is the system's.
#[derive(Debug)]
pub(super) struct Masks {
    key: RandomState,
    count: Cell<u64>,
}

impl Masks {
    pub(super) fn new() -> Masks {
        Masks {
            key: RandomState::new(),
            count: Cell::new(0),
        }
    }

    fn number(&self) -> u64 {
        let count = self.count.get() + 1;
        self.count.set(count);
        self.key.hash_one(count)
    }

    /// The mask of the next frame.
    pub(super) fn next(&self) -> [u8; 4] {
        (self.number() as u32).to_ne_bytes()
    }

    /// The key of a handshake.
    pub(super) fn handshake_key(&self) -> [u8; 16] {
        let (high, low) = (u128::from(self.number()), u128::from(self.number()));
        (high << 64 | low).to_ne_bytes()
    }
}
