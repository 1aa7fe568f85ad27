//! Forms with files: `multipart/form-data` (RFC 7578, RFC 2046 §5.1), taken apart as they arrive.
//!
//! ```text
//!  preamble       --b CRLF fields CRLF   content        CRLF --b           --b--
//!  ─────────▶ NeedMore… ────────────▶ Part ──▶ Data… ──────────▶ PartEnd ──▶ Part …  ──▶ Finished
//! ```
//!
//! The decoder holds no bytes: it looks at those that its caller has, says how many it has used, and
//! where among them a piece of content is. So a form of any size takes the memory of one piece.
//!
//! What is malformed is an error for the whole form, not a part that is skipped: a program that gets
//! half of a form does the wrong thing. Lines end with CR LF and nothing else.

mod disposition;

use std::ops::Range;
use std::{error, fmt};

use http::StatusCode;

use self::disposition::Disposition;
use super::form::MAX_FORM_FIELDS;
use super::grammar::{essence, is_token};
use super::scan::find;

/// Bounds on a form with files; the whole of it is bounded by the limit on bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultipartLimits {
    /// Parts of a form; 1,000, as of other forms.
    pub max_parts: usize,
    /// Bytes of a part's header fields; 10 KiB, as in Tornado.
    pub max_part_head_bytes: usize,
    /// Bytes of a part that is no file; 8 MiB. Files are bounded by the body's limit.
    pub max_field_bytes: u64,
}

impl Default for MultipartLimits {
    fn default() -> Self {
        MultipartLimits {
            max_parts: MAX_FORM_FIELDS,
            max_part_head_bytes: 10 * 1024,
            max_field_bytes: 8 * 1024 * 1024,
        }
    }
}

/// What a part says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartHead {
    /// The form's field.
    pub name: String,
    /// What the client calls the file; a part that has this is a file. It may be empty, and may hold
    /// slashes and dots: it is no path.
    pub file_name: Option<String>,
    /// The `Content-Type`. RFC 7578 §4.4: without one it is `text/plain`.
    pub content_type: Option<String>,
}

/// What comes next in a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultipartEvent {
    /// More bytes are needed: call again with what is unused and more behind it.
    NeedMore,
    /// A part begins.
    Part(PartHead),
    /// A piece of its content: where it is in the input.
    Data(Range<usize>),
    /// Its content is complete.
    PartEnd,
    /// The form is complete. Whatever follows means nothing.
    Finished,
}

/// Takes a form apart.
///
/// # Examples
///
/// ```
/// use squall_web::http::{MultipartDecoder, MultipartEvent, MultipartLimits};
///
/// let form = b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nhello\r\n--x--\r\n";
/// let mut decoder = MultipartDecoder::new(
///     "multipart/form-data; boundary=x",
///     MultipartLimits::default(),
/// )?;
/// let mut rest = &form[..];
/// let mut text = Vec::new();
/// loop {
///     let (used, event) = decoder.decode(rest)?;
///     match event {
///         MultipartEvent::Part(head) => assert_eq!(head.name, "a"),
///         MultipartEvent::Data(range) => text.extend_from_slice(&rest[range]),
///         MultipartEvent::PartEnd => assert_eq!(text, b"hello"),
///         MultipartEvent::Finished => break,
///         MultipartEvent::NeedMore => unreachable!("the form is whole"),
///     }
///     rest = &rest[used..];
/// }
/// # Ok::<(), squall_web::http::MultipartError>(())
/// ```
#[derive(Debug)]
pub struct MultipartDecoder {
    /// `CR LF -- boundary`.
    delimiter: Vec<u8>,
    limits: MultipartLimits,
    state: State,
    parts: usize,
    /// Bytes that the field may still have; none in a file.
    left: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing has come: the first delimiter may be without its CR LF.
    Start,
    Preamble,
    /// Behind a delimiter: the fields of a part.
    Head,
    /// At the blank line behind the fields. Its CR LF may be that of a delimiter already: then the
    /// part is empty (RFC 2046 §5.1.1).
    Blank,
    Content,
    /// At a delimiter that ended a part.
    Between,
    Finished,
}

impl MultipartDecoder {
    /// Makes a decoder for a form with this `Content-Type`.
    ///
    /// # Errors
    ///
    /// If the type is not `multipart/form-data`, or has no sound boundary.
    pub fn new(
        content_type: &str,
        limits: MultipartLimits,
    ) -> Result<MultipartDecoder, MultipartError> {
        let boundary = disposition::boundary(content_type)?;
        Ok(MultipartDecoder {
            delimiter: [b"\r\n--", boundary.as_bytes()].concat(),
            limits,
            state: State::Start,
            parts: 0,
            left: None,
        })
    }

    /// True for the type of forms that this takes apart, whatever its parameters.
    pub fn is_for(content_type: &str) -> bool {
        essence(content_type).eq_ignore_ascii_case("multipart/form-data")
    }

    /// Looks at the input, and says how many of its bytes are used up and what they were.
    ///
    /// The next call is given what is left, with more behind it after a
    /// [`NeedMore`](MultipartEvent::NeedMore). If there is no more the form was cut short: a mistake.
    ///
    /// # Errors
    ///
    /// If the form is malformed or beyond a limit; [`MultipartError::status`] is the answer.
    pub fn decode(&mut self, input: &[u8]) -> Result<(usize, MultipartEvent), MultipartError> {
        let mut used = 0;
        loop {
            let (count, event) = self.step(&input[used..])?;
            let before = used;
            used += count;
            match event {
                // What stands behind a delimiter may be there already.
                MultipartEvent::NeedMore if count > 0 => {}
                MultipartEvent::Data(range) => {
                    let range = range.start + before..range.end + before;
                    return Ok((used, MultipartEvent::Data(range)));
                }
                event => return Ok((used, event)),
            }
        }
    }

    /// As [`decode`](Self::decode), but may ask for more while there is some.
    fn step(&mut self, input: &[u8]) -> Result<(usize, MultipartEvent), MultipartError> {
        match self.state {
            State::Start => {
                // As if a CR LF stood in front.
                let first = &self.delimiter[2..];
                let have = input.len().min(first.len());
                if input[..have] != first[..have] {
                    self.state = State::Preamble;
                    return self.step(input);
                }
                match end_of_delimiter(&input[have..]) {
                    _ if have < first.len() => Ok((0, MultipartEvent::NeedMore)),
                    Delimiter::Unknown => Ok((0, MultipartEvent::NeedMore)),
                    Delimiter::NotOne => {
                        self.state = State::Preamble;
                        self.step(input)
                    }
                    end => Ok(self.pass(have, end)),
                }
            }
            State::Preamble => match self.find_delimiter(input) {
                Found::At(at, end) => Ok(self.pass(at + self.delimiter.len(), end)),
                Found::NotBefore(at) => Ok((at, MultipartEvent::NeedMore)),
            },
            State::Head => self.decode_head(input),
            State::Blank => match self.find_delimiter(&input[..input.len().min(MAX_DELIMITER)]) {
                Found::At(0, _) => {
                    self.state = State::Between;
                    Ok((0, MultipartEvent::PartEnd))
                }
                Found::NotBefore(0) => Ok((0, MultipartEvent::NeedMore)),
                _ => {
                    self.state = State::Content;
                    Ok((2, MultipartEvent::NeedMore))
                }
            },
            State::Content => match self.find_delimiter(input) {
                Found::At(0, _) => {
                    self.state = State::Between;
                    Ok((0, MultipartEvent::PartEnd))
                }
                Found::NotBefore(0) => Ok((0, MultipartEvent::NeedMore)),
                Found::At(at, _) | Found::NotBefore(at) => {
                    if let Some(left) = &mut self.left {
                        *left =
                            (left.checked_sub(at as u64)).ok_or(MultipartError::FieldTooLarge)?;
                    }
                    Ok((at, MultipartEvent::Data(0..at)))
                }
            },
            State::Between => match end_of_delimiter(&input[self.delimiter.len()..]) {
                Delimiter::Unknown => Ok((0, MultipartEvent::NeedMore)),
                end => Ok(self.pass(self.delimiter.len(), end)),
            },
            State::Finished => Ok((input.len(), MultipartEvent::Finished)),
        }
    }

    /// Goes on behind a delimiter of which `len` bytes are known.
    fn pass(&mut self, len: usize, end: Delimiter) -> (usize, MultipartEvent) {
        match end {
            Delimiter::Next(more) => {
                self.state = State::Head;
                (len + more, MultipartEvent::NeedMore)
            }
            _ => {
                self.state = State::Finished;
                (len + 2, MultipartEvent::Finished)
            }
        }
    }

    fn decode_head(&mut self, input: &[u8]) -> Result<(usize, MultipartEvent), MultipartError> {
        let most = self.limits.max_part_head_bytes;
        // Of a part without fields the blank line is all there is.
        let end = match input.starts_with(b"\r\n") {
            true => Some(2),
            false => find(input, b"\r\n\r\n").map(|at| at + 4),
        };
        match end {
            Some(end) if end <= most => {
                if self.parts >= self.limits.max_parts {
                    return Err(MultipartError::TooManyParts);
                }
                self.parts += 1;
                let head = parse_part_head(&input[..end])?;
                let is_file = head.file_name.is_some();
                self.left = (!is_file).then_some(self.limits.max_field_bytes);
                self.state = State::Blank;
                Ok((end - 2, MultipartEvent::Part(head)))
            }
            None if input.len() < most => Ok((0, MultipartEvent::NeedMore)),
            _ => Err(MultipartError::PartHeadTooLarge),
        }
    }

    /// The first delimiter, or how far there is none.
    fn find_delimiter(&self, input: &[u8]) -> Found {
        let mut from = 0;
        while let Some(at) = find(&input[from..], &self.delimiter).map(|at| from + at) {
            match end_of_delimiter(&input[at + self.delimiter.len()..]) {
                Delimiter::NotOne => from = at + 1,
                Delimiter::Unknown => return Found::NotBefore(at),
                end => return Found::At(at, end),
            }
        }
        // The end of the input may be the beginning of one.
        let most = self.delimiter.len() - 1;
        let tail = from.max(input.len().saturating_sub(most));
        let begins = |at: &usize| self.delimiter.starts_with(&input[*at..]);
        let at = (tail..input.len()).find(begins);
        Found::NotBefore(at.unwrap_or(input.len()))
    }
}

enum Found {
    At(usize, Delimiter),
    /// There is none that begins before.
    NotBefore(usize),
}

/// What follows `--boundary`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delimiter {
    /// Padding and a line's end: so many bytes; a part follows.
    Next(usize),
    /// `--`: the form is complete.
    Last,
    /// Something else: it is content that looks alike.
    NotOne,
    /// It has not come yet.
    Unknown,
}

/// Padding behind a boundary is blanks that some gateways added (RFC 2046 §5.1.1).
const MAX_PADDING: usize = 64;

/// The longest delimiter with what follows it.
const MAX_DELIMITER: usize = 4 + disposition::MAX_BOUNDARY + MAX_PADDING + 2;

fn end_of_delimiter(input: &[u8]) -> Delimiter {
    match input {
        [b'-', b'-', ..] => return Delimiter::Last,
        [b'-'] => return Delimiter::Unknown,
        _ => {}
    }
    let padding = input.iter().take_while(|b| matches!(b, b' ' | b'\t'));
    let padding = padding.take(MAX_PADDING + 1).count();
    match &input[padding..] {
        _ if padding > MAX_PADDING => Delimiter::NotOne,
        [b'\r', b'\n', ..] => Delimiter::Next(padding + 2),
        [] | [b'\r'] => Delimiter::Unknown,
        _ => Delimiter::NotOne,
    }
}

/// Parses the fields of a part; the blank line is there.
fn parse_part_head(head: &[u8]) -> Result<PartHead, MultipartError> {
    let mut disposition = None;
    let mut content_type = None;
    for line in head.split(|byte| *byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\r") else {
            // The last piece is what stands behind the last line, which is nothing.
            match line {
                [] => continue,
                _ => {
                    return Err(MultipartError::Malformed(
                        "a part's line ends without CR LF",
                    ));
                }
            }
        };
        if line.is_empty() {
            continue;
        }
        let line = str::from_utf8(line)
            .map_err(|_| MultipartError::Malformed("a part's header field is not UTF-8"))?;
        if line.chars().any(|c| c.is_ascii_control() && c != '\t') {
            return Err(MultipartError::Malformed(
                "a part's header field has a control character",
            ));
        }
        let (name, value) = (line.split_once(':'))
            .filter(|(name, _)| is_token(name.as_bytes()))
            .ok_or(MultipartError::Malformed(
                "a part's line is no header field",
            ))?;
        let value = value.trim_matches([' ', '\t']);
        if name.eq_ignore_ascii_case("content-disposition") {
            if disposition.is_some() {
                return Err(MultipartError::Malformed(
                    "a part has two Content-Dispositions",
                ));
            }
            disposition = Some(Disposition::parse(value)?);
        } else if name.eq_ignore_ascii_case("content-type") {
            content_type = Some(value.to_owned());
        }
    }
    let Some(Disposition { name, file_name }) = disposition else {
        return Err(MultipartError::Malformed(
            "a part has no Content-Disposition",
        ));
    };
    Ok(PartHead {
        name,
        file_name,
        content_type,
    })
}

/// Why a form was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MultipartError {
    /// It is not as RFC 7578 wants it; the text says where.
    Malformed(&'static str),
    /// It ends before its last delimiter.
    Truncated,
    /// It has more parts than [`MultipartLimits::max_parts`].
    TooManyParts,
    /// A part's header fields are longer than [`MultipartLimits::max_part_head_bytes`].
    PartHeadTooLarge,
    /// A field's text is longer than [`MultipartLimits::max_field_bytes`].
    FieldTooLarge,
}

impl MultipartError {
    /// Returns the status to answer with: 400, or 413 for a field that is too large.
    pub fn status(&self) -> StatusCode {
        match self {
            MultipartError::FieldTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for MultipartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MultipartError::Malformed(why) => why,
            MultipartError::Truncated => "the form ends before its last boundary",
            MultipartError::TooManyParts => "the form has too many parts",
            MultipartError::PartHeadTooLarge => "a part's header fields are too long",
            MultipartError::FieldTooLarge => "a field of the form is too long",
        })
    }
}

impl error::Error for MultipartError {}

#[cfg(test)]
mod tests;
