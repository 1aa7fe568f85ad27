//! Finding a file, and looking at it. Runs on a thread of the executor, for it blocks.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

/// Files up to this are read whole.
pub(super) const WHOLE: u64 = 64 * 1024;

/// How often a file is read again that changes meanwhile.
const TRIES: u32 = 3;

pub(super) enum Found {
    File(Opened),
    /// A directory that was asked for as a file.
    Directory,
    Nothing,
}

/// A file that is open.
pub(super) struct Opened {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) len: u64,
    /// To the second.
    pub(super) modified: Option<SystemTime>,
    /// A strong tag, with its quotes.
    pub(super) etag: String,
    /// All of it, if it is small.
    pub(super) content: Option<Vec<u8>>,
}

/// Opens the file that the names lead to from the root, or the index of the directory.
pub(super) fn open(
    root: &Path,
    names: &[String],
    is_directory: bool,
    index: Option<&str>,
) -> io::Result<Found> {
    // The root itself may be a link, to another place each day.
    let Some(root) = real(root)? else {
        return Ok(Found::Nothing);
    };
    let mut path = root.clone();
    path.extend(names);
    let Some(mut found) = within(&root, &path)? else {
        return Ok(Found::Nothing);
    };
    match (found.1.is_dir(), is_directory, index) {
        (true, false, Some(_)) => return Ok(Found::Directory),
        (true, true, Some(index)) => match within(&root, &found.0.join(index))? {
            Some(index) => found = index,
            None => return Ok(Found::Nothing),
        },
        (false, false, _) => {}
        _ => return Ok(Found::Nothing),
    }
    let (path, metadata) = found;
    // A pipe would be waited for.
    if !metadata.is_file() {
        return Ok(Found::Nothing);
    }
    let Some(file) = existing(File::open(&path))? else {
        return Ok(Found::Nothing);
    };
    // What was put in the way meanwhile leads elsewhere.
    let is_same = real(&path)?.is_some_and(|again| again == path);
    let metadata = file.metadata()?;
    if !is_same || !metadata.is_file() {
        return Ok(Found::Nothing);
    }
    examine(path, file, metadata).map(Found::File)
}

/// What a path leads to, without links, and what it is; none if that is outside of the root, or nothing.
fn within(root: &Path, path: &Path) -> io::Result<Option<(PathBuf, Metadata)>> {
    let Some(path) = real(path)?.filter(|path| path.starts_with(root)) else {
        return Ok(None);
    };
    Ok(existing(fs::metadata(&path))?.map(|metadata| (path, metadata)))
}

/// Reads what there is to know of a file, and its content if it is small.
fn examine(path: PathBuf, mut file: File, mut metadata: Metadata) -> io::Result<Opened> {
    for _ in 0..TRIES {
        if metadata.len() > WHOLE {
            let etag = format!("\"{:x}-{:x}\"", metadata.len(), nanos(&metadata));
            let (len, modified) = (metadata.len(), modified(&metadata));
            return Ok(Opened {
                path,
                file,
                len,
                modified,
                etag,
                content: None,
            });
        }
        let mut content = Vec::with_capacity(metadata.len() as usize + 1);
        file.seek(SeekFrom::Start(0))?;
        (&mut file).take(WHOLE + 1).read_to_end(&mut content)?;
        let after = file.metadata()?;
        let is_settled = after.len() == content.len() as u64 && nanos(&after) == nanos(&metadata);
        metadata = after;
        if is_settled {
            // Of the content rather than of the time, whose ticks may be longer than two changes.
            let sum = Sha256::digest(&content);
            let sum: String = sum[..16].iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok(Opened {
                path,
                file,
                len: content.len() as u64,
                modified: modified(&metadata),
                etag: format!("\"{sum}\""),
                content: Some(content),
            });
        }
    }
    let message = format!("{} changes all the time", path.display());
    Err(io::Error::new(io::ErrorKind::ResourceBusy, message))
}

/// Reads a piece of a file; fewer bytes if it has become shorter.
pub(super) fn read_piece(file: &mut File, at: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut piece = Vec::with_capacity(len);
    file.seek(SeekFrom::Start(at))?;
    file.take(len as u64).read_to_end(&mut piece)?;
    Ok(piece)
}

/// The path without links; none if there is nothing.
fn real(path: &Path) -> io::Result<Option<PathBuf>> {
    existing(fs::canonicalize(path))
}

/// None for what is not there, or not for us: who asks learns the same of both.
fn existing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::InvalidFilename
            | io::ErrorKind::InvalidInput => Ok(None),
            // ELOOP, whose kind has no stable name.
            _ if cfg!(unix) && error.raw_os_error() == Some(ELOOP) => Ok(None),
            _ => Err(error),
        },
    }
}

const ELOOP: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };

fn nanos(metadata: &Metadata) -> u128 {
    let modified = metadata.modified().ok();
    let since = modified.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_nanos())
}

/// When it was changed, to the second; none if that was before 1970.
fn modified(metadata: &Metadata) -> Option<SystemTime> {
    let since = metadata
        .modified()
        .ok()?
        .duration_since(SystemTime::UNIX_EPOCH);
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(since.ok()?.as_secs()))
}
