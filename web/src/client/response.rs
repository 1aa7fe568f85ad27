//! What was fetched.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use http::header::HeaderMap;
use url::Url;

use super::error::{FetchError, Kind};
use super::hop::authority;

/// An answer with its whole body: Tornado's `HTTPResponse`.
#[derive(Clone)]
pub struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) effective_url: Url,
    pub(super) request_time: Duration,
}

impl Response {
    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns all headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the first header called `name`, in any case, if it is ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
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
        std::str::from_utf8(&self.body).map_err(|error| {
            FetchError::new(Kind::NotText, authority(&self.effective_url)).because(error)
        })
    }

    /// Returns the URL that gave the answer: the last one, after redirects.
    pub fn effective_url(&self) -> &Url {
        &self.effective_url
    }

    /// Returns how long the fetch took, redirects included, by the loop's clock.
    pub fn request_time(&self) -> Duration {
        self.request_time
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("effective_url", &self.effective_url.as_str())
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .field("request_time", &self.request_time)
            .finish()
    }
}
