//! Forms in the body: urlencoded ones, and those with files.

use std::ops::Range;

use http::StatusCode;

use super::arguments::{Arguments, malformed};
use super::exchange::Exchange;
use crate::error::{Error, Result};
use crate::http::{
    MultipartDecoder, MultipartError, MultipartEvent, PartHead, is_urlencoded, parse_form,
};

/// A file of a form: Tornado's `HTTPFile`.
///
/// All that it says of itself is the client's word. Its name is no path: see
/// [`file_name`](FormFile::file_name).
#[derive(Clone, Copy, Debug)]
pub struct FormFile<'a> {
    part: &'a FilePart,
    content: &'a [u8],
}

impl<'a> FormFile<'a> {
    /// Returns the form's field.
    pub fn name(&self) -> &'a str {
        &self.part.head.name
    }

    /// Returns what the client calls the file. It may be empty, as that of a browser's field in which
    /// no file was chosen, or hold slashes and dots: never make a path of it.
    pub fn file_name(&self) -> &'a str {
        self.part.head.file_name.as_deref().unwrap_or_default()
    }

    /// Returns the type that the client gives it, if it does.
    pub fn content_type(&self) -> Option<&'a str> {
        self.part.head.content_type.as_deref()
    }

    /// Returns what is in it.
    pub fn content(&self) -> &'a [u8] {
        self.content
    }
}

/// A file: where in the request's body it is.
#[derive(Debug)]
pub(super) struct FilePart {
    head: PartHead,
    content: Range<usize>,
}

impl Exchange {
    /// Returns the files of a form of type `multipart/form-data`, in order; its other fields are
    /// [arguments](Exchange::argument). Tornado's `request.files`.
    ///
    /// The files lie in the request's body and are not copied.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall_web::{Exchange, Result};
    ///
    /// fn upload(ex: &mut Exchange) -> Result<()> {
    ///     let mut report = String::new();
    ///     for file in ex.files()? {
    ///         report += &format!("{}: {} bytes\n", file.file_name(), file.content().len());
    ///     }
    ///     ex.write(report);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// 400 if the form is malformed or beyond [its limits](crate::http::Limits::multipart), 413 if a
    /// field is too long.
    pub fn files(&mut self) -> Result<Vec<FormFile<'_>>> {
        self.read_arguments()?;
        let files = self.arguments.iter().flat_map(|all| &all.files);
        let body = self.body();
        let file = |part| FormFile {
            part,
            content: slice(body, &part.content),
        };
        Ok(files.map(file).collect())
    }
}

/// Adds what the body's form has, if it is one.
pub(super) fn read_form(ex: &Exchange, arguments: &mut Arguments) -> Result<()> {
    let request = ex.request();
    let content_type = request.header_str("content-type").unwrap_or("");
    let is_multipart = MultipartDecoder::is_for(content_type);
    if !is_multipart && !is_urlencoded(content_type) {
        return Ok(());
    }
    if request.is_encoded() {
        let message = "the form is compressed in a way that is not taken apart here";
        return Err(Error::new(StatusCode::BAD_REQUEST, message));
    }
    if is_multipart {
        return read_multipart(ex, content_type, arguments)
            .map_err(|error| Error::new(error.status(), "malformed form").with_source(error));
    }
    let fields = parse_form(request.body()).map_err(malformed)?;
    arguments.all.extend(fields);
    Ok(())
}

fn read_multipart(
    ex: &Exchange,
    content_type: &str,
    arguments: &mut Arguments,
) -> Result<(), MultipartError> {
    let limits = ex.settings().limits.multipart.clone();
    let mut decoder = MultipartDecoder::new(content_type, limits)?;
    let body = ex.body();
    let mut at = 0;
    let mut part: Option<FilePart> = None;
    loop {
        let (used, event) = decoder.decode(&body[at..])?;
        match event {
            MultipartEvent::NeedMore if used == 0 => return Err(MultipartError::Truncated),
            MultipartEvent::NeedMore => {}
            MultipartEvent::Part(head) => {
                let content = 0..0;
                part = Some(FilePart { head, content });
            }
            MultipartEvent::Data(range) => {
                if let Some(part) = &mut part {
                    let first = part.content.is_empty();
                    let start = if first {
                        at + range.start
                    } else {
                        part.content.start
                    };
                    part.content = start..at + range.end;
                }
            }
            MultipartEvent::PartEnd => match part.take() {
                Some(file) if file.head.file_name.is_some() => arguments.files.push(file),
                Some(FilePart { head, content }) => {
                    let text = str::from_utf8(slice(body, &content));
                    let text = text.map_err(|_| {
                        MultipartError::Malformed("a field of the form is not UTF-8")
                    })?;
                    arguments.all.push((head.name, text.to_owned()));
                }
                None => {}
            },
            MultipartEvent::Finished => return Ok(()),
        }
        at += used;
    }
}

/// A handler that took the body's bytes away has no files.
fn slice<'a>(body: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    body.get(range.clone()).unwrap_or_default()
}
