//! Answers off a stream: heads, with the interim ones, and what was read of bodies.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::{Method, StatusCode};
use squall::net::IoStream;

use super::error::{FetchError, Kind, Source, Stage};
use super::progress::{At, Progress};
use crate::http::{Limits, ParseError, ResponseHead, parse_response};

/// A stream, and what was read of it and not understood yet.
pub(super) struct Wire {
    pub(super) stream: Rc<IoStream>,
    pub(super) input: Vec<u8>,
    /// How much of the input was searched for the end of the head.
    scanned: usize,
    /// How many 1xx answers came.
    interim: u32,
    /// True once a 100 came.
    continued: bool,
    /// True if the stream is to outlive this; otherwise it is closed with it, even if a body writer
    /// somewhere still holds it.
    kept: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    /// What the other side or the system said, unless the kind says it all.
    pub(super) source: Option<Source>,
    /// True if the server said nothing at all: perhaps it had closed before it saw the request.
    pub(super) silent: bool,
}

impl Wire {
    pub(super) fn new(stream: IoStream) -> Wire {
        Wire {
            stream: Rc::new(stream),
            input: Vec::new(),
            scanned: 0,
            interim: 0,
            continued: false,
            kept: false,
        }
    }

    /// The stream, if nothing is left in it that was not asked for, and nobody else has it.
    pub(super) fn into_idle(mut self) -> Option<IoStream> {
        let is_only = Rc::strong_count(&self.stream) == 1;
        if !is_only || !self.input.is_empty() {
            return None;
        }
        self.kept = true;
        let stream = self.stream.clone();
        drop(self);
        Rc::into_inner(stream)
    }

    /// Receives the head of the final answer; those of interim ones are skipped.
    pub(super) fn poll_final_head(
        &mut self,
        cx: &mut Context<'_>,
        method: &Method,
        limits: &Limits,
        progress: &Progress,
    ) -> Poll<Result<ResponseHead, Failure>> {
        loop {
            match ready!(self.poll_head(cx, method, limits, progress)) {
                Ok(None) => {}
                Ok(Some(head)) => return Poll::Ready(Ok(head)),
                Err(failure) => return Poll::Ready(Err(failure)),
            }
        }
    }

    /// Receives one head; none if it was an interim one.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        method: &Method,
        limits: &Limits,
        progress: &Progress,
    ) -> Poll<Result<Option<ResponseHead>, Failure>> {
        loop {
            let parsed = parse_response(&self.input, self.scanned, limits, method);
            let parsed = parsed.map_err(|error| Failure::from_head(error, limits))?;
            if let Some(head) = parsed {
                self.consume(head.len);
                self.scanned = 0;
                if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS
                {
                    return Poll::Ready(Ok(Some(head)));
                }
                self.interim += 1;
                self.continued |= head.status == StatusCode::CONTINUE;
                if self.interim > MAX_INTERIM {
                    let many = "more than 10 interim answers";
                    let many = io::Error::new(io::ErrorKind::InvalidData, many);
                    return Poll::Ready(Err(Failure::at(Stage::Head, many)));
                }
                return Poll::Ready(Ok(None));
            }
            self.scanned = self.input.len();
            let silent = self.scanned == 0 && self.interim == 0;
            let ended: Source = match ready!(self.poll_fill(cx, progress)) {
                Ok(0) => closed_early().into(),
                Ok(_) => continue,
                Err(error) => error.into(),
            };
            return Poll::Ready(Err(Failure {
                silent,
                ..Failure::at(Stage::Head, ended)
            }));
        }
    }

    /// Waits for the server to agree to get the body: none if it does, otherwise its final answer.
    pub(super) fn poll_continue(
        &mut self,
        cx: &mut Context<'_>,
        method: &Method,
        limits: &Limits,
        progress: &Progress,
    ) -> Poll<Result<Option<ResponseHead>, Failure>> {
        loop {
            match ready!(self.poll_head(cx, method, limits, progress)) {
                Ok(None) if !self.continued => {}
                other => return Poll::Ready(other),
            }
        }
    }

    /// Reads once; 0 at the end.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        progress: &Progress,
    ) -> Poll<squall::Result<usize>> {
        let read = ready!(self.stream.poll_read_behind(cx, &mut self.input, CHUNK))?;
        if read > 0 {
            progress.moved();
        }
        Poll::Ready(Ok(read))
    }

    pub(super) fn consume(&mut self, len: usize) {
        if len == self.input.len() {
            self.input.clear();
        } else {
            self.input.drain(..len);
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if !self.kept {
            self.stream.close();
        }
    }
}

impl Failure {
    pub(super) fn at(stage: Stage, source: impl Into<Source>) -> Failure {
        let detail = String::new();
        Self::new(Kind::Failed(At { stage, detail }), source)
    }

    pub(super) fn new(kind: Kind, source: impl Into<Source>) -> Failure {
        Failure {
            kind,
            source: Some(source.into()),
            silent: false,
        }
    }

    /// Something was over its limit.
    pub(super) fn too_large(kind: Kind) -> Failure {
        Failure {
            kind,
            source: None,
            silent: false,
        }
    }

    /// The error for the caller.
    pub(super) fn into_error(self, host: impl Into<String>) -> FetchError {
        let error = FetchError::new(self.kind, host);
        match self.source {
            Some(source) => error.because(source),
            None => error,
        }
    }

    fn from_head(error: ParseError, limits: &Limits) -> Failure {
        let max = limits.max_head_bytes;
        match error {
            ParseError::TargetTooLong | ParseError::HeadTooLarge => {
                Self::too_large(Kind::HeadTooLarge { max })
            }
            ParseError::TooManyHeaders => {
                let max = limits.max_headers;
                Self::too_large(Kind::TooManyFields { max })
            }
            _ => Self::at(Stage::Head, error),
        }
    }
}

pub(super) fn closed_early() -> io::Error {
    let reason = "the server closed the connection before the end of its answer";
    io::Error::new(io::ErrorKind::UnexpectedEof, reason)
}

/// How much is read at a time.
const CHUNK: usize = 16 * 1024;

/// How many 1xx answers may come before the final one, as in Tornado.
const MAX_INTERIM: u32 = 10;
