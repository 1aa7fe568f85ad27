//! Timers that are set and cancelled, and coroutines that sleep.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use squall::{Deferred, yield_};
use tokio::task::unconstrained;

use super::children::{peer_lists, tasks};
use crate::support::{Group, Lap, Options, Peer, Sample, TimedPeer, run, sum_below, wake_by_ref};

pub(crate) fn timers(options: &Options) {
    for k in [1, 1000, 100_000] {
        let mut group = Group::new(format!("sleep: set {k}, cancel (each)"))
            .with("squall", move |n| run(|| cancel_sleeps(n, k)));
        if k == 100_000 {
            group = group.half();
        }
        // tokio's budget would leave timers unset once it is used up.
        with_timed_peers!(group, "", P => move |n| {
            P::block_on(unconstrained(cancelled(n, k, P::sleep, wake_by_ref)))
        })
        .run(options);
    }
    for (k, name) in [
        (1000, "sleep: 1000 coroutines, 1 to 10 ms (each)"),
        (100_000, "sleep: 100000 coroutines, 1 to 100 ms (each)"),
    ] {
        let group = Group::new(name).with("squall", move |n| run(|| sleep_many(n, k)));
        with_timed_peers!(group, "", P => move |n| peer_sleeps::<P>(n, k)).run(options);
    }
}

#[squall::coroutine]
pub(crate) fn cancel_sleeps(n: u64, k: u64) -> Sample {
    yield_!(cancelled(n, k, squall::sleep, squall::moment))
}

/// Sets `k` timers and drops them, over and over.
async fn cancelled<S, Y>(n: u64, k: u64, sleep: fn(Duration) -> S, others: fn() -> Y) -> Sample
where
    S: Future<Output = ()>,
    Y: Future<Output = ()>,
{
    // Not the task's own waker: glommio counts to 32,767 of a task.
    let mut context = Context::from_waker(Waker::noop());
    let (batches, lap, mut pending) = (n.div_ceil(k), Lap::start(), 0);
    for _ in 0..batches {
        if k == 1 {
            let sleep = pin!(sleep(Duration::from_secs(30)));
            pending += u64::from(sleep.poll(&mut context).is_pending());
            continue;
        }
        let mut sleeps: Vec<_> = (0..k)
            .map(|i| Box::pin(sleep(half_a_minute_or_more(i))))
            .collect();
        let polled = sleeps
            .iter_mut()
            .map(|sleep| sleep.as_mut().poll(&mut context));
        pending += polled.filter(Poll::is_pending).count() as u64;
        drop(sleeps);
        others().await; // The runtime sees what was cancelled.
    }
    let sample = lap.stop(batches * k);
    assert_eq!(pending, batches * k, "half a minute has not passed");
    sample
}

/// Up to a minute and a half, out of order.
fn half_a_minute_or_more(i: u64) -> Duration {
    Duration::from_millis(30_000 + i * 7919 % 60_000)
}

/// One to ten milliseconds, and to a hundred for the later ones of many; out of order.
fn some_milliseconds(i: u64) -> Duration {
    let range = if i < 1000 { 9000 } else { 99_000 };
    Duration::from_micros(1000 + i * 7919 % range)
}

#[squall::coroutine]
fn sleeper(i: u64) -> u64 {
    yield_!(squall::sleep(some_milliseconds(i)));
    i
}

#[squall::coroutine]
fn sleep_many(n: u64, k: u64) -> Sample {
    let (batches, lap, mut sum) = (n.div_ceil(k), Lap::start(), 0);
    for _ in 0..batches {
        let sleepers: Vec<Deferred<u64>> = (0..k).map(sleeper).collect();
        for sleeper in sleepers {
            sum += yield_!(sleeper);
        }
    }
    let sample = lap.stop(batches * k);
    assert_eq!(sum, batches * sum_below(k));
    sample
}

fn peer_sleeps<R: TimedPeer>(n: u64, k: u64) -> Sample {
    async fn sleeper<R: TimedPeer>(i: u64) -> u64 {
        R::sleep(some_milliseconds(i)).await;
        i
    }
    let all = |sleepers: Vec<_>| tasks::<R, _>(sleepers);
    peer_lists::<R, _, _>(n, k, sleeper::<R>, all)
}
