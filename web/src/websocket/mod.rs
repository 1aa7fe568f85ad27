//! WebSocket, of servers and of clients: Tornado's `websocket`.
//!
//! A handler *accepts* the connection, and has a [`WebSocket`]: it receives, and sends. Others send by
//! its [`WebSocketSender`]s, of which there can be any number; a [`Broadcast`] sends to many.
//!
//! ```no_run
//! use squall::yield_;
//! use squall_web::{Application, Exchange, HttpServer, Result};
//!
//! #[squall::coroutine]
//! fn echo(ex: &mut Exchange) -> Result<()> {
//!     let mut ws = yield_!(ex.websocket())?;
//!     while let Some(message) = yield_!(ws.recv()) {
//!         yield_!(ws.send(message))?;
//!     }
//!     Ok(())
//! }
//!
//! #[squall::main]
//! fn main() -> Result<()> {
//!     yield_!(HttpServer::new(Application::new().get("/ws", echo)).listen("127.0.0.1:8888")?)
//! }
//! ```
//!
//! | to do this | use |
//! |---|---|
//! | accept a connection | [`Exchange::websocket`](crate::Exchange::websocket), [`WebSocketHandler`] |
//! | connect | [`websocket_connect`] |
//! | receive, send, close | [`WebSocket`] |
//! | send from elsewhere | [`WebSocketSender`] |
//! | send to many | [`Broadcast`], [`Prepared`] |
//! | limits, compression, pings, subprotocols, origins | [`WebSocketOptions`] |
//! | read and write frames without a socket | [`codec`] |
//!
//! # How it works
//!
//! ```text
//!              stream ──► input ──► codec::Decoder ──► recv
//!                ▲                       │ pings are answered, closes too
//!                │                       ▼
//!  flush: at the loop's next turn ◄── outbox ◄── send, push, Broadcast
//! ```
//!
//! The socket is read while somebody waits in [`recv`](WebSocket::recv), and not beyond the next
//! message: whoever is slow to receive slows its peer. It is written by the loop, so senders need not
//! wait for each other. A connection that idles holds neither buffers nor a coroutine of its own.

mod accept;
mod broadcast;
mod channel;
pub mod codec;
mod connect;
mod error;
mod flush;
mod handler;
mod input;
mod keepalive;
mod masks;
mod options;
mod outbox;
mod prepared;
mod reader;
mod sender;
mod session;
mod socket;

pub use broadcast::{Broadcast, Membership};
pub use channel::{Closed, Pushed};
pub use codec::{CloseCode, Compression, Message};
pub use connect::{ConnectOptions, websocket_connect};
pub use error::WebSocketError;
pub use handler::WebSocketHandler;
pub use options::{Origins, Overflow, WebSocketOptions};
pub use prepared::Prepared;
pub use sender::WebSocketSender;
pub use socket::WebSocket;

pub(crate) use session::serve;
