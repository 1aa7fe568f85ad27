//! What a coroutine that waits takes of the heap, beside all peers; see `table.rs`.
//!
//! Each contender is measured in a process of its own, so that none finds another's heap.

#[macro_use]
#[path = "../support/mod.rs"]
mod support;
#[macro_use]
mod all_peers;
#[path = "../rows"]
mod rows {
    pub(crate) mod memory;
}

use all_peers::{Futures, Glommio, Monoio};
use rows::memory::{sleeping_coroutines, sleeping_tasks, waiting_coroutines, waiting_tasks};
use support::{
    Counting, Memory, Options, Peer, Smol, TimedPeer, Tokio, Verdict, Verdicts, in_child, run,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const WAITING: &str = "a coroutine that waits with 64 bytes of state";
const SLEEPING: &str = "a coroutine that sleeps";

const CONTENDERS: [&str; 6] = ["squall", "tokio", "smol", "futures", "monoio", "glommio"];

fn main() {
    let options = Options::parse();
    let count = if options.quick { 1_000 } else { 20_000 };
    if let Some(only) = &options.only {
        return measure(only, &options.filter, options.iterations);
    }
    if let Some(why) = Glommio::missing() {
        eprintln!("glommio is left out: {why}");
    }
    let mut verdicts = Verdicts::default();
    Verdict::head();
    for kind in [WAITING, SLEEPING] {
        let names = CONTENDERS.into_iter().filter(|name| match *name {
            "glommio" => Glommio::missing().is_none(),
            "futures" => kind == WAITING,
            _ => true,
        });
        let measured: Vec<(&str, [f64; 2])> = names
            .map(|name| (name, in_a_process(name, kind, count)))
            .collect();
        for (index, unit) in ["heap bytes", "allocations"].into_iter().enumerate() {
            let figures = measured.iter().map(|(name, both)| (*name, both[index]));
            verdicts.add(Verdict::of_one_run(&format!("{kind}: {unit}"), figures));
        }
    }
    verdicts.summary();
}

/// Heap bytes and allocations of each coroutine.
fn in_a_process(name: &str, kind: &str, count: u64) -> [f64; 2] {
    let words = in_child(&["--only", name, "--iterations", &count.to_string(), kind]);
    let number = |index: usize| words[index].parse().expect("a number was printed");
    [number(0), number(1)]
}

/// Measures one contender, and prints its numbers.
fn measure(contender: &str, kind: &str, count: u64) {
    let used = match (contender, kind) {
        ("squall", WAITING) => run(|| waiting_coroutines(count)),
        ("squall", _) => run(|| sleeping_coroutines(count)),
        ("tokio", _) => peer::<Tokio>(kind, count),
        ("smol", _) => peer::<Smol>(kind, count),
        ("futures", _) => Futures::block_on(waiting_tasks::<Futures>(count)),
        ("monoio", _) => peer::<Monoio>(kind, count),
        ("glommio", _) => peer::<Glommio>(kind, count),
        (other, _) => panic!("there is no contender called {other}"),
    };
    let each = |total: i64| total as f64 / count as f64;
    println!("{:.0} {:.2}", each(used.bytes), each(used.allocations));
}

fn peer<P: TimedPeer>(kind: &str, count: u64) -> Memory {
    match kind {
        WAITING => P::block_on(waiting_tasks::<P>(count)),
        _ => P::block_on(sleeping_tasks::<P>(count)),
    }
}
