//! One round trip: a request out, an answer in.
//!
//! A trip takes the stream. It gives it back to the pool only if the answer was read to its end and
//! both sides want to go on; in all other cases, cancellation too, the stream is closed.
//!
//! ```text
//! begin: send head ─▶ (ask, wait for 100) ─▶ send body ═╗ both at the same time: a server may
//!                                     receive head ═════╝ answer before it has all of the body
//! poll_chunk: what is decoded ◀─ what was read ◀─ read …        finished ─▶ the stream is idle
//! ```

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use squall::net::IoStream;
use squall::with_timeout;

use super::body::{SendError, Sending};
use super::error::{Kind, Source, Stage};
use super::hop::Outgoing;
use super::pool::Seat;
use super::progress::Progress;
use super::wire::{Failure, Wire, closed_early};
use crate::http::{
    BodyDecoder, BodyFraming, ChunkError, ContentDecoder, Decoded, Limits, ResponseHead,
};

/// A round trip whose answer has begun.
pub(super) struct Trip {
    pub(super) head: ResponseHead,
    /// None once the answer was read to its end, or failed.
    open: Option<Open>,
    progress: Rc<Progress>,
    limits: Limits,
    /// The place in the pool, for when the stream is idle.
    pub(super) seat: Option<Seat>,
}

/// What is there while the answer is being read.
struct Open {
    wire: Wire,
    /// The request's body, while it is still being sent.
    sending: Option<Sending>,
    framing: BodyDecoder,
    /// True once the framing said that the body is complete.
    complete: bool,
    content: Option<ContentDecoder>,
    /// What was decoded and not given yet.
    ready: Vec<u8>,
    /// Bytes that were given; counted against the limit if they were decompressed.
    given: u64,
    reusable: bool,
}

/// Sends a request, and receives the head of its answer.
pub(super) async fn begin(
    stream: IoStream,
    out: Outgoing,
    decompress: bool,
    limits: Limits,
    progress: Rc<Progress>,
) -> Result<Trip, Failure> {
    progress.enter(Stage::Send);
    let mut wire = Wire::new(stream);
    let stream = wire.stream.clone();
    // A server that refuses a body may answer and close before it took all of it. So an answer is
    // looked for even if sending fails.
    let mut sent = stream.write(&out.first).await;
    progress.moved();
    let mut early = None;
    let mut sending = None;
    if let Some(body) = out.rest.as_ref().filter(|_| sent.is_ok()) {
        if out.asks {
            progress.enter(Stage::Head);
            let agreed = poll_fn(|cx| wire.poll_continue(cx, &out.method, &limits, &progress));
            // One that is silent for so long does not know the question (RFC 9110 §10.1.1).
            if let Ok(agreed) = with_timeout(PATIENCE, agreed).await {
                early = agreed?;
            }
            progress.enter(Stage::Send);
        }
        if early.is_none() {
            sending = Some(body.send(&stream, &progress));
        }
    }
    drop(stream);
    let refused = early.is_some();
    let head = match early {
        Some(head) => Ok(head),
        None => {
            if sending.is_none() {
                progress.enter(Stage::Head);
            }
            let both = poll_fn(|cx| {
                if let Some(ended) = poll_sending(&mut sending, cx) {
                    progress.enter(Stage::Head);
                    match ended {
                        Ok(()) => {}
                        Err(SendError::Stream(error)) => sent = Err(error),
                        Err(SendError::Producer(error)) => {
                            return Poll::Ready(Err(Failure::new(Kind::Producer, error)));
                        }
                    }
                }
                wire.poll_final_head(cx, &out.method, &limits, &progress)
            });
            both.await
        }
    };
    let is_sent = sent.is_ok();
    let head = head.map_err(|failure| match sent {
        // It is the reset that explains the silence, not the other way round.
        Err(error) if failure.kind != Kind::Producer => Failure {
            silent: failure.silent,
            ..Failure::at(Stage::Send, error)
        },
        _ => failure,
    })?;
    let mut reusable = is_sent
        && !refused
        && head.keep_alive
        && !out.closes
        && head.status != StatusCode::SWITCHING_PROTOCOLS;
    if !head.status.is_success() && sending.take().is_some() {
        // It is not interested in the rest.
        reusable = false;
    }
    Trip::new(head, wire, sending, reusable, decompress, limits, progress)
}

impl Trip {
    fn new(
        mut head: ResponseHead,
        wire: Wire,
        sending: Option<Sending>,
        reusable: bool,
        decompress: bool,
        limits: Limits,
        progress: Rc<Progress>,
    ) -> Result<Trip, Failure> {
        progress.enter_body(match head.framing {
            BodyFraming::Length(length) => Some(length),
            BodyFraming::None => Some(0),
            BodyFraming::Chunked | BodyFraming::UntilClose => None,
        });
        let framing = BodyDecoder::new(head.framing, &limits);
        let framing = framing.map_err(|error| body_failure(error, &limits, &progress))?;
        let has_body = head.framing.has_body();
        let content = (decompress && has_body)
            .then(|| take_coding(&mut head))
            .flatten();
        let open = Open {
            wire,
            sending,
            framing,
            complete: !has_body,
            content,
            ready: Vec::new(),
            given: 0,
            reusable,
        };
        Ok(Trip {
            head,
            open: Some(open),
            progress,
            limits,
            seat: None,
        })
    }

    /// Receives the next piece of the body; none at its end.
    ///
    /// Nothing is lost if it is not polled to its end.
    pub(super) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Vec<u8>>, Failure>> {
        let Some(open) = &mut self.open else {
            return Poll::Ready(Ok(None));
        };
        let polled = ready!(open.poll_chunk(cx, &self.limits, &self.progress));
        if !matches!(polled, Ok(Some(_))) {
            self.finish();
        }
        Poll::Ready(polled)
    }

    /// Reads what is left of a body that nobody wants, so that the connection can go on; one that is
    /// long is not worth it.
    pub(super) async fn drain(mut self) {
        let mut left = DRAINED;
        let chunk = |trip: &mut Trip, cx: &mut Context<'_>| trip.poll_chunk(cx);
        while let Ok(Some(piece)) = poll_fn(|cx| chunk(&mut self, cx)).await {
            match left.checked_sub(piece.len()) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    }

    /// How long the body is, if that was said and it is not compressed.
    pub(super) fn length(&self) -> Option<u64> {
        let is_plain = self.open.as_ref().is_none_or(|open| open.content.is_none());
        match self.head.framing {
            BodyFraming::Length(length) if is_plain => Some(length),
            BodyFraming::None => Some(0),
            _ => None,
        }
    }

    /// Gives the answer up.
    pub(super) fn close(&mut self) {
        self.open = None;
        self.seat = None;
    }

    /// Gives the stream to the pool if it is good for another request, and lets the next one in line
    /// have its place.
    fn finish(&mut self) {
        let (Some(open), seat) = (self.open.take(), self.seat.take()) else {
            return;
        };
        let whole = open.complete && open.ready.is_empty() && open.sending.is_none();
        if let Some(seat) = seat.filter(|_| whole && open.reusable)
            && let Some(stream) = open.wire.into_idle()
        {
            seat.put(stream);
        }
    }
}

impl Open {
    fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        limits: &Limits,
        progress: &Progress,
    ) -> Poll<Result<Option<Vec<u8>>, Failure>> {
        loop {
            if let Some(ended) = self.decode(limits, progress)? {
                return Poll::Ready(Ok(match ended {
                    true => None,
                    false => Some(std::mem::take(&mut self.ready)),
                }));
            }
            if !self.wire.input.is_empty() {
                self.unframe(limits, progress)?;
                continue;
            }
            match poll_sending(&mut self.sending, cx) {
                None | Some(Ok(())) => {}
                // The answer may be complete all the same.
                Some(Err(SendError::Stream(_))) => self.reusable = false,
                Some(Err(SendError::Producer(error))) => {
                    return Poll::Ready(Err(Failure::new(Kind::Producer, error)));
                }
            }
            let filled = ready!(self.wire.poll_fill(cx, progress));
            let failed = |error: Source| Failure::new(Kind::Failed(progress.at()), error);
            if filled.map_err(|error| failed(error.into()))? == 0 {
                self.reusable = false;
                match self.framing.is_finished_at_close() {
                    true => self.complete = true,
                    false => return Poll::Ready(Err(failed(closed_early().into()))),
                }
            }
        }
    }

    /// Looks what of the content is ready: true at its end, false if there is some.
    fn decode(&mut self, limits: &Limits, progress: &Progress) -> Result<Option<bool>, Failure> {
        let Some(content) = &mut self.content else {
            return Ok(match self.ready.is_empty() {
                false => Some(false),
                true => self.complete.then_some(true),
            });
        };
        if self.complete {
            content.end();
        }
        let decoded = content.read(&mut self.ready);
        let decoded = decoded.map_err(|error| Failure::new(Kind::Encoding, error))?;
        self.given += self.ready.len() as u64;
        if self.given > limits.max_body_bytes {
            self.ready.clear();
            return Err(body_failure(ChunkError::TooLarge, limits, progress));
        }
        Ok(match decoded {
            Decoded::Some => Some(false),
            Decoded::Finished => Some(true),
            Decoded::NeedMore => None,
        })
    }

    /// Takes what was read out of its chunks.
    fn unframe(&mut self, limits: &Limits, progress: &Progress) -> Result<(), Failure> {
        let mut plain = Vec::new();
        let into = match self.content {
            Some(_) => &mut plain,
            None => &mut self.ready,
        };
        let decoded = self.framing.decode(&self.wire.input, into);
        let count = into.len();
        let (consumed, complete) =
            decoded.map_err(|error| body_failure(error, limits, progress))?;
        progress.received(count);
        self.wire.consume(consumed);
        self.complete = complete;
        if let Some(content) = &mut self.content {
            content.feed(&plain);
        }
        Ok(())
    }
}

fn poll_sending(
    sending: &mut Option<Sending>,
    cx: &mut Context<'_>,
) -> Option<Result<(), SendError>> {
    let polled = sending.as_mut()?.as_mut().poll(cx);
    match polled {
        Poll::Ready(ended) => {
            *sending = None;
            Some(ended)
        }
        Poll::Pending => None,
    }
}

/// Finds out how the body is compressed, and says in the head that it no longer is.
fn take_coding(head: &mut ResponseHead) -> Option<ContentDecoder> {
    let mut codings = head.headers.get_all(header::CONTENT_ENCODING).iter();
    let (Some(coding), None) = (codings.next(), codings.next()) else {
        return None;
    };
    let decoder = ContentDecoder::new(coding.as_bytes())?;
    let coding: HeaderValue = coding.clone();
    head.headers.remove(header::CONTENT_ENCODING);
    let consumed = HeaderName::from_static("x-consumed-content-encoding");
    head.headers.insert(consumed, coding);
    Some(decoder)
}

fn body_failure(error: ChunkError, limits: &Limits, progress: &Progress) -> Failure {
    match error {
        ChunkError::TooLarge => Failure::too_large(Kind::BodyTooLarge {
            max: limits.max_body_bytes,
        }),
        ChunkError::Malformed(_) => Failure::new(Kind::Failed(progress.at()), error),
    }
}

/// How long a server is waited for that was asked whether it wants the body.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many bytes of a body that nobody wants are read to keep its connection.
const DRAINED: usize = 64 * 1024;
