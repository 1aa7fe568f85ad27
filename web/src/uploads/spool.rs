//! The bytes of a file: in memory, or behind a size on disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use squall::run_in_executor;

/// How much is written at a time.
const PIECE: usize = 256 * 1024;

/// A file on disk that nobody has asked to keep: it goes with this.
#[derive(Debug)]
pub(super) struct Temporary {
    path: PathBuf,
    is_kept: bool,
}

impl Temporary {
    /// Makes an empty file with a name that nobody can guess, and that nobody else may read.
    fn create(dir: &Path) -> io::Result<(Temporary, File)> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = u128::from_ne_bytes(random);
        let path = dir.join(format!("squall-upload-{name:032x}"));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        let is_kept = false;
        Ok((Temporary { path, is_kept }, file))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Moves it, to another file system too.
    pub(super) fn move_to(mut self, to: &Path) -> io::Result<()> {
        match fs::rename(&self.path, to) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                fs::copy(&self.path, to).map(drop)
            }
            Err(error) => Err(error),
            Ok(()) => {
                self.is_kept = true;
                Ok(())
            }
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            let path = self.path.display();
            tracing::warn!(target: "squall::web", "the upload {path} stays behind: {error}");
        }
    }
}

/// Where the bytes of a file are.
#[derive(Debug)]
pub(super) enum Content {
    Memory(Vec<u8>),
    Disk(Temporary),
}

/// A file that is coming.
#[derive(Debug, Default)]
pub(super) struct Spool {
    /// What has come, or what of it is not on disk yet.
    buffer: Vec<u8>,
    disk: Option<(Temporary, File)>,
    pub(super) len: u64,
}

impl Spool {
    /// Bytes that are in memory to stay there.
    pub(super) fn in_memory(&self) -> usize {
        match self.disk {
            Some(_) => 0,
            None => self.buffer.len(),
        }
    }

    /// Adds a piece; on disk if more than `memory_bytes` would be in memory.
    pub(super) async fn add(
        &mut self,
        piece: &[u8],
        memory_bytes: usize,
        dir: &Path,
    ) -> io::Result<()> {
        self.buffer.extend_from_slice(piece);
        self.len += piece.len() as u64;
        if self.disk.is_none() && self.buffer.len() > memory_bytes {
            let dir = dir.to_owned();
            let made = run_in_executor(move || Temporary::create(&dir)).await;
            self.disk = Some(made.map_err(io::Error::other)??);
        }
        match self.buffer.len() >= PIECE {
            true => self.write().await,
            false => Ok(()),
        }
    }

    /// Writes what is to be on disk.
    async fn write(&mut self) -> io::Result<()> {
        let Some((temporary, mut file)) = self.disk.take() else {
            return Ok(());
        };
        let mut buffer = std::mem::take(&mut self.buffer);
        let written = run_in_executor(move || {
            file.write_all(&buffer)?;
            buffer.clear();
            Ok((file, buffer))
        });
        let written: io::Result<(File, Vec<u8>)> = written.await.map_err(io::Error::other)?;
        let (file, buffer) = written?;
        self.buffer = buffer;
        self.disk = Some((temporary, file));
        Ok(())
    }

    /// All has come.
    pub(super) async fn finish(mut self) -> io::Result<Content> {
        if !self.buffer.is_empty() {
            self.write().await?;
        }
        Ok(match self.disk {
            Some((temporary, _)) => Content::Disk(temporary),
            None => Content::Memory(self.buffer),
        })
    }
}
