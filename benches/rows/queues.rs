//! Queues beside channels: within one coroutine, and from one to another.

use futures_util::{SinkExt, StreamExt};
use squall::sync::Queue;
use squall::yield_;

use crate::support::{Group, Lap, Options, Peer, Sample, Smol, Tokio, run, sum_below};

pub(crate) fn queues(options: &Options) {
    Group::new("queue: put and get in one coroutine")
        .with("squall", |n| run(|| put_and_get(n)))
        .with("tokio unbounded", |n| {
            let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
            Tokio::block_on(summed(n, async |i| {
                sender.send(i).expect("the receiver is there");
                receiver.recv().await.expect("sent")
            }))
        })
        .with("futures unbounded", |n| {
            let (sender, mut receiver) = futures_channel::mpsc::unbounded();
            Smol::block_on(summed(n, async |i| {
                sender.unbounded_send(i).expect("the receiver is there");
                receiver.next().await.expect("sent")
            }))
        })
        .with("async-channel unbounded", |n| {
            let (sender, receiver) = async_channel::unbounded();
            Smol::block_on(summed(n, async |i| {
                sender.send(i).await.expect("the receiver is there");
                receiver.recv().await.expect("sent")
            }))
        })
        .with("flume unbounded", |n| {
            let (sender, receiver) = flume::unbounded();
            Smol::block_on(summed(n, async |i| {
                sender.send(i).expect("the receiver is there");
                receiver.recv_async().await.expect("sent")
            }))
        })
        .run(options);
    for bound in [1, 128] {
        let mut group = Group::new(format!("queue between two coroutines, bound {bound}"));
        if bound == 1 {
            group = group.half();
        }
        group
            .with("squall", move |n| run(|| hand_over(n, bound)))
            .with("tokio", move |n| {
                let (sender, mut receiver) = tokio::sync::mpsc::channel(bound);
                through::<Tokio>(
                    n,
                    async move |i| sender.send(i).await.expect("the receiver is there"),
                    async move || receiver.recv().await.expect("the sender is there"),
                )
            })
            .with("futures", move |n| {
                let (mut sender, mut receiver) = futures_channel::mpsc::channel(bound);
                through::<Smol>(
                    n,
                    async move |i| sender.send(i).await.expect("the receiver is there"),
                    async move || receiver.next().await.expect("the sender is there"),
                )
            })
            .with("async-channel", move |n| {
                let (sender, receiver) = async_channel::bounded(bound);
                through::<Smol>(
                    n,
                    async move |i| sender.send(i).await.expect("the receiver is there"),
                    async move || receiver.recv().await.expect("the sender is there"),
                )
            })
            .with("flume", move |n| {
                let (sender, receiver) = flume::bounded(bound);
                through::<Smol>(
                    n,
                    async move |i| sender.send_async(i).await.expect("the receiver is there"),
                    async move || receiver.recv_async().await.expect("the sender is there"),
                )
            })
            .run(options);
    }
}

#[squall::coroutine]
pub(crate) fn put_and_get(n: u64) -> Sample {
    let (queue, lap, mut sum) = (Queue::new(), Lap::start(), 0);
    for i in 0..n {
        yield_!(queue.put(i));
        sum += yield_!(queue.get());
    }
    let sample = lap.stop(n);
    assert_eq!(sum, sum_below(n));
    sample
}

async fn summed<F: AsyncFnMut(u64) -> u64>(n: u64, mut put_and_get: F) -> Sample {
    let (lap, mut sum) = (Lap::start(), 0);
    for i in 0..n {
        sum += put_and_get(i).await;
    }
    let sample = lap.stop(n);
    assert_eq!(sum, sum_below(n));
    sample
}

#[squall::coroutine]
pub(crate) fn hand_over(n: u64, bound: usize) -> Sample {
    let (queue, lap, mut sum) = (Queue::bounded(bound), Lap::start(), 0);
    let putter = put_all(queue.clone(), n);
    for _ in 0..n {
        sum += yield_!(queue.get());
    }
    let sample = lap.stop(n);
    yield_!(putter);
    assert_eq!(sum, sum_below(n));
    sample
}

#[squall::coroutine]
fn put_all(queue: Queue<u64>, n: u64) {
    for i in 0..n {
        yield_!(queue.put(i));
    }
}

fn through<R: Peer>(
    n: u64,
    mut put: impl AsyncFnMut(u64) + 'static,
    mut get: impl AsyncFnMut() -> u64,
) -> Sample {
    R::block_on(async move {
        let (lap, mut sum) = (Lap::start(), 0);
        let putter = R::spawn(async move {
            for i in 0..n {
                put(i).await;
            }
        });
        for _ in 0..n {
            sum += get().await;
        }
        let sample = lap.stop(n);
        putter.await;
        assert_eq!(sum, sum_below(n));
        sample
    })
}
