//! What a stream has read and nobody has asked for yet.

/// Bytes with a mark behind those that are used up. Holds no memory while it is empty.
#[derive(Debug, Default)]
pub(super) struct ReadBuf {
    bytes: Vec<u8>,
    /// Invariant: less than `bytes.len()`, or 0.
    start: usize,
}

impl ReadBuf {
    pub(super) fn filled(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the first `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Vec<u8> {
        if count == self.len() && self.start == 0 {
            return std::mem::take(&mut self.bytes);
        }
        let taken = self.filled()[..count].to_vec();
        self.consume(count);
        taken
    }

    /// Copies bytes out, as many as there are and fit.
    pub(super) fn copy_to(&mut self, into: &mut [u8]) -> usize {
        let count = self.len().min(into.len());
        into[..count].copy_from_slice(&self.filled()[..count]);
        self.consume(count);
        count
    }

    /// Puts bytes in front of those that are there.
    pub(super) fn put_back(&mut self, bytes: &[u8]) {
        let rest = std::mem::take(&mut self.bytes);
        let all = [bytes, &rest[self.start..]].concat();
        self.bytes = all;
        self.start = 0;
    }

    /// Has `read` fill room for `count` bytes at the end, and keeps as many as it says.
    pub(super) fn fill<R>(
        &mut self,
        count: usize,
        read: impl FnOnce(&mut [u8]) -> (R, usize),
    ) -> R {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        let len = self.bytes.len();
        self.bytes.resize(len + count, 0);
        let (result, filled) = read(&mut self.bytes[len..]);
        self.bytes.truncate(len + filled);
        self.free_if_empty();
        result
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
        self.free_if_empty();
    }

    fn free_if_empty(&mut self) {
        if self.is_empty() {
            *self = ReadBuf::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(buffer: &mut ReadBuf, data: &[u8]) {
        buffer.fill(64, |room| {
            room[..data.len()].copy_from_slice(data);
            ((), data.len())
        });
    }

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let mut buffer = ReadBuf::default();
        fill(&mut buffer, b"hello");
        assert_eq!(buffer.take(2), b"he");
        fill(&mut buffer, b" world");
        assert_eq!(buffer.filled(), b"llo world");
        let mut out = [0; 4];
        assert_eq!(buffer.copy_to(&mut out), 4);
        assert_eq!(&out, b"llo ");
        assert_eq!(buffer.take(5), b"world");
    }

    #[test]
    fn what_is_put_back_comes_out_first() {
        let mut buffer = ReadBuf::default();
        fill(&mut buffer, b"hello world");
        let taken = buffer.take(6);
        buffer.put_back(&taken[2..]);
        assert_eq!(buffer.filled(), b"llo world");
        buffer.take(9);
        buffer.put_back(b"x");
        assert_eq!(buffer.take(1), b"x");
    }

    #[test]
    fn an_empty_buffer_holds_no_memory() {
        let mut buffer = ReadBuf::default();
        fill(&mut buffer, b"");
        assert_eq!(buffer.bytes.capacity(), 0);
        fill(&mut buffer, b"abc");
        buffer.take(1);
        buffer.take(2);
        assert_eq!((buffer.len(), buffer.bytes.capacity()), (0, 0));
    }
}
