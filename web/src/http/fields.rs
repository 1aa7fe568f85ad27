//! What the fields of a head say about its body and its connection.
//!
//! One pass over the fields finds all of it. Values that a later field can
//! still overrule are only collected; they are judged after the last field.

use super::framing::FramingFields;
use super::head::{FieldSpan, Span, Version};
use super::host::is_authority;
use super::parse::ParseError;

/// Collects, field by field, what the fields say about connection and body.
///
/// Requests and responses share it; what is left after the last field is judged
/// by `parse` and `response`, for there they differ.
#[derive(Debug, Default)]
pub(super) struct FieldFacts {
    pub(super) framing: FramingFields,
    pub(super) host: Option<Span>,
    pub(super) expect_continue: bool,
    pub(super) has_upgrade: bool,
    wants_close: bool,
    wants_keep_alive: bool,
    pub(super) wants_upgrade: bool,
}

impl FieldFacts {
    /// Takes note of one field of the request in `buf`.
    ///
    /// Most fields are none of ours, and their length says so.
    pub(super) fn see_request_field(
        &mut self,
        buf: &[u8],
        field: FieldSpan,
    ) -> Result<(), ParseError> {
        match field.name.len() {
            4 | 6 | 7 | 10 | 14 | 17 => {}
            _ => return Ok(()),
        }
        let (name, value) = (field.name.bytes(buf), field.value.bytes(buf));
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.see_host(field.value, value),
            6 if name.eq_ignore_ascii_case(b"expect") => {
                self.expect_continue |= value.eq_ignore_ascii_case(b"100-continue");
                Ok(())
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.has_upgrade = true;
                Ok(())
            }
            _ => self.see_shared_field(name, value, true),
        }
    }

    /// Takes note of a field that means the same in a request and a response.
    ///
    /// Where `has_body` is false, the length fields are not even looked at.
    pub(super) fn see_shared_field(
        &mut self,
        name: &[u8],
        value: &[u8],
        has_body: bool,
    ) -> Result<(), ParseError> {
        match name.len() {
            10 if name.eq_ignore_ascii_case(b"connection") => {
                self.see_connection(value);
                Ok(())
            }
            14 if has_body && name.eq_ignore_ascii_case(b"content-length") => {
                self.framing.content_length(value)
            }
            17 if has_body && name.eq_ignore_ascii_case(b"transfer-encoding") => {
                self.framing.transfer_encoding(value)
            }
            _ => Ok(()),
        }
    }

    /// Says whether the connection outlives the message (RFC 9112 §9.3).
    pub(super) fn keep_alive(&self, version: Version) -> bool {
        let default = version == Version::Http11;
        !self.wants_close && (default || self.wants_keep_alive)
    }

    fn see_host(&mut self, at: Span, value: &[u8]) -> Result<(), ParseError> {
        if self.host.is_some() {
            return Err(ParseError::BadRequest("more than one Host"));
        }
        if !value.is_empty() && !is_authority(value) {
            return Err(ParseError::BadRequest("malformed Host"));
        }
        self.host = Some(at);
        Ok(())
    }

    fn see_connection(&mut self, value: &[u8]) {
        for token in value.split(|byte| *byte == b',') {
            let token = token.trim_ascii();
            match token.len() {
                5 => self.wants_close |= token.eq_ignore_ascii_case(b"close"),
                7 => self.wants_upgrade |= token.eq_ignore_ascii_case(b"upgrade"),
                10 => self.wants_keep_alive |= token.eq_ignore_ascii_case(b"keep-alive"),
                _ => {}
            }
        }
    }
}
