//! Where a body ends: the rules of RFC 9112 §6.3, and their refusals.
//!
//! A request whose length two programs read differently is how requests are
//! smuggled past a proxy. So we take a length only where there is one reading:
//!
//! | fields | request | response |
//! |---|---|---|
//! | none | no body | until the connection closes |
//! | `Content-Length: 5`, also repeated or `5, 5` | 5 bytes | 5 bytes |
//! | `Content-Length`, but two values, a sign, no digit, over 64 bits | 400 | error |
//! | `Transfer-Encoding: chunked` | chunked | chunked |
//! | `gzip, chunked` | 501 | error |
//! | `identity`, empty, twice `chunked`, anything after `chunked` | 400 | error |
//! | both | 400 | error |
//! | `Transfer-Encoding` in HTTP/1.0 | 400 | error |
//!
//! Responses to `HEAD` and with status 1xx, 204 and 304 have no body whatever
//! their fields say; there the fields are not even looked at.

use super::head::Version;
use super::parse::ParseError;

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is no body; the next message begins after the head.
    #[default]
    None,
    /// The body has this many bytes.
    Length(u64),
    /// The body comes in chunks, each with its length (RFC 9112 §7.1).
    Chunked,
    /// The body ends where the connection does; responses only.
    UntilClose,
}

impl BodyFraming {
    /// True if there may be bytes behind the head.
    pub(crate) fn has_body(self) -> bool {
        !matches!(self, BodyFraming::None | BodyFraming::Length(0))
    }
}

/// The length fields of one head, fed in the order of the wire.
#[derive(Debug, Default)]
pub(super) struct FramingFields {
    length: Option<u64>,
    codings: Option<Codings>,
}

/// What the codings seen so far add up to.
#[derive(Clone, Copy, Debug)]
enum Codings {
    /// Exactly `chunked`.
    Chunked,
    /// Some that we do not know, and `chunked` may yet come.
    Unknown,
    /// Some that we do not know, then `chunked`.
    UnknownChunked,
}

impl FramingFields {
    /// Takes note of a `Content-Length` field.
    pub(super) fn content_length(&mut self, value: &[u8]) -> Result<(), ParseError> {
        for item in value.split(|byte| *byte == b',') {
            let length = parse_length(trim_ows(item))?;
            if self.length.is_some_and(|before| before != length) {
                return Err(ParseError::BadRequest("two different Content-Lengths"));
            }
            self.length = Some(length);
        }
        Ok(())
    }

    /// Takes note of a `Transfer-Encoding` field.
    pub(super) fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), ParseError> {
        for item in value.split(|byte| *byte == b',') {
            self.codings = Some(next_coding(self.codings, trim_ows(item))?);
        }
        Ok(())
    }

    /// Decides for a request.
    pub(super) fn of_request(&self, version: Version) -> Result<BodyFraming, ParseError> {
        let framing = self.named_framing(version)?;
        Ok(framing.unwrap_or(BodyFraming::None))
    }

    /// Decides for a response that may have a body.
    pub(super) fn of_response(&self, version: Version) -> Result<BodyFraming, ParseError> {
        let framing = self.named_framing(version)?;
        Ok(framing.unwrap_or(BodyFraming::UntilClose))
    }

    fn named_framing(&self, version: Version) -> Result<Option<BodyFraming>, ParseError> {
        let Some(codings) = self.codings else {
            return Ok(self.length.map(BodyFraming::Length));
        };
        if self.length.is_some() {
            return Err(ParseError::BadRequest(
                "Content-Length beside Transfer-Encoding",
            ));
        }
        if version == Version::Http10 {
            return Err(ParseError::BadRequest("Transfer-Encoding in HTTP/1.0"));
        }
        match codings {
            Codings::Chunked => Ok(Some(BodyFraming::Chunked)),
            Codings::UnknownChunked => Err(ParseError::UnsupportedCoding),
            Codings::Unknown => Err(ParseError::BadRequest("last coding is not chunked")),
        }
    }
}

fn next_coding(before: Option<Codings>, name: &[u8]) -> Result<Codings, ParseError> {
    if matches!(before, Some(Codings::Chunked | Codings::UnknownChunked)) {
        return Err(ParseError::BadRequest("coding after chunked"));
    }
    if name.eq_ignore_ascii_case(b"chunked") {
        return Ok(match before {
            None => Codings::Chunked,
            Some(_) => Codings::UnknownChunked,
        });
    }
    if !name.first().is_some_and(u8::is_ascii_alphanumeric)
        || name.eq_ignore_ascii_case(b"identity")
    {
        return Err(ParseError::BadRequest("malformed Transfer-Encoding"));
    }
    Ok(Codings::Unknown)
}

/// Reads `1*DIGIT`, and nothing else that `str::parse` would take.
fn parse_length(digits: &[u8]) -> Result<u64, ParseError> {
    const MALFORMED: ParseError = ParseError::BadRequest("malformed Content-Length");
    if digits.is_empty() {
        return Err(MALFORMED);
    }
    let mut length = 0_u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(MALFORMED);
        }
        length = length
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(u64::from(digit - b'0')))
            .ok_or(MALFORMED)?;
    }
    Ok(length)
}

/// Removes optional whitespace, which is space and tab (RFC 9110 §5.6.3).
fn trim_ows(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `fields` are lines of `CL value` and `TE value`.
    fn decide(fields: &[&str], version: Version) -> Result<BodyFraming, ParseError> {
        let mut seen = FramingFields::default();
        for field in fields {
            match field.split_at(3) {
                ("CL ", value) => seen.content_length(value.as_bytes())?,
                (_, value) => seen.transfer_encoding(value.as_bytes())?,
            }
        }
        seen.of_request(version)
    }

    #[track_caller]
    fn check(fields: &[&str], want: BodyFraming) {
        assert_eq!(decide(fields, Version::Http11), Ok(want), "{fields:?}");
    }

    #[track_caller]
    fn refuse(fields: &[&str], status: u16) {
        let error = decide(fields, Version::Http11).expect_err(&format!("{fields:?}"));
        assert_eq!(error.status().as_u16(), status, "{fields:?}");
    }

    // H60–H76 of the measured cases.
    #[test]
    fn content_length_is_one_plain_number() {
        check(&["CL 0"], BodyFraming::Length(0));
        check(&["CL 1"], BodyFraming::Length(1));
        check(&["CL \t1 "], BodyFraming::Length(1));
        check(&["CL 01"], BodyFraming::Length(1));
        check(&["CL 18446744073709551615"], BodyFraming::Length(u64::MAX));
        for bad in [
            "+1",
            "-1",
            "1_0",
            "0x1",
            "foo",
            "1.0",
            "",
            " ",
            "\u{a0}1",
            "1 1",
            "1;",
            "\u{661}",
            "18446744073709551616",
            "99999999999999999999999",
        ] {
            refuse(&[&format!("CL {bad}")], 400);
        }
    }

    #[test]
    fn repeated_equal_lengths_are_one() {
        check(&["CL 1,1"], BodyFraming::Length(1));
        check(&["CL 1, 1"], BodyFraming::Length(1));
        check(&["CL 1", "CL 1"], BodyFraming::Length(1));
    }

    #[test]
    fn smuggling_with_two_lengths_is_refused() {
        refuse(&["CL 1,2"], 400);
        refuse(&["CL 1", "CL 2"], 400);
        refuse(&["CL 1,"], 400);
        refuse(&["CL ,1"], 400);
        refuse(&["CL 1,\u{a0}1"], 400);
    }

    // H77–H84.
    #[test]
    fn transfer_encoding_is_exactly_chunked() {
        check(&["TE chunked"], BodyFraming::Chunked);
        check(&["TE Chunked"], BodyFraming::Chunked);
        check(&["TE \tCHUNKED "], BodyFraming::Chunked);
        for bad in [
            "identity",
            "",
            "\u{a0}chunked",
            "chunked, chunked",
            "chunked, gzip",
            "chunked,",
            ", chunked",
            "chunked;q=1",
            "gzip",
            "\u{b}chunked",
            "xchunked",
            "identity, chunked",
            "\"chunked\"",
        ] {
            refuse(&[&format!("TE {bad}")], 400);
        }
        refuse(&["TE chunked", "TE chunked"], 400);
        refuse(&["TE chunked", "TE gzip"], 400);
    }

    #[test]
    fn unknown_coding_before_chunked_is_not_implemented() {
        refuse(&["TE gzip, chunked"], 501);
        refuse(&["TE gzip", "TE chunked"], 501);
        refuse(&["TE gzip, br, chunked"], 501);
    }

    #[test]
    fn smuggling_with_length_beside_chunks_is_refused() {
        refuse(&["TE chunked", "CL 3"], 400);
        refuse(&["CL 3", "TE chunked"], 400);
        refuse(&["CL 3", "TE gzip, chunked"], 400);
        refuse(&["CL 0", "TE chunked"], 400);
    }

    #[test]
    fn smuggling_with_chunks_in_http_1_0_is_refused() {
        let error = decide(&["TE chunked"], Version::Http10).unwrap_err();
        assert_eq!(error.status(), 400);
        assert_eq!(
            decide(&["CL 3"], Version::Http10),
            Ok(BodyFraming::Length(3))
        );
    }

    #[test]
    fn without_fields_a_request_has_no_body_and_a_response_runs_until_close() {
        let none = FramingFields::default();
        assert_eq!(none.of_request(Version::Http11), Ok(BodyFraming::None));
        assert_eq!(
            none.of_response(Version::Http11),
            Ok(BodyFraming::UntilClose)
        );
    }
}
