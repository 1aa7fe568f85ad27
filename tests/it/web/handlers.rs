//! Handlers that several areas are asked for.

use std::time::Duration;

use squall::{sleep, yield_};
use squall_web::{Error, Exchange, Result, StatusCode};

pub(crate) fn hello(ex: &mut Exchange) {
    ex.write("hello");
}

/// Sends the body back as it comes; the route has to stream it.
#[squall::coroutine]
pub(crate) fn echo_pieces(ex: &mut Exchange) -> Result<()> {
    while let Some(chunk) = yield_!(ex.body_chunk())? {
        ex.write(chunk);
        yield_!(ex.flush())?;
    }
    Ok(())
}

/// Answers after an hour.
#[squall::coroutine]
pub(crate) fn slow(ex: &mut Exchange) {
    yield_!(sleep(Duration::from_secs(3600)));
    ex.write("at last");
}

/// Writes 200 times 30,000 bytes, while what it wrote before is still on its way.
#[squall::coroutine]
pub(crate) fn flood(ex: &mut Exchange) -> Result<()> {
    for n in 0..200_u32 {
        ex.write(vec![n as u8; 30_000]);
        yield_!(ex.flush())?;
    }
    Ok(())
}

/// Breaks off in the middle of its answer.
#[squall::coroutine]
pub(crate) fn cut(ex: &mut Exchange) -> Result<()> {
    ex.write("half");
    yield_!(ex.flush())?;
    Err(Error::status_only(StatusCode::BAD_GATEWAY))
}
