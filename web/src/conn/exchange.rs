//! One request and its answer.
//!
//! ```text
//!            write, set_header…        flush                       end of the call
//!   ──► Open ───────────────► Open ──────────► Streaming ──flush──► Finished
//!         │                                                            ▲
//!         └── finish, or the end of the call: one head with its length ┘
//! ```

use std::fmt;
use std::mem;
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::str::FromStr;
use std::time::{Duration, Instant};

use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use squall::net::IoStream;

use super::body;
use super::buffer::Buffer;
use super::clock::wall_clock;
use super::request::Request;
use super::send::send_all;
use super::values::{IntoName, IntoValue};
use crate::error::{Error, Result};
use crate::http::{
    DateCache, LAST_CHUNK, RequestHead, ResponseBody, Version, decode_path_segment, encode_chunk,
    encode_response_head, parse_form, parse_query,
};

/// How much of the answer is kept before a pipeline's answers are sent.
pub(super) const SEND_AT: usize = 64 * 1024;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

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
    /// A body that did not come whole with the head.
    pub(super) read_body: Vec<u8>,
    /// How many bytes of the input are the body, if it came with the head.
    pub(super) body_in_input: usize,
    /// Encoded answers that are not sent yet.
    pub(super) out: Vec<u8>,
    /// How much of it is sent: a send that is dropped midway goes on from there.
    pub(super) sent: usize,
    pub(super) stream: Option<Rc<IoStream>>,
    pub(super) remote: Option<SocketAddr>,
    /// How long the client may keep the answer waiting; the server's limit.
    pub(super) write_timeout: Duration,
    pub(super) phase: Phase,
    pub(super) keep_alive: bool,
    pub(super) started: Option<Instant>,
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    written: Vec<u8>,
    /// The names and values of the query and of a form, once they were asked for.
    arguments: Option<Vec<(String, String)>>,
    path_arguments: PathArguments,
    date: DateCache,
}

/// How far the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing is sent; status and headers can change.
    Open,
    /// The head is sent; the body goes in chunks, or up to the end of the connection.
    Streaming(ResponseBody),
    /// Everything is encoded.
    Finished,
}

/// What the route's pattern matched.
#[derive(Debug, Default)]
struct PathArguments {
    names: Rc<[Box<str>]>,
    /// Where in the path each is.
    spans: Vec<Range<u32>>,
}

impl Exchange {
    pub(super) fn new() -> Box<Exchange> {
        Box::new(Exchange {
            input: Buffer::new(),
            head: RequestHead::new(),
            read_body: Vec::new(),
            body_in_input: 0,
            out: Vec::with_capacity(1024),
            sent: 0,
            stream: None,
            remote: None,
            write_timeout: Duration::ZERO,
            phase: Phase::Open,
            keep_alive: true,
            started: None,
            status: StatusCode::OK,
            headers: Vec::with_capacity(4),
            written: Vec::with_capacity(512),
            arguments: None,
            path_arguments: PathArguments::default(),
            date: DateCache::new(),
        })
    }

    /// Returns the request.
    pub fn request(&self) -> Request<'_> {
        Request::new(self)
    }

    /// Returns the last argument of this name, of the query or of a form in the body: Tornado's
    /// `get_argument`.
    ///
    /// # Errors
    ///
    /// 400 if there is none, or if the arguments are malformed. For one that may be missing use
    /// [`argument_opt`](Exchange::argument_opt).
    pub fn argument(&mut self, name: &str) -> Result<String> {
        let argument = self.argument_opt(name)?;
        argument.ok_or_else(|| Error::missing_argument(name))
    }

    /// Returns the last argument of this name, if there is one.
    ///
    /// # Errors
    ///
    /// 400 if the arguments are malformed: not UTF-8, or more than 1,000.
    pub fn argument_opt(&mut self, name: &str) -> Result<Option<String>> {
        Ok(self.arguments(name)?.pop())
    }

    /// Returns all arguments of this name in order, those of the query first.
    ///
    /// # Errors
    ///
    /// As [`argument_opt`](Exchange::argument_opt).
    pub fn arguments(&mut self, name: &str) -> Result<Vec<String>> {
        let all = self.all_arguments()?.iter();
        Ok(all
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
            .collect())
    }

    /// Returns the names and values of all arguments in order, those of the query first.
    ///
    /// # Errors
    ///
    /// As [`argument_opt`](Exchange::argument_opt).
    pub fn all_arguments(&mut self) -> Result<&[(String, String)]> {
        if self.arguments.is_none() {
            let bad = |error| {
                Error::new(StatusCode::BAD_REQUEST, "malformed arguments").with_source(error)
            };
            let request = self.request();
            let mut all = parse_query(request.query().unwrap_or("")).map_err(bad)?;
            let content_type = request.header_str("content-type").unwrap_or("");
            if is_form(content_type) {
                all.extend(parse_form(request.body()).map_err(bad)?);
            }
            self.arguments = Some(all);
        }
        Ok(self.arguments.as_deref().unwrap_or(&[]))
    }

    /// Returns what the route's `{name}` matched, decoded and parsed.
    ///
    /// # Errors
    ///
    /// 404 if it does not parse: such a page does not exist. 500 if the route has no such name.
    pub fn path_argument<T: FromStr>(&self, name: &str) -> Result<T> {
        let index = (self.path_arguments.names.iter()).position(|n| **n == *name);
        let index = index.ok_or_else(|| no_such_path_argument(name))?;
        self.path_argument_at(index, name)
    }

    pub(crate) fn path_argument_at<T: FromStr>(&self, index: usize, name: &str) -> Result<T> {
        let span = self.path_arguments.spans.get(index);
        let span = span.ok_or_else(|| no_such_path_argument(name))?;
        let path = self.request().path();
        let raw = path.get(span.start as usize..span.end as usize);
        let raw = raw.ok_or_else(|| no_such_path_argument(name))?;
        let text = decode_path_segment(raw).map_err(|error| {
            Error::new(StatusCode::BAD_REQUEST, "malformed path").with_source(error)
        })?;
        text.parse().map_err(|_| {
            let message = format!("the path's {name:?} does not parse: {text:?}");
            Error::new(StatusCode::NOT_FOUND, message)
        })
    }

    /// The index of the route's `{name}`; that of the position if none has this name.
    pub(crate) fn path_argument_index(&self, position: usize, name: &str) -> usize {
        let mut names = self.path_arguments.names.iter();
        names.position(|n| **n == *name).unwrap_or(position)
    }

    /// Forgets what patterns matched, and those of the exchange's earlier requests.
    pub(crate) fn clear_path_arguments(&mut self) {
        self.path_arguments.spans.clear();
        if !self.path_arguments.names.is_empty() {
            self.path_arguments.names = Rc::default();
        }
    }

    pub(crate) fn set_path_arguments(
        &mut self,
        names: &Rc<[Box<str>]>,
        spans: impl FnOnce(&str, &mut Vec<Range<u32>>) -> bool,
    ) -> bool {
        let mut found = mem::take(&mut self.path_arguments.spans);
        found.clear();
        let matches = spans(self.request().path(), &mut found);
        self.path_arguments.spans = found;
        if matches {
            self.path_arguments.names = names.clone();
        }
        matches
    }

    /// Returns the answer's status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Sets the answer's status; 200 if nobody does.
    ///
    /// Without effect, and logged, once the head is sent. An interim status (1xx) is no answer: it
    /// becomes 500, and is logged.
    pub fn set_status(&mut self, status: StatusCode) {
        if status.is_informational() {
            tracing::error!(target: "squall::web", "{status} cannot be a final answer; 500 is sent");
            self.set_status(StatusCode::INTERNAL_SERVER_ERROR);
        } else if self.can_change_head("set_status") {
            self.status = status;
        }
    }

    /// Sets a header in place of any of this name.
    ///
    /// The server frames the answer: `Content-Length`, `Transfer-Encoding` and `Connection` are its
    /// own, and what is set for them is left out.
    ///
    /// # Errors
    ///
    /// If the name is no token, or the value has control characters: an answer is never split.
    pub fn set_header(&mut self, name: impl IntoName, value: impl IntoValue) -> Result<()> {
        let (name, value) = (name.into_name()?, value.into_value()?);
        if self.can_change_head("set_header") {
            self.headers.retain(|(old, _)| *old != name);
            self.headers.push((name, value));
        }
        Ok(())
    }

    /// Adds a header beside any of this name.
    ///
    /// # Errors
    ///
    /// As [`set_header`](Exchange::set_header).
    pub fn add_header(&mut self, name: impl IntoName, value: impl IntoValue) -> Result<()> {
        let header = (name.into_name()?, value.into_value()?);
        if self.can_change_head("add_header") {
            self.headers.push(header);
        }
        Ok(())
    }

    /// Removes all headers of this name.
    pub fn clear_header(&mut self, name: &str) {
        if self.can_change_head("clear_header") {
            (self.headers).retain(|(old, _)| !old.as_str().eq_ignore_ascii_case(name));
        }
    }

    /// Adds to the answer's body.
    ///
    /// Nothing is sent before the handler returns, or flushes. Without a `Content-Type` of the
    /// handler's, the answer is `text/html; charset=utf-8`.
    pub fn write(&mut self, data: impl AsRef<[u8]>) {
        if self.phase == Phase::Finished {
            tracing::error!(target: "squall::web", "written after the answer was finished, and lost: {}", self.request().target());
            return;
        }
        self.written.extend_from_slice(data.as_ref());
    }

    /// Writes a value as JSON, with its content type: Tornado's `write` of a dict.
    ///
    /// # Errors
    ///
    /// If the value does not serialise.
    pub fn write_json<T: serde::Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        self.set_header(CONTENT_TYPE, JSON)?;
        serde_json::to_writer(&mut self.written, value)?;
        Ok(())
    }

    /// Sends what has been written; done when the system has taken it.
    ///
    /// The first flush sends the head: the answer goes in chunks from then on, or to the end of the
    /// connection for an HTTP/1.0 client. A client that reads slowly makes this wait.
    ///
    /// # Errors
    ///
    /// If the client has gone, or has read nothing for `Limits::write_timeout`; stop then.
    pub async fn flush(&mut self) -> Result<()> {
        if self.phase == Phase::Open {
            if self.status == StatusCode::RESET_CONTENT {
                // It has no content, and so nothing to stream.
                self.finish();
                return self.send().await;
            }
            let framing = match (self.has_no_body(), self.head.version()) {
                (true, _) => ResponseBody::None,
                (false, Version::Http11) => ResponseBody::Chunked,
                (false, Version::Http10) => ResponseBody::UntilClose,
            };
            if framing == ResponseBody::UntilClose {
                self.keep_alive = false;
            }
            self.encode_head(framing);
            self.phase = Phase::Streaming(framing);
        }
        self.encode_written();
        self.send().await
    }

    /// Ends the answer. Also done when the handler returns; use it to answer early, and go on
    /// working.
    ///
    /// What is written later is lost, and logged.
    pub fn finish(&mut self) {
        match self.phase {
            Phase::Open => {
                if self.status == StatusCode::RESET_CONTENT {
                    // RFC 9110 §15.3.6: it has no content, and says so by its length.
                    self.written.clear();
                }
                let framing = match self.is_bodiless_status() {
                    true => ResponseBody::None,
                    false => ResponseBody::Length(self.written.len() as u64),
                };
                self.encode_head(framing);
                if !self.has_no_body() {
                    self.out.extend_from_slice(&self.written);
                }
            }
            Phase::Streaming(framing) => {
                self.encode_written();
                if framing == ResponseBody::Chunked {
                    self.out.extend_from_slice(LAST_CHUNK);
                }
            }
            Phase::Finished => return,
        }
        self.written.clear();
        self.phase = Phase::Finished;
    }

    /// True once the answer is complete.
    pub fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    /// True once the head is sent, and status and headers cannot change.
    pub fn headers_sent(&self) -> bool {
        self.phase != Phase::Open
    }

    /// Answers 302 with a `Location`, and ends the answer.
    ///
    /// # Errors
    ///
    /// If the URL has control characters.
    pub fn redirect(&mut self, url: &str) -> Result<()> {
        self.redirect_with(StatusCode::FOUND, url)
    }

    /// Answers with a redirecting status and a `Location`, and ends the answer.
    ///
    /// # Errors
    ///
    /// If the URL has control characters, or the head is sent.
    pub fn redirect_with(&mut self, status: StatusCode, url: &str) -> Result<()> {
        if self.headers_sent() {
            let message = "cannot redirect after the headers were sent";
            return Err(Error::new(StatusCode::INTERNAL_SERVER_ERROR, message));
        }
        self.set_header(LOCATION, url)?;
        self.status = status;
        self.written.clear();
        self.finish();
        Ok(())
    }

    /// Forgets what was written and set, as far as it is not sent: Tornado's `clear`.
    pub fn clear(&mut self) {
        self.written.clear();
        if self.phase == Phase::Open {
            self.headers.clear();
            self.status = StatusCode::OK;
        }
    }

    /// Answers with an error's status and a page that says no more than its reason.
    pub fn write_error_page(&mut self, error: &Error) {
        self.clear();
        self.set_status(error.status());
        let (code, reason) = (error.status().as_u16(), escape_html(error.reason()));
        self.write(format!(
            "<html><title>{code}: {reason}</title><body>{code}: {reason}</body></html>"
        ));
    }

    /// Closes the connection after this answer.
    pub fn close_connection(&mut self) {
        if self.can_change_head("close_connection") {
            self.keep_alive = false;
        }
    }

    /// Returns when the request's head was complete, by the loop's clock.
    pub fn started(&self) -> Option<Instant> {
        self.started
    }

    pub(super) fn head(&self) -> &RequestHead {
        &self.head
    }

    pub(super) fn head_bytes(&self) -> &[u8] {
        self.input.filled()
    }

    pub(super) fn body(&self) -> &[u8] {
        match self.body_in_input {
            0 => &self.read_body,
            len => &self.input.filled()[self.head.len()..self.head.len() + len],
        }
    }

    /// Makes ready for the next request of the connection. The last one's input is used up.
    pub(super) fn next_request(&mut self) {
        let used = self.head.len() + self.body_in_input;
        self.input.consume(used);
        self.head.clear();
        self.read_body.clear();
        body::give_back(&mut self.read_body);
        self.body_in_input = 0;
        self.phase = Phase::Open;
        self.keep_alive = true;
        self.started = None;
        self.status = StatusCode::OK;
        self.headers.clear();
        self.written.clear();
        body::give_back(&mut self.written);
        self.arguments = None;
        self.path_arguments.spans.clear();
    }

    /// Makes ready for another connection.
    pub(super) fn release(&mut self) {
        self.next_request();
        self.input.reset();
        self.out.clear();
        self.sent = 0;
        body::give_back(&mut self.out);
        self.stream = None;
        self.remote = None;
    }

    /// Sends what is encoded.
    pub(super) async fn send(&mut self) -> Result<()> {
        if let Some(stream) = &self.stream
            && !self.out.is_empty()
        {
            let stream = stream.clone();
            let sent = send_all(&stream, &self.out, &mut self.sent, self.write_timeout).await;
            self.out.clear();
            self.sent = 0;
            if let Err(error) = sent {
                // What follows would have a gap in front.
                self.keep_alive = false;
                stream.close();
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn encode_head(&mut self, framing: ResponseBody) {
        let has_type = self.headers.iter().any(|(name, _)| *name == CONTENT_TYPE);
        if !has_type && framing != ResponseBody::None && !self.written.is_empty() {
            self.headers.push((CONTENT_TYPE, HTML));
        }
        let date = self.date.get(wall_clock());
        encode_response_head(
            &mut self.out,
            self.head.version(),
            self.status,
            &self.headers,
            framing,
            self.keep_alive,
            date,
        );
    }

    /// Moves what was written to the output, framed.
    fn encode_written(&mut self) {
        if let Phase::Streaming(framing) = self.phase {
            let is_head = *self.head.method() == Method::HEAD;
            match framing {
                _ if is_head => {}
                ResponseBody::Chunked if !self.written.is_empty() => {
                    encode_chunk(&self.written, &mut self.out);
                }
                ResponseBody::UntilClose => self.out.extend_from_slice(&self.written),
                _ => {}
            }
        }
        self.written.clear();
    }

    /// True for answers that cannot have a body, whatever was asked.
    fn is_bodiless_status(&self) -> bool {
        self.status.is_informational()
            || matches!(
                self.status,
                StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
            )
    }

    /// True if no body is sent: by the status, or to HEAD.
    fn has_no_body(&self) -> bool {
        self.is_bodiless_status() || *self.head.method() == Method::HEAD
    }

    fn can_change_head(&self, what: &str) -> bool {
        if self.headers_sent() {
            tracing::error!(target: "squall::web", "{what} after the headers were sent is without effect: {}", self.request().target());
        }
        !self.headers_sent()
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

fn is_form(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or("");
    (essence.trim()).eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn no_such_path_argument(name: &str) -> Error {
    let message = format!(
        "the handler wants the path's {name:?}, but its route has no such part: write it as {{{name}}} in the pattern"
    );
    Error::new(StatusCode::INTERNAL_SERVER_ERROR, message)
}

fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
