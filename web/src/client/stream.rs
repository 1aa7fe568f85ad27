//! An answer whose body comes in pieces.

use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::StatusCode;
use http::header::HeaderMap;
use squall::{with_timeout, yield_};
use url::Url;

use super::error::{FetchError, Kind, Which};
use super::hop::authority;
use super::progress::Progress;
use super::response::{Head, TimeInfo};
use super::trip::Trip;

/// An answer whose head is there, and whose body comes in pieces; see
/// [`AsyncHttpClient::stream`](super::AsyncHttpClient::stream).
///
/// Nothing is read before it is asked for, so that a slow reader makes the server wait. Dropping it
/// closes the connection, unless its body was read to the end.
pub struct ResponseStream {
    pub(super) head: Head,
    pub(super) trip: Trip,
    pub(super) progress: Rc<Progress>,
    pub(super) deadline: Option<Instant>,
    pub(super) limit: Option<Duration>,
    pub(super) stall_limit: Option<Duration>,
}

impl ResponseStream {
    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// Returns the reason that the server gave with the status; it may be empty.
    pub fn reason(&self) -> &str {
        &self.head.reason
    }

    /// Returns all headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// Returns the first header called `name`, in any case, if it is ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// Returns the URL that gave the answer: the last one, after redirects.
    pub fn effective_url(&self) -> &Url {
        &self.head.effective_url
    }

    /// Returns how long the parts of the fetch took until the head was there.
    pub fn time_info(&self) -> TimeInfo {
        self.head.times
    }

    /// Returns how many bytes the body will have, if that was said and it is not compressed.
    pub fn content_length(&self) -> Option<u64> {
        self.trip.length()
    }

    /// Returns the next piece of the body, decompressed; none at its end.
    ///
    /// # Errors
    ///
    /// If the body is cut short, malformed or too long, and if the request's timeout passes, which
    /// counts from the beginning of the fetch, or the stall timeout. Afterwards there is no more.
    ///
    /// # Cancellation
    ///
    /// No bytes are lost: the next call gives the piece.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, FetchError> {
        // What the caller did meanwhile was not the server's fault.
        self.progress.moved();
        let trip = &mut self.trip;
        let chunk = poll_fn(|cx| trip.poll_chunk(cx));
        let chunk = self.progress.unless_stalled(self.stall_limit, chunk);
        let (which, limit) = match yield_!(with_timeout(self.deadline, chunk)) {
            Ok(Some(Ok(chunk))) => return Ok(chunk),
            Ok(Some(Err(failure))) => {
                return Err(failure.into_error(authority(&self.head.effective_url)));
            }
            Ok(None) => (Which::Stall, self.stall_limit),
            Err(_) => (Which::Request, self.limit),
        };
        self.trip.close();
        let (limit, at) = (limit.unwrap_or_default(), self.progress.at());
        Err(self.head.error(Kind::Timeout { which, limit, at }))
    }

    /// Returns the rest of the body.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk).
    pub async fn bytes(mut self) -> Result<Vec<u8>, FetchError> {
        let mut body = Vec::new();
        while let Some(chunk) = yield_!(self.chunk())? {
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

impl fmt::Debug for ResponseStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseStream")
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}
