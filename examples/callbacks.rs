//! Callbacks and coroutines together: `cargo run --example callbacks`
//!
//! A function that reports to a callback is waited for by `task`; a coroutine that has to report to a
//! callback is an `#[engine]`; a plain function ends the coroutine that called it by `Return`. It
//! prints:
//!
//! ```text
//! by callback: "tea" costs 250
//! two arguments: 17 = 3 * 5 + 2
//! from a thread: 42
//! by engine: 500
//! dropped: the callback of the task at examples/callbacks.rs:… was dropped without being called
//! order: 250 for the tea, no sky today
//! ```

use std::thread;
use std::time::Duration;

use squall::{Callback, IoLoop, Return, sleep, task, task_send, yield_};

/// An interface from before there were coroutines: calls back, some time later.
fn look_up(item: &'static str, callback: impl FnOnce(Option<u32>) + 'static) {
    let price = match item {
        "tea" => Some(250),
        _ => None,
    };
    IoLoop::current().call_later(Duration::from_millis(10), move || callback(price));
}

/// One that calls back with two arguments, at once.
fn divide(a: u32, b: u32, callback: impl FnOnce(u32, u32)) {
    callback(a / b, a % b);
}

/// One that works on a thread of its own.
fn think(callback: impl FnOnce(u32) + Send + 'static) {
    thread::spawn(move || callback(42));
}

/// The other way round: someone wants a function with a callback, and we want to yield in it.
#[squall::engine]
fn twice(item: &'static str, callback: impl FnOnce(u32)) {
    let price = yield_!(task(|done| look_up(item, done.into_fn())));
    yield_!(sleep(Duration::from_millis(10)));
    callback(2 * price.ok().flatten().unwrap_or(0));
}

/// A plain function that decides how the coroutine which called it ends.
fn needed(price: Option<u32>, item: &str) -> u32 {
    match price {
        Some(price) => price,
        None => Return(Ok::<String, squall::Error>(format!("no {item} today"))).raise(),
    }
}

#[squall::coroutine]
fn order(item: &'static str) -> squall::Result<String> {
    let price = yield_!(task(|done| look_up(item, done.into_fn())))?;
    let price = needed(price, item);
    Ok(format!("{price} for the {item}"))
}

#[squall::main]
fn main() -> squall::Result<()> {
    let price = yield_!(task(|done| look_up("tea", done.into_fn())))?;
    println!("by callback: \"tea\" costs {}", price.unwrap_or(0));

    let (q, r) = yield_!(task(|done| divide(17, 5, |q, r| done.call((q, r)))))?;
    println!("two arguments: 17 = {q} * 5 + {r}");

    let answer = yield_!(task_send(|done| think(done.into_fn())))?;
    println!("from a thread: {answer}");

    let double = yield_!(task(|done| twice("tea", done.into_fn())))?;
    println!("by engine: {double}");

    // Who forgets to call back does not make others wait for ever.
    if let Err(dropped) = yield_!(task(|forgotten: Callback<u32>| drop(forgotten))) {
        println!("dropped: {dropped}");
    }

    let orders = yield_!([order("tea"), order("sky")])?;
    println!("order: {}", orders.join(", "));
    Ok(())
}
