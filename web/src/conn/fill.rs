//! Reading into a vector that grows by what comes.

use std::task::{Context, Poll, ready};

use squall::net::IoStream;

/// Reads once, up to `room` bytes, behind what is there; 0 at the end.
pub(crate) fn poll_fill(
    stream: &IoStream,
    cx: &mut Context<'_>,
    input: &mut Vec<u8>,
    room: usize,
) -> Poll<squall::Result<usize>> {
    // First, so that no room is made for a read that has to wait.
    ready!(stream.poll_readable(cx))?;
    let had = input.len();
    input.resize(had + room, 0);
    let read = stream.poll_read(cx, &mut input[had..]);
    let count = match &read {
        Poll::Ready(Ok(count)) => *count,
        _ => 0,
    };
    input.truncate(had + count);
    read
}
