//! A connection, as the one has it who receives.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;

use squall::IoLoop;
use squall::net::IoStream;

use super::channel::Closed;
use super::codec::{CloseCode, Message};
use super::error::WebSocketError;
use super::reader::{Incoming, Reader, wind_up};
use super::sender::WebSocketSender;

/// A WebSocket connection: of a server, by [`Exchange::websocket`](crate::Exchange::websocket); of a
/// client, by [`websocket_connect`](super::websocket_connect).
///
/// It is closed when it is dropped: with 1000, or 1011 if the handler has failed.
///
/// # Examples
///
/// ```
/// use squall::yield_;
/// use squall_web::{Exchange, Result};
/// use squall_web::websocket::Message;
///
/// #[squall::coroutine]
/// fn shout(ex: &mut Exchange) -> Result<()> {
///     let mut ws = yield_!(ex.websocket())?;
///     while let Some(message) = yield_!(ws.recv()) {
///         match message {
///             Message::Text(text) => yield_!(ws.send(text.to_uppercase()))?,
///             Message::Binary(_) => yield_!(ws.close(1003, "text only"))?,
///         }
///     }
///     Ok(())
/// }
/// ```
pub struct WebSocket {
    sender: WebSocketSender,
    /// None once it is dropped.
    reader: Option<Reader>,
    /// True if the handler that it was for has failed.
    has_failed: Rc<Cell<bool>>,
}

impl WebSocket {
    pub(super) fn new(reader: Reader, has_failed: Rc<Cell<bool>>) -> WebSocket {
        WebSocket {
            sender: WebSocketSender::new(reader.channel.clone()),
            reader: Some(reader),
            has_failed,
        }
    }

    /// Waits for the next message; none once the connection is over, and then for good. Tornado's
    /// `read_message`.
    ///
    /// The connection is read while this is waited for: pings are answered, closes too, and a peer
    /// that is sent pings is noticed when it is gone. A handler that has other things to do starts a
    /// coroutine for them that has a [`sender`](WebSocket::sender), and goes on receiving.
    ///
    /// Why it is over is told by [`closed`](WebSocket::closed).
    ///
    /// # Cancellation
    ///
    /// Nothing is lost: the message comes the next time.
    pub async fn recv(&mut self) -> Option<Message> {
        let mut others = 0_u32;
        loop {
            match self.next().await? {
                Incoming::Message(message) => return Some(message),
                _ => {
                    others += 1;
                    if others.is_multiple_of(64) {
                        squall::moment().await;
                    }
                }
            }
        }
    }

    /// Whatever comes next; none at the end.
    pub(super) async fn next(&mut self) -> Option<Incoming> {
        let reader = self.reader.as_mut()?;
        poll_fn(|cx| reader.poll_incoming(cx)).await
    }

    /// Sends a message; waits while as much is queued as may be. Tornado's `write_message`.
    ///
    /// It is done when the message is queued; the loop writes it right away, unless the peer is slow.
    ///
    /// # Errors
    ///
    /// If the connection is closed ([`WebSocketError::is_closed`]), by either side.
    ///
    /// # Cancellation
    ///
    /// Nothing is sent.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), WebSocketError> {
        self.sender.send(message).await
    }

    /// Closes the connection, and waits until the peer has closed it as well, for
    /// [`close_timeout`](super::WebSocketOptions::close_timeout) at most. What is queued goes out
    /// first; what comes meanwhile is dropped. Does nothing if it is closed already.
    ///
    /// # Errors
    ///
    /// If the code may not be sent (take 1000, or 3000 to 4999) or the reason has more than 123
    /// bytes.
    pub async fn close(
        &mut self,
        code: impl Into<CloseCode>,
        reason: &str,
    ) -> Result<(), WebSocketError> {
        self.sender.close(code, reason)?;
        while self.recv().await.is_some() {}
        Ok(())
    }

    /// Returns how the connection has ended, or is ending; none while it is open. Tornado's
    /// `close_code` and `close_reason`.
    pub fn closed(&self) -> Option<Closed> {
        self.sender.closed()
    }

    /// Returns a sender: for coroutines that send while this one receives.
    pub fn sender(&self) -> WebSocketSender {
        self.sender.clone()
    }

    /// Returns the subprotocol that was agreed on.
    pub fn subprotocol(&self) -> Option<&str> {
        self.sender.subprotocol()
    }

    /// True if messages are compressed, as both sides can.
    pub fn is_compressed(&self) -> bool {
        self.sender.channel.compresses()
    }

    /// Returns the stream below, to look at its addresses. Reading or writing it breaks the
    /// connection.
    pub fn stream(&self) -> &IoStream {
        &self.sender.channel.stream
    }

    /// Has the server's end be told by `Incoming::Leave`, rather than close the connection.
    pub(super) fn closes_itself(&self) {
        self.sender.channel.closes_itself.set(true);
    }
}

impl Drop for WebSocket {
    fn drop(&mut self) {
        let Some(reader) = self
            .reader
            .take()
            .filter(|reader| !reader.channel.is_over())
        else {
            return;
        };
        // Without a loop there is nobody to close it but the system.
        if IoLoop::try_current().is_some() {
            let has_failed = self.has_failed.clone();
            has_failed.set(has_failed.get() || std::thread::panicking());
            drop(wind_up(reader, has_failed));
        }
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WebSocket")
            .field(&self.sender.channel)
            .finish()
    }
}
