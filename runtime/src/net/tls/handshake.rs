//! From a plain stream to one with TLS.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Connection, ServerConnection};

use super::acceptor::TlsAcceptor;
use super::connector::TlsConnector;
use super::failure::bad_settings;
use super::info::TlsInfo;
use super::session::{Session, Step};
use crate::error::{Error, Result};
use crate::ioloop::sleep;
use crate::ioloop::sources::Direction;
use crate::net::socket::Socket;
use crate::net::stream::IoStream;

impl IoStream {
    /// Makes a connection a TLS one, as its client: Tornado's `start_tls`, and `connect` of its
    /// `SSLIOStream`.
    ///
    /// Done when the handshake is; the stream that it gives is to be used as any other. `server_name` is
    /// the name, or address, that the server's certificate has to be for. A stream that has TLS already
    /// gets a second one within it, as through a proxy that is spoken to by TLS.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use squall::net::{TcpClient, TlsConnector};
    /// use squall::yield_;
    ///
    /// #[squall::main]
    /// fn main() -> squall::Result<()> {
    ///     let tls = TlsConnector::new()?;
    ///     let plain = yield_!(TcpClient::new().connect("mail.example.org", 25))?;
    ///     yield_!(plain.write(b"STARTTLS\r\n"))?;
    ///     yield_!(plain.read_until(b"\r\n", 512))?;
    ///     let secret = yield_!(plain.start_tls(&tls, "mail.example.org"))?;
    ///     assert!(secret.tls().is_some());
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// If the server cannot be believed or understood ([`Error::is_tls`]): it says why. If it closes
    /// first ([`Error::is_closed`]), if the time of the handshake is over ([`Error::is_timeout`]), if
    /// the name is none, or if bytes came that nobody has read: they are not part of what is secret. The
    /// connection is closed then.
    ///
    /// # Cancellation
    ///
    /// The connection is closed.
    pub async fn start_tls(self, tls: &TlsConnector, server_name: &str) -> Result<IoStream> {
        let bare = server_name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        let name = ServerName::try_from(bare.unwrap_or(server_name).to_owned());
        let name = name.map_err(|error| {
            bad_settings(format!("{server_name:?} is no name of a server"), error)
        })?;
        let connection = ClientConnection::new(tls.config(), name);
        let connection = connection.map_err(|error| bad_settings("no connection", error))?;
        self.shake_hands(connection.into(), tls.handshake_timeout())
            .await
    }

    /// Makes a connection a TLS one, as its server: Tornado's `start_tls(server_side=True)`.
    ///
    /// Done when the handshake is. [`TcpServer::tls`](crate::net::TcpServer::tls) does it for all
    /// connections of a server.
    ///
    /// # Errors
    ///
    /// As those of [`start_tls`](Self::start_tls).
    ///
    /// # Cancellation
    ///
    /// The connection is closed.
    pub async fn accept_tls(self, tls: &TlsAcceptor) -> Result<IoStream> {
        tls.keep_fresh().await;
        let connection = ServerConnection::new(tls.config());
        let connection = connection.map_err(|error| bad_settings("no connection", error))?;
        self.shake_hands(connection.into(), tls.handshake_timeout())
            .await
    }

    /// Returns what the two sides have agreed on; none without TLS.
    pub fn tls(&self) -> Option<TlsInfo> {
        match &self.socket {
            Socket::Tls(session) => Some(session.look(TlsInfo::of)),
            _ => None,
        }
    }

    async fn shake_hands(mut self, connection: Connection, timeout: Duration) -> Result<IoStream> {
        if self.is_closed() {
            return Err(Error::stream_closed());
        }
        if !self.buffer.borrow().is_empty() {
            return Err(misuse(
                "bytes came before the handshake that nobody has read; they may be anybody's",
            ));
        }
        self.socket = Socket::Tls(Box::new(Session::new(self.socket, connection)));
        let mut timer = sleep(timeout);
        poll_fn(|cx| {
            if let Poll::Ready(done) = self.poll_handshake(cx) {
                return Poll::Ready(done);
            }
            ready!(Pin::new(&mut timer).poll(cx));
            let message = format!("the TLS handshake took more than {timeout:?}");
            Poll::Ready(Err(Error::timed_out(message)))
        })
        .await?;
        Ok(self)
    }

    fn poll_handshake(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Socket::Tls(session) = &self.socket else {
            return Poll::Ready(Ok(()));
        };
        loop {
            let direction = match session.advance()? {
                Step::Done => return Poll::Ready(Ok(())),
                Step::Read => Direction::Read,
                Step::Write => Direction::Write,
            };
            self.registration.clear_hard(direction);
            ready!(self.registration.poll_ready(direction, cx))?;
        }
    }
}

fn misuse(message: &str) -> Error {
    io::Error::new(io::ErrorKind::InvalidInput, message).into()
}
