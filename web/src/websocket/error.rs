//! What goes wrong with a connection.

use std::borrow::Cow;
use std::{error, fmt, io};

use http::StatusCode;

use super::channel::Closed;

/// A message that cannot be sent, or a connection that there is not: Tornado's `WebSocketError` and
/// `WebSocketClosedError`.
#[derive(Debug)]
pub struct WebSocketError {
    kind: Kind,
    source: Option<squall::Error>,
}

#[derive(Debug)]
enum Kind {
    /// There is no connection any more, or a close is under way.
    Closed(Closed),
    /// The peer has answered the handshake with something else.
    Status(StatusCode, Option<String>),
    /// The handshake has failed otherwise.
    Handshake(String),
    /// The connection could not be made.
    Connect(Cow<'static, str>),
    Timeout,
    /// The program asks for what cannot be.
    Mistake(Cow<'static, str>),
}

impl WebSocketError {
    pub(super) fn closed(closed: Closed) -> WebSocketError {
        // So that whoever looks at the source sees what a stream would have said.
        let source = io::Error::from(io::ErrorKind::BrokenPipe).into();
        WebSocketError {
            kind: Kind::Closed(closed),
            source: Some(source),
        }
    }

    pub(super) fn status(status: StatusCode, location: Option<String>) -> WebSocketError {
        Self::of(Kind::Status(status, location))
    }

    pub(super) fn handshake(message: impl Into<String>) -> WebSocketError {
        Self::of(Kind::Handshake(message.into()))
    }

    pub(super) fn connect(message: impl Into<Cow<'static, str>>, source: squall::Error) -> Self {
        WebSocketError {
            kind: Kind::Connect(message.into()),
            source: Some(source),
        }
    }

    pub(super) fn timeout() -> WebSocketError {
        Self::of(Kind::Timeout)
    }

    pub(super) fn mistake(message: impl Into<Cow<'static, str>>) -> WebSocketError {
        Self::of(Kind::Mistake(message.into()))
    }

    fn of(kind: Kind) -> WebSocketError {
        WebSocketError { kind, source: None }
    }

    /// True if the connection is closed, or a close is under way: nothing more can be sent.
    pub fn is_closed(&self) -> bool {
        matches!(self.kind, Kind::Closed(_))
    }

    /// True if the server has not agreed to the connection, or not as it should.
    pub fn is_handshake(&self) -> bool {
        matches!(self.kind, Kind::Status(..) | Kind::Handshake(_))
    }

    /// True if the connection took too long to make.
    pub fn is_timeout(&self) -> bool {
        matches!(self.kind, Kind::Timeout)
    }

    /// Returns the status that the server has answered instead of 101. A redirect is one of them:
    /// connect to where it leads if you trust it.
    pub fn http_status(&self) -> Option<StatusCode> {
        match self.kind {
            Kind::Status(status, _) => Some(status),
            _ => None,
        }
    }

    /// Returns how the connection has ended, if it is for that.
    pub fn how_closed(&self) -> Option<&Closed> {
        match &self.kind {
            Kind::Closed(closed) => Some(closed),
            _ => None,
        }
    }
}

impl fmt::Display for WebSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Closed(closed) => write!(f, "the connection is closed: {closed}"),
            Kind::Status(status, Some(location)) => write!(
                f,
                "the server answered {} and sends to {location:?}; redirects are not followed",
                status.as_u16()
            ),
            Kind::Status(status, None) => {
                write!(f, "the server answered {} instead of 101", status.as_u16())
            }
            Kind::Handshake(message) => f.write_str(message),
            Kind::Connect(message) => f.write_str(message),
            Kind::Timeout => f.write_str("the connection took too long to make"),
            Kind::Mistake(message) => f.write_str(message),
        }
    }
}

impl error::Error for WebSocketError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        let source = self.source.as_ref()?;
        Some(source)
    }
}
