//! What stands for `digest.rs` without the feature: nobody.

use http::header::{HeaderMap, HeaderValue};

#[derive(Clone, Debug)]
pub(super) enum Digest {}

impl Digest {
    pub(super) fn take_challenge(&mut self, _: &HeaderMap) -> bool {
        match *self {}
    }

    pub(super) fn header(&self, _: &str, _: &str) -> Option<HeaderValue> {
        match *self {}
    }
}
