//! How much a peer may send, and how long it may take.
//!
//! The codec enforces the sizes of messages. The durations and what concerns a
//! whole server are here so that all of its bounds are in one struct; the
//! connection and the server enforce those.

use std::time::Duration;

use super::multipart::MultipartLimits;

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
    /// Parts of a form with files, and what each may have.
    ///
    /// More is 400, for the whole form; 413 if a field is too long.
    pub multipart: MultipartLimits,
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
    /// How long a body may stand still; 20 s. Then 408 and close.
    ///
    /// It is an allowance: waiting uses it up, and what arrives pays back at
    /// `min_body_rate`. So one byte now and then does not keep a request open.
    pub body_stall: Duration,
    /// Bytes a second that a body must bring in the long run; 240. With 0 any
    /// byte pays all of `body_stall` back.
    pub min_body_rate: u64,
    /// How long the peer may keep an answer waiting; 60 s. Then close.
    ///
    /// An allowance as `body_stall` is: what the peer takes pays back at
    /// `min_write_rate`.
    pub write_timeout: Duration,
    /// Bytes a second of an answer that the peer must take in the long run;
    /// 240. With 0 any byte pays all of `write_timeout` back.
    pub min_write_rate: u64,
    /// Bytes that are read ahead while a handler works, which is how a server
    /// learns that its client has gone; 64 KiB. More stay with the system.
    pub max_pipelined_bytes: usize,
    /// Bytes of a body that a handler left unread and that are read to keep the
    /// connection; 256 KiB. With more to come the connection closes.
    pub max_unread_bytes: u64,
    /// How many times its size a compressed body may grow, past its first MiB;
    /// 250. Then 413 and close. Only where bodies are decompressed.
    pub max_body_expansion: u64,
    /// Connections of a server at a time; 65,536.
    ///
    /// With as many, accepting pauses until one closes; clients wait in the
    /// system's queue.
    pub max_connections: usize,
    /// Streams of a connection of HTTP/2 at a time; 100. More are refused, and
    /// those that were reset count until their handlers have noticed.
    pub max_concurrent_streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_head_bytes: 64 * 1024,
            max_headers: 100,
            max_body_bytes: 100 * 1024 * 1024,
            multipart: MultipartLimits::default(),
            max_chunk_line_bytes: 256,
            header_timeout: Duration::from_secs(20),
            body_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(75),
            body_stall: Duration::from_secs(20),
            min_body_rate: 240,
            write_timeout: Duration::from_secs(60),
            min_write_rate: 240,
            max_pipelined_bytes: 64 * 1024,
            max_unread_bytes: 256 * 1024,
            max_body_expansion: 250,
            max_connections: 65_536,
            max_concurrent_streams: 100,
        }
    }
}
