//! Lists that are yielded: of plain futures, which no runtime starts, and of started coroutines.

use std::future::Future;

use squall::{Deferred, yield_};

use super::children::{
    joined, peer_lists, pending_once, pending_once_future, ready, ready_future, tasks, unordered,
};
use crate::support::{Group, Lap, Options, Sample, Smol, run, sum_below};

pub(crate) fn lists(options: &Options) {
    for k in [10, 100, 1000] {
        futures(options, k, "ready", ready_future);
        futures(options, k, "pending once", pending_once_future);
    }
    for k in [1, 10, 100, 1000] {
        coroutines(options, k, "ready", ready, ready_future);
        let (child, future) = (pending_once, pending_once_future);
        coroutines(options, k, "pending once", child, future);
    }
}

fn futures<F>(options: &Options, k: u64, what: &str, future: fn(u64) -> F)
where
    F: Future<Output = u64> + 'static,
{
    let mut group = Group::new(format!("list of {k} futures, {what} (each)"))
        .with("squall", move |n| run(|| yield_futures(n, k, future)));
    if k == 1000 {
        group = group.half();
    }
    with_peers!(group, "join_all", P => move |n| peer_lists::<P, _, _>(n, k, future, joined))
        .with("FuturesUnordered", move |n| {
            peer_lists::<Smol, _, _>(n, k, future, unordered)
        })
        .run(options);
}

/// Beside tasks that are spawned and waited for one after another.
fn coroutines<F>(
    options: &Options,
    k: u64,
    what: &str,
    child: fn(u64) -> Deferred<u64>,
    future: fn(u64) -> F,
) where
    F: Future<Output = u64> + 'static,
{
    let group = Group::new(format!("list of {k} coroutines, {what} (each)"))
        .with("squall", move |n| run(|| yield_started(n, k, child)));
    with_peers!(group, "spawn", P => move |n| {
        peer_lists::<P, _, _>(n, k, future, tasks::<P, F>)
    })
    .run(options);
}

#[squall::coroutine]
pub(crate) fn yield_started(n: u64, k: u64, child: fn(u64) -> Deferred<u64>) -> Sample {
    let (batches, lap, mut sum) = (n.div_ceil(k), Lap::start(), 0);
    for _ in 0..batches {
        let results: Vec<u64> = yield_!((0..k).map(child).collect::<Vec<Deferred<u64>>>());
        sum += results.iter().sum::<u64>();
    }
    let sample = lap.stop(batches * k);
    assert_eq!(sum, batches * sum_below(k));
    sample
}

#[squall::coroutine]
pub(crate) fn yield_futures<F: Future<Output = u64>>(
    n: u64,
    k: u64,
    future: fn(u64) -> F,
) -> Sample {
    let (batches, lap, mut sum) = (n.div_ceil(k), Lap::start(), 0);
    for _ in 0..batches {
        let results: Vec<u64> = yield_!((0..k).map(future).collect::<Vec<F>>());
        sum += results.iter().sum::<u64>();
    }
    let sample = lap.stop(batches * k);
    assert_eq!(sum, batches * sum_below(k));
    sample
}
