//! Answers of all kinds: statuses, errors, streams, bytes.

use std::io;
use std::time::Duration;

use squall::{sleep, yield_};
use squall_web::{Compression, Exchange, Result, StatusCode};

use super::{bad_request, number, text};

/// What clients are not to see.
const SECRET: &str = "secret-detail-7f3a";

/// The most bytes that an answer has, or a piece of a stream.
const MOST: u64 = 64 * 1024 * 1024;

pub(crate) fn hello(ex: &mut Exchange) -> Result<()> {
    text(ex)?;
    ex.write("Hello, world");
    Ok(())
}

/// Answers with the status of the path.
pub(crate) fn status(ex: &mut Exchange) -> Result<()> {
    let code = number(ex, "code", 599)?;
    let status = u16::try_from(code).ok().filter(|code| *code >= 200);
    let status = status.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or_else(|| bad_request(format!("{code} is no final status")))?;
    text(ex)?;
    ex.set_status(status);
    ex.write(format!("status {code}"));
    Ok(())
}

pub(crate) fn raise(_: &mut Exchange) -> Result<()> {
    Err(io::Error::other(SECRET).into())
}

pub(crate) fn panic(_: &mut Exchange) {
    panic!("{SECRET}");
}

/// Answers in pieces, each sent as it is written, and if it is asked for with a pause between them.
#[squall::coroutine]
pub(crate) fn stream(ex: &mut Exchange) -> Result<()> {
    let pieces = number(ex, "n", 1 << 32)?;
    let size = number(ex, "size", MOST)? as usize;
    let delay = match ex.query_argument("delay")? {
        Some(ms) => ms.parse().map_err(|_| bad_request("delay is a number"))?,
        None => 0,
    };
    text(ex)?;
    yield_!(ex.flush())?;
    for i in 0..pieces {
        if i > 0 && delay > 0 {
            yield_!(sleep(Duration::from_millis(delay)));
        }
        let letter = b'a' + (i % 26) as u8;
        ex.write(vec![letter; size]);
        yield_!(ex.flush())?;
    }
    Ok(())
}

/// Answers with so many bytes, which count up to 250 again and again.
#[squall::coroutine]
pub(crate) fn bytes(ex: &mut Exchange) -> Result<()> {
    // A whole number of rounds, so that each piece begins with 0.
    const PIECE: u64 = 251 * 256;
    let total = number(ex, "n", MOST)?;
    ex.set_header("content-type", "application/octet-stream")?;
    ex.set_header("content-length", total)?;
    let piece: Vec<u8> = (0..PIECE.min(total)).map(|i| (i % 251) as u8).collect();
    let mut left = total;
    while left > 0 && ex.request().method() != "HEAD" {
        let size = left.min(PIECE);
        ex.write(&piece[..size as usize]);
        left -= size;
        if total > PIECE {
            yield_!(ex.flush())?;
        }
    }
    Ok(())
}

/// Answers with a text that compresses well.
pub(crate) fn gzip(ex: &mut Exchange) -> Result<()> {
    ex.compress(Compression::new());
    text(ex)?;
    ex.write("The quick brown fox jumps over the lazy dog.\n".repeat(1500));
    Ok(())
}
