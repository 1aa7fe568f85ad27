//! Starting coroutines, and waiting for them: one by one, or a thousand at a time.

use std::future::Future;

use squall::{Deferred, yield_};

use super::children::{peer_lists, pending_once, pending_once_future, ready, ready_future, tasks};
use crate::support::{Group, Lap, Options, Peer, Sample, run, sum_below};

pub(crate) fn starts(options: &Options) {
    rows(options, "ready", ready, ready_future);
    rows(options, "pending once", pending_once, pending_once_future);
}

fn rows<F>(options: &Options, what: &str, child: fn(u64) -> Deferred<u64>, future: fn(u64) -> F)
where
    F: Future<Output = u64> + 'static,
{
    let group = Group::new(format!("start and wait, {what}"))
        .with("squall", move |n| run(|| start_each(n, child)));
    with_peers!(group, "", P => move |n| peer_start_each::<P, _>(n, future)).run(options);

    let group = Group::new(format!("start 1000, then wait, {what} (each)"))
        .with("squall", move |n| run(|| start_batches(n, child)));
    with_peers!(group, "", P => move |n| {
        peer_lists::<P, _, _>(n, 1000, future, tasks::<P, _>)
    })
    .run(options);
}

#[squall::coroutine]
pub(crate) fn start_each(n: u64, child: fn(u64) -> Deferred<u64>) -> Sample {
    let (lap, mut sum) = (Lap::start(), 0);
    for i in 0..n {
        sum += yield_!(child(i));
    }
    let sample = lap.stop(n);
    assert_eq!(sum, sum_below(n));
    sample
}

fn peer_start_each<R, F>(n: u64, child: fn(u64) -> F) -> Sample
where
    R: Peer,
    F: Future<Output = u64> + 'static,
{
    R::block_on(async move {
        let (lap, mut sum) = (Lap::start(), 0);
        for i in 0..n {
            sum += R::spawn(child(i)).await;
        }
        let sample = lap.stop(n);
        assert_eq!(sum, sum_below(n));
        sample
    })
}

#[squall::coroutine]
pub(crate) fn start_batches(n: u64, child: fn(u64) -> Deferred<u64>) -> Sample {
    let (batches, lap, mut sum) = (n.div_ceil(1000), Lap::start(), 0);
    for _ in 0..batches {
        let children: Vec<Deferred<u64>> = (0..1000).map(child).collect();
        for child in children {
            sum += yield_!(child);
        }
    }
    let sample = lap.stop(batches * 1000);
    assert_eq!(sum, batches * sum_below(1000));
    sample
}
