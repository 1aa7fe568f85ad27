//! A form that was read, and its files.

use std::io;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use squall::run_in_executor;

use super::spool::Content;
use crate::error::Result;
use crate::http::PartHead;

/// A form: its fields, and its files in memory or on disk.
#[derive(Debug, Default)]
pub struct UploadedForm {
    pub(super) fields: Vec<(String, String)>,
    pub(super) files: Vec<UploadedFile>,
}

impl UploadedForm {
    /// Returns the names and values of the fields that are no files, in order.
    pub fn fields(&self) -> &[(String, String)] {
        &self.fields
    }

    /// Returns the last field of this name, if there is one.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut named = self.fields.iter().rev().filter(|(other, _)| other == name);
        named.next().map(|(_, value)| &**value)
    }

    /// Returns the files, in order.
    pub fn files(&self) -> &[UploadedFile] {
        &self.files
    }

    /// Returns the files, to be kept one by one.
    pub fn into_files(self) -> Vec<UploadedFile> {
        self.files
    }
}

/// A file of a form. All that it says of itself is the client's word.
///
/// If it is on disk it is removed when this is dropped, unless it was [put elsewhere](Self::persist).
pub struct UploadedFile {
    pub(super) head: PartHead,
    pub(super) len: u64,
    pub(super) content: Content,
}

impl UploadedFile {
    /// Returns the form's field.
    pub fn name(&self) -> &str {
        &self.head.name
    }

    /// Returns what the client calls the file. It may be empty, or hold slashes and dots: never make a path
    /// of it.
    pub fn file_name(&self) -> &str {
        self.head.file_name.as_deref().unwrap_or_default()
    }

    /// Returns the type that the client gives it, if it does.
    pub fn content_type(&self) -> Option<&str> {
        self.head.content_type.as_deref()
    }

    /// Returns how many bytes it has.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True if it has none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns where it is, if it is on disk.
    pub fn path(&self) -> Option<&Path> {
        match &self.content {
            Content::Disk(temporary) => Some(temporary.path()),
            Content::Memory(_) => None,
        }
    }

    /// Returns what is in it, wherever it is.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub async fn read(&self) -> Result<Vec<u8>> {
        let path = match &self.content {
            Content::Memory(bytes) => return Ok(bytes.clone()),
            Content::Disk(temporary) => temporary.path().to_owned(),
        };
        Ok(run_in_executor(move || fs::read(path)).await??)
    }

    /// Puts it where it is to stay, in place of a file that may be there.
    ///
    /// # Errors
    ///
    /// If it cannot be put there; it is gone then.
    pub async fn persist(self, to: impl Into<PathBuf>) -> Result<()> {
        let (to, content) = (to.into(), self.content);
        let done = run_in_executor(move || -> io::Result<()> {
            match content {
                Content::Memory(bytes) => fs::write(to, bytes),
                Content::Disk(temporary) => temporary.move_to(&to),
            }
        });
        Ok(done.await??)
    }
}

impl fmt::Debug for UploadedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadedFile")
            .field("name", &self.name())
            .field("file_name", &self.file_name())
            .field("len", &self.len)
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}
