//! Writes that wait until the system has taken all.
//!
//! The stream has no buffer of its own for them: what waits is in the callers' hands, who are served
//! one after the other.

use std::future::poll_fn;
use std::io::IoSlice;

use super::stream::IoStream;
use crate::error::{Error, Result};

impl IoStream {
    /// Writes all of `data`; done when the system has taken it.
    ///
    /// What the system does not take at once is written as the peer reads: a slow reader makes its
    /// writer wait. Of several writes at the same time each goes out whole, in the order of their
    /// calls.
    ///
    /// # Errors
    ///
    /// If the stream is closed by either side ([`Error::is_closed`]), if it has a
    /// [limit](Self::set_max_write_buffer_size) and more would wait ([`Error::is_limit`]), or if the
    /// system's write fails.
    ///
    /// # Cancellation
    ///
    /// A part of the data may have been sent.
    pub async fn write(&self, data: &[u8]) -> Result<()> {
        let _waits = Waits::begin(self, data.len())?;
        let _turn = self.writing.wait().await;
        self.socket.begin_write();
        let mut rest = data;
        while !rest.is_empty() {
            let written = poll_fn(|cx| self.poll_write(cx, rest)).await?;
            rest = &rest[written..];
        }
        Ok(())
    }

    /// Writes all of `parts`, one after the other, without joining them first: a socket or pipe takes
    /// them in one call of the system. Otherwise as [`write`](Self::write).
    ///
    /// The slices are moved on as they are written; make them anew for another write.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::IoSlice;
    /// use squall::net::IoStream;
    /// use squall::yield_;
    ///
    /// #[squall::main]
    /// fn main() -> squall::Result<()> {
    ///     let (near, far) = IoStream::pair();
    ///     let (head, body) = (b"2\n", b"ok");
    ///     yield_!(near.write_vectored(&mut [IoSlice::new(head), IoSlice::new(body)]))?;
    ///     assert_eq!(yield_!(far.read_bytes(4))?, b"2\nok");
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As those of [`write`](Self::write).
    ///
    /// # Cancellation
    ///
    /// A part of the data may have been sent.
    pub async fn write_vectored(&self, mut parts: &mut [IoSlice<'_>]) -> Result<()> {
        let mut left: usize = parts.iter().map(|part| part.len()).sum();
        let _waits = Waits::begin(self, left)?;
        let _turn = self.writing.wait().await;
        self.socket.begin_write();
        while left > 0 {
            let written = poll_fn(|cx| self.poll_write_vectored(cx, parts)).await?;
            IoSlice::advance_slices(&mut parts, written);
            left -= written;
        }
        Ok(())
    }

    /// True while a write is pending.
    pub fn is_writing(&self) -> bool {
        self.writing.is_busy()
    }

    /// Returns how many bytes may wait to be written; none if there is no limit, as at first.
    pub fn max_write_buffer_size(&self) -> Option<usize> {
        self.rare.look(|rare| rare.max_write_buffer_size)?
    }

    /// Sets how many bytes may wait to be written: those of all writes that are pending together.
    ///
    /// A write that would go past it fails at once, and sends nothing: Tornado's `StreamBufferFullError`.
    /// Without a limit each write waits, with the data in its caller's hands; who starts one after the
    /// other without waiting wants one.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::net::IoStream;
    /// use squall::yield_;
    ///
    /// #[squall::main]
    /// fn main() -> squall::Result<()> {
    ///     let (near, _far) = IoStream::pair();
    ///     near.set_max_write_buffer_size(Some(1000));
    ///     let error = yield_!(near.write(&[0; 1001])).expect_err("it is too much");
    ///     assert!(error.is_limit());
    ///     Ok(())
    /// }
    /// ```
    pub fn set_max_write_buffer_size(&self, bytes: Option<usize>) {
        self.rare.with(|rare| rare.max_write_buffer_size = bytes);
    }
}

/// Counts a write's bytes against the limit, until it is dropped.
struct Waits<'a> {
    stream: &'a IoStream,
    /// 0 if there is no limit.
    bytes: usize,
}

impl<'a> Waits<'a> {
    fn begin(stream: &'a IoStream, bytes: usize) -> Result<Waits<'a>> {
        let counted = stream.rare.look(|rare| {
            let Some(limit) = rare.max_write_buffer_size else {
                return Ok(0);
            };
            let together = rare.waiting_to_be_written.saturating_add(bytes);
            if together > limit {
                return Err(Error::write_buffer_full(limit));
            }
            rare.waiting_to_be_written = together;
            Ok(bytes)
        });
        Ok(Waits {
            stream,
            bytes: counted.unwrap_or(Ok(0))?,
        })
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            (self.stream.rare).look(|rare| rare.waiting_to_be_written -= self.bytes);
        }
    }
}
