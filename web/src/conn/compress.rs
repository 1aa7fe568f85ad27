//! Answers that go out compressed: decided when the head is encoded.

use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, VARY,
};
use http::{HeaderName, HeaderValue};

use super::exchange::Exchange;
use crate::http::grammar::list_has;
use crate::http::{Compression, accepts_gzip, is_compressible};

impl Exchange {
    /// Has this answer compressed, if the client accepts that and it is worth it: text, JSON and the
    /// like, of some length.
    ///
    /// The answer says `Vary: Accept-Encoding` either way. A strong `ETag` becomes a weak one. What
    /// has a `Content-Encoding` already, or a `Content-Range`, stays as it is. A stream is compressed
    /// too, each flush as far as it goes; its `Content-Length` is left out then.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall_web::{Compression, Exchange};
    ///
    /// fn report(ex: &mut Exchange) {
    ///     ex.compress(Compression::new());
    ///     ex.write("all is well\n".repeat(1000));
    /// }
    /// ```
    pub fn compress(&mut self, compression: Compression) {
        self.compression = Some(compression);
    }

    /// Compresses an answer that is there whole, if it is to be.
    pub(super) fn compress_whole(&mut self) {
        if let Some(compression) = self.wants_compression(self.written.len() as u64) {
            compression.encoder().finish(&mut self.written);
        }
    }

    /// Begins to compress a stream, if it is to be.
    pub(super) fn compress_stream(&mut self) {
        let length = self.declared_length().unwrap_or(u64::MAX);
        if let Some(compression) = self.wants_compression(length) {
            self.headers.retain(|(name, _)| *name != CONTENT_LENGTH);
            self.encoder = Some(Box::new(compression.encoder()));
        }
    }

    /// Decides, and has the head say so.
    fn wants_compression(&mut self, length: u64) -> Option<Compression> {
        let site = self.site.as_ref();
        let compression = self.compression.or_else(|| site?.compression)?;
        if self.bodiless_framing().is_none() || self.status == http::StatusCode::NOT_MODIFIED {
            self.vary_on("Accept-Encoding");
        }
        let is_plain = self.bodiless_framing().is_none()
            && self.header(&CONTENT_ENCODING).is_none()
            && self.header(&CONTENT_RANGE).is_none()
            && !self
                .header(&CACHE_CONTROL)
                .is_some_and(|value| list_has(value.as_bytes(), b"no-transform"));
        // What has no type is sent as HTML.
        let content_type = self.header(&CONTENT_TYPE).map(HeaderValue::to_str);
        let is_text = content_type.is_none_or(|value| value.is_ok_and(is_compressible));
        if !is_plain || !is_text || !compression.is_worth(length) || !self.client_accepts_gzip() {
            return None;
        }
        self.headers
            .push((CONTENT_ENCODING, HeaderValue::from_static("gzip")));
        self.weaken_etag();
        Some(compression)
    }

    fn client_accepts_gzip(&self) -> bool {
        accepts_gzip(self.request().header_values("accept-encoding"))
    }

    /// Adds a name to `Vary`, beside those that are there.
    fn vary_on(&mut self, name: &'static str) {
        let vary = self.headers.iter_mut().find(|(field, _)| *field == VARY);
        let Some((_, value)) = vary else {
            self.headers.push((VARY, HeaderValue::from_static(name)));
            return;
        };
        if list_has(value.as_bytes(), name.as_bytes()) || list_has(value.as_bytes(), b"*") {
            return;
        }
        let both = [value.as_bytes(), b", ", name.as_bytes()].concat();
        if let Ok(both) = HeaderValue::from_bytes(&both) {
            *value = both;
        }
    }

    /// A strong tag would claim that the bytes are those of the plain answer.
    fn weaken_etag(&mut self) {
        let tag = self.headers.iter_mut().find(|(field, _)| *field == ETAG);
        if let Some((_, value)) = tag
            && value.as_bytes().starts_with(b"\"")
            && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", value.as_bytes()].concat())
        {
            *value = weak;
        }
    }

    fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        let mut headers = self.headers.iter();
        headers
            .find(|(field, _)| field == name)
            .map(|(_, value)| value)
    }
}
