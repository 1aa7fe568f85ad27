//! Handlers that wait, and hold nobody up meanwhile.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::Serialize;
use squall::yield_;
use squall_web::{Exchange, Result};

use super::{number, text};

/// The longest wait.
const HOUR: u64 = 60 * 60 * 1000;

#[squall::coroutine]
pub(crate) fn sleep(ex: &mut Exchange) -> Result<()> {
    let ms = number(ex, "ms", HOUR)?;
    yield_!(squall::sleep(Duration::from_millis(ms)));
    text(ex)?;
    ex.write(format!("slept {ms}"));
    Ok(())
}

#[derive(Serialize)]
struct Fanout {
    n: u64,
    elapsed_ms: u64,
}

/// Waits for a list of sleeps, all at the same time.
#[squall::coroutine]
pub(crate) fn fanout(ex: &mut Exchange) -> Result<()> {
    let n = number(ex, "n", 100_000)?;
    let time = Duration::from_millis(number(ex, "ms", HOUR)?);
    let began = Instant::now();
    yield_!((0..n).map(|_| squall::sleep(time)).collect::<Vec<_>>());
    let elapsed_ms = began.elapsed().as_millis() as u64;
    ex.write_json(&Fanout { n, elapsed_ms })
}

#[derive(Serialize)]
struct Fanmap {
    result: HashMap<&'static str, u32>,
    elapsed_ms: u64,
}

#[squall::coroutine]
fn slowly(n: u32) -> u32 {
    yield_!(squall::sleep(Duration::from_millis(100)));
    n
}

/// Waits for a map of coroutines, which gives a map of their results.
#[squall::coroutine]
pub(crate) fn fanmap(ex: &mut Exchange) -> Result<()> {
    let began = Instant::now();
    let tasks = HashMap::from([("a", slowly(1)), ("b", slowly(2)), ("c", slowly(3))]);
    let result = yield_!(tasks);
    let elapsed_ms = began.elapsed().as_millis() as u64;
    ex.write_json(&Fanmap { result, elapsed_ms })
}
