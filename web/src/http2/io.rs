//! A stream of ours as `h2` wants it.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use squall::net::IoStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream, and what was read of it before.
pub(crate) struct Io {
    stream: Rc<IoStream>,
    read: Vec<u8>,
}

impl Io {
    pub(crate) fn new(stream: Rc<IoStream>, read: Vec<u8>) -> Io {
        Io { stream, read }
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.read.is_empty() {
            let count = self.read.len().min(into.remaining());
            into.put_slice(&self.read[..count]);
            self.read.drain(..count);
            return Poll::Ready(Ok(()));
        }
        // First, so that no room is made for a read that has to wait.
        ready!(self.stream.poll_readable(cx)).map_err(into_io)?;
        let room = into.initialize_unfilled();
        let count = ready!(self.stream.poll_read(cx, room)).map_err(into_io)?;
        into.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    // A write that was pending comes again with the same bytes, as TLS wants it: `h2` sends what it has
    // encoded in order, and forgets of it only what was taken.
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.poll_write(cx, data).map_err(into_io)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.poll_write_vectored(cx, parts).map_err(into_io)
    }

    fn is_write_vectored(&self) -> bool {
        !self.stream.is_secure()
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.shutdown_write().map_err(into_io))
    }
}

fn into_io(error: squall::Error) -> io::Error {
    let kind = error.io().map(io::Error::kind);
    io::Error::new(kind.unwrap_or(io::ErrorKind::BrokenPipe), error.to_string())
}
