//! The way of an error through coroutines: `cargo run --example traceback`
//!
//! An order fails three coroutines deep, inside a list; another panics. Nobody takes either, so both
//! are logged with every yield that they passed. The text is the same in a release build that was
//! stripped of its symbols (`tests/traceback.sh`). It prints:
//!
//! ```text
//! error in coroutine `order` was never retrieved: the order failed
//!   caused by: no such item: 3
//! coroutine traceback (most recent last):
//!   traceback::order (examples/traceback.rs:50)
//!     yield at examples/traceback.rs:51:18: prices(items)
//!   …
//! ```

use std::error::Error;
use std::fmt;
use std::time::Duration;

use squall::{sleep, yield_};
use tracing_subscriber::fmt::format;
use tracing_subscriber::prelude::*;

/// What went wrong with an order, and why.
#[derive(Debug)]
struct OrderError {
    what: String,
    source: Option<Box<OrderError>>,
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for OrderError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.source.as_deref();
        source.map(|source| source as &(dyn Error + 'static))
    }
}

fn because(what: &str, source: OrderError) -> OrderError {
    let (what, source) = (what.to_owned(), Some(Box::new(source)));
    OrderError { what, source }
}

#[squall::coroutine]
fn order(items: Vec<u32>) -> Result<u32, OrderError> {
    let prices = yield_!(prices(items)).map_err(|error| because("the order failed", error))?;
    Ok(prices.iter().sum())
}

#[squall::coroutine]
fn prices(items: Vec<u32>) -> Result<Vec<u32>, OrderError> {
    let list: Vec<_> = items.into_iter().map(price).collect();
    yield_!(list)
}

#[squall::coroutine]
fn price(item: u32) -> Result<u32, OrderError> {
    yield_!(sleep(Duration::from_millis(1)));
    if item == 3 {
        let what = format!("no such item: {item}");
        return Err(OrderError { what, source: None });
    }
    Ok(10 * item)
}

#[squall::coroutine]
fn refund(share: u32) -> u32 {
    let total = yield_!(order(vec![1, 2])).unwrap_or(0);
    total / share
}

#[squall::main]
fn main() {
    // The message alone, on the standard output: no time, no level, no colour.
    let only_message = format::debug_fn(|writer, _, value| write!(writer, "{value:?}"));
    let log = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stdout)
        .fmt_fields(only_message)
        .with_ansi(false)
        .with_level(false)
        .with_target(false)
        .without_time();
    tracing_subscriber::registry().with(log).init();

    order(vec![1, 2, 3, 4]);
    refund(0);
    yield_!(sleep(Duration::from_millis(20)));
}
