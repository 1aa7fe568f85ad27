//! Files of a directory: Tornado's `StaticFileHandler`.
//!
//! `path` makes a file's name of what was asked, `open` finds it and looks at it on another thread,
//! `conditions` and `range` decide what of it is sent, `serve` sends it.

mod conditions;
mod content_type;
mod open;
mod path;
mod range;
mod serve;

use std::path::PathBuf;
use std::time::Duration;

/// Serves the files of a directory; see [`Application::files`](crate::Application::files).
///
/// Answers carry `ETag`, `Last-Modified` and a type by the file's ending; what the client has already
/// is answered 304, and a range of a file 206. Nothing outside of the directory is served, whatever is
/// asked: no `..`, no encoded slash, and no symbolic link that leads out. A directory is served as its
/// `index.html`, at its path with a slash at the end; without that slash it redirects. Files whose
/// names begin with a dot, or that are below such a directory, are not served, but for `.well-known`.
///
/// Files may change and vanish meanwhile. One up to 64 KiB is sent as it was at one point in time; a
/// larger one is read while it is sent, a piece at a time, and the connection is cut if it has become
/// shorter than its head said.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use squall_web::{Application, StaticFiles};
///
/// let files = StaticFiles::new("public").max_age(Duration::from_secs(3600));
/// let app = Application::new().files("/static/", files);
/// ```
#[derive(Clone, Debug)]
pub struct StaticFiles {
    root: PathBuf,
    index: Option<String>,
    max_age: Option<Duration>,
    with_hidden: bool,
}

impl StaticFiles {
    /// The files of a directory, which need not be there yet.
    pub fn new(root: impl Into<PathBuf>) -> StaticFiles {
        StaticFiles {
            root: root.into(),
            index: Some("index.html".into()),
            max_age: None,
            with_hidden: false,
        }
    }

    /// Sets which file stands for its directory.
    pub fn index(mut self, name: impl Into<String>) -> StaticFiles {
        self.index = Some(name.into());
        self
    }

    /// Answers 404 for directories.
    pub fn no_index(mut self) -> StaticFiles {
        self.index = None;
        self
    }

    /// Sets for how long clients may go without asking again: `Cache-Control: max-age`.
    pub fn max_age(mut self, age: Duration) -> StaticFiles {
        self.max_age = Some(age);
        self
    }

    /// Serves files whose names begin with a dot as well.
    pub fn with_hidden(mut self) -> StaticFiles {
        self.with_hidden = true;
        self
    }
}
