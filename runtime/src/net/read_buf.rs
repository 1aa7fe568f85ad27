//! What a stream has read and nobody has asked for yet.

/// Bytes with a mark behind those that are used up. Holds no memory while it is empty, and is a word
/// then, as a stream that idles keeps it.
#[derive(Debug, Default)]
pub(super) struct ReadBuf(Option<Box<Bytes>>);

#[derive(Debug, Default)]
struct Bytes {
    all: Vec<u8>,
    /// Invariant: less than `all.len()`.
    start: usize,
}

impl ReadBuf {
    pub(super) fn filled(&self) -> &[u8] {
        match &self.0 {
            Some(bytes) => &bytes.all[bytes.start..],
            None => &[],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.filled().len()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Takes the first `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Vec<u8> {
        match self
            .0
            .take_if(|bytes| bytes.start == 0 && bytes.all.len() == count)
        {
            Some(bytes) => bytes.all,
            None => {
                let taken = self.filled()[..count].to_vec();
                self.consume(count);
                taken
            }
        }
    }

    /// Copies bytes out, as many as there are and fit.
    pub(super) fn copy_to(&mut self, into: &mut [u8]) -> usize {
        let count = self.len().min(into.len());
        into[..count].copy_from_slice(&self.filled()[..count]);
        self.consume(count);
        count
    }

    /// Moves bytes behind those of `into`, as many as there are and it has room for.
    pub(super) fn append_to(&mut self, into: &mut Vec<u8>) -> usize {
        let count = self.len().min(into.capacity() - into.len());
        into.extend_from_slice(&self.filled()[..count]);
        self.consume(count);
        count
    }

    /// Puts bytes in front of those that are there.
    pub(super) fn put_back(&mut self, bytes: &[u8]) {
        let all = [bytes, self.filled()].concat();
        self.0 = (!all.is_empty()).then(|| Box::new(Bytes { all, start: 0 }));
    }

    /// Has `read` fill room for `count` bytes at the end, and keeps as many as it says.
    pub(super) fn fill<R>(
        &mut self,
        count: usize,
        read: impl FnOnce(&mut [u8]) -> (R, usize),
    ) -> R {
        let mut bytes = self.0.take().unwrap_or_default();
        let Bytes { all, start } = &mut *bytes;
        all.drain(..std::mem::take(start));
        let len = all.len();
        all.resize(len + count, 0);
        let (result, filled) = read(&mut all[len..]);
        all.truncate(len + filled);
        if !all.is_empty() {
            self.0 = Some(bytes);
        }
        result
    }

    fn consume(&mut self, count: usize) {
        if let Some(bytes) = &mut self.0 {
            bytes.start += count;
            if bytes.start == bytes.all.len() {
                self.0 = None;
            }
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
        assert!(buffer.0.is_none());
        fill(&mut buffer, b"abc");
        buffer.take(1);
        buffer.take(2);
        assert!(buffer.0.is_none());
        buffer.put_back(b"");
        assert!(buffer.0.is_none());
    }
}
