//! What both sides need: pieces of bodies as the peer's window allows.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Poll, ready};

use bytes::Bytes;
use h2::SendStream;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::http::Limits;

/// Why a stream came to no good end.
pub(super) enum Cut {
    /// The peer has reset it, or is gone.
    Peer,
    /// What was to be sent broke off, so that the peer must not take it for whole.
    Message,
}

/// Bounds for what comes from ourselves, whose size is its maker's affair.
pub(super) fn no_limits() -> Limits {
    Limits {
        max_head_bytes: usize::MAX,
        max_headers: usize::MAX,
        max_body_bytes: u64::MAX,
        ..Limits::default()
    }
}

/// What `answer` gives; nothing if `end` ends before with an error.
pub(super) async fn first<T>(
    end: impl Future<Output = Result<(), Cut>>,
    answer: impl Future<Output = T>,
) -> Result<T, Cut> {
    let (mut end, mut answer) = (pin!(end), pin!(answer));
    let mut is_over = false;
    poll_fn(|cx| {
        if !is_over && let Poll::Ready(ended) = end.as_mut().poll(cx) {
            is_over = true;
            ended?;
        }
        answer.as_mut().poll(cx).map(Ok)
    })
    .await
}

/// Trailers as the codec wants them.
pub(super) fn as_fields(trailers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let fields = trailers.iter();
    fields
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Sends a piece as the peer's window allows.
pub(super) async fn send(
    out: &mut SendStream<Bytes>,
    mut piece: Bytes,
    is_last: bool,
) -> Result<(), Cut> {
    loop {
        let room = match piece.is_empty() {
            true => 0,
            false => capacity(out, piece.len()).await?,
        };
        let part = piece.split_to(room.min(piece.len()));
        let is_whole = piece.is_empty();
        let sent = out.send_data(part, is_last && is_whole);
        sent.map_err(|_| Cut::Peer)?;
        if is_whole {
            return Ok(());
        }
    }
}

/// Waits until some of `wanted` bytes may be sent.
async fn capacity(out: &mut SendStream<Bytes>, wanted: usize) -> Result<usize, Cut> {
    out.reserve_capacity(wanted);
    poll_fn(|cx| {
        if out.poll_reset(cx).is_ready() {
            return Poll::Ready(Err(Cut::Peer));
        }
        while out.capacity() == 0 {
            match ready!(out.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(Err(Cut::Peer)),
            }
        }
        Poll::Ready(Ok(out.capacity()))
    })
    .await
}
