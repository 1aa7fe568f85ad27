//! The coroutines and futures that the rows start, and how they are waited for.

use std::future::Future;
use std::hint::black_box;

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use squall::yield_;

use crate::support::{Lap, Peer, Sample, sum_below, wake_by_ref};

#[squall::coroutine]
pub(crate) fn ready(n: u64) -> u64 {
    black_box(n)
}

#[squall::coroutine]
pub(crate) fn pending_once(n: u64) -> u64 {
    yield_!(squall::moment());
    black_box(n)
}

pub(crate) async fn ready_future(n: u64) -> u64 {
    black_box(n)
}

pub(crate) async fn pending_once_future(n: u64) -> u64 {
    wake_by_ref().await;
    black_box(n)
}

/// Waits for `k` futures at a time, in one of the ways below.
pub(crate) fn peer_lists<R, F, J>(
    n: u64,
    k: u64,
    future: fn(u64) -> F,
    join: fn(Vec<F>) -> J,
) -> Sample
where
    R: Peer,
    F: Future<Output = u64>,
    J: Future<Output = u64>,
{
    R::block_on(async move {
        let (batches, lap, mut sum) = (n.div_ceil(k), Lap::start(), 0);
        for _ in 0..batches {
            sum += join((0..k).map(future).collect()).await;
        }
        let sample = lap.stop(batches * k);
        assert_eq!(sum, batches * sum_below(k));
        sample
    })
}

pub(crate) async fn tasks<R: Peer, F: Future<Output = u64> + 'static>(futures: Vec<F>) -> u64 {
    let tasks: Vec<_> = futures.into_iter().map(R::spawn).collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await;
    }
    sum
}

pub(crate) async fn joined<F: Future<Output = u64>>(futures: Vec<F>) -> u64 {
    join_all(futures).await.into_iter().sum()
}

pub(crate) async fn unordered<F: Future<Output = u64>>(futures: Vec<F>) -> u64 {
    let mut all: FuturesUnordered<F> = futures.into_iter().collect();
    let mut sum = 0;
    while let Some(result) = all.next().await {
        sum += result;
    }
    sum
}
