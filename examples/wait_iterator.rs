//! Results in the order in which they come: `cargo run --example wait_iterator`
//!
//! A list gives its results when the last is there; a `WaitIterator` each as it comes, with its
//! position or key, and goes on after an error. It prints:
//!
//! ```text
//! position 1: fast
//! position 2: middle
//! position 0: slow
//! after the first of them: Some("cache")
//! cache: 3 rows
//! primary: error: connection refused
//! replica: 3 rows
//! ```

use std::collections::HashMap;
use std::time::Duration;

use squall::{Deferred, WaitIterator, sleep, yield_};

#[squall::coroutine]
fn after(ms: u64, word: &'static str) -> &'static str {
    yield_!(sleep(Duration::from_millis(ms)));
    word
}

#[squall::coroutine]
fn query(ms: u64, works: bool) -> Result<u32, &'static str> {
    yield_!(sleep(Duration::from_millis(ms)));
    if works {
        Ok(3)
    } else {
        Err("connection refused")
    }
}

/// The same question to several, by their names.
fn ask_all() -> HashMap<&'static str, Deferred<Result<u32, &'static str>>> {
    HashMap::from([
        ("primary", query(60, false)),
        ("replica", query(90, true)),
        ("cache", query(30, true)),
    ])
}

#[squall::main]
fn main() {
    // Of a list: each result with its position.
    let mut words = WaitIterator::new([after(90, "slow"), after(30, "fast"), after(60, "middle")]);
    while let Some((position, word)) = yield_!(words.next()) {
        println!("position {position}: {word}");
    }

    // Often the first is enough; the others go on, and nobody looks at them.
    let mut first = WaitIterator::new(ask_all());
    let _ = yield_!(first.next());
    println!("after the first of them: {:?}", first.current_index());

    // Of a map: each result with its key. An error is the result of its step, and ends nothing.
    let mut answers = WaitIterator::new(ask_all());
    while let Some((name, answer)) = yield_!(answers.next()) {
        match answer {
            Ok(rows) => println!("{name}: {rows} rows"),
            Err(error) => println!("{name}: error: {error}"),
        }
    }
}
