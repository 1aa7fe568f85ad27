//! One request and its answer.
//!
//! ```text
//!            write, set_header…        flush                       end of the call
//!   ──► Open ───────────────► Open ──────────► Streaming ──flush──► Finished
//!         │                                                            ▲
//!         └── finish, or the end of the call: one head with its length ┘
//! ```
//!
//! Its parts are beside it: `arguments` and `body` for what came, `answer` for what goes, `upgrade`
//! for the end of HTTP on the connection.

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use squall::net::IoStream;

use super::arguments::{Arguments, PathArguments};
use super::body::{self, BodyReader};
use super::buffer::Buffer;
use super::extra::Extra;
use super::guest::Stay;
use super::request::Request;
use super::shared::Settings;
use super::site::Site;
use super::wire::{ClientGone, Wire};
use crate::error::Result;
use crate::http::{Compression, GzipEncoder, RequestHead, ResponseBody};

/// How much of the answer is kept before a pipeline's answers are sent.
pub(super) const SEND_AT: usize = 64 * 1024;

/// A request and its answer, as a handler gets them: Tornado's `self.request`, `self.write` and
/// their family.
///
/// What is written is kept until the handler returns, and then sent in one piece with its length.
/// [`flush`](Exchange::flush) sends at once what there is, and makes the answer a stream.
///
/// # Examples
///
/// ```
/// use squall_web::{Exchange, Result};
///
/// #[squall::coroutine]
/// fn greet(ex: &mut Exchange) -> Result<()> {
///     let name = ex.argument("name")?;
///     ex.set_header("content-type", "text/plain; charset=utf-8")?;
///     ex.write(format!("Hello, {name}!"));
///     Ok(())
/// }
/// ```
pub struct Exchange {
    /// Invariant: the head's bytes are at its start while a request is handled.
    pub(super) input: Buffer,
    pub(super) head: RequestHead,
    /// A body that did not come whole with the head, or the piece of it that is next.
    pub(super) read_body: Vec<u8>,
    /// How many bytes of the input are the body, if it came with the head.
    pub(super) body_in_input: usize,
    /// True once [`body_chunk`](Exchange::body_chunk) has given that.
    pub(super) body_is_given: bool,
    /// What reads the body, while it has not come whole.
    pub(super) reader: Option<Box<BodyReader>>,
    /// True if the body was compressed and is not any more.
    pub(super) decoded: bool,
    pub(super) trailers: Option<Box<HeaderMap>>,
    /// What is encoded and not sent; shared with the connection.
    pub(super) wire: Rc<Wire>,
    pub(super) stream: Option<Rc<IoStream>>,
    pub(super) remote: Option<SocketAddr>,
    /// True if there is TLS on the connection.
    pub(super) is_secure: bool,
    /// The connection that the stream is one of, with HTTP/2.
    #[cfg(feature = "http2")]
    pub(super) below: Option<Rc<IoStream>>,
    pub(super) settings: Rc<Settings>,
    pub(super) phase: Phase,
    pub(super) keep_alive: bool,
    /// True if the handler has taken the stream.
    pub(super) detached: bool,
    pub(super) started: Option<Instant>,
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) written: Vec<u8>,
    /// What the application has decided for all of its answers.
    pub(crate) site: Option<Rc<Site>>,
    /// The token that this answer shows.
    pub(super) xsrf_token: Option<String>,
    /// How the answer is to be compressed, if its handler said.
    pub(super) compression: Option<Compression>,
    /// What compresses a stream that has begun.
    pub(super) encoder: Option<Box<GzipEncoder>>,
    /// How much is still to be written of a stream that has a length.
    pub(super) left: u64,
    /// What follows the last chunk.
    pub(super) after_body: Vec<(HeaderName, HeaderValue)>,
    /// The arguments of the query and of a form, once they were asked for.
    pub(super) arguments: Option<Arguments>,
    pub(super) path_arguments: PathArguments,
    /// The route that was found when the body's plan was asked for.
    pub(crate) route: Option<usize>,
    /// What few requests have.
    pub(super) extra: Option<Box<Extra>>,
    /// What goes on with the connection when it is not HTTP's any more.
    pub(super) stay: Option<Box<Stay>>,
}

/// How far the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing is sent; status and headers can change.
    Open,
    /// The head is sent; the body goes in chunks, by its length, or up to the end of the connection.
    Streaming(ResponseBody),
    /// Everything is encoded.
    Finished,
}

impl Exchange {
    pub(super) fn new(settings: Rc<Settings>) -> Box<Exchange> {
        Box::new(Exchange {
            input: Buffer::new(),
            head: RequestHead::new(),
            read_body: Vec::new(),
            body_in_input: 0,
            body_is_given: false,
            reader: None,
            decoded: false,
            trailers: None,
            wire: Rc::default(),
            stream: None,
            remote: None,
            is_secure: false,
            #[cfg(feature = "http2")]
            below: None,
            settings,
            phase: Phase::Open,
            keep_alive: true,
            detached: false,
            started: None,
            status: StatusCode::OK,
            headers: Vec::with_capacity(4),
            written: Vec::with_capacity(512),
            site: None,
            xsrf_token: None,
            compression: None,
            encoder: None,
            left: 0,
            after_body: Vec::new(),
            arguments: None,
            path_arguments: PathArguments::default(),
            route: None,
            extra: None,
            stay: None,
        })
    }

    /// Returns the request.
    pub fn request(&self) -> Request<'_> {
        Request::new(self)
    }

    /// Returns when the request's head was complete, by the loop's clock.
    pub fn started(&self) -> Option<Instant> {
        self.started
    }

    /// Returns a future that is done when the client has gone, or says that it sends no more; at the
    /// latest when this request is over. Tornado's `on_connection_close`.
    ///
    /// For handlers that wait long: yield it beside what is waited for, and stop. A server notices by
    /// reading ahead, so it does not where `Limits::max_pipelined_bytes` of next requests lie in front.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall_web::{Exchange, Result};
    ///
    /// #[squall::coroutine]
    /// fn wait(ex: &mut Exchange) -> Result<()> {
    ///     let gone = ex.client_gone();
    ///     // Done when one of the two is.
    ///     let limit = std::time::Duration::from_secs(30);
    ///     if yield_!(squall::with_timeout(limit, gone)).is_err() {
    ///         ex.write("still there");
    ///     }
    ///     Ok(())
    /// }
    /// # use squall::yield_;
    /// ```
    pub fn client_gone(&self) -> ClientGone {
        let is_closed = (self.stream.as_ref()).is_none_or(|stream| stream.is_closed());
        self.wire.client_gone(is_closed)
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.settings.draining.is_set()
    }

    pub(super) fn head(&self) -> &RequestHead {
        &self.head
    }

    pub(super) fn head_bytes(&self) -> &[u8] {
        self.input.filled()
    }

    /// The path as it was sent, for comparing: it is known to be text.
    pub(crate) fn path_bytes(&self) -> &[u8] {
        self.head.path_bytes(self.head_bytes())
    }

    pub(super) fn body(&self) -> &[u8] {
        match self.body_in_input {
            0 => &self.read_body,
            len => &self.input.filled()[self.head.len()..self.head.len() + len],
        }
    }

    /// How much of the input this request is.
    pub(super) fn used(&self) -> usize {
        self.head.len() + self.body_in_input
    }

    /// Puts what came while the handler worked behind the input.
    pub(super) fn take_read_ahead(&mut self) {
        self.wire.may_read_ahead.set(false);
        let mut ahead = self.wire.ahead.borrow_mut();
        if !ahead.is_empty() {
            self.input.append(&ahead);
            // Few connections ever need it, so it is not kept.
            *ahead = Vec::new();
        }
    }

    /// Makes ready for the next request of the connection. The last one's input is used up.
    pub(super) fn next_request(&mut self) {
        let used = self.used();
        self.input.consume(used);
        self.head.clear();
        self.read_body.clear();
        body::give_back(&mut self.read_body);
        self.body_in_input = 0;
        self.body_is_given = false;
        self.reader = None;
        self.decoded = false;
        self.trailers = None;
        self.wire.next_request();
        self.phase = Phase::Open;
        self.keep_alive = true;
        self.started = None;
        self.status = StatusCode::OK;
        self.headers.clear();
        self.written.clear();
        body::give_back(&mut self.written);
        self.site = None;
        self.xsrf_token = None;
        self.compression = None;
        self.encoder = None;
        self.left = 0;
        self.after_body.clear();
        self.arguments = None;
        self.path_arguments.spans.clear();
        self.route = None;
        self.extra = None;
    }

    /// Makes ready for another connection.
    pub(super) fn release(&mut self) {
        if self.phase != Phase::Open || !self.head.is_empty() {
            self.next_request();
        }
        self.input.reset();
        self.wire.release();
        self.stream = None;
        self.remote = None;
        #[cfg(feature = "http2")]
        {
            self.below = None;
        }
        self.detached = false;
        self.stay = None;
    }

    /// Sends what is encoded.
    pub(super) async fn send(&mut self) -> Result<()> {
        let Some(stream) = &self.stream else {
            return Ok(());
        };
        let (wire, limits) = (&*self.wire, &self.settings.limits);
        let sent = poll_fn(|cx| wire.poll_send(cx, stream, limits)).await;
        sent.map_err(|error| {
            self.keep_alive = false;
            error.into()
        })
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("method", self.head.method())
            .field("target", &self.request().target())
            .field("status", &self.status)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}
