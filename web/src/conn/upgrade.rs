//! The end of HTTP on a connection: another protocol goes on with its stream.

use std::fmt;
use std::rc::Rc;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, StatusCode};
use squall::net::IoStream;

use super::exchange::{Exchange, Phase};
use super::values::IntoValue;
use crate::error::{Error, Result};
use crate::http::grammar::list_has;

/// A stream that is no longer HTTP's, with what was read beyond the request.
pub struct Detached {
    /// The connection. It is closed when this is dropped.
    pub stream: Rc<IoStream>,
    /// Bytes that came behind the request, and belong to what follows.
    pub read: Vec<u8>,
}

impl fmt::Debug for Detached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detached")
            .field("stream", &self.stream)
            .field("read", &self.read.len())
            .finish()
    }
}

impl Exchange {
    /// Answers `101 Switching Protocols`, and hands the stream over.
    ///
    /// The headers that were set go along, such as `Sec-WebSocket-Accept`; `Upgrade` and `Connection`
    /// are added. From then on the exchange has no say: it sends and reads nothing more, and what the
    /// handler returns is only logged.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::yield_;
    /// use squall_web::{Exchange, Result};
    ///
    /// #[squall::coroutine]
    /// fn shout(ex: &mut Exchange) -> Result<()> {
    ///     let mut shout = yield_!(ex.upgrade("shout"))?;
    ///     while !shout.read.is_empty() {
    ///         yield_!(shout.stream.write(&shout.read.to_ascii_uppercase()))?;
    ///         shout.read = yield_!(shout.stream.read_partial(4096))?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// 426 if the client has not asked for an upgrade to this protocol, 500 if the answer has begun or
    /// some of the request's body is unread; if the client has gone.
    pub async fn upgrade(&mut self, protocol: &str) -> Result<Detached> {
        if self.phase != Phase::Open {
            let message = "cannot upgrade after the headers were sent";
            return Err(Error::mistake(message));
        }
        let offered = self.is_offered(protocol);
        let protocol: HeaderValue = protocol.into_value()?;
        if !offered {
            let message = format!("the client has not asked for an upgrade to {protocol:?}");
            let error = Error::new(StatusCode::UPGRADE_REQUIRED, message);
            return Err(error.with_header(UPGRADE, protocol));
        }
        self.free_stream()?;
        self.headers
            .retain(|(name, _)| *name != UPGRADE && *name != CONNECTION);
        self.headers.push((UPGRADE, protocol));
        self.headers
            .push((CONNECTION, HeaderValue::from_static("Upgrade")));
        self.status = StatusCode::SWITCHING_PROTOCOLS;
        self.encode_switch();
        self.detach().await
    }

    /// Hands the stream over as it is, after what was flushed and finished: Tornado's `detach`.
    ///
    /// Nothing is answered that was not. For `CONNECT`, flush an answer of status 200 first. From then
    /// on the exchange has no say, as after [`upgrade`](Exchange::upgrade).
    ///
    /// # Errors
    ///
    /// If the client has gone, or some of the request's body is unread.
    pub async fn detach(&mut self) -> Result<Detached> {
        let stream = self.free_stream()?;
        self.wire.may_read_ahead.set(false);
        self.send().await?;
        self.take_read_ahead();
        let used = self.used();
        let read = self.input.split_behind(used);
        // The connection may stay for long, and the handler with it.
        self.input.shrink();
        self.written = Vec::new();
        self.headers = Vec::new();
        *self.wire.out.borrow_mut() = Vec::new();
        self.phase = Phase::Finished;
        self.keep_alive = false;
        self.detached = true;
        self.stream = None;
        Ok(Detached { stream, read })
    }

    /// The stream, if it can be taken.
    fn free_stream(&self) -> Result<Rc<IoStream>> {
        let stream = self.stream.clone().filter(|_| !self.detached);
        let message = match stream {
            None => "the stream cannot be taken: it is somebody else's",
            Some(_) if self.has_unread_body() => {
                "the stream cannot be taken: the request's body has to be read first"
            }
            Some(stream) => return Ok(stream),
        };
        Err(Error::mistake(message))
    }

    fn is_offered(&self, protocol: &str) -> bool {
        let mut offers = self.request().header_values("upgrade");
        self.head.upgrade() && offers.any(|value| list_has(value, protocol.as_bytes()))
    }
}
