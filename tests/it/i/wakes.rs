//! Wakes from other threads, in numbers.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

use squall::{IoLoop, yield_};

/// Counts up from other threads; one coroutine waits for it.
#[derive(Default)]
struct Counter {
    count: AtomicU64,
    waker: Mutex<Option<Waker>>,
}

impl Counter {
    fn add(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        if let Some(waker) = self.waker.lock().unwrap().as_ref() {
            waker.wake_by_ref();
        }
    }
}

/// Waits until the counter has reached `end`, seeing what was added in steps of any size.
#[squall::coroutine]
fn reach(counter: Arc<Counter>, end: u64) -> u64 {
    let mut resumes = 0;
    yield_!(poll_fn(|cx| {
        resumes += 1;
        *counter.waker.lock().unwrap() = Some(cx.waker().clone());
        match counter.count.load(Ordering::SeqCst) {
            count if count >= end => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }));
    resumes
}

/// Eight threads wake as fast as they can. Were one wake lost that comes as the loop falls asleep, a
/// coroutine would wait for ever.
#[test]
fn no_wake_of_eight_threads_is_lost() {
    // In release ten million; a debug build does a part of it in the same time.
    const WAKES: u64 = if cfg!(debug_assertions) {
        50_000
    } else {
        1_250_000
    };
    let counters: Vec<Arc<Counter>> = (0..8).map(|_| Arc::default()).collect();
    let threads: Vec<_> = (counters.iter().cloned())
        .map(|counter| thread::spawn(move || (0..WAKES).for_each(|_| counter.add())))
        .collect();
    let io_loop = IoLoop::new().unwrap();
    let resumes = io_loop.run_sync(|| async {
        let waiting = counters.iter().map(|counter| reach(counter.clone(), WAKES));
        yield_!(waiting.collect::<Vec<_>>())
    });
    assert_eq!(resumes.len(), 8);
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    io_loop.close();
}

/// Each wake waits for the last to have been seen, so the loop falls asleep before every one.
#[test]
fn no_wake_of_a_loop_that_sleeps_each_time_is_lost() {
    const ROUNDS: u64 = 2_000;
    let counter: Arc<Counter> = Arc::default();
    let seen: Arc<AtomicU64> = Arc::default();
    let waker = {
        let (counter, seen) = (counter.clone(), seen.clone());
        thread::spawn(move || {
            for round in 1..=ROUNDS {
                counter.add();
                while seen.load(Ordering::SeqCst) < round {
                    thread::yield_now();
                }
            }
        })
    };
    let io_loop = IoLoop::new().unwrap();
    io_loop.run_sync(|| async {
        for round in 1..=ROUNDS {
            yield_!(reach(counter.clone(), round));
            seen.store(round, Ordering::SeqCst);
        }
    });
    waker.join().unwrap();
    io_loop.close();
}
