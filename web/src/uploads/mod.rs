//! Forms with files that are too large to be kept in memory: taken apart as they come, with what is
//! beyond a size on disk.
//!
//! A route whose body is [streamed](crate::BodyPlan::stream) reads its form by
//! [`Exchange::read_form`](crate::Exchange::read_form). Nothing of it is on disk any more when the
//! [`UploadedForm`] is dropped, unless the handler has put it elsewhere.

mod form;
mod read;
mod spool;

use std::path::PathBuf;

use crate::http::MultipartLimits;

pub use form::{UploadedFile, UploadedForm};

/// Where the files of a form go, and how much they may be; see
/// [`Exchange::read_form`](crate::Exchange::read_form).
///
/// How much the form may have in all, and how long it may take, is the [`BodyPlan`](crate::BodyPlan)'s.
#[derive(Clone, Debug)]
pub struct Uploads {
    dir: Option<PathBuf>,
    memory_bytes: usize,
    max_file_bytes: u64,
    max_files: usize,
    multipart: MultipartLimits,
}

impl Default for Uploads {
    fn default() -> Uploads {
        Uploads {
            dir: None,
            memory_bytes: 256 * 1024,
            max_file_bytes: u64::MAX,
            max_files: 100,
            multipart: MultipartLimits::default(),
        }
    }
}

impl Uploads {
    /// With the system's directory for temporary files, 256 KiB in memory, 100 files of any size, and
    /// fields of 8 MiB together.
    pub fn new() -> Uploads {
        Uploads::default()
    }

    /// Sets the directory for files that are not kept in memory. One on the file system where they are to
    /// stay makes [`UploadedFile::persist`] a renaming.
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Uploads {
        self.dir = Some(dir.into());
        self
    }

    /// Sets how many bytes of all files of a form are kept in memory together; 0 puts each on disk.
    pub fn memory_bytes(mut self, bytes: usize) -> Uploads {
        self.memory_bytes = bytes;
        self
    }

    /// Sets how many bytes a file may have. More is 413, which names the file's field.
    pub fn max_file_bytes(mut self, bytes: u64) -> Uploads {
        self.max_file_bytes = bytes;
        self
    }

    /// Sets how many files a form may have. More is 413.
    pub fn max_files(mut self, files: usize) -> Uploads {
        self.max_files = files;
        self
    }

    /// Sets how many bytes the fields that are no files may have together. More is 413.
    pub fn max_field_bytes(mut self, bytes: u64) -> Uploads {
        self.multipart.max_field_bytes = bytes;
        self
    }

    /// Sets how many parts a form may have, fields and files. More is 400.
    pub fn max_parts(mut self, parts: usize) -> Uploads {
        self.multipart.max_parts = parts;
        self
    }
}
