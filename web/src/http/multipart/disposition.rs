//! The parameters that make a form of a body: its boundary, and each part's name and file name.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::super::grammar::is_token;
use super::MultipartError;

/// The longest boundary (RFC 2046 §5.1.1).
pub(super) const MAX_BOUNDARY: usize = 70;

/// The boundary that a `Content-Type` names.
pub(super) fn boundary(content_type: &str) -> Result<String, MultipartError> {
    const NONE: MultipartError =
        MultipartError::Malformed("the form's Content-Type names no boundary");
    if !super::MultipartDecoder::is_for(content_type) {
        return Err(MultipartError::Malformed(
            "the Content-Type is not multipart/form-data",
        ));
    }
    let (_, parameters) = content_type.split_once(';').ok_or(NONE)?;
    let mut boundary = None;
    for parameter in Parameters(parameters) {
        let (name, value) = parameter?;
        if name.eq_ignore_ascii_case("boundary") && boundary.replace(value).is_some() {
            return Err(MultipartError::Malformed(
                "the form's Content-Type names two boundaries",
            ));
        }
    }
    let boundary = boundary.ok_or(NONE)?.into_owned();
    let is_visible = boundary.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    match boundary.len() {
        0 => Err(NONE),
        len if len <= MAX_BOUNDARY && is_visible && !boundary.ends_with(' ') => Ok(boundary),
        _ => Err(MultipartError::Malformed(
            "the form's boundary is not 1 to 70 visible characters",
        )),
    }
}

/// A part's `Content-Disposition` (RFC 7578 §4.2).
#[derive(Debug)]
pub(super) struct Disposition {
    pub(super) name: String,
    pub(super) file_name: Option<String>,
}

impl Disposition {
    pub(super) fn parse(value: &str) -> Result<Disposition, MultipartError> {
        let (kind, parameters) = value.split_once(';').unwrap_or((value, ""));
        if !kind.trim().eq_ignore_ascii_case("form-data") {
            return Err(MultipartError::Malformed(
                "a part's Content-Disposition is not form-data",
            ));
        }
        let (mut name, mut plain, mut extended) = (None, None, None);
        for parameter in Parameters(parameters) {
            let (key, value) = parameter?;
            let had = match key.to_ascii_lowercase().as_str() {
                "name" => name.replace(value.into_owned()),
                "filename" => plain.replace(value.into_owned()),
                "filename*" => extended.replace(decode_extended(&value)?),
                _ => None,
            };
            if had.is_some() {
                return Err(MultipartError::Malformed(
                    "a part's Content-Disposition names something twice",
                ));
            }
        }
        let name = name.filter(|name| !name.is_empty());
        Ok(Disposition {
            name: name.ok_or(MultipartError::Malformed("a part has no name"))?,
            // The extended form is there because the plain one could not say it (RFC 6266 §4.3).
            file_name: extended.or(plain),
        })
    }
}

/// `charset'language'percent-encoded` (RFC 8187 §3.2). RFC 7578 forbids it, and clients send it.
fn decode_extended(value: &str) -> Result<String, MultipartError> {
    const BAD: MultipartError = MultipartError::Malformed("a part's filename* is malformed");
    let mut pieces = value.splitn(3, '\'');
    let (Some(charset), Some(_language), Some(text)) =
        (pieces.next(), pieces.next(), pieces.next())
    else {
        return Err(BAD);
    };
    let decoded = match charset.to_ascii_lowercase().as_str() {
        "utf-8" => percent_decode_str(text)
            .decode_utf8()
            .map_err(|_| BAD)?
            .into_owned(),
        "iso-8859-1" => percent_decode_str(text).map(char::from).collect(),
        _ => {
            return Err(MultipartError::Malformed(
                "a part's filename* is neither UTF-8 nor ISO-8859-1",
            ));
        }
    };
    match decoded.chars().any(char::is_control) {
        true => Err(MultipartError::Malformed(
            "a part's filename* has a control character",
        )),
        false => Ok(decoded),
    }
}

/// `name=value` and `name="value"`, with `;` between them, each looked at once.
struct Parameters<'a>(&'a str);

impl<'a> Iterator for Parameters<'a> {
    type Item = Result<(&'a str, Cow<'a, str>), MultipartError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0 = self.0.trim_start_matches([';', ' ', '\t']);
        if self.0.is_empty() {
            return None;
        }
        let parsed = parameter(self.0);
        self.0 = match &parsed {
            Ok((_, _, rest)) => rest,
            Err(_) => "",
        };
        Some(parsed.map(|(name, value, _)| (name, value)))
    }
}

/// The first parameter, and what follows it.
fn parameter(text: &str) -> Result<(&str, Cow<'_, str>, &str), MultipartError> {
    const BAD: MultipartError = MultipartError::Malformed("a parameter is not name=value");
    let (name, rest) = text.split_once('=').ok_or(BAD)?;
    let name = name.trim_end();
    if !is_token(name.as_bytes()) {
        return Err(BAD);
    }
    let Some(quoted) = rest.trim_start().strip_prefix('"') else {
        let (value, rest) = rest.split_once(';').unwrap_or((rest, ""));
        return Ok((name, Cow::Borrowed(value.trim()), rest));
    };
    let (value, rest) = unquote(quoted)?;
    let rest = rest.trim_start();
    match rest.is_empty() || rest.starts_with(';') {
        true => Ok((name, value, rest)),
        false => Err(BAD),
    }
}

/// The text up to the closing quote, and what follows that.
///
/// A backslash quotes a quote or a backslash; before anything else it stays, for there are clients
/// that send `C:\file`. `%22` stays as well: who sends it means a quote, and who sends a file of that
/// name means what it says.
fn unquote(text: &str) -> Result<(Cow<'_, str>, &str), MultipartError> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let at = (rest.find(['"', '\\'])).ok_or(MultipartError::Malformed(
            "a quoted parameter has no closing quote",
        ))?;
        let (before, from) = rest.split_at(at);
        if let Some(after) = from.strip_prefix('"') {
            if value.is_empty() {
                return Ok((Cow::Borrowed(before), after));
            }
            value.push_str(before);
            return Ok((Cow::Owned(value), after));
        }
        value.push_str(before);
        let quoted = from[1..].starts_with(['"', '\\']);
        value.push_str(&from[usize::from(quoted)..1 + usize::from(quoted)]);
        rest = &from[1 + usize::from(quoted)..];
    }
}
