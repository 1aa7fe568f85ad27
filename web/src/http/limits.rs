//! How much a peer may send, and how long it may take.
//!
//! The codec enforces the sizes. The durations are here so that a server has
//! all of its bounds in one struct; the connection enforces those.

use std::time::Duration;

/// Bounds on what a peer may send and on how long it may take.
///
/// ```
/// use squall_web::http::Limits;
///
/// let limits = Limits { max_body_bytes: 10, ..Limits::default() };
/// assert_eq!(limits.max_headers, 100);
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a head, from the first byte to the blank line; 64 KiB.
    ///
    /// A longer head is answered with 431 and the connection closes; 414 if
    /// already the request line is longer. The trailer section of a chunked
    /// body has the same bound (400 and close).
    pub max_head_bytes: usize,
    /// Header fields of a head; 100. One more is 431 and close.
    pub max_headers: usize,
    /// Bytes of a body after chunks are taken apart; 100 MiB, as in Tornado.
    ///
    /// A longer body is 413 and close: at once if a length announces it, else
    /// with the chunk that would exceed it and before that chunk is read.
    pub max_body_bytes: u64,
    /// Bytes of a chunk's size line with its extensions; 256.
    ///
    /// A longer line is 400 and close.
    pub max_chunk_line_bytes: usize,
    /// From a head's first byte to its last; 20 s. Then 408 and close.
    pub header_timeout: Duration,
    /// From the end of the head to the end of the body; 60 s.
    ///
    /// Then 408 if nothing was answered yet, and close.
    pub body_timeout: Duration,
    /// How long a connection may wait for the next request; 75 s.
    ///
    /// Then it closes without a word.
    pub idle_timeout: Duration,
    /// How long the peer may take no byte of an answer; 60 s. Then close.
    pub write_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_head_bytes: 64 * 1024,
            max_headers: 100,
            max_body_bytes: 100 * 1024 * 1024,
            max_chunk_line_bytes: 256,
            header_timeout: Duration::from_secs(20),
            body_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(60),
        }
    }
}
