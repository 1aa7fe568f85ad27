//! One round trip: a request out, an answer in.
//!
//! A round trip takes the stream. It gives it back only if the answer was read to its end and both
//! sides want to go on; in all other cases, cancellation too, the stream is dropped and so closed.

use std::future::poll_fn;
use std::io;

use http::{Method, StatusCode};
use squall::net::IoStream;
use squall::yield_;

use super::error::{Kind, Source, Stage};
use super::hop::Outgoing;
use crate::http::{BodyDecoder, ChunkError, Limits, ParseError, ResponseHead, parse_response};

/// An answer with its body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: ResponseHead,
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) source: Source,
    /// True if the server said nothing at all: perhaps it had closed before it saw the request.
    pub(super) silent: bool,
}

/// Sends and receives. The stream comes back if it can carry another request.
///
/// `stage` follows how far it comes, for whoever cancels it.
pub(super) async fn round_trip(
    stream: IoStream,
    out: &Outgoing<'_>,
    limits: &Limits,
    stage: &mut Stage,
) -> Result<(Answer, Option<IoStream>), Failure> {
    *stage = Stage::Send;
    let sent = send(&stream, out).await;
    // A server that refuses a body may answer and close before it took all of it. So the answer is
    // looked for even then.
    *stage = Stage::Head;
    let mut input = Input::default();
    let received = receive_head(&stream, &mut input, out.method, limits).await;
    let (head, sent_all) = match (received, sent) {
        (Ok(head), sent) => (head, sent.is_ok()),
        (Err(failure), Ok(())) => return Err(failure),
        (Err(failure), Err(error)) => {
            return Err(Failure {
                silent: failure.silent,
                ..Failure::at(Stage::Send, error)
            });
        }
    };
    *stage = Stage::Body;
    let body = receive_body(&stream, &mut input, &head, limits).await?;
    let reusable = sent_all
        && head.keep_alive
        && !out.closes
        && head.status != StatusCode::SWITCHING_PROTOCOLS
        // What comes after the body answers nothing that was asked.
        && input.bytes.is_empty();
    Ok((Answer { head, body }, reusable.then_some(stream)))
}

async fn send(stream: &IoStream, out: &Outgoing<'_>) -> squall::Result<()> {
    yield_!(stream.write(&out.first))?;
    yield_!(stream.write(out.rest))
}

/// Receives the head of the final answer; those of interim ones are skipped.
async fn receive_head(
    stream: &IoStream,
    input: &mut Input,
    method: &Method,
    limits: &Limits,
) -> Result<ResponseHead, Failure> {
    let mut interim = 0;
    let mut scanned = 0;
    loop {
        let parsed = parse_response(&input.bytes, scanned, limits, method);
        if let Some(head) = parsed.map_err(Failure::from_head)? {
            input.consume(head.len);
            if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                return Ok(head);
            }
            interim += 1;
            scanned = 0;
            if interim > MAX_INTERIM {
                let many = io::Error::new(io::ErrorKind::InvalidData, "too many interim answers");
                return Err(Failure::at(Stage::Head, many));
            }
            continue;
        }
        scanned = input.bytes.len();
        let silent = scanned == 0 && interim == 0;
        let ended = match input.fill(stream).await {
            Ok(0) => closed_early().into(),
            Ok(_) => continue,
            Err(error) => Source::from(error),
        };
        return Err(Failure {
            silent,
            ..Failure::at(Stage::Head, ended)
        });
    }
}

async fn receive_body(
    stream: &IoStream,
    input: &mut Input,
    head: &ResponseHead,
    limits: &Limits,
) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::from_body(error, limits);
    let mut decoder = BodyDecoder::new(head.framing, limits).map_err(failed)?;
    let mut body = Vec::new();
    loop {
        let (consumed, finished) = decoder.decode(&input.bytes, &mut body).map_err(failed)?;
        input.consume(consumed);
        if finished {
            return Ok(body);
        }
        let filled = input.fill(stream).await;
        if filled.map_err(|error| Failure::at(Stage::Body, error))? == 0 {
            return match decoder.is_finished_at_close() {
                true => Ok(body),
                false => Err(Failure::at(Stage::Body, closed_early())),
            };
        }
    }
}

/// What was read and not understood yet.
#[derive(Default)]
struct Input {
    bytes: Vec<u8>,
}

impl Input {
    /// Reads once; 0 at the end.
    async fn fill(&mut self, stream: &IoStream) -> squall::Result<usize> {
        let bytes = &mut self.bytes;
        let len = bytes.len();
        bytes.resize(len + CHUNK, 0);
        let read = yield_!(poll_fn(|cx| stream.poll_read(cx, &mut bytes[len..])));
        bytes.truncate(len + *read.as_ref().unwrap_or(&0));
        read
    }

    fn consume(&mut self, len: usize) {
        if len == self.bytes.len() {
            self.bytes.clear();
        } else {
            self.bytes.drain(..len);
        }
    }
}

impl Failure {
    fn at(stage: Stage, source: impl Into<Source>) -> Failure {
        Self::new(Kind::Failed(stage), source)
    }

    fn from_head(error: ParseError) -> Failure {
        match error {
            // The first line of an answer, which is no request line.
            ParseError::TargetTooLong => Self::new(Kind::HeadTooLarge, ParseError::HeadTooLarge),
            ParseError::HeadTooLarge | ParseError::TooManyHeaders => {
                Self::new(Kind::HeadTooLarge, error)
            }
            _ => Self::at(Stage::Head, error),
        }
    }

    fn from_body(error: ChunkError, limits: &Limits) -> Failure {
        let max = limits.max_body_bytes;
        let kind = match error {
            ChunkError::TooLarge => Kind::BodyTooLarge { max },
            _ => Kind::Failed(Stage::Body),
        };
        Self::new(kind, error)
    }

    fn new(kind: Kind, source: impl Into<Source>) -> Failure {
        Failure {
            kind,
            source: source.into(),
            silent: false,
        }
    }
}

fn closed_early() -> io::Error {
    let reason = "the server closed the connection before the end of its answer";
    io::Error::new(io::ErrorKind::UnexpectedEof, reason)
}

/// How much is read at a time.
const CHUNK: usize = 16 * 1024;

/// How many 1xx answers may come before the final one, as in Tornado.
const MAX_INTERIM: u32 = 10;
