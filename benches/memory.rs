//! Bytes and allocations of a coroutine that waits, and allocations of a yield.
//!
//! Each contender is measured in a process of its own, so that none finds another's heap.
//! `cargo bench --bench memory` prints two tables; see `README.md`.

mod support;
mod rows {
    pub(crate) mod memory;
}

use std::hint::black_box;
use std::time::Duration;

use rows::memory::{waiting_coroutines, waiting_tasks};
use squall::{Deferred, Promise, yield_};
use support::{
    Counting, Memory, Options, Peer, Smol, TimedPeer, Tokio, in_child, run, wake_by_ref,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CONTENDERS: [&str; 3] = ["squall", "tokio", "smol"];

fn main() {
    let options = Options::parse();
    let tasks = if options.quick { 1_000 } else { 20_000 };
    if let Some(only) = &options.only {
        measure(
            only,
            if options.iterations > 10 {
                options.iterations
            } else {
                tasks
            },
        );
        return;
    }
    let tasks = tasks.to_string();
    let measured = CONTENDERS.map(|name| in_child(&["--only", name, "--iterations", &tasks]));
    println!("| a waiting coroutine | heap bytes | allocations | resident bytes |");
    println!("|---|---:|---:|---:|");
    for (name, words) in CONTENDERS.iter().zip(&measured) {
        println!("| {name} | {} | {} | {} |", words[0], words[1], words[2]);
    }
    println!();
    println!("| allocations of a yield | squall | tokio | smol |");
    println!("|---|---:|---:|---:|");
    for (index, (name, _)) in Yields::default().named().into_iter().enumerate() {
        let cells: Vec<&str> = measured.iter().map(|words| &*words[3 + index]).collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    check(&measured[0]);
}

/// What Squall promises.
fn check(squall: &[String]) {
    let number = |index: usize| squall[index].parse::<f64>().expect("a number was printed");
    assert!(number(1) < 1.1, "a coroutine is one allocation");
    assert_eq!(number(3), 0.0, "a moment allocates nothing");
    assert_eq!(number(4), 0.0, "a sleep allocates nothing");
    assert_eq!(
        number(5),
        0.0,
        "a yield of a started coroutine allocates nothing"
    );
}

/// Measures one contender, and prints its numbers in the order of the tables.
fn measure(contender: &str, tasks: u64) {
    let (one, yields) = match contender {
        "squall" => run(|| both(tasks)),
        "tokio" => Tokio::block_on(peer_both::<Tokio>(tasks)),
        "smol" => Smol::block_on(peer_both::<Smol>(tasks)),
        other => panic!("there is no contender called {other}"),
    };
    let each = |total: i64| total as f64 / tasks as f64;
    println!(
        "{:.0} {:.2} {:.0}",
        each(one.bytes),
        each(one.allocations),
        each(one.resident)
    );
    for (_, allocations) in yields.named() {
        println!("{allocations:.2}");
    }
}

#[squall::coroutine]
fn both(tasks: u64) -> (Memory, Yields) {
    (yield_!(waiting_coroutines(tasks)), yield_!(yields()))
}

async fn peer_both<R: TimedPeer>(tasks: u64) -> (Memory, Yields) {
    let one = waiting_tasks::<R>(tasks).await;
    (one, R::spawn(peer_yields::<R>()).await)
}

// ---------------------------------------------------------------- a yield

/// How often each yield is done.
const YIELDS: u32 = 1000;

/// Allocations of one yield of each kind.
#[derive(Default)]
struct Yields {
    moment: f64,
    sleep: f64,
    started: f64,
    promise: f64,
    start: f64,
    list_of_10: f64,
    list_of_100: f64,
}

impl Yields {
    fn named(&self) -> [(&'static str, f64); 7] {
        [
            ("moment", self.moment),
            ("sleep of 10 µs", self.sleep),
            ("coroutine that was started before", self.started),
            ("promise, made and set", self.promise),
            ("coroutine, started and pending once", self.start),
            ("list of 10 of these (each)", self.list_of_10),
            ("list of 100 of these (each)", self.list_of_100),
        ]
    }
}

/// Counts the allocations of an expression: its mean, after it was done a few times.
macro_rules! allocations {
    ($per:expr, $body:expr) => {{
        let mut before = 0;
        for i in 0..YIELDS + 100 {
            if i == 100 {
                before = Memory::now().allocations;
            }
            $body;
        }
        // One is that of `Memory::now` itself.
        let after = Memory::now().allocations;
        let own = Memory::now().allocations - after;
        (after - before - own) as f64 / f64::from(YIELDS) / f64::from($per)
    }};
}

#[squall::coroutine]
fn pending_once() -> u32 {
    yield_!(squall::moment());
    1
}

#[squall::coroutine]
fn yields() -> Yields {
    let mut early: Vec<Deferred<u32>> = (0..YIELDS + 100).map(|_| pending_once()).collect();
    Yields {
        moment: allocations!(1, yield_!(squall::moment())),
        sleep: allocations!(1, yield_!(squall::sleep(Duration::from_micros(10)))),
        started: allocations!(1, yield_!(early.pop().expect("there are enough"))),
        promise: allocations!(1, {
            let (promise, answer) = Promise::new();
            black_box(promise).set_result(1);
            assert_eq!(yield_!(answer), 1);
        }),
        start: allocations!(1, yield_!(pending_once())),
        list_of_10: allocations!(10, {
            let ones: Vec<u32> = yield_!((0..10).map(|_| pending_once()).collect::<Vec<_>>());
            assert_eq!(ones.len(), 10);
        }),
        list_of_100: allocations!(100, {
            let ones: Vec<u32> = yield_!((0..100).map(|_| pending_once()).collect::<Vec<_>>());
            assert_eq!(ones.len(), 100);
        }),
    }
}

async fn peer_yields<R: TimedPeer>() -> Yields {
    async fn pending_once() -> u32 {
        wake_by_ref().await;
        1
    }
    let mut early: Vec<_> = (0..YIELDS + 100)
        .map(|_| R::spawn(pending_once()))
        .collect();
    Yields {
        moment: allocations!(1, wake_by_ref().await),
        sleep: allocations!(1, R::sleep(Duration::from_micros(10)).await),
        started: allocations!(1, early.pop().expect("there are enough").await),
        promise: allocations!(1, {
            let (promise, answer) = tokio::sync::oneshot::channel();
            black_box(promise).send(1).expect("the receiver is there");
            assert_eq!(answer.await, Ok(1));
        }),
        start: allocations!(1, R::spawn(pending_once()).await),
        list_of_10: allocations!(10, {
            let tasks: Vec<_> = (0..10).map(|_| R::spawn(pending_once())).collect();
            let ones = futures_util::future::join_all(tasks).await;
            assert_eq!(ones.len(), 10);
        }),
        list_of_100: allocations!(100, {
            let tasks: Vec<_> = (0..100).map(|_| R::spawn(pending_once())).collect();
            let ones = futures_util::future::join_all(tasks).await;
            assert_eq!(ones.len(), 100);
        }),
    }
}
