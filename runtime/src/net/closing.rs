//! The end of a stream, and who is told.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;

use super::rare::CloseCallback;
use super::stream::IoStream;
use crate::error::Result;
use crate::future::moment;
use crate::ioloop::sources::{Direction, Notifier};
use crate::ioloop::{CallbackResult, IoLoop};

impl IoStream {
    /// Closes the stream: its peer sees the end, and reads and writes of it fail from now on.
    ///
    /// The descriptor of a socket is freed when the stream is dropped, that of a pipe now.
    pub fn close(&self) {
        if !self.closed.replace(true) {
            self.socket.close();
            self.registration.close();
        }
    }

    /// Closes the stream as a failure: the peer of a TCP socket meets an error (`ECONNRESET`) in place of
    /// the end, and what the system has not sent yet is thrown away.
    ///
    /// For what was cut midway, where the end of the stream would say that it is whole; and for peers
    /// that take nothing, whom the system would go on to wait for. The peer is told when the stream is
    /// dropped. What is no TCP socket is [closed](Self::close).
    pub fn reset(&self) {
        if !self.closed.replace(true) {
            if !self.socket.end_by_reset() {
                self.socket.close();
            }
            self.registration.close();
        }
    }

    /// Tells the peer that no more will be written; reading goes on.
    ///
    /// TLS tells it in bytes, which a peer that reads slowly may have no room for now: then it is not
    /// told. See [`finish_writing`](Self::finish_writing).
    ///
    /// # Errors
    ///
    /// If the connection is gone.
    pub fn shutdown_write(&self) -> Result<()> {
        self.socket.shutdown_write()?;
        if self.socket.only_writes() {
            self.registration.close();
        }
        Ok(())
    }

    /// As [`shutdown_write`](Self::shutdown_write), and waits until the system has taken that.
    ///
    /// With TLS a peer takes an end without it for a cut: where the end of the connection is the end of
    /// a message, this comes before [`close`](Self::close).
    ///
    /// # Errors
    ///
    /// If the stream is closed, or the connection gone.
    ///
    /// # Cancellation
    ///
    /// The peer may not be told.
    pub async fn finish_writing(&self) -> Result<()> {
        poll_fn(|cx| self.poll_finish_writing(cx)).await?;
        if self.socket.only_writes() {
            self.registration.close();
        }
        Ok(())
    }

    /// True once [`close`](Self::close) was called.
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Waits until the stream is closed by either side, or its connection breaks.
    ///
    /// Bytes that came before can still be read, if it was the peer who closed. A peer that only says
    /// that it writes no more has closed as far as can be seen from here.
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
    ///     yield_!(far.write(b"bye"))?;
    ///     drop(far);
    ///     yield_!(near.closed());
    ///     assert_eq!(yield_!(near.read_until_close(80))?, b"bye");
    ///     Ok(())
    /// }
    /// ```
    pub async fn closed(&self) {
        let source = self.registration.notifier();
        let direction = self.direction_that_ends();
        poll_fn(|cx| match self.closed.get() {
            true => Poll::Ready(()),
            false => source.poll_ended(direction, cx),
        })
        .await;
    }

    /// Has `callback` be called once when the stream is [closed](Self::closed) by either side, or
    /// dropped: Tornado's `set_close_callback`.
    ///
    /// It is called from the loop, after a read that the end finishes. If the stream is closed already
    /// it is called soon. A callback that was set before is forgotten. What it returns may be a
    /// coroutine that it started; a panic is logged.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::net::IoStream;
    /// use squall::{Promise, yield_};
    ///
    /// #[squall::main]
    /// fn main() {
    ///     let (near, far) = IoStream::pair();
    ///     let (promise, gone) = Promise::new();
    ///     near.set_close_callback(move || promise.set_result("gone"));
    ///     drop(far);
    ///     assert_eq!(yield_!(gone), "gone");
    /// }
    /// ```
    pub fn set_close_callback<R: CallbackResult + 'static>(
        &self,
        callback: impl FnOnce() -> R + 'static,
    ) {
        let callback: CloseCallback = Box::new(move || callback().detach());
        let (slot, is_watched) = self.rare.with(|rare| match &rare.on_close {
            Some(slot) => (slot.clone(), true),
            None => {
                let slot = Rc::default();
                rare.on_close = Some(Rc::clone(&slot));
                (slot, false)
            }
        });
        // Another's destructor runs outside of the stream's own parts.
        let old = slot.replace(Some(callback));
        drop(old);
        if !is_watched {
            let direction = self.direction_that_ends();
            drop(watch(self.registration.notifier(), direction, slot));
        }
    }

    /// Returns the system's error that a read or write of this stream met first; none while there was
    /// none. Tornado's `error`.
    ///
    /// The end of the stream is no error.
    pub fn error(&self) -> Option<io::Error> {
        self.rare.error()
    }

    fn direction_that_ends(&self) -> Direction {
        match self.socket.only_writes() {
            true => Direction::Write,
            false => Direction::Read,
        }
    }
}

/// Calls what is in `slot` when a stream has ended or is gone.
#[crate::coroutine]
fn watch(source: Notifier, direction: Direction, slot: Rc<Cell<Option<CloseCallback>>>) {
    crate::yield_!(poll_fn(|cx| source.poll_ended(direction, cx)));
    // Whoever reads was woken by the same event, and comes first.
    crate::yield_!(moment());
    if let Some(callback) = slot.take() {
        IoLoop::current().run_callback(callback);
    }
}
