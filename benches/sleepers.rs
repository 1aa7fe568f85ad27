//! What 10,000 sleeping coroutines cost: their memory, and what they add to a turn of the loop.
//!
//! A *turn* is driven by one coroutine that yields: a moment, a sleep of no time, a sleep of a
//! tenth of a millisecond. Each sample is taken in a process of its own, for a loop's sleepers
//! cannot be called back, and some peers keep the timers of all their loops in one place.

mod support;

use std::time::Duration;

use squall::{Deferred, IoLoop, yield_};
use support::{
    Counting, Lap, Memory, Options, Peer, SAMPLES, Sample, Smol, Spread, TimedPeer, Tokio, in_child,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const HOUR: Duration = Duration::from_secs(3600);
const TENTH: Duration = Duration::from_micros(100);

const CONTENDERS: [&str; 3] = ["squall", "tokio", "smol"];

/// What drives the turns, and how often each contender does it in a sample: its CPU time is
/// measured, but tokio's sleep of no time takes a millisecond of the clock's.
const TURNS: [(&str, [u64; CONTENDERS.len()]); 3] = [
    ("moment", [100_000, 20_000, 20_000]),
    ("sleep 0", [100_000, 50, 20_000]),
    ("sleep 0.1 ms", [100, 50, 100]),
];

fn main() {
    let options = Options::parse();
    if let Some(only) = &options.only {
        let (contender, asleep) = only.split_once('-').unwrap_or((only, "0"));
        let asleep = asleep.parse().expect("--only CONTENDER-SLEEPERS");
        measure(contender, asleep, &options.filter, options.iterations);
        return;
    }
    let (sleepers, samples) = if options.quick {
        ("100", 1)
    } else {
        ("10000", SAMPLES)
    };
    memory(sleepers);
    println!("\n| turn by | contender | CPU ns, 0 asleep | {sleepers} asleep | ratio |");
    println!("|---|---|---:|---:|---:|");
    for (turn, turns) in TURNS {
        if turn.contains(&options.filter) {
            let turns = if options.quick { [10; 3] } else { turns };
            compare(turn, turns, sleepers, samples);
        }
    }
}

fn memory(sleepers: &str) {
    println!("| a sleeping coroutine | heap bytes | allocations | resident bytes |");
    println!("|---|---:|---:|---:|");
    for name in CONTENDERS {
        let words = in_child(&["--only", &format!("{name}-{sleepers}"), "--iterations", "1"]);
        println!("| {name} | {} | {} | {} |", words[0], words[1], words[2]);
    }
}

/// Prints the rows of one way to drive a turn; all contenders take their samples in turn.
fn compare(turn: &str, turns: [u64; 3], sleepers: &str, samples: usize) {
    let mut taken = [const { [Vec::new(), Vec::new()] }; CONTENDERS.len()];
    for _ in 0..samples {
        for ((name, turns), taken) in CONTENDERS.iter().zip(turns).zip(&mut taken) {
            let turns = turns.to_string();
            for (asleep, taken) in ["0", sleepers].iter().zip(taken) {
                let only = format!("{name}-{asleep}");
                let words = in_child(&["--only", &only, "--iterations", &turns, turn]);
                taken.push(words[3].parse().expect("a number was printed"));
            }
        }
    }
    for (name, [idle, busy]) in CONTENDERS.iter().zip(taken) {
        let (idle, busy) = (Spread::of(idle).median, Spread::of(busy).median);
        println!(
            "| {turn} | {name} | {idle:.0} | {busy:.0} | {:.2} |",
            busy / idle
        );
    }
}

/// Measures one contender with so many asleep; prints the memory of each, and a turn's time.
fn measure(contender: &str, asleep: u64, turn: &str, turns: u64) {
    let turn = TURNS
        .iter()
        .position(|(name, _)| *name == turn)
        .unwrap_or(0);
    let (used, sample) = match contender {
        "squall" => run(|| among_sleepers(asleep, turn, turns)),
        "tokio" => Tokio::block_on(peer_among_sleepers::<Tokio>(asleep, turn, turns)),
        "smol" => Smol::block_on(peer_among_sleepers::<Smol>(asleep, turn, turns)),
        other => panic!("there is no contender called {other}"),
    };
    let each = |total: i64| total as f64 / asleep.max(1) as f64;
    println!(
        "{:.0} {:.2} {:.0} {:.1}",
        each(used.bytes),
        each(used.allocations),
        each(used.resident),
        sample.ns_each()
    );
}

fn run<T>(coroutine: impl FnOnce() -> Deferred<T>) -> T {
    IoLoop::current().run_sync(coroutine)
}

#[squall::coroutine]
fn sleeper() {
    yield_!(squall::sleep(HOUR));
}

#[squall::coroutine]
fn among_sleepers(asleep: u64, turn: usize, turns: u64) -> (Memory, Sample) {
    let mut sleepers: Vec<Deferred<()>> = Vec::with_capacity(asleep as usize);
    let before = Memory::now();
    sleepers.extend((0..asleep).map(|_| sleeper()));
    // All have come to their wait once the loop has turned.
    yield_!(squall::moment());
    yield_!(squall::moment());
    let used = Memory::now().since(before);
    let lap = Lap::start();
    for _ in 0..turns {
        match turn {
            0 => yield_!(squall::moment()),
            1 => yield_!(squall::sleep(Duration::ZERO)),
            _ => yield_!(squall::sleep(TENTH)),
        }
    }
    let sample = lap.stop(turns);
    assert!(
        sleepers.iter().all(|sleeper| !sleeper.done()),
        "an hour has not passed"
    );
    (used, sample)
}

async fn peer_among_sleepers<R: TimedPeer>(
    asleep: u64,
    turn: usize,
    turns: u64,
) -> (Memory, Sample) {
    let mut sleepers = Vec::with_capacity(asleep as usize);
    let before = Memory::now();
    sleepers.extend((0..asleep).map(|_| R::spawn(R::sleep(HOUR))));
    // All have come to their wait once as many more tasks have run.
    for _ in 0..2 {
        R::spawn(R::yield_now()).await;
    }
    let used = Memory::now().since(before);
    let driver = R::spawn(async move {
        let lap = Lap::start();
        for _ in 0..turns {
            match turn {
                0 => R::yield_now().await,
                1 => R::sleep(Duration::ZERO).await,
                _ => R::sleep(TENTH).await,
            }
        }
        lap.stop(turns)
    });
    let sample = driver.await;
    drop(sleepers);
    (used, sample)
}
