//! Locks that nobody else wants, and two coroutines that wake each other.

use std::cell::Cell;
use std::rc::Rc;

use squall::sync::{Event, Lock, Semaphore};
use squall::yield_;
use tokio::sync::Notify;
use tokio::task::unconstrained;

use crate::support::{Group, Lap, Options, Peer, Sample, Smol, Tokio, run};

pub(crate) fn locks(options: &Options) {
    Group::new("lock, uncontended")
        .half()
        .with("squall", |n| run(|| lock_each(n)))
        .with("tokio Mutex", |n| {
            let lock = tokio::sync::Mutex::new(0);
            Tokio::block_on(unconstrained(counted(n, async || {
                let mut held = lock.lock().await;
                *held += 1;
                *held
            })))
        })
        .with("async-lock", |n| {
            let lock = async_lock::Mutex::new(0);
            Smol::block_on(counted(n, async || {
                let mut held = lock.lock().await;
                *held += 1;
                *held
            }))
        })
        .with("futures", |n| {
            let lock = futures_util::lock::Mutex::new(0);
            Smol::block_on(counted(n, async || {
                let mut held = lock.lock().await;
                *held += 1;
                *held
            }))
        })
        .run(options);
    Group::new("semaphore, uncontended")
        .with("squall", |n| run(|| permit_each(n)))
        .with("tokio", |n| {
            let (permits, count) = (tokio::sync::Semaphore::new(4), Cell::new(0));
            Tokio::block_on(unconstrained(counted(n, async || {
                let _permit = permits.acquire().await.expect("it is open");
                one_more(&count)
            })))
        })
        .with("async-lock", |n| {
            let (permits, count) = (async_lock::Semaphore::new(4), Cell::new(0));
            Smol::block_on(counted(n, async || {
                let _permit = permits.acquire().await;
                one_more(&count)
            }))
        })
        .run(options);
    let group = Group::new("two coroutines wake each other (a round)")
        .half()
        .with("squall", |n| run(|| rounds(n)));
    with_peers!(group, "Notify", P => peer_rounds::<P>).run(options);
}

fn one_more(count: &Cell<u64>) -> u64 {
    count.set(count.get() + 1);
    count.get()
}

#[squall::coroutine]
pub(crate) fn lock_each(n: u64) -> Sample {
    let (lock, count, lap) = (Lock::new(), Cell::new(0), Lap::start());
    for _ in 0..n {
        let _held = yield_!(lock.acquire());
        one_more(&count);
    }
    let sample = lap.stop(n);
    assert_eq!(count.get(), n);
    sample
}

#[squall::coroutine]
pub(crate) fn permit_each(n: u64) -> Sample {
    let (permits, count, lap) = (Semaphore::new(4), Cell::new(0), Lap::start());
    for _ in 0..n {
        let _permit = yield_!(permits.acquire());
        one_more(&count);
    }
    let sample = lap.stop(n);
    assert_eq!(count.get(), n);
    sample
}

/// Does `one`, which counts, so often.
async fn counted<F: AsyncFn() -> u64>(n: u64, one: F) -> Sample {
    let (lap, mut count) = (Lap::start(), 0);
    for _ in 0..n {
        count = one().await;
    }
    let sample = lap.stop(n);
    assert_eq!(count, n);
    sample
}

/// Two events that the partners set and clear in turn.
#[derive(Clone, Default)]
struct Pair {
    there: Event,
    back: Event,
}

#[squall::coroutine]
pub(crate) fn rounds(n: u64) -> Sample {
    let (pair, lap) = (Pair::default(), Lap::start());
    let partner = partner(pair.clone(), n);
    for _ in 0..n {
        pair.there.set();
        yield_!(pair.back.wait());
        pair.back.clear();
    }
    let sample = lap.stop(n);
    assert_eq!(yield_!(partner), n);
    sample
}

#[squall::coroutine]
fn partner(pair: Pair, n: u64) -> u64 {
    let mut woken = 0;
    for _ in 0..n {
        yield_!(pair.there.wait());
        pair.there.clear();
        pair.back.set();
        woken += 1;
    }
    woken
}

fn peer_rounds<R: Peer>(n: u64) -> Sample {
    R::block_on(async move {
        let (pair, lap) = (Rc::new((Notify::new(), Notify::new())), Lap::start());
        let other = pair.clone();
        let partner = R::spawn(async move {
            let mut woken = 0;
            for _ in 0..n {
                other.0.notified().await;
                other.1.notify_one();
                woken += 1;
            }
            woken
        });
        for _ in 0..n {
            pair.0.notify_one();
            pair.1.notified().await;
        }
        let sample = lap.stop(n);
        assert_eq!(partner.await, n);
        sample
    })
}
