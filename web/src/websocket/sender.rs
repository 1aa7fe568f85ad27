//! A connection, as all have it who only send.

use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;

use super::channel::{Channel, Closed, Pushed};
use super::codec::{CloseCode, Message};
use super::error::WebSocketError;
use super::prepared::Prepared;

/// Sends on a connection that somebody else receives from. Cheap to clone.
///
/// # Examples
///
/// ```
/// use squall::{sleep, yield_};
/// use squall_web::websocket::{WebSocketError, WebSocketSender};
/// use squall_web::{Exchange, Result};
/// use std::time::Duration;
///
/// #[squall::coroutine]
/// fn tick(sender: WebSocketSender) -> Result<(), WebSocketError> {
///     for n in 0.. {
///         yield_!(sender.send(format!("tick {n}")))?;
///         yield_!(sleep(Duration::from_secs(1)));
///     }
///     Ok(())
/// }
///
/// #[squall::coroutine]
/// fn clock(ex: &mut Exchange) -> Result<()> {
///     let mut ws = yield_!(ex.websocket())?;
///     let ticking = tick(ws.sender());
///     while yield_!(ws.recv()).is_some() {}
///     ticking.cancel();
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct WebSocketSender {
    pub(super) channel: Rc<Channel>,
}

impl WebSocketSender {
    pub(super) fn new(channel: Rc<Channel>) -> WebSocketSender {
        WebSocketSender { channel }
    }

    /// Sends a message; waits while as much is queued as may be.
    ///
    /// # Errors
    ///
    /// If the connection is closed ([`WebSocketError::is_closed`]), by either side.
    ///
    /// # Cancellation
    ///
    /// Nothing is sent.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), WebSocketError> {
        let message = message.into();
        poll_fn(|cx| self.channel.poll_room(cx, message.len())).await?;
        self.channel.add(message);
        Ok(())
    }

    /// Sends a message without waiting. If as much is queued as may be, the connection's
    /// [policy](super::Overflow) decides what becomes of it.
    ///
    /// # Errors
    ///
    /// If the connection is closed ([`WebSocketError::is_closed`]), by either side or just now, by the
    /// policy.
    pub fn push(&self, message: impl Into<Message>) -> Result<Pushed, WebSocketError> {
        let message = message.into();
        let len = message.len();
        self.channel.push(len, || self.channel.add(message))
    }

    /// As [`push`](Self::push), with a message that others are sent as well.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn push_prepared(&self, message: &Prepared) -> Result<Pushed, WebSocketError> {
        let add = || self.channel.add_prepared(message);
        self.channel.push(message.len(), add)
    }

    /// As [`send`](Self::send), with a message that others are sent as well.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_prepared(&self, message: &Prepared) -> Result<(), WebSocketError> {
        poll_fn(|cx| self.channel.poll_room(cx, message.len())).await?;
        self.channel.add_prepared(message);
        Ok(())
    }

    /// Sends a ping with up to 125 bytes, which the peer's pong will have.
    ///
    /// # Errors
    ///
    /// If there are more, or the connection is closed.
    pub fn ping(&self, data: impl Into<Vec<u8>>) -> Result<(), WebSocketError> {
        let data = data.into();
        if data.len() > 125 {
            let message = format!("a ping has 125 bytes at most, and this one {}", data.len());
            return Err(WebSocketError::mistake(message));
        }
        if let Some(closed) = self.closed() {
            return Err(WebSocketError::closed(closed));
        }
        self.channel.ping(data);
        Ok(())
    }

    /// Begins to close the connection, behind what is queued. Whoever receives sees the end when the
    /// peer has closed as well. Does nothing if it is closed already.
    ///
    /// # Errors
    ///
    /// If the code may not be sent (take 1000, or 3000 to 4999) or the reason has more than 123
    /// bytes.
    pub fn close(&self, code: impl Into<CloseCode>, reason: &str) -> Result<(), WebSocketError> {
        self.channel.close(code.into(), reason)
    }

    /// Waits until the connection is over.
    pub async fn over(&self) {
        poll_fn(|cx| self.channel.poll_over(cx)).await;
    }

    /// Returns how the connection has ended, or is ending; none while it is open.
    pub fn closed(&self) -> Option<Closed> {
        self.channel.closed()
    }

    /// Returns the subprotocol that was agreed on.
    pub fn subprotocol(&self) -> Option<&str> {
        self.channel.subprotocol.as_deref()
    }

    /// Returns how many bytes wait to be sent.
    pub fn queued_bytes(&self) -> usize {
        self.channel.queued_bytes()
    }

    /// Returns how many messages the [policy](super::Overflow) has dropped.
    pub fn dropped(&self) -> u64 {
        self.channel.dropped()
    }
}

impl fmt::Debug for WebSocketSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WebSocketSender")
            .field(&self.channel)
            .finish()
    }
}
