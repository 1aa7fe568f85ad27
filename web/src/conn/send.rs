//! Sending what is encoded, as fast as the client reads, but not for ever.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use squall::Sleep;
use squall::net::IoStream;

/// Sends what is behind the first `sent` bytes of `data`, and counts there. A client that takes none
/// of it for as long as `stall` gets no more.
pub(super) async fn send_all(
    stream: &IoStream,
    data: &[u8],
    sent: &mut usize,
    stall: Duration,
) -> squall::Result<()> {
    // Set only if the client keeps us waiting.
    let mut timer: Option<Sleep> = None;
    poll_fn(|cx| {
        while *sent < data.len() {
            match stream.poll_write(cx, &data[*sent..]) {
                Poll::Ready(Ok(count)) => {
                    *sent += count;
                    timer = None;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    let timer = timer.get_or_insert_with(|| squall::sleep(stall));
                    return Pin::new(timer)
                        .poll(cx)
                        .map(|()| Err(stalled(stall).into()));
                }
            }
        }
        Poll::Ready(Ok(()))
    })
    .await
}

fn stalled(stall: Duration) -> io::Error {
    let message = format!("the client has read nothing for {stall:?}");
    io::Error::new(io::ErrorKind::TimedOut, message)
}
