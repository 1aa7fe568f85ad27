//! Answers that the client has already: entity tags made of their bodies, and 304.

use std::fmt::Write;

use http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH,
};
use http::{HeaderValue, Method, StatusCode};
use sha1::{Digest, Sha1};

use super::exchange::Exchange;
use crate::http::lists_tag;

impl Exchange {
    /// Sets an `ETag` made of what was written so far: Tornado's `set_etag_header`.
    ///
    /// With [`Application::etags`](crate::Application::etags) it is set for all answers that are there whole.
    pub fn set_etag_header(&mut self) {
        let etag = self.compute_etag();
        self.headers.retain(|(name, _)| *name != ETAG);
        self.headers.push((ETAG, etag));
    }

    /// True if the client has what the answer's `ETag` names, and a 304 is enough: Tornado's
    /// `check_etag_header`. False without an `ETag`.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall_web::{Exchange, Result, StatusCode};
    ///
    /// fn report(ex: &mut Exchange) -> Result<()> {
    ///     ex.set_header("etag", "\"version 7\"")?;
    ///     if ex.check_etag_header() {
    ///         ex.set_status(StatusCode::NOT_MODIFIED);
    ///         return Ok(());
    ///     }
    ///     ex.write("what takes long to make");
    ///     Ok(())
    /// }
    /// ```
    pub fn check_etag_header(&self) -> bool {
        let mut headers = self.headers.iter();
        let Some((_, etag)) = headers.find(|(name, _)| *name == ETAG) else {
            return false;
        };
        let Ok(etag) = etag.to_str() else {
            return false;
        };
        // Tags are compared weakly here (RFC 9110 §13.1.2).
        let etag = etag.strip_prefix("W/").unwrap_or(etag);
        let lines = self.request().header_values(IF_NONE_MATCH.as_str());
        lists_tag(&lines.collect::<Vec<_>>(), etag, false)
    }

    /// Gives an answer that is there whole its tag, and makes it a 304 if the client has it.
    #[cold]
    pub(super) fn tag_whole(&mut self) {
        let method = self.request().method();
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        if !is_read || self.status != StatusCode::OK {
            return;
        }
        let has_tag = self.headers.iter().any(|(name, _)| *name == ETAG);
        if !has_tag {
            // A handler's own HEAD has written nothing that it could be made of.
            if *method == Method::HEAD && self.written.is_empty() {
                return;
            }
            self.set_etag_header();
        }
        if self.check_etag_header() {
            self.status = StatusCode::NOT_MODIFIED;
            self.written.clear();
            const OF_THE_BODY: [http::HeaderName; 5] = [
                CONTENT_ENCODING,
                CONTENT_LANGUAGE,
                CONTENT_LENGTH,
                CONTENT_RANGE,
                CONTENT_TYPE,
            ];
            self.headers.retain(|(name, _)| !OF_THE_BODY.contains(name));
        }
    }

    fn compute_etag(&self) -> HeaderValue {
        let mut etag = String::with_capacity(42);
        etag.push('"');
        for byte in Sha1::digest(&self.written) {
            write!(etag, "{byte:02x}").expect("a string takes everything");
        }
        etag.push('"');
        HeaderValue::try_from(etag).expect("quotes and hex digits are text")
    }
}
