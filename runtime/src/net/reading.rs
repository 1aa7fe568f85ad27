//! Reads that wait until they have what was asked for.
//!
//! Each looks at the buffer, and reads from the socket to its end as long as that does not do. A read
//! that fails or is dropped leaves in the buffer what has come.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use super::stream::IoStream;
use crate::error::{Error, Result};

/// How much is read at a time.
const CHUNK: usize = 16 * 1024;

impl IoStream {
    /// Reads up to and with `delimiter`.
    ///
    /// # Errors
    ///
    /// If it is not found within `max` bytes ([`Error::is_limit`]), if the stream ends before
    /// ([`Error::is_closed`]), if another read is pending, or if the system's read fails.
    ///
    /// # Cancellation
    ///
    /// No bytes are lost: what was read stays in the stream.
    pub async fn read_until(&self, delimiter: &[u8], max: usize) -> Result<Vec<u8>> {
        let _reading = Reading::begin(self)?;
        let max = self.limit(max);
        let mut searched = 0;
        loop {
            let (found, len) = {
                let buffer = self.buffer.borrow();
                let from = searched.min(buffer.len());
                let found =
                    find(&buffer.filled()[from..], delimiter).map(|at| from + at + delimiter.len());
                (found, buffer.len())
            };
            match found {
                Some(end) if end <= max => return Ok(self.buffer.borrow_mut().take(end)),
                None if len < max => {}
                _ => return Err(Error::limit_exceeded(max)),
            }
            searched = len.saturating_sub(delimiter.len().saturating_sub(1));
            self.fill_or_fail().await?;
        }
    }

    /// Reads up to and with what `pattern` matches first.
    ///
    /// It is looked for in what has come so far, as Tornado does: a pattern that could match more if
    /// more came, such as `a+`, matches what is there. End it with what comes behind it.
    ///
    /// # Examples
    ///
    /// ```
    /// use regex::bytes::Regex;
    /// use squall::net::IoStream;
    /// use squall::yield_;
    ///
    /// #[squall::main]
    /// fn main() -> squall::Result<()> {
    ///     let end_of_head = Regex::new("\r?\n\r?\n").expect("the pattern is sound");
    ///     let (near, far) = IoStream::pair();
    ///     yield_!(near.write(b"GET / HTTP/1.0\n\nrest"))?;
    ///     let head = yield_!(far.read_until_regex(&end_of_head, 1024))?;
    ///     assert_eq!(head, b"GET / HTTP/1.0\n\n");
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// If the match does not end within `max` bytes ([`Error::is_limit`]), if the stream ends before
    /// ([`Error::is_closed`]), if another read is pending, or if the system's read fails.
    ///
    /// # Cancellation
    ///
    /// No bytes are lost: what was read stays in the stream.
    #[cfg(feature = "regex")]
    pub async fn read_until_regex(
        &self,
        pattern: &regex::bytes::Regex,
        max: usize,
    ) -> Result<Vec<u8>> {
        let _reading = Reading::begin(self)?;
        let max = self.limit(max);
        loop {
            let (found, len) = {
                let buffer = self.buffer.borrow();
                let found = pattern.find(buffer.filled()).map(|found| found.end());
                (found, buffer.len())
            };
            match found {
                Some(end) if end <= max => return Ok(self.buffer.borrow_mut().take(end)),
                None if len < max => {}
                _ => return Err(Error::limit_exceeded(max)),
            }
            // A match may begin anywhere, so each look is at all: the looks are at twice as much each
            // time, while more is there.
            self.fill_or_fail().await?;
            let enough = (2 * len).min(max);
            let more = |cx: &mut Context<'_>| {
                while self.buffer.borrow().len() < enough {
                    match self.poll_fill(cx) {
                        Poll::Ready(Ok(read)) if read > 0 => {}
                        // Found out again by the next read, if nothing matches.
                        _ => break,
                    }
                }
                Poll::Ready(())
            };
            poll_fn(more).await;
        }
    }

    /// Reads exactly `count` bytes.
    ///
    /// # Errors
    ///
    /// If `count` is more than [`max_buffer_size`](Self::max_buffer_size) ([`Error::is_limit`]), if
    /// the stream ends before ([`Error::is_closed`]), if another read is pending, or if the system's
    /// read fails.
    ///
    /// # Cancellation
    ///
    /// No bytes are lost: what was read stays in the stream.
    pub async fn read_bytes(&self, count: usize) -> Result<Vec<u8>> {
        let _reading = Reading::begin(self)?;
        let max = self.limit(count);
        if max < count {
            return Err(Error::limit_exceeded(max));
        }
        while self.buffer.borrow().len() < count {
            self.fill_or_fail().await?;
        }
        Ok(self.buffer.borrow_mut().take(count))
    }

    /// Reads what there is, `max` bytes at most and one at least; empty at the end of the stream.
    ///
    /// Tornado's `read_bytes(…, partial=True)`.
    ///
    /// # Errors
    ///
    /// If another read is pending, or if the system's read fails.
    ///
    /// # Cancellation
    ///
    /// No bytes are lost: what was read stays in the stream.
    pub async fn read_partial(&self, max: usize) -> Result<Vec<u8>> {
        let _reading = Reading::begin(self)?;
        if max > 0 && self.buffer.borrow().is_empty() {
            poll_fn(|cx| self.poll_fill(cx)).await?;
        }
        let mut buffer = self.buffer.borrow_mut();
        let len = buffer.len().min(max);
        Ok(buffer.take(len))
    }

    /// Fills all of `into`, past the stream's own buffer.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::net::IoStream;
    /// use squall::yield_;
    ///
    /// #[squall::main]
    /// fn main() -> squall::Result<()> {
    ///     let (near, far) = IoStream::pair();
    ///     yield_!(near.write(b"12345678rest"))?;
    ///     let mut number = [0; 8];
    ///     yield_!(far.read_into(&mut number))?;
    ///     assert_eq!(&number, b"12345678");
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// If the stream ends before ([`Error::is_closed`]), if another read is pending, or if the
    /// system's read fails.
    ///
    /// # Cancellation
    ///
    /// No bytes are lost, nor after an error: what was read into the room goes back to the stream.
    pub async fn read_into(&self, into: &mut [u8]) -> Result<()> {
        let _reading = Reading::begin(self)?;
        let mut room = Room {
            stream: self,
            into,
            filled: 0,
        };
        poll_fn(|cx| room.poll_fill(cx)).await?;
        room.filled = 0;
        Ok(())
    }

    /// Reads what there is into `into`, one byte at least if it has room; gives how many, 0 at the end
    /// of the stream.
    ///
    /// Tornado's `read_into(…, partial=True)`.
    ///
    /// # Errors
    ///
    /// If another read is pending, or if the system's read fails.
    ///
    /// # Cancellation
    ///
    /// No bytes are lost.
    pub async fn read_into_partial(&self, into: &mut [u8]) -> Result<usize> {
        let _reading = Reading::begin(self)?;
        if into.is_empty() {
            return Ok(0);
        }
        poll_fn(|cx| self.poll_read(cx, into)).await
    }

    /// Reads until the peer closes.
    ///
    /// A connection that is reset has ended, too, as in Tornado: [`error`](Self::error) tells such an
    /// end from a good one. With TLS the peer has to say that it is the end: otherwise somebody else
    /// may have cut it off, which is an error.
    ///
    /// # Errors
    ///
    /// If more than `max` bytes come ([`Error::is_limit`]), if another read is pending, or if the
    /// system's read fails.
    ///
    /// # Cancellation
    ///
    /// No bytes are lost: what was read stays in the stream.
    pub async fn read_until_close(&self, max: usize) -> Result<Vec<u8>> {
        let _reading = Reading::begin(self)?;
        let max = self.limit(max);
        loop {
            if self.buffer.borrow().len() > max {
                return Err(Error::limit_exceeded(max));
            }
            match poll_fn(|cx| self.poll_fill(cx)).await {
                Ok(0) => {}
                Err(error) if is_reset(&error) && !self.socket.tells_ends() => {}
                Ok(_) => continue,
                Err(error) => return Err(error),
            }
            let mut buffer = self.buffer.borrow_mut();
            let len = buffer.len();
            return Ok(buffer.take(len));
        }
    }

    /// True while a read is pending.
    pub fn is_reading(&self) -> bool {
        self.reading.get()
    }

    /// Returns how many bytes the stream buffers for one read at most; 100 MiB unless it was set.
    pub fn max_buffer_size(&self) -> usize {
        self.rare.max_buffer_size()
    }

    /// Sets how many bytes the stream buffers for one read at most. A read that asks for more fails
    /// with [`Error::is_limit`], so that no peer's number takes all memory.
    pub fn set_max_buffer_size(&self, bytes: usize) {
        self.rare.with(|rare| rare.max_buffer_size = bytes);
    }

    fn limit(&self, max: usize) -> usize {
        max.min(self.rare.max_buffer_size())
    }

    /// Reads once from the socket to the end of the buffer.
    fn poll_fill(&self, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        // First, so that no room is made for a read that has to wait.
        if !self.closed.get() {
            ready!(self.poll_may_read(cx))?;
        }
        self.buffer.borrow_mut().fill(CHUNK, |room| {
            let polled = self.poll_read_socket(cx, room);
            let read = match &polled {
                Poll::Ready(Ok(read)) => *read,
                _ => 0,
            };
            (polled, read)
        })
    }

    async fn fill_or_fail(&self) -> Result<()> {
        match poll_fn(|cx| self.poll_fill(cx)).await? {
            0 => Err(Error::stream_closed()),
            _ => Ok(()),
        }
    }
}

/// Marks that a read is pending, until it is dropped.
struct Reading<'a>(&'a IoStream);

impl<'a> Reading<'a> {
    fn begin(stream: &'a IoStream) -> Result<Reading<'a>> {
        if stream.closed.get() {
            return Err(Error::stream_closed());
        }
        if stream.reading.replace(true) {
            return Err(Error::already_reading());
        }
        Ok(Reading(stream))
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.reading.set(false);
    }
}

/// A caller's room that is filled; gives back what it has if it is dropped before it is full.
struct Room<'a> {
    stream: &'a IoStream,
    into: &'a mut [u8],
    filled: usize,
}

impl Room<'_> {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while self.filled < self.into.len() {
            match ready!(self.stream.poll_read(cx, &mut self.into[self.filled..]))? {
                0 => return Poll::Ready(Err(Error::stream_closed())),
                read => self.filled += read,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if self.filled > 0 {
            let mut buffer = self.stream.buffer.borrow_mut();
            buffer.put_back(&self.into[..self.filled]);
        }
    }
}

fn is_reset(error: &Error) -> bool {
    let kind = error.io().map(io::Error::kind);
    kind == Some(io::ErrorKind::ConnectionReset)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    (haystack.windows(needle.len())).position(|window| window == needle)
}
