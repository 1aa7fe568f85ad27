//! Streams, the TCP server and client, over real sockets on port 0.

/// Servers and clients: connections, names, descriptors that run out.
mod server;

/// Tornado's cases of streams, over each kind of them.
mod cases;

/// Looking names up, and connecting to hosts with several addresses.
mod connecting;

/// Where servers listen, and on how many threads.
mod listening;

/// Reads: what ends them, what they keep, one at a time.
mod reads;

/// TLS.
pub(crate) mod tls;

/// Writes, slow readers, and closing.
mod writes;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use squall::net::{IoStream, TcpClient, TcpServer};
use squall::{sleep, yield_};

pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const LIMIT: usize = 64 * 1024;
pub(super) const MIB: usize = 1024 * 1024;

pub(super) fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Waits for `future`; `None` if the loop has nothing left to do before it is done.
///
/// The virtual clock comes to the end of the hour only when no socket has anything to say.
pub(super) async fn settled<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut end = sleep(Duration::from_secs(3600));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Pin::new(&mut end).poll(cx).map(|()| None),
    })
    .await
}

/// Lets the loop ask the system for I/O, and hand it out.
#[squall::coroutine]
pub(super) fn polls() {
    for _ in 0..3 {
        yield_!(sleep(MS));
    }
}

pub(super) fn bind() -> (TcpServer, u16) {
    let server = TcpServer::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    (server, port)
}

/// Two ends of a TCP connection.
#[squall::coroutine]
pub(super) fn tcp_pair() -> (IoStream, IoStream) {
    let (server, port) = bind();
    let connecting = TcpClient::new().connect("127.0.0.1", port);
    let (accepted, peer) = yield_!(server.accept()).unwrap();
    let client = yield_!(connecting).unwrap();
    assert_eq!(client.local_addr(), Some(peer));
    assert_eq!(client.peer_addr(), accepted.local_addr());
    (client, accepted)
}

pub(super) fn unix_pair() -> (IoStream, IoStream) {
    let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
    (
        IoStream::from_unix(a).unwrap(),
        IoStream::from_unix(b).unwrap(),
    )
}

/// A stream and the plain socket at its other end.
pub(super) fn half() -> (IoStream, std::os::unix::net::UnixStream) {
    let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
    (IoStream::from_unix(a).unwrap(), b)
}
