//! What was read of a connection and not taken apart yet.

use std::cell::RefCell;
use std::fmt;
use std::task::{Context, Poll};

use squall::net::IoStream;

/// How much is read at a time.
const READ: usize = 16 * 1024;

/// How many buffers are kept for the next reads.
const KEPT: usize = 32;

thread_local! {
    static BUFFERS: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes in a buffer of the thread's, which goes back when they are used up.
#[derive(Default)]
pub(super) struct Input {
    buffer: Option<Box<[u8]>>,
    start: usize,
    end: usize,
}

impl Input {
    /// Begins with bytes that somebody else has read.
    pub(super) fn with(bytes: Vec<u8>) -> Input {
        Input {
            start: 0,
            end: bytes.len(),
            buffer: (!bytes.is_empty()).then(|| bytes.into_boxed_slice()),
        }
    }

    pub(super) fn filled(&self) -> &[u8] {
        match &self.buffer {
            Some(buffer) => &buffer[self.start..self.end],
            None => &[],
        }
    }

    /// Uses up the first `count` bytes.
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        if self.start == self.end {
            self.give_back();
        }
    }

    /// Reads once; everything has to be used up. Gives 0 at the end of the stream.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        stream: &IoStream,
    ) -> Poll<squall::Result<usize>> {
        std::task::ready!(stream.poll_readable(cx))?;
        let pooled = BUFFERS.with_borrow_mut(Vec::pop);
        let mut buffer = pooled.unwrap_or_else(|| vec![0; READ].into_boxed_slice());
        let read = stream.poll_read(cx, &mut buffer);
        self.buffer = Some(buffer);
        self.start = 0;
        self.end = match read {
            Poll::Ready(Ok(read)) => read,
            _ => 0,
        };
        if self.end == 0 {
            self.give_back();
        }
        read
    }

    fn give_back(&mut self) {
        (self.start, self.end) = (0, 0);
        if let Some(buffer) = self.buffer.take().filter(|buffer| buffer.len() == READ) {
            // The thread may be at its end.
            let _ = BUFFERS.try_with(|buffers| {
                let mut buffers = buffers.borrow_mut();
                if buffers.len() < KEPT {
                    buffers.push(buffer);
                }
            });
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Input").field(&self.filled().len()).finish()
    }
}
