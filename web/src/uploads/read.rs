//! Reading a form piece by piece.

use std::io;

use http::StatusCode;

use super::Uploads;
use super::form::{UploadedFile, UploadedForm};
use super::spool::Spool;
use crate::conn::Exchange;
use crate::error::{Error, Result};
use crate::http::{
    MultipartDecoder, MultipartError, MultipartEvent, PartHead, is_urlencoded, parse_form,
};

impl Exchange {
    /// Reads a form, with or without files. What of its files is beyond
    /// [`Uploads::memory_bytes`] is written to disk as it comes, so that a form of any size takes little
    /// memory. For routes whose body is [streamed](crate::BodyPlan::stream).
    ///
    /// The form's fields are those of what this returns, not arguments.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::yield_;
    /// use squall_web::{Application, BodyPlan, Exchange, Result, Uploads};
    ///
    /// #[squall::coroutine]
    /// fn photos(ex: &mut Exchange) -> Result<()> {
    ///     let uploads = Uploads::new().max_file_bytes(20 << 20).max_files(10);
    ///     let form = yield_!(ex.read_form(&uploads))?;
    ///     let album = form.field("album").unwrap_or("unsorted").to_owned();
    ///     for (n, photo) in form.into_files().into_iter().enumerate() {
    ///         ex.write(format!("{album}: {} bytes\n", photo.len()));
    ///         yield_!(photo.persist(format!("/srv/photos/{n}.jpg")))?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let app = Application::new()
    ///     .post("/photos", photos)
    ///     .body("/photos", BodyPlan::stream().max_bytes(200 << 20));
    /// ```
    ///
    /// # Errors
    ///
    /// 415 if the body is no form; 400 if that is malformed; 413 if there is too much of something: the
    /// client is told of what. 507 if the disk is full, 500 if it cannot be written to. As
    /// [`body_chunk`](Exchange::body_chunk).
    ///
    /// # Cancellation
    ///
    /// What was read is lost, and nothing of it stays on disk.
    pub async fn read_form(&mut self, uploads: &Uploads) -> Result<UploadedForm> {
        let content_type = self.request().header_str("content-type").unwrap_or("");
        if MultipartDecoder::is_for(content_type) {
            let decoder = MultipartDecoder::new(content_type, uploads.multipart.clone());
            let decoder = decoder.map_err(malformed)?;
            return Reading::new(uploads, decoder).read(self).await;
        }
        if !is_urlencoded(content_type) {
            let message = format!("a form is wanted, not {content_type:?}");
            let error = Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
            return Err(error.with_reason("The body has to be a form"));
        }
        let limit = uploads.multipart.max_field_bytes;
        let mut body = Vec::new();
        while let Some(chunk) = self.body_chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() as u64 > limit {
                return Err(too_much(format!("The fields have more than {limit} bytes")));
            }
        }
        let fields = parse_form(&body);
        let fields = fields.map_err(|error| {
            Error::new(StatusCode::BAD_REQUEST, "malformed form").with_source(error)
        })?;
        let files = Vec::new();
        Ok(UploadedForm { fields, files })
    }
}

/// A form with files that is being read.
struct Reading<'u> {
    uploads: &'u Uploads,
    decoder: MultipartDecoder,
    form: UploadedForm,
    /// The part that is coming.
    part: Option<(PartHead, Part)>,
    /// Bytes of all fields.
    field_bytes: u64,
    /// Bytes of files that are complete and in memory.
    in_memory: usize,
}

enum Part {
    Field(Vec<u8>),
    File(Spool),
}

impl<'u> Reading<'u> {
    fn new(uploads: &'u Uploads, decoder: MultipartDecoder) -> Reading<'u> {
        Reading {
            uploads,
            decoder,
            form: UploadedForm::default(),
            part: None,
            field_bytes: 0,
            in_memory: 0,
        }
    }

    async fn read(mut self, ex: &mut Exchange) -> Result<UploadedForm> {
        let mut buffer: Vec<u8> = Vec::new();
        let mut at = 0;
        loop {
            let (used, event) = self.decoder.decode(&buffer[at..]).map_err(malformed)?;
            match event {
                MultipartEvent::NeedMore if used == 0 => {
                    let Some(chunk) = ex.body_chunk().await? else {
                        return Err(malformed(MultipartError::Truncated));
                    };
                    buffer.drain(..at);
                    at = 0;
                    buffer.extend_from_slice(&chunk);
                }
                MultipartEvent::NeedMore => {}
                MultipartEvent::Part(head) => self.begin(head)?,
                MultipartEvent::Data(range) => {
                    let piece = &buffer[at + range.start..at + range.end];
                    self.add(piece).await?;
                }
                MultipartEvent::PartEnd => self.end().await?,
                // Whatever follows means nothing; the server drops it.
                MultipartEvent::Finished => return Ok(self.form),
            }
            at += used;
        }
    }

    fn begin(&mut self, head: PartHead) -> Result<()> {
        let part = match head.file_name {
            None => Part::Field(Vec::new()),
            Some(_) if self.form.files.len() == self.uploads.max_files => {
                let most = self.uploads.max_files;
                return Err(too_much(format!("The form has more than {most} files")));
            }
            Some(_) => Part::File(Spool::default()),
        };
        self.part = Some((head, part));
        Ok(())
    }

    async fn add(&mut self, piece: &[u8]) -> Result<()> {
        let Some((head, part)) = &mut self.part else {
            return Ok(());
        };
        match part {
            Part::Field(text) => {
                self.field_bytes += piece.len() as u64;
                let most = self.uploads.multipart.max_field_bytes;
                if self.field_bytes > most {
                    return Err(too_much(format!("The fields have more than {most} bytes")));
                }
                text.extend_from_slice(piece);
            }
            Part::File(spool) => {
                let most = self.uploads.max_file_bytes;
                if spool.len + piece.len() as u64 > most {
                    let name = &head.name;
                    return Err(too_much(format!(
                        "The file in {name:?} has more than {most} bytes"
                    )));
                }
                let memory = self.uploads.memory_bytes.saturating_sub(self.in_memory);
                let temporary = std::env::temp_dir;
                let dir = self.uploads.dir.clone().unwrap_or_else(temporary);
                spool.add(piece, memory, &dir).await.map_err(unwritable)?;
            }
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<()> {
        match self.part.take() {
            Some((head, Part::Field(text))) => {
                let text = String::from_utf8(text).map_err(|_| {
                    malformed(MultipartError::Malformed(
                        "a field of the form is not UTF-8",
                    ))
                })?;
                self.form.fields.push((head.name, text));
            }
            Some((head, Part::File(spool))) => {
                self.in_memory += spool.in_memory();
                let len = spool.len;
                let content = spool.finish().await.map_err(unwritable)?;
                self.form.files.push(UploadedFile { head, len, content });
            }
            None => {}
        }
        Ok(())
    }
}

fn too_much(reason: String) -> Error {
    Error::new(StatusCode::PAYLOAD_TOO_LARGE, "the form is beyond a limit").with_reason(reason)
}

fn malformed(error: MultipartError) -> Error {
    let reason = format!("Malformed form: {error}");
    Error::new(error.status(), "malformed form").with_reason(reason)
}

fn unwritable(error: io::Error) -> Error {
    let status = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            StatusCode::INSUFFICIENT_STORAGE
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Error::new(status, "an upload cannot be written to disk").with_source(error)
}
