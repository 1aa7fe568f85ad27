//! Reading a request's body into the exchange, before its handler is called.

use std::future::poll_fn;
use std::task::{Poll, ready};

use squall::net::IoStream;

use super::exchange::Exchange;
use super::server::BATCH;
use crate::http::{BodyDecoder, BodyFraming, CONTINUE, ChunkError, Limits};

/// Buffers that grew beyond this are given back between requests.
const KEEP: usize = 64 * 1024;

/// Why a body could not be read.
pub(super) enum BodyError {
    /// The client's mistake, or a limit.
    Refused(ChunkError),
    /// The client has gone.
    Gone,
}

impl From<ChunkError> for BodyError {
    fn from(error: ChunkError) -> BodyError {
        BodyError::Refused(error)
    }
}

impl From<squall::Error> for BodyError {
    fn from(_: squall::Error) -> BodyError {
        BodyError::Gone
    }
}

/// Frees a scratch buffer that one request made large.
pub(super) fn give_back(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEEP {
        *buffer = Vec::new();
    }
}

impl Exchange {
    /// True if the body is all there, with the head; then nothing has to be read.
    pub(super) fn take_body_from_input(&mut self, limits: &Limits) -> Result<bool, ChunkError> {
        match self.head.framing() {
            BodyFraming::None => Ok(true),
            BodyFraming::Length(len) if len > limits.max_body_bytes => Err(ChunkError::TooLarge),
            BodyFraming::Length(len) => {
                let there = (self.input.len() - self.head.len()) as u64;
                if there < len {
                    return Ok(false);
                }
                self.body_in_input = len as usize;
                Ok(true)
            }
            BodyFraming::Chunked | BodyFraming::UntilClose => Ok(false),
        }
    }

    /// Reads the rest of the body. What follows it stays in the input.
    pub(super) async fn read_body(
        &mut self,
        stream: &IoStream,
        limits: &Limits,
    ) -> Result<(), BodyError> {
        let mut decoder = BodyDecoder::new(self.head.framing(), limits)?;
        let head_len = self.head.len();
        // The body's bytes are behind the head, whose own have to stay where they are.
        let mut rest = self.input.split_behind(head_len);
        let (used, mut finished) = decoder.decode(&rest, &mut self.read_body)?;
        rest.drain(..used);
        if !finished && self.head.expect_continue() && rest.is_empty() && self.read_body.is_empty()
        {
            self.out.extend_from_slice(CONTINUE);
        }
        // Answers of earlier requests, and the 100 that the client waits for.
        self.send().await.map_err(|_| BodyError::Gone)?;
        let mut scratch = vec![0; if finished { 0 } else { 16 * 1024 }];
        let mut reads = 0_u32;
        while !finished {
            reads += 1;
            if reads.is_multiple_of(BATCH) {
                squall::moment().await;
            }
            let read = poll_fn(|cx| stream.poll_read(cx, &mut scratch)).await?;
            if read == 0 {
                return Err(BodyError::Gone);
            }
            rest.extend_from_slice(&scratch[..read]);
            let (used, done) = decoder.decode(&rest, &mut self.read_body)?;
            rest.drain(..used);
            finished = done;
        }
        self.input.append(&rest);
        Ok(())
    }
}

/// Reads and drops what a refused client still sends, so that it gets to read the answer: to close
/// with unread input would reset the connection (RFC 9112 §9.6).
pub(super) async fn linger(stream: &IoStream) {
    const MOST: usize = 1024 * 1024;
    if stream.shutdown_write().is_err() {
        return;
    }
    let mut scratch = vec![0; 16 * 1024];
    let mut dropped = 0;
    let mut deadline = squall::sleep(std::time::Duration::from_secs(2));
    poll_fn(|cx| {
        loop {
            if std::pin::Pin::new(&mut deadline).poll(cx).is_ready() {
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
