//! What was fetched.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use http::header::HeaderMap;
use serde::de::DeserializeOwned;
use url::Url;

use super::error::{FetchError, Kind};
use super::hop::authority;

/// An answer with its whole body: Tornado's `HTTPResponse`.
#[derive(Clone)]
pub struct Response {
    pub(super) head: Head,
    pub(super) body: Vec<u8>,
    pub(super) request_time: Duration,
}

/// What is known of an answer before its body.
#[derive(Clone)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) reason: String,
    pub(super) headers: HeaderMap,
    pub(super) effective_url: Url,
    pub(super) times: TimeInfo,
    /// Why it is an error, if it is one.
    pub(super) verdict: Option<Kind>,
}

/// How long the parts of a fetch took, those of all redirects together: Tornado's `time_info`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeInfo {
    /// Waiting for one's turn.
    pub queue: Duration,
    /// Looking up names and connecting, tunnels included. Zero if a connection was at hand.
    pub connect: Duration,
    /// From the connection to the head of the response.
    pub head: Duration,
    /// How many redirects were followed.
    pub redirects: u32,
    /// True if the last connection had been used before.
    pub reused: bool,
}

impl Response {
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

    /// Returns the body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Takes the body out.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// Returns the body as text.
    ///
    /// # Errors
    ///
    /// If it is not UTF-8, whatever its headers say. Then take [`body`](Self::body).
    pub fn text(&self) -> Result<&str, FetchError> {
        std::str::from_utf8(&self.body)
            .map_err(|error| self.head.error(Kind::NotText).because(error))
    }

    /// Returns what the body says as JSON.
    ///
    /// # Errors
    ///
    /// If it is no JSON, or not that of a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, FetchError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| self.head.error(Kind::NotJson).because(error))
    }

    /// Returns the URL that gave the answer: the last one, after redirects.
    pub fn effective_url(&self) -> &Url {
        &self.head.effective_url
    }

    /// Returns how long the fetch took, redirects included, by the loop's clock.
    pub fn request_time(&self) -> Duration {
        self.request_time
    }

    /// Returns how long its parts took.
    pub fn time_info(&self) -> TimeInfo {
        self.head.times
    }

    /// Fails as the fetch would have, had it not been told to
    /// [keep the errors](super::Request::raise_error): Tornado's `rethrow`.
    ///
    /// # Errors
    ///
    /// If the status is outside of 200–299.
    pub fn rethrow(&self) -> Result<(), FetchError> {
        match &self.head.verdict {
            None => Ok(()),
            Some(kind) => Err(self.head.error(kind.clone()).with_response(self.clone())),
        }
    }

    pub(super) fn status_text(&self) -> String {
        self.head.status_text()
    }
}

impl Head {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn error(&self, kind: Kind) -> FetchError {
        FetchError::new(kind, authority(&self.effective_url))
    }

    /// The number, and a word for it: the usual one, or the server's.
    fn status_text(&self) -> String {
        let word = self.status.canonical_reason().unwrap_or(&self.reason);
        format!("{} {word}", self.status.as_u16())
            .trim_end()
            .to_owned()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("head", &self.head)
            .field("body_bytes", &self.body.len())
            .field("request_time", &self.request_time)
            .finish()
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("status", &self.status)
            .field("effective_url", &self.effective_url.as_str())
            .field("headers", &self.headers)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}
