//! What a look at 10,000 living coroutines costs: the tree of them, and its text.
//!
//! `cargo bench --bench inspect` prints a table; medians of the process's CPU time.

mod support;

use std::hint::black_box;
use std::time::Duration;

use squall::{Deferred, IoLoop, dump, yield_};
use support::{Group, Lap, Options};

const COROUTINES: usize = 10_000;

fn main() {
    let options = Options::parse();
    let io_loop = IoLoop::current();
    let all: Vec<Deferred<()>> = io_loop.run_sync(|| async {
        let siblings = (0..COROUTINES - 100).map(|_| sleeps()).collect::<Vec<_>>();
        let families = (0..50).map(|_| parent());
        siblings.into_iter().chain(families).collect()
    });
    let count = dump().len();
    assert_eq!(count, COROUTINES);
    Group::head(&options);
    Group::new("dump of 10,000")
        .with("the tree", move |n| {
            let lap = Lap::start();
            for _ in 0..n {
                assert_eq!(black_box(dump()).len(), count);
            }
            lap.stop(n)
        })
        .with("the tree and its text", |n| {
            let lap = Lap::start();
            for _ in 0..n {
                assert!(black_box(dump().to_string()).contains("sleeps × 9900"));
            }
            lap.stop(n)
        })
        .run(&options);
    drop(all);
}

#[squall::coroutine]
fn sleeps() {
    yield_!(squall::sleep(Duration::from_secs(3600)));
}

#[squall::coroutine]
fn parent() {
    yield_!(sleeps());
}
