//! A connection's input: bytes read and not used up yet.

/// The room that a buffer begins with, and goes back to.
const INITIAL: usize = 8 * 1024;

/// Bytes in a reusable block. The room behind them is initialised once, not at each read.
#[derive(Debug)]
pub(super) struct Buffer {
    /// Invariant: all of it is initialised; `start <= end <= bytes.len()`.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    pub(super) fn new() -> Buffer {
        Buffer {
            bytes: vec![0; INITIAL],
            start: 0,
            end: 0,
        }
    }

    /// The bytes that are not used up.
    #[inline]
    pub(super) fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Room to read into, at the end; at least some, `limit` being the most that is ever needed.
    pub(super) fn room(&mut self, limit: usize) -> &mut [u8] {
        if self.end == self.bytes.len() {
            if self.start > 0 {
                self.compact();
            } else {
                let size = (self.bytes.len() * 2).clamp(INITIAL, limit.max(2 * INITIAL));
                self.bytes.resize(size.max(self.end + INITIAL), 0);
            }
        }
        &mut self.bytes[self.end..]
    }

    /// Notes that `count` bytes were read into the room.
    pub(super) fn add(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
    }

    /// Uses up the first `count` bytes.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Takes out what is behind the first `count` bytes.
    pub(super) fn split_behind(&mut self, count: usize) -> Vec<u8> {
        let from = (self.start + count).min(self.end);
        let rest = self.bytes[from..self.end].to_vec();
        self.end = from;
        rest
    }

    /// Puts bytes behind those that are there.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        if self.bytes.len() - self.end < bytes.len() {
            // What is used up makes room first: a connection may never come to be empty.
            self.compact();
        }
        if self.bytes.len() - self.end < bytes.len() {
            self.bytes.resize(self.end + bytes.len(), 0);
        }
        self.bytes[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Gives back the room that nothing will be read into.
    pub(super) fn shrink(&mut self) {
        self.compact();
        self.bytes.truncate(self.end);
        self.bytes.shrink_to_fit();
    }

    /// Moves the bytes to the front.
    fn compact(&mut self) {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
    }

    /// Forgets everything, and gives back what it grew by.
    pub(super) fn reset(&mut self) {
        self.start = 0;
        self.end = 0;
        if self.bytes.len() > 8 * INITIAL {
            self.bytes.truncate(INITIAL);
            self.bytes.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A client that always sends the next head with the end of a body never empties the buffer.
    #[test]
    fn a_buffer_that_is_never_empty_does_not_grow() {
        let head = vec![b'h'; 15_000];
        let mut buffer = Buffer::new();
        buffer.append(&head);
        for _ in 0..1000 {
            let rest = buffer.split_behind(head.len());
            assert!(rest.is_empty());
            buffer.append(&head);
            buffer.consume(head.len());
            assert_eq!(buffer.filled(), head);
        }
        assert!(
            buffer.bytes.len() <= 4 * head.len(),
            "{}",
            buffer.bytes.len()
        );
    }
}
