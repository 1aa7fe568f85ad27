//! What few streams have: limits of their own, an error that was kept, a close callback.
//!
//! It is in a box of its own, made when it is first needed, so that the others pay a word.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

pub(super) type CloseCallback = Box<dyn FnOnce()>;

/// Tornado's `max_buffer_size`.
pub(super) const MAX_BUFFER: usize = 100 * 1024 * 1024;

pub(super) struct RareParts {
    pub(super) max_buffer_size: usize,
    pub(super) max_write_buffer_size: Option<usize>,
    /// How many bytes the pending writes hold; counted only if there is a limit.
    pub(super) waiting_to_be_written: usize,
    error: Option<KeptError>,
    /// Shared with the coroutine that watches for the end.
    pub(super) on_close: Option<Rc<Cell<Option<CloseCallback>>>>,
}

impl Default for RareParts {
    fn default() -> RareParts {
        RareParts {
            max_buffer_size: MAX_BUFFER,
            max_write_buffer_size: None,
            waiting_to_be_written: 0,
            error: None,
            on_close: None,
        }
    }
}

/// An error, in parts that it can be made of again.
enum KeptError {
    Code(i32),
    Words(io::ErrorKind, String),
}

#[derive(Default)]
pub(super) struct Rare(Cell<Option<Box<RareParts>>>);

impl Rare {
    /// Looks, if there is something.
    pub(super) fn look<R>(&self, f: impl FnOnce(&mut RareParts) -> R) -> Option<R> {
        let mut parts = self.0.take()?;
        let result = f(&mut parts);
        self.0.set(Some(parts));
        Some(result)
    }

    /// Uses it, and makes it if there is none.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut RareParts) -> R) -> R {
        let mut parts = self.0.take().unwrap_or_default();
        let result = f(&mut parts);
        self.0.set(Some(parts));
        result
    }

    pub(super) fn max_buffer_size(&self) -> usize {
        self.look(|parts| parts.max_buffer_size)
            .unwrap_or(MAX_BUFFER)
    }

    /// Keeps the first error.
    #[cold]
    pub(super) fn keep(&self, error: &io::Error) {
        self.with(|parts| {
            parts
                .error
                .get_or_insert_with(|| match error.raw_os_error() {
                    Some(code) => KeptError::Code(code),
                    None => KeptError::Words(error.kind(), error.to_string()),
                });
        });
    }

    pub(super) fn error(&self) -> Option<io::Error> {
        self.look(|parts| {
            parts.error.as_ref().map(|error| match error {
                KeptError::Code(code) => io::Error::from_raw_os_error(*code),
                KeptError::Words(kind, words) => io::Error::new(*kind, words.clone()),
            })
        })?
    }
}
