//! What is sent: status, headers, the body in one piece or as a stream, trailers.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION, TRAILER};
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::clock::with_date;
use super::exchange::{Exchange, Phase};
use super::failure::log_panic;
use super::server::call;
use super::site::add_missing;
use super::values::{IntoName, IntoValue};
use crate::error::{Error, Result};
use crate::http::{ResponseBody, Version, encode_chunk, encode_last_chunk, encode_response_head};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// Fields that a recipient needs before the body, or that frame or route: none may be a trailer
/// (RFC 9110 §6.5.1).
const NO_TRAILERS: [&str; 22] = [
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "date",
    "expect",
    "host",
    "keep-alive",
    "location",
    "max-forwards",
    "proxy-authenticate",
    "proxy-authorization",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "www-authenticate",
];

impl Exchange {
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
    /// The server frames the answer: `Transfer-Encoding` and `Connection` are its own, and what is set
    /// for them is left out. A `Content-Length` is taken where the server cannot know better: of a
    /// stream, which then has to be of this length and is not sent in chunks, and of an answer to
    /// `HEAD` for which nothing was written.
    ///
    /// # Errors
    ///
    /// If the name is no token, or the value has control characters: an answer is never split. If a
    /// `Content-Length` is no number.
    pub fn set_header(&mut self, name: impl IntoName, value: impl IntoValue) -> Result<()> {
        let (name, value) = header(name, value)?;
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
        let header = header(name, value)?;
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

    /// Adds a trailer: a field behind the body, such as a sum of it. The answer goes in chunks then.
    ///
    /// Left out where there are no chunks: for an HTTP/1.0 client, to `HEAD`, in an answer without a
    /// body or with a `Content-Length`. Those that are added before the first flush are announced.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::yield_;
    /// use squall_web::{Exchange, Result};
    ///
    /// #[squall::coroutine]
    /// fn numbers(ex: &mut Exchange) -> Result<()> {
    ///     let mut sum = 0;
    ///     for n in 0..1000 {
    ///         sum += n;
    ///         ex.write(format!("{n}\n"));
    ///         yield_!(ex.flush())?;
    ///     }
    ///     ex.add_trailer("x-sum", sum.to_string())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`set_header`](Exchange::set_header); if the field is one that has to come before the body,
    /// as `Content-Type`; if the answer is finished.
    pub fn add_trailer(&mut self, name: impl IntoName, value: impl IntoValue) -> Result<()> {
        let (name, value) = (name.into_name()?, value.into_value()?);
        if NO_TRAILERS.contains(&name.as_str()) {
            return Err(Error::mistake(format!(
                "{name} cannot be a trailer: set it as a header"
            )));
        }
        if self.phase == Phase::Finished {
            return Err(Error::mistake(format!(
                "the trailer {name} comes after the answer was finished"
            )));
        }
        self.after_body.push((name, value));
        Ok(())
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

    /// Adds a buffer to the answer's body; without a copy if it is the first.
    pub(crate) fn write_owned(&mut self, data: Vec<u8>) {
        match self.written.is_empty() && self.phase != Phase::Finished {
            true => self.written = data,
            false => self.write(data),
        }
    }

    /// Writes a value as JSON, with its content type: Tornado's `write` of a dict.
    ///
    /// # Errors
    ///
    /// If the value does not serialise, or the answer is finished.
    pub fn write_json<T: serde::Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        if self.phase == Phase::Finished {
            return Err(Error::mistake(
                "the JSON is written after the answer was finished",
            ));
        }
        if self.phase == Phase::Open {
            self.set_header(CONTENT_TYPE, JSON)?;
        }
        let had = self.written.len();
        serde_json::to_writer(&mut self.written, value).map_err(|error| {
            self.written.truncate(had);
            error.into()
        })
    }

    /// Sends what has been written; done when the system has taken it.
    ///
    /// The first flush sends the head: the answer goes in chunks from then on, by its
    /// `Content-Length` if the handler has set one, or to the end of the connection for an HTTP/1.0
    /// client. A client that reads slowly makes this wait.
    ///
    /// # Errors
    ///
    /// If the client has gone, or keeps the server waiting beyond `Limits::write_timeout`; stop then.
    /// If more was written than the `Content-Length` says.
    pub async fn flush(&mut self) -> Result<()> {
        if self.phase == Phase::Open {
            self.begin_stream();
        }
        self.encode_written()?;
        self.send().await
    }

    /// Ends the answer. Also done when the handler returns; use it to answer early, and go on
    /// working: what was written is sent as soon as the handler waits.
    ///
    /// What is written later is lost, and logged.
    pub fn finish(&mut self) {
        match self.phase {
            Phase::Open if self.wants_trailers() => {
                self.begin_stream();
                self.finish();
                return;
            }
            Phase::Open => self.encode_whole(),
            Phase::Streaming(framing) => {
                if let Some(encoder) = self.encoder.take() {
                    encoder.finish(&mut self.written);
                }
                if self.encode_written().is_err() {
                    return;
                }
                let is_head = *self.head.method() == Method::HEAD;
                match framing {
                    ResponseBody::Chunked if !is_head => {
                        let out = &mut *self.wire.out.borrow_mut();
                        encode_last_chunk(&self.after_body, out);
                    }
                    ResponseBody::Length(_) if !is_head && self.left > 0 => {
                        // It stays a stream without its end, and is cut.
                        tracing::error!(target: "squall::web", "the answer has {} bytes less than its Content-Length: {}", self.left, self.request().target());
                        self.keep_alive = false;
                        return;
                    }
                    _ => {}
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

    /// Answers 302 with a `Location`, and ends the answer. What the answer has set besides, such as
    /// cookies, goes along.
    ///
    /// # Errors
    ///
    /// If the URL has control characters, or the head is sent.
    pub fn redirect(&mut self, url: &str) -> Result<()> {
        self.redirect_with(StatusCode::FOUND, url)
    }

    /// As [`redirect`](Exchange::redirect), for good: 301. Tornado's `redirect(url, permanent=True)`.
    ///
    /// # Errors
    ///
    /// As [`redirect`](Exchange::redirect).
    pub fn redirect_permanent(&mut self, url: &str) -> Result<()> {
        self.redirect_with(StatusCode::MOVED_PERMANENTLY, url)
    }

    /// Answers with a redirecting status and a `Location`, and ends the answer.
    ///
    /// # Errors
    ///
    /// As [`redirect`](Exchange::redirect); if the status is none of 300 to 399.
    pub fn redirect_with(&mut self, status: StatusCode, url: &str) -> Result<()> {
        if self.headers_sent() {
            return Err(Error::mistake(
                "cannot redirect after the headers were sent",
            ));
        }
        if !status.is_redirection() {
            return Err(Error::mistake(format!("{status} does not redirect")));
        }
        // A tab as well: browsers drop it, and may find another host in what is left.
        if url.contains(char::is_control) {
            return Err(Error::mistake(format!(
                "the URL {url:?} has control characters: encode them"
            )));
        }
        self.set_header(LOCATION, url)?;
        if *self.head.method() == Method::HEAD {
            // What GET says of the nothing that it sends.
            self.set_header(CONTENT_LENGTH, 0_u64)?;
        }
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
            self.after_body.clear();
            self.status = StatusCode::OK;
        }
    }

    /// Answers with an error's status and its page: what the application's
    /// [`write_error`](crate::Application::write_error) writes, or what went wrong if it is to
    /// [show](crate::Application::debug) that, or else no more than the error's reason.
    pub fn write_error_page(&mut self, error: &Error) {
        self.clear();
        self.begin_error(error);
        if self.write_own_page(error) {
            return;
        }
        if self.is_debug() {
            return self.write_debug_page(error);
        }
        let (code, reason) = (error.status().as_u16(), escape_html(error.reason()));
        self.write(format!(
            "<html><title>{code}: {reason}</title><body>{code}: {reason}</body></html>"
        ));
    }

    /// Has the application write the page, if it does. False if not, or if that panics.
    fn write_own_page(&mut self, error: &Error) -> bool {
        let page = self.site.as_ref().and_then(|site| site.error_page.clone());
        let Some(page) = page.filter(|_| !self.extra().writes_page) else {
            return false;
        };
        self.extra().writes_page = true;
        let written = call(|| (page.0)(self, error));
        self.extra().writes_page = false;
        let Err(panic) = written else {
            return true;
        };
        log_panic(self, &panic);
        self.clear();
        self.begin_error(error);
        self.headers_sent()
    }

    /// Sets what an error says of its answer's head.
    pub(crate) fn begin_error(&mut self, error: &Error) {
        self.set_status(error.status());
        if self.phase == Phase::Open {
            self.headers.extend_from_slice(error.headers());
        }
    }

    /// Closes the connection after this answer.
    pub fn close_connection(&mut self) {
        if self.can_change_head("close_connection") {
            self.keep_alive = false;
        }
    }

    /// Encodes an answer that is there whole.
    fn encode_whole(&mut self) {
        if (self.site.as_ref()).is_some_and(|site| site.etags == Some(true)) {
            self.tag_whole();
        }
        self.compress_whole();
        let framing = match (self.bodiless_framing(), *self.head.method() == Method::HEAD) {
            (Some(framing), _) => framing,
            // Its own handler of HEAD knows the length, or leaves it open.
            (None, true) if self.written.is_empty() => self
                .declared_length()
                .map_or(ResponseBody::None, ResponseBody::Length),
            (None, _) => ResponseBody::Length(self.written.len() as u64),
        };
        if self.is_too_much_unread() {
            self.keep_alive = false;
        }
        self.encode_head(framing);
        if !self.has_no_body() {
            self.wire.out.borrow_mut().extend_from_slice(&self.written);
        }
    }

    /// Sends the head of an answer whose body comes bit by bit.
    fn begin_stream(&mut self) {
        self.compress_stream();
        let framing = self.bodiless_framing().unwrap_or_else(|| {
            match (self.declared_length(), self.head.version()) {
                (Some(length), _) => ResponseBody::Length(length),
                (None, _) if *self.head.method() == Method::HEAD => ResponseBody::None,
                (None, Version::Http11) => ResponseBody::Chunked,
                (None, Version::Http10) => ResponseBody::UntilClose,
            }
        });
        if let ResponseBody::Length(length) = framing {
            self.left = length;
        }
        if framing == ResponseBody::UntilClose || self.is_unreadable() {
            self.keep_alive = false;
        }
        if framing == ResponseBody::Chunked && !self.after_body.is_empty() {
            self.announce_trailers();
        }
        self.encode_head(framing);
        self.phase = Phase::Streaming(framing);
    }

    fn announce_trailers(&mut self) {
        let names: Vec<&str> = (self.after_body.iter())
            .map(|(name, _)| name.as_str())
            .collect();
        if let Ok(value) = HeaderValue::try_from(names.join(", ")) {
            self.headers.push((TRAILER, value));
        }
    }

    fn encode_head(&mut self, framing: ResponseBody) {
        if let Some(site) = &self.site {
            add_missing(&mut self.headers, &site.headers);
        }
        let has_type = self.headers.iter().any(|(name, _)| *name == CONTENT_TYPE);
        if !has_type && !self.written.is_empty() && self.describes_a_body(framing) {
            self.headers.push((CONTENT_TYPE, HTML));
        }
        if self.is_draining() {
            self.keep_alive = false;
        }
        with_date(|date| {
            encode_response_head(
                &mut self.wire.out.borrow_mut(),
                self.head.version(),
                self.status,
                &self.headers,
                framing,
                self.keep_alive,
                date,
            );
        });
    }

    /// Encodes the head of an answer after which the connection is no longer HTTP's.
    pub(super) fn encode_switch(&mut self) {
        self.written.clear();
        self.encode_head(ResponseBody::None);
    }

    /// Moves what was written to the output, framed.
    fn encode_written(&mut self) -> Result<()> {
        let is_head = *self.head.method() == Method::HEAD;
        let mut fits = Ok(());
        if let Some(encoder) = &mut self.encoder {
            encoder.encode(&mut self.written);
        }
        match self.phase {
            Phase::Streaming(_) if is_head || self.has_no_body() => {}
            Phase::Streaming(ResponseBody::Chunked) => {
                encode_chunk(&self.written, &mut self.wire.out.borrow_mut());
            }
            Phase::Streaming(ResponseBody::UntilClose) => self.move_written(),
            Phase::Streaming(ResponseBody::Length(length)) => {
                match self.left.checked_sub(self.written.len() as u64) {
                    Some(left) => {
                        self.left = left;
                        self.move_written();
                    }
                    None => {
                        self.keep_alive = false;
                        let message =
                            format!("more is written than the Content-Length of {length} says");
                        fits = Err(Error::mistake(message));
                    }
                }
            }
            Phase::Streaming(ResponseBody::None) | Phase::Open | Phase::Finished => {}
        }
        self.written.clear();
        fits
    }

    /// Moves what was written to the output as it is; without a copy if nothing is in front.
    fn move_written(&mut self) {
        let out = &mut *self.wire.out.borrow_mut();
        match out.is_empty() {
            true => std::mem::swap(out, &mut self.written),
            false => out.extend_from_slice(&self.written),
        }
    }

    /// The framing of answers that have no body, whatever was asked and written: 204 and 304, a 205,
    /// which says so by its length (RFC 9110 §15.3.6), and the consent to a `CONNECT`.
    pub(super) fn bodiless_framing(&self) -> Option<ResponseBody> {
        match self.status {
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => Some(ResponseBody::None),
            StatusCode::RESET_CONTENT => Some(ResponseBody::Length(0)),
            status if status.is_success() && *self.head.method() == Method::CONNECT => {
                Some(ResponseBody::None)
            }
            _ => None,
        }
    }

    /// True if there is a body, or would be to GET.
    fn describes_a_body(&self, framing: ResponseBody) -> bool {
        framing != ResponseBody::None
            || *self.head.method() == Method::HEAD && self.bodiless_framing().is_none()
    }

    /// True if no body is sent: by the status, or to HEAD.
    fn has_no_body(&self) -> bool {
        *self.head.method() == Method::HEAD || self.bodiless_framing().is_some()
    }

    fn wants_trailers(&self) -> bool {
        !self.after_body.is_empty()
            && self.head.version() == Version::Http11
            && !self.has_no_body()
            && self.declared_length().is_none()
    }

    /// The length that the handler has set.
    pub(super) fn declared_length(&self) -> Option<u64> {
        let (_, value) = self
            .headers
            .iter()
            .find(|(name, _)| *name == CONTENT_LENGTH)?;
        length(value)
    }

    fn can_change_head(&self, what: &str) -> bool {
        if self.headers_sent() {
            tracing::error!(target: "squall::web", "{what} after the headers were sent is without effect: {}", self.request().target());
        }
        !self.headers_sent()
    }
}

fn header(name: impl IntoName, value: impl IntoValue) -> Result<(HeaderName, HeaderValue)> {
    let (name, value) = (name.into_name()?, value.into_value()?);
    if name == CONTENT_LENGTH && length(&value).is_none() {
        return Err(Error::mistake(format!(
            "the Content-Length {value:?} is no number"
        )));
    }
    Ok((name, value))
}

/// Digits and nothing else.
fn length(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

pub(super) fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
