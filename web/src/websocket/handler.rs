//! Handlers of WebSocket connections as types: one instance a connection.

use std::borrow::Cow;

use squall::Scoped;

use super::channel::Closed;
use super::codec::{CloseCode, Message};
use super::options::WebSocketOptions;
use super::sender::WebSocketSender;
use crate::conn::Exchange;
use crate::error::Result;

/// Serves a connection by what it is told of it: Tornado's `WebSocketHandler`. Goes to
/// [`Application::websocket`](crate::Application::websocket).
///
/// The order is `prepare`, the handshake with `check_origin` and `select_subprotocol`, `open`, then
/// `on_message` for one message after the other, and `on_close`, once, if `open` was reached. A next
/// message waits until `on_message` is done with the last one.
///
/// An error or panic of `open`, `on_message` or `on_shutdown`, or a panic of `on_ping` or `on_pong`, is
/// logged, and closes the connection with 1011; a panic of `on_close` is logged. Before there is a
/// connection they are answers to the handshake, as those of other handlers are.
///
/// A connection that idles holds this and little else; not the request, which is over with the
/// handshake.
///
/// # Examples
///
/// ```
/// use squall::yield_;
/// use squall_web::websocket::{Broadcast, Closed, Membership, Message, WebSocketHandler, WebSocketSender};
/// use squall_web::{Application, Result};
///
/// struct Chat {
///     guests: Broadcast,
///     membership: Option<Membership>,
/// }
///
/// impl WebSocketHandler for Chat {
///     #[squall::coroutine]
///     fn open(&mut self, ws: &WebSocketSender) -> Result<()> {
///         self.membership = Some(self.guests.join(ws));
///         yield_!(ws.send("welcome"))?;
///         Ok(())
///     }
///
///     #[squall::coroutine]
///     fn on_message(&mut self, ws: &WebSocketSender, message: Message) -> Result<()> {
///         self.guests.push(message);
///         Ok(())
///     }
///
///     fn on_close(&mut self, closed: &Closed) {
///         println!("{closed}");
///     }
/// }
///
/// let guests = Broadcast::new();
/// let app = Application::new().websocket("/chat", move || Chat {
///     guests: guests.clone(),
///     membership: None,
/// });
/// ```
pub trait WebSocketHandler: Sized + 'static {
    /// Returns how the connection is to behave.
    fn options(&self) -> WebSocketOptions {
        WebSocketOptions::default()
    }

    /// Runs before the handshake, with the request: its arguments and headers are to be looked at here.
    /// An error is the answer to it, and there is no connection; headers that are set go along.
    #[squall::coroutine(crate = squall)]
    fn prepare(&mut self, ex: &mut Exchange) -> Result<()> {
        let _ = ex;
        Ok(())
    }

    /// Says whether a page of another origin may connect. [`Origins`](super::Origins) of the options
    /// have been asked before, and have let none in that this is asked about; so it says no.
    ///
    /// `origin` is a scheme, a host, and a port if it is not the scheme's: `https://app.example`.
    fn check_origin(&mut self, origin: &str) -> bool {
        let _ = origin;
        false
    }

    /// Picks one of the subprotocols that the client speaks, which come in its order, the best first. Of
    /// itself it is the first of the options' that is among them.
    fn select_subprotocol(&mut self, offered: &[String]) -> Option<Cow<'static, str>> {
        let spoken = self.options().subprotocols.into_iter();
        let mut spoken = spoken.filter(|name| offered.iter().any(|offer| offer == name));
        spoken.next()
    }

    /// Runs when the connection is there. Messages wait until it is done.
    #[squall::coroutine(crate = squall)]
    fn open(&mut self, ws: &WebSocketSender) -> Result<()> {
        let _ = ws;
        Ok(())
    }

    /// Runs for each message.
    fn on_message(
        &mut self,
        ws: &WebSocketSender,
        message: Message,
    ) -> Scoped<impl Future<Output = Result<()>>>;

    /// Learns of a ping. It is answered already.
    fn on_ping(&mut self, data: &[u8]) {
        let _ = data;
    }

    /// Learns of a pong.
    fn on_pong(&mut self, data: &[u8]) {
        let _ = data;
    }

    /// Runs when the server is to end, as it is drained: say farewell, and close. The messages that
    /// come until the peer has closed are dropped.
    #[squall::coroutine(crate = squall)]
    fn on_shutdown(&mut self, ws: &WebSocketSender) -> Result<()> {
        ws.close(CloseCode::GOING_AWAY, "")?;
        Ok(())
    }

    /// Runs when the connection is over, however that came: once for each that was opened.
    fn on_close(&mut self, closed: &Closed) {
        let _ = closed;
    }
}
