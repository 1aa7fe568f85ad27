//! Reading a request's body: whole before its handler is called, or piece by piece by the handler.

use std::future::{Future, poll_fn};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use squall::Sleep;
use squall::net::IoStream;

use super::exchange::{Exchange, Phase};
use super::inflate::Inflate;
use super::plan::BodyPlan;
use super::server::BATCH;
use crate::error::{Error, Result};
use crate::http::{Allowance, BodyDecoder, BodyFraming, CONTINUE, ChunkError, Limits};

/// Buffers that grew beyond this are given back between requests.
const KEEP: usize = 64 * 1024;

/// How much is read at a time: at first, and the most, which it comes to by doubling whenever that was
/// not enough.
const READ: usize = 16 * 1024;
const READ_MOST: usize = 512 * 1024;

/// Why a body could not be read.
#[derive(Clone, Debug)]
pub(super) enum BodyError {
    /// The client's mistake, or a limit.
    Refused(StatusCode, &'static str),
    /// The client has gone.
    Gone,
}

impl BodyError {
    pub(super) const TOO_SLOW: BodyError =
        BodyError::Refused(StatusCode::REQUEST_TIMEOUT, "the body came too slowly");

    fn into_error(self) -> Error {
        match self {
            BodyError::Refused(status, why) => Error::new(status, why),
            BodyError::Gone => {
                let gone = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                let message = "the body has not come whole";
                Error::new(StatusCode::BAD_REQUEST, message).with_source(squall::Error::from(gone))
            }
        }
    }
}

impl From<ChunkError> for BodyError {
    fn from(error: ChunkError) -> BodyError {
        match error {
            ChunkError::Malformed(why) => BodyError::Refused(error.status(), why),
            ChunkError::TooLarge => BodyError::Refused(error.status(), "the body is too large"),
        }
    }
}

/// Frees a scratch buffer that one request made large.
pub(super) fn give_back(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEEP {
        *buffer = Vec::new();
    }
}

/// A body that has not come whole.
#[derive(Debug)]
pub(super) struct BodyReader {
    decoder: BodyDecoder,
    inflate: Option<Inflate>,
    /// What came last.
    came: Vec<u8>,
    /// How much of it is not decoded yet. Invariant: nothing, when there is a read.
    rest: Range<usize>,
    /// Set by the first wait that lasts.
    timer: Option<Sleep>,
    time_left: Duration,
    allowance: Allowance,
    reads: u32,
    /// How much is read at a time.
    room: usize,
    /// True while the client waits to be told that it may send.
    pub(super) wants_continue: bool,
    /// Why reading has failed.
    failed: Option<BodyError>,
}

impl BodyReader {
    /// Reads once from the socket. False at its end.
    async fn read(&mut self, stream: &IoStream) -> Result<bool, BodyError> {
        self.reads += 1;
        if self.reads.is_multiple_of(BATCH) {
            squall::moment().await;
        }
        self.came.clear();
        let began = squall::turn_time();
        let mut waits = false;
        let read = poll_fn(|cx| {
            let read = stream.poll_read_behind(cx, &mut self.came, self.room);
            if let Poll::Ready(read) = read {
                return Poll::Ready(Some(read));
            }
            let timer = (self.timer).get_or_insert_with(|| squall::sleep_until(began));
            if !waits {
                waits = true;
                timer.reset_after(self.time_left.min(self.allowance.left()));
            }
            Pin::new(timer).poll(cx).map(|()| None)
        })
        .await;
        if waits {
            let now = squall::turn_time();
            let waited = now.saturating_duration_since(began);
            self.time_left = self.time_left.saturating_sub(waited);
            self.allowance.spend(waited);
        }
        match read {
            None => Err(BodyError::TOO_SLOW),
            Some(Err(_)) => Err(BodyError::Gone),
            Some(Ok(0)) => Ok(false),
            Some(Ok(count)) => {
                self.allowance.earn(count);
                self.rest = 0..count;
                if count >= self.room {
                    self.room = (2 * self.room).min(READ_MOST);
                }
                Ok(true)
            }
        }
    }

    /// Decodes what came. True once the body is complete.
    fn decode(&mut self, out: &mut Vec<u8>) -> Result<bool, BodyError> {
        let Some(inflate) = &mut self.inflate else {
            if let Some(finished) = self.pass_on(out) {
                return Ok(finished);
            }
            let (used, finished) = self.decoder.decode(&self.came[self.rest.clone()], out)?;
            self.rest.start += used;
            return Ok(finished);
        };
        if inflate.wants_more() {
            let mut raw = Vec::new();
            let rest = &self.came[self.rest.clone()];
            let (used, finished) = self.decoder.decode(rest, &mut raw)?;
            self.rest.start += used;
            inflate.feed(&raw, finished);
        }
        inflate.read(out)
    }

    /// Gives what came on as it is, if that is body and nothing else, and worth its room.
    fn pass_on(&mut self, out: &mut Vec<u8>) -> Option<bool> {
        let is_whole = self.rest == (0..self.came.len()) && !self.rest.is_empty();
        if !is_whole || !out.is_empty() || self.came.len() < self.came.capacity() / 2 {
            return None;
        }
        let finished = self.decoder.pass(self.came.len())?;
        std::mem::swap(&mut self.came, out);
        self.rest = 0..0;
        Some(finished)
    }

    /// True if bytes have to come before there is more to decode.
    fn is_hungry(&self) -> bool {
        self.inflate.as_ref().is_none_or(Inflate::wants_more) && !self.decoder.is_finished()
    }

    /// True if what is left is little enough to be read and dropped, as far as is known.
    fn may_be_skipped(&self, limits: &Limits) -> bool {
        let left = self.decoder.remaining_hint().unwrap_or(0);
        self.failed.is_none() && !self.wants_continue && left <= limits.max_unread_bytes
    }
}

impl Exchange {
    /// Prepares to read the body, if it has not come whole with the head.
    pub(super) fn begin_body(&mut self, plan: BodyPlan) -> Result<(), BodyError> {
        let limits = &self.settings().limits;
        let most = plan.max_bytes.unwrap_or(limits.max_body_bytes);
        let framing = self.head.framing();
        if matches!(framing, BodyFraming::Length(len) if len > most) {
            return Err(ChunkError::TooLarge.into());
        }
        let inflate = self.inflate(most);
        if let (BodyFraming::Length(len), None) = (framing, &inflate) {
            let there = (self.input.len() - self.head.len()) as u64;
            if there >= len {
                self.body_in_input = len as usize;
                return Ok(());
            }
        }
        let limits = &self.settings().limits;
        let limits = Limits {
            max_body_bytes: most,
            ..limits.clone()
        };
        let decoder = BodyDecoder::new(framing, &limits)?;
        // The body's bytes are behind the head, whose own have to stay where they are.
        let rest = self.input.split_behind(self.head.len());
        self.reader = Some(Box::new(BodyReader {
            decoder,
            inflate,
            wants_continue: self.head.expect_continue() && rest.is_empty(),
            rest: 0..rest.len(),
            came: rest,
            timer: None,
            time_left: plan.timeout.unwrap_or(limits.body_timeout),
            allowance: Allowance::new(limits.body_stall, limits.min_body_rate),
            reads: 0,
            room: READ,
            failed: None,
        }));
        Ok(())
    }

    fn inflate(&self, most: u64) -> Option<Inflate> {
        if !self.settings().decompress {
            return None;
        }
        let coding = self.request().header("content-encoding")?;
        Inflate::new(coding, most, self.settings().limits.max_body_expansion)
    }

    /// Reads a piece of the body into `read_body`. False once the body is complete.
    async fn read_piece(&mut self) -> Result<bool, BodyError> {
        let read = self.try_read_piece().await;
        if let (Err(error), Some(reader)) = (&read, &mut self.reader) {
            reader.failed = Some(error.clone());
            self.keep_alive = false;
        }
        read
    }

    async fn try_read_piece(&mut self) -> Result<bool, BodyError> {
        let had = self.read_body.len();
        loop {
            let Some(reader) = &mut self.reader else {
                return Ok(false);
            };
            if let Some(failed) = &reader.failed {
                return Err(failed.clone());
            }
            if reader.decode(&mut self.read_body)? {
                self.body_is_complete();
                return Ok(self.read_body.len() > had);
            }
            if self.read_body.len() > had {
                return Ok(true);
            }
            if !reader.is_hungry() {
                continue;
            }
            let stream = self.stream.clone().ok_or(BodyError::Gone)?;
            if std::mem::take(&mut reader.wants_continue) && self.phase == Phase::Open {
                self.wire.out.borrow_mut().extend_from_slice(CONTINUE);
            }
            // Answers of earlier requests, and the 100 that the client waits for.
            self.send().await.map_err(|_| BodyError::Gone)?;
            let Some(reader) = &mut self.reader else {
                return Ok(false);
            };
            if !reader.read(&stream).await? {
                self.wire.ended.set(true);
                self.wire.note_gone();
                return Err(BodyError::Gone);
            }
        }
    }

    /// Puts what came behind the body back into the input.
    fn body_is_complete(&mut self) {
        if let Some(reader) = self.reader.take() {
            self.input.append(&reader.came[reader.rest.clone()]);
            let trailers = reader.decoder.trailers();
            if !trailers.is_empty() {
                self.trailers = Some(Box::new(trailers));
            }
            self.decoded = reader.inflate.is_some();
        }
        self.wire.may_read_ahead.set(true);
    }

    /// Reads the whole body, or what is left of it.
    pub(super) async fn read_rest(&mut self) -> Result<(), BodyError> {
        while self.read_piece().await? {}
        Ok(())
    }

    /// True if some of the body has not been read.
    pub(super) fn has_unread_body(&self) -> bool {
        self.reader.is_some()
    }

    /// True if the connection cannot go on after an answer that begins now: its handler may still read
    /// the rest, but a client that was not told to send it may send another request in its place.
    pub(super) fn is_unreadable(&self) -> bool {
        (self.reader.as_ref())
            .is_some_and(|reader| reader.failed.is_some() || reader.wants_continue)
    }

    /// True if the connection cannot go on after this answer, as too much is unread.
    pub(super) fn is_too_much_unread(&self) -> bool {
        let limits = &self.settings().limits;
        (self.reader.as_ref()).is_some_and(|reader| !reader.may_be_skipped(limits))
    }

    /// Reads and drops what the handler left of the body. False if that is too much.
    pub(super) async fn skip_rest(&mut self) -> bool {
        let mut left = self.settings().limits.max_unread_bytes;
        if self.is_too_much_unread() {
            return false;
        }
        loop {
            self.read_body.clear();
            match self.read_piece().await {
                Ok(true) => {}
                Ok(false) => return true,
                Err(_) => return false,
            }
            match left.checked_sub(self.read_body.len() as u64) {
                Some(rest) => left = rest,
                None => return false,
            }
        }
    }

    /// Returns the next piece of a body that is [streamed](BodyPlan::stream); none at its end.
    ///
    /// Nothing is read before this is called, and no more than a piece at a time, of half a MiB at
    /// most: a client that sends faster than the handler reads has to wait. One that asked to be told
    /// is sent `100 Continue` by the first call. What is left unread when the handler returns is
    /// dropped, or the connection closed if it is much. Of a body that was read whole this gives all in
    /// one piece.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::yield_;
    /// use squall_web::{Exchange, Result};
    ///
    /// #[squall::coroutine]
    /// fn echo(ex: &mut Exchange) -> Result<()> {
    ///     while let Some(chunk) = yield_!(ex.body_chunk())? {
    ///         ex.write(chunk);
    ///         yield_!(ex.flush())?; // waits for a client that reads slowly
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// 400 if the body is malformed or does not come whole, 413 if it is longer than its
    /// [plan](BodyPlan) allows, 408 if it comes too slowly. Give it on by `?`: the connection closes
    /// after the answer. Once it has failed, each call does.
    ///
    /// # Cancellation
    ///
    /// No bytes are lost.
    pub async fn body_chunk(&mut self) -> Result<Option<Vec<u8>>> {
        if self.body_in_input > 0 && !self.body_is_given {
            self.body_is_given = true;
            return Ok(Some(self.body().to_vec()));
        }
        if self.read_body.is_empty() {
            self.read_piece().await.map_err(BodyError::into_error)?;
        }
        let chunk = std::mem::take(&mut self.read_body);
        Ok((!chunk.is_empty()).then_some(chunk))
    }

    /// Reads the whole of a [streamed](BodyPlan::stream) body, which is then `request().body()`.
    ///
    /// For handlers that look at the head first. Does nothing if the body is there.
    ///
    /// # Errors
    ///
    /// As [`body_chunk`](Exchange::body_chunk).
    pub async fn read_body(&mut self) -> Result<()> {
        self.read_rest().await.map_err(BodyError::into_error)
    }

    /// Returns the trailers that came behind a chunked body, once that was read; they are no headers.
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_deref()
    }
}

/// Reads and drops what a refused client still sends, so that it gets to read the answer: to close
/// with unread input would reset the connection (RFC 9112 §9.6).
pub(super) async fn linger(stream: &IoStream) {
    const MOST: usize = 8 * 1024 * 1024;
    if stream.shutdown_write().is_err() {
        return;
    }
    let mut scratch = vec![0; READ];
    let mut dropped = 0;
    let mut deadline = squall::sleep(Duration::from_secs(2));
    poll_fn(|cx| {
        loop {
            if Pin::new(&mut deadline).poll(cx).is_ready() {
                return Poll::Ready(());
            }
            match ready!(stream.poll_read(cx, &mut scratch)) {
                Ok(read) if read > 0 && dropped < MOST => dropped += read,
                _ => return Poll::Ready(()),
            }
        }
    })
    .await;
}
