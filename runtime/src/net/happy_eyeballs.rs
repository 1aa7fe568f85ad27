//! Connecting to a host that has several addresses.
//!
//! The addresses of the first one's version are tried one after the other. Those of the other version
//! begin beside them when 0.3 seconds have passed or an address has failed, whichever is first. The
//! first connection that is made wins, and the others are dropped. So a host whose version 6 leads
//! nowhere costs 0.3 seconds, not the minutes of the system's time-out (RFC 8305, as Tornado has it).

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::ioloop::sleep;

/// How long the first version is alone.
const HEAD_START: Duration = Duration::from_millis(300);

/// Connects to the first of `addresses` that accepts. If none does the error is that of the first to
/// fail; `None` if there is no address.
pub(super) async fn connect_any<T, F>(
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> Option<Result<T>>
where
    F: Future<Output = Result<T>>,
{
    let first = *addresses.first()?;
    let (primary, secondary): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv4() == first.is_ipv4());
    let connect = |address| Box::pin(connect(address));
    let mut tracks = [primary, secondary].map(|addresses| Track {
        addresses: addresses.into_iter(),
        current: None,
    });
    let mut head_start = (!tracks[1].addresses.as_slice().is_empty()).then(|| sleep(HEAD_START));
    let mut error = None;
    let connected = poll_fn(|cx| {
        loop {
            if let Some(timer) = &mut head_start
                && Pin::new(timer).poll(cx).is_ready()
            {
                head_start = None;
            }
            let started = if head_start.is_some() { 1 } else { 2 };
            let mut pending = 0;
            for track in &mut tracks[..started] {
                match track.poll(cx, &connect, &mut error) {
                    Poll::Ready(Some(stream)) => return Poll::Ready(Some(stream)),
                    Poll::Ready(None) => {}
                    Poll::Pending => pending += 1,
                }
            }
            // A failure ends the head start.
            match (error.is_some() && head_start.take().is_some(), pending) {
                (true, _) => {}
                (false, 0) => return Poll::Ready(None),
                (false, _) => return Poll::Pending,
            }
        }
    })
    .await;
    match connected {
        Some(stream) => Some(Ok(stream)),
        None => Some(Err(error?)),
    }
}

/// The addresses of one version, tried one after the other.
struct Track<F> {
    addresses: std::vec::IntoIter<SocketAddr>,
    current: Option<Pin<Box<F>>>,
}

impl<F> Track<F> {
    /// Ready with what was connected, or with nothing when all have failed.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        connect: &impl Fn(SocketAddr) -> Pin<Box<F>>,
        first_error: &mut Option<Error>,
    ) -> Poll<Option<T>>
    where
        F: Future<Output = Result<T>>,
    {
        loop {
            if self.current.is_none() {
                self.current = self.addresses.next().map(connect);
            }
            let Some(current) = &mut self.current else {
                return Poll::Ready(None);
            };
            match std::task::ready!(current.as_mut().poll(cx)) {
                Ok(stream) => return Poll::Ready(Some(stream)),
                Err(error) => {
                    self.current = None;
                    first_error.get_or_insert(error);
                }
            }
        }
    }
}
