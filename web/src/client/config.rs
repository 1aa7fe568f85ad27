//! The client's bounds.

use std::time::Duration;

use crate::http::Limits;

/// Bounds of a client on connections and on what it takes from a server.
///
/// What differs from one request to the next, its timeouts above all, is in
/// [`Request`](super::Request).
///
/// ```
/// use squall_web::client::ClientConfig;
///
/// let config = ClientConfig { max_clients_per_host: 10, ..ClientConfig::default() };
/// assert_eq!(config.max_idle_per_host, 64);
/// ```
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// How many fetches may be under way to one host and port; 256.
    ///
    /// More wait for their turn, first come first served, and their timeouts run meanwhile. Tornado's
    /// `max_clients`, which is 10 and for all hosts together. Zero is taken as one.
    pub max_clients_per_host: usize,
    /// How many idle connections are kept for one host and port; 64. Of more, the oldest is closed.
    ///
    /// Zero keeps none: a connection a request, as Tornado's simple client does.
    pub max_idle_per_host: usize,
    /// How many idle connections are kept in all; 256. Of more, the oldest is closed.
    pub max_idle: usize,
    /// How long a connection may be idle before it is closed; 90 s.
    pub idle_timeout: Duration,
    /// Bytes of an answer's body; 100 MiB. A longer one is an error, before it is read.
    pub max_body_bytes: u64,
    /// Bytes of an answer's head; 64 KiB. A longer one is an error.
    pub max_head_bytes: usize,
}

impl Default for ClientConfig {
    fn default() -> Self {
        ClientConfig {
            max_clients_per_host: 256,
            max_idle_per_host: 64,
            max_idle: 256,
            idle_timeout: Duration::from_secs(90),
            max_body_bytes: 100 * 1024 * 1024,
            max_head_bytes: 64 * 1024,
        }
    }
}

impl ClientConfig {
    /// The bounds as the codec wants them.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            max_head_bytes: self.max_head_bytes,
            max_body_bytes: self.max_body_bytes,
            ..Limits::default()
        }
    }
}
