//! Answering with a file, or with what is to be said of it.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::time::SystemTime;

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED,
};
use http::{HeaderValue, Method, StatusCode};
use squall::{Deferred, run_in_executor};

use super::conditions::{Validators, Verdict, allows_range, judge};
use super::open::{Found, Opened, open, read_piece};
use super::path::Asked;
use super::range::{Wanted, wanted};
use super::{StaticFiles, content_type};
use crate::conn::{Exchange, wall_clock};
use crate::error::{Error, Result};

/// How much of a large file is read at a time. Two such pieces are held for each client at most.
const PIECE: usize = 64 * 1024;

impl StaticFiles {
    /// Answers a `GET` or `HEAD` with the file at `path`: what follows the route's prefix, as it was
    /// sent, without a slash in front.
    ///
    /// # Errors
    ///
    /// 404 if there is no such file for clients; 400 if the path is malformed; 503 if descriptors
    /// have run out; 500 if the file cannot be read.
    pub async fn serve(&self, ex: &mut Exchange, path: &str) -> Result<()> {
        let asked = Asked::parse(path, self.with_hidden)?;
        let (root, index) = (self.root.clone(), self.index.clone());
        let found = run_in_executor(move || {
            open(&root, &asked.names, asked.is_directory, index.as_deref())
        });
        match found.await?.map_err(unreadable)? {
            Found::File(file) => self.answer(ex, file).await,
            Found::Directory => redirect_into(ex),
            Found::Nothing => Err(Error::status_only(StatusCode::NOT_FOUND)),
        }
    }

    async fn answer(&self, ex: &mut Exchange, file: Opened) -> Result<()> {
        let now = wall_clock();
        let validators = Validators {
            etag: &file.etag,
            modified: file.modified,
        };
        let verdict = judge(
            |name| ex.request().header_values(name).collect(),
            validators,
        );
        if verdict == Verdict::Failed {
            return Err(Error::status_only(StatusCode::PRECONDITION_FAILED));
        }
        ex.set_header(ETAG, &*file.etag)?;
        if let Some(modified) = file.modified {
            // A clock that was set back is no reason to name a date that has not come.
            ex.set_header(LAST_MODIFIED, http_date(modified.min(now)))?;
        }
        if let Some(age) = self.max_age {
            ex.set_header(CACHE_CONTROL, format!("max-age={}", age.as_secs()))?;
        }
        if verdict == Verdict::NotModified {
            ex.set_status(StatusCode::NOT_MODIFIED);
            return Ok(());
        }
        ex.set_header(ACCEPT_RANGES, HeaderValue::from_static("bytes"))?;
        ex.set_header(CONTENT_TYPE, content_type::of(&file.path))?;
        let request = ex.request();
        let is_head = *request.method() == Method::HEAD;
        let lines = |name| request.header_values(name).collect::<Vec<_>>();
        // RFC 9110 §14.2: ranges are defined for GET alone.
        let ranges = !is_head && allows_range(&lines("if-range"), validators, now);
        let range = match ranges {
            true => wanted(&lines("range"), file.len),
            false => Wanted::All,
        };
        let part = match range {
            Wanted::All => 0..file.len,
            Wanted::Part(part) => {
                let (first, last) = (part.start, part.end - 1);
                let range = format!("bytes {first}-{last}/{}", file.len);
                ex.set_status(StatusCode::PARTIAL_CONTENT);
                ex.set_header(CONTENT_RANGE, range)?;
                part
            }
            Wanted::Nothing => {
                ex.clear();
                ex.set_status(StatusCode::RANGE_NOT_SATISFIABLE);
                return ex.set_header(CONTENT_RANGE, format!("bytes */{}", file.len));
            }
        };
        if is_head {
            return ex.set_header(CONTENT_LENGTH, file.len);
        }
        match file.content {
            Some(content) if part == (0..file.len) => ex.write_owned(content),
            Some(content) => ex.write(&content[part.start as usize..part.end as usize]),
            None => send(ex, file.file, part).await?,
        }
        Ok(())
    }
}

/// Sends a part of a file. The next piece is read while one is sent.
async fn send(ex: &mut Exchange, file: File, part: Range<u64>) -> Result<()> {
    ex.set_header(CONTENT_LENGTH, part.end - part.start)?;
    let mut at = part.start;
    let mut next = read(file, at..part.end);
    while at < part.end {
        let (file, piece) = next.await?.map_err(unreadable)?;
        at += piece.len() as u64;
        if piece.len() < PIECE && at < part.end {
            // The head has said more: to cut the connection is all that is left.
            let message = "the file has become shorter while it was sent";
            return Err(Error::new(StatusCode::INTERNAL_SERVER_ERROR, message));
        }
        next = read(file, at..part.end);
        ex.write_owned(piece);
        ex.flush().await?;
    }
    Ok(())
}

/// A piece that is being read, and the file for the next.
type Reading = Deferred<squall::Result<io::Result<(File, Vec<u8>)>>>;

/// Begins to read a piece.
fn read(mut file: File, part: Range<u64>) -> Reading {
    if part.is_empty() {
        return Deferred::ready(Ok(Ok((file, Vec::new()))));
    }
    let len = (part.end - part.start).min(PIECE as u64) as usize;
    run_in_executor(move || {
        let piece = read_piece(&mut file, part.start, len)?;
        Ok((file, piece))
    })
}

/// Sends the client to the directory's own path, so that links in its index are right.
fn redirect_into(ex: &mut Exchange) -> Result<()> {
    let request = ex.request();
    let mut url = format!("{}/", request.path());
    if let Some(query) = request.query() {
        url += &format!("?{query}");
    }
    ex.redirect_permanent(&url)
}

fn http_date(time: SystemTime) -> String {
    httpdate::fmt_http_date(time)
}

fn unreadable(error: io::Error) -> Error {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    let status = match error.raw_os_error() {
        Some(ENFILE | EMFILE) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Error::new(status, "the file cannot be read").with_source(error)
}
