//! A request's body that is compressed, taken apart as it comes, with limits on what comes out.

use http::StatusCode;

use super::body::BodyError;
use crate::http::{ContentDecoder, Decoded};

/// What may come out whatever went in: small bodies may well be blank.
const FREE: u64 = 1024 * 1024;

/// A decoder with its limits.
#[derive(Debug)]
pub(super) struct Inflate {
    decoder: ContentDecoder,
    fed: u64,
    given: u64,
    most: u64,
    most_expansion: u64,
    /// True if the decoder has used up what it was fed.
    hungry: bool,
}

impl Inflate {
    /// None for a coding that is not known; then the body stays as it is.
    pub(super) fn new(coding: &[u8], most: u64, most_expansion: u64) -> Option<Inflate> {
        Some(Inflate {
            decoder: ContentDecoder::new(coding)?,
            fed: 0,
            given: 0,
            most,
            most_expansion,
            hungry: true,
        })
    }

    pub(super) fn wants_more(&self) -> bool {
        self.hungry
    }

    pub(super) fn feed(&mut self, bytes: &[u8], is_last: bool) {
        self.fed += bytes.len() as u64;
        self.decoder.feed(bytes);
        if is_last {
            self.decoder.end();
        }
        self.hungry = false;
    }

    /// Appends a piece of the plain body. True at its end.
    pub(super) fn read(&mut self, out: &mut Vec<u8>) -> Result<bool, BodyError> {
        const TOO_LARGE: BodyError = BodyError::Refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is too large once it is decompressed",
        );
        let had = out.len();
        let decoded = (self.decoder.read(out)).map_err(|_| {
            BodyError::Refused(StatusCode::BAD_REQUEST, "the compressed body is malformed")
        })?;
        self.given += (out.len() - had) as u64;
        let expansion = self.fed.saturating_mul(self.most_expansion);
        if self.given > self.most || self.given > expansion.saturating_add(FREE) {
            out.truncate(had);
            return Err(TOO_LARGE);
        }
        self.hungry = decoded == Decoded::NeedMore;
        Ok(decoded == Decoded::Finished)
    }
}
