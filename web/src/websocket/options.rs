//! How a connection is to behave.

use std::borrow::Cow;
use std::time::Duration;

use super::codec::Compression;

/// What a [`WebSocket`](super::WebSocket) allows, and how long it waits.
///
/// # Examples
///
/// ```
/// use squall_web::websocket::{Compression, WebSocketOptions};
/// use std::time::Duration;
///
/// let options = WebSocketOptions {
///     compression: Some(Compression::default()),
///     ping_interval: Some(Duration::from_secs(30)),
///     subprotocols: vec!["chat.v2".into(), "chat.v1".into()],
///     ..WebSocketOptions::default()
/// };
/// ```
#[derive(Clone, Debug)]
pub struct WebSocketOptions {
    /// Bytes of a message that comes, after decompression; 10 MiB, as in Tornado. A larger one is a
    /// close with 1009.
    pub max_message_bytes: usize,
    /// Compresses messages, if the other side agrees; none, so they are not.
    pub compression: Option<Compression>,
    /// How long it is to the first ping, and from each to the next; none are sent. Whatever comes answers
    /// a ping, as its pong does.
    pub ping_interval: Option<Duration>,
    /// How long nothing may come after a ping before the connection is closed; as long as the
    /// interval.
    pub ping_timeout: Option<Duration>,
    /// How long the other side may take to answer a close, before the connection is cut; 5 s, as in
    /// Tornado.
    pub close_timeout: Duration,
    /// How long the other side may take nothing of what waits to be sent, before the connection is
    /// cut; 60 s.
    pub send_timeout: Duration,
    /// Bytes that may wait to be sent; 1 MiB. A message larger than that may wait alone.
    pub max_queued_bytes: usize,
    /// Messages that may wait to be sent; 1024.
    pub max_queued_messages: usize,
    /// What becomes of a [pushed](super::WebSocketSender::push) message when as many wait;
    /// [`Overflow::Wait`].
    pub overflow: Overflow,
    /// Of a server, the subprotocols that it speaks, the best first; of a client, those that it offers.
    pub subprotocols: Vec<Cow<'static, str>>,
    /// Of a server, whose pages may connect; those that it serves itself.
    pub origins: Origins,
}

impl Default for WebSocketOptions {
    fn default() -> Self {
        WebSocketOptions {
            max_message_bytes: 10 * 1024 * 1024,
            compression: None,
            ping_interval: None,
            ping_timeout: None,
            close_timeout: Duration::from_secs(5),
            send_timeout: Duration::from_secs(60),
            max_queued_bytes: 1024 * 1024,
            max_queued_messages: 1024,
            overflow: Overflow::default(),
            subprotocols: Vec::new(),
            origins: Origins::default(),
        }
    }
}

/// What becomes of a message that is pushed while the queue is full, as the other side reads more
/// slowly than it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The push says so, and the message is not sent; who can wait, does by
    /// [`send`](super::WebSocketSender::send).
    #[default]
    Wait,
    /// The messages that have waited longest are dropped for it: for what is outdated by the next, such
    /// as positions and prices.
    DropOldest,
    /// It is dropped.
    DropNewest,
    /// The connection is closed with 1013, and what waited is dropped: the other side is to come again,
    /// and to ask for what it has missed.
    Close,
}

/// Whose pages may connect to a server.
///
/// A browser lets any page connect to any server, and sends the server's cookies along. It says whose
/// page it is; other programs mostly say nothing, and are let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// The server's own: those whose `Origin` has the host and port of `Host`.
    #[default]
    Same,
    /// The server's own, and these: `https://app.example`.
    Also(Vec<String>),
    /// Anybody's: for what is public, and answers all alike.
    Any,
}

impl Origins {
    /// True if a page of this origin may connect to this host.
    pub(super) fn allow(&self, origin: &str, host: &str) -> bool {
        let is_same = crate::http::same_origin(origin, host);
        match self {
            Origins::Same => is_same,
            Origins::Also(others) => {
                is_same
                    || others
                        .iter()
                        .any(|other| other.eq_ignore_ascii_case(origin))
            }
            Origins::Any => true,
        }
    }
}
