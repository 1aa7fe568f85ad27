//! A client for programs without a loop.

use std::fmt;
use std::time::Duration;

use squall::IoLoop;

use super::AsyncHttpClient;
use super::config::ClientConfig;
use super::error::FetchError;
use super::request::Request;
use super::response::Response;

/// Fetches, and blocks meanwhile: Tornado's `HTTPClient`.
///
/// It has a loop of its own, which runs only while a fetch is under way. Connections are kept from one
/// fetch to the next; those that the server closes meanwhile are noticed then.
///
/// # Examples
///
/// ```no_run
/// use squall_web::client::{FetchError, HttpClient};
///
/// fn main() -> Result<(), FetchError> {
///     let client = HttpClient::new()?;
///     println!("{}", client.fetch("http://a.example/")?.text()?);
///     Ok(())
/// }
/// ```
pub struct HttpClient {
    // Before the loop: its connections are the loop's.
    client: AsyncHttpClient,
    io_loop: IoLoop,
}

impl HttpClient {
    /// Makes a client with the default bounds.
    ///
    /// # Errors
    ///
    /// If the system has no descriptors for a loop.
    pub fn new() -> Result<HttpClient, FetchError> {
        Self::with_config(ClientConfig::default())
    }

    /// Makes a client with bounds of your own.
    ///
    /// # Errors
    ///
    /// If the system has no descriptors for a loop.
    pub fn with_config(config: ClientConfig) -> Result<HttpClient, FetchError> {
        let io_loop = IoLoop::new()
            .map_err(|error| FetchError::request("no loop can be made", "").because(error))?;
        Ok(HttpClient {
            client: AsyncHttpClient::with_config(config),
            io_loop,
        })
    }

    /// Fetches a URL, or what a [`Request`] says, and returns when the answer is there.
    ///
    /// # Errors
    ///
    /// As [`AsyncHttpClient::fetch`]; and if a loop runs on this thread, which would stand still
    /// meanwhile.
    pub fn fetch(&self, request: impl Into<Request>) -> Result<Response, FetchError> {
        if IoLoop::try_current().is_some_and(|current| current.is_running()) {
            let reason = "HttpClient would block the loop that runs on this thread; \
                yield AsyncHttpClient::fetch instead";
            return Err(FetchError::request(reason, ""));
        }
        let request = request.into();
        let run = || self.client.fetch(request);
        // The fetch has its own timeouts.
        match self.io_loop.run_sync_timeout(Duration::MAX, run) {
            Ok(result) => result,
            Err(error) => Err(FetchError::request("the loop failed", "").because(error)),
        }
    }

    /// Closes the connections; every fetch is an error from now on. Dropping the client does the same.
    pub fn close(&self) {
        self.client.close();
        self.io_loop.close();
    }
}

impl Drop for HttpClient {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}
