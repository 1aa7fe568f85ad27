//! What coroutines cost, beside tokio's and smol's tasks: start, yield, lists, promises, timers.
//!
//! `cargo bench --bench micro [GROUP]` prints a table; see `README.md`. Squall's side of each group
//! is written with its own means, the peers' once for both. Every contender asserts its result.

mod support;

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use squall::{Deferred, IoLoop, Promise, yield_};
use support::{Group, Lap, Options, Peer, Sample, Smol, Tokio, WakeByRef, sum_below, wake_by_ref};

const HOUR: Duration = Duration::from_secs(3600);

fn main() {
    let options = Options::parse();
    Group::head(&options);
    starts(&options);
    yields(&options);
    lists(&options);
    promises(&options);
    timers(&options);
}

/// Runs a coroutine on the thread's loop.
fn run<T>(coroutine: impl FnOnce() -> Deferred<T>) -> T {
    IoLoop::current().run_sync(coroutine)
}

// ---------------------------------------------------------------- children

#[squall::coroutine]
fn ready(n: u64) -> u64 {
    black_box(n)
}

#[squall::coroutine]
fn pending_once(n: u64) -> u64 {
    yield_!(squall::moment());
    black_box(n)
}

async fn ready_future(n: u64) -> u64 {
    black_box(n)
}

async fn pending_once_future(n: u64) -> u64 {
    wake_by_ref().await;
    black_box(n)
}

// ---------------------------------------------------------------- starting

fn starts(options: &Options) {
    Group::new("start and wait, ready")
        .with("squall", |n| run(|| start_each(n, ready)))
        .with("tokio", |n| peer_start_each::<Tokio, _>(n, ready_future))
        .with("smol", |n| peer_start_each::<Smol, _>(n, ready_future))
        .run(options);
    Group::new("start and wait, pending once")
        .with("squall", |n| run(|| start_each(n, pending_once)))
        .with("tokio", |n| {
            peer_start_each::<Tokio, _>(n, pending_once_future)
        })
        .with("smol", |n| {
            peer_start_each::<Smol, _>(n, pending_once_future)
        })
        .run(options);
    Group::new("start 1000, then wait, ready (each)")
        .with("squall", |n| run(|| start_batches(n, ready)))
        .with("tokio", |n| peer_start_batches::<Tokio, _>(n, ready_future))
        .with("smol", |n| peer_start_batches::<Smol, _>(n, ready_future))
        .run(options);
    Group::new("start 1000, then wait, pending once (each)")
        .with("squall", |n| run(|| start_batches(n, pending_once)))
        .with("tokio", |n| {
            peer_start_batches::<Tokio, _>(n, pending_once_future)
        })
        .with("smol", |n| {
            peer_start_batches::<Smol, _>(n, pending_once_future)
        })
        .run(options);
}

#[squall::coroutine]
fn start_each(n: u64, child: fn(u64) -> Deferred<u64>) -> Sample {
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
fn start_batches(n: u64, child: fn(u64) -> Deferred<u64>) -> Sample {
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

fn peer_start_batches<R, F>(n: u64, child: fn(u64) -> F) -> Sample
where
    R: Peer,
    F: Future<Output = u64> + 'static,
{
    peer_lists::<R, _, _>(n, 1000, child, tasks::<R, F>)
}

// ---------------------------------------------------------------- yields

fn yields(options: &Options) {
    for tasks in [1, 100] {
        let plural = if tasks == 1 { "" } else { "s" };
        Group::new(format!("yield, {tasks} coroutine{plural}"))
            .with("squall", move |n| run(|| yield_in_turn(n, tasks)))
            .with("tokio yield_now", move |n| {
                peer_yields::<Tokio, _>(n, tasks, Tokio::yield_now)
            })
            .with("tokio wake_by_ref", move |n| {
                peer_yields::<Tokio, WakeByRef>(n, tasks, wake_by_ref)
            })
            .with("smol yield_now", move |n| {
                peer_yields::<Smol, _>(n, tasks, Smol::yield_now)
            })
            .run(options);
    }
}

#[squall::coroutine]
fn yield_moments(n: u64) -> u64 {
    let mut passed = 0;
    for _ in 0..n {
        yield_!(squall::moment());
        passed += 1;
    }
    passed
}

#[squall::coroutine]
fn yield_in_turn(n: u64, tasks: u64) -> Sample {
    let (each, lap) = (n.div_ceil(tasks), Lap::start());
    let coroutines: Vec<Deferred<u64>> = (0..tasks).map(|_| yield_moments(each)).collect();
    let passed: Vec<u64> = yield_!(coroutines);
    let sample = lap.stop(each * tasks);
    assert_eq!(passed.iter().sum::<u64>(), each * tasks);
    sample
}

fn peer_yields<R, F>(n: u64, tasks: u64, one: fn() -> F) -> Sample
where
    R: Peer,
    F: Future<Output = ()> + 'static,
{
    R::block_on(async move {
        let (each, lap, mut passed) = (n.div_ceil(tasks), Lap::start(), 0);
        let coroutine = |_| {
            R::spawn(async move {
                let mut passed = 0;
                for _ in 0..each {
                    one().await;
                    passed += 1;
                }
                passed
            })
        };
        let coroutines: Vec<_> = (0..tasks).map(coroutine).collect();
        for coroutine in coroutines {
            passed += coroutine.await;
        }
        let sample = lap.stop(each * tasks);
        assert_eq!(passed, each * tasks);
        sample
    })
}

// ---------------------------------------------------------------- lists

fn lists(options: &Options) {
    for k in [1, 10, 100, 1000] {
        started(options, k, "ready", ready, ready_future);
        started(
            options,
            k,
            "pending once",
            pending_once,
            pending_once_future,
        );
    }
    for k in [1, 10, 100, 1000] {
        plain(options, k, "ready", ready_future);
        plain(options, k, "pending once", pending_once_future);
    }
}

/// A list of started coroutines, beside tasks that are spawned and waited for one after another.
fn started<F>(
    options: &Options,
    k: u64,
    what: &str,
    child: fn(u64) -> Deferred<u64>,
    future: fn(u64) -> F,
) where
    F: Future<Output = u64> + 'static,
{
    Group::new(format!("list of {k} coroutines, {what} (each)"))
        .with("squall", move |n| run(|| yield_started(n, k, child)))
        .with("tokio spawn", move |n| {
            peer_lists::<Tokio, _, _>(n, k, future, tasks::<Tokio, F>)
        })
        .with("tokio spawn, join_all", move |n| {
            peer_lists::<Tokio, _, _>(n, k, future, joined_tasks::<Tokio, F>)
        })
        .with("smol spawn", move |n| {
            peer_lists::<Smol, _, _>(n, k, future, tasks::<Smol, F>)
        })
        .run(options);
}

/// A list of plain futures, which no runtime starts.
fn plain<F>(options: &Options, k: u64, what: &str, future: fn(u64) -> F)
where
    F: Future<Output = u64> + 'static,
{
    Group::new(format!("list of {k} futures, {what} (each)"))
        .with("squall", move |n| run(|| yield_futures(n, k, future)))
        .with("tokio join_all", move |n| {
            peer_lists::<Tokio, _, _>(n, k, future, joined)
        })
        .with("tokio FuturesUnordered", move |n| {
            peer_lists::<Tokio, _, _>(n, k, future, unordered)
        })
        .with("smol join_all", move |n| {
            peer_lists::<Smol, _, _>(n, k, future, joined)
        })
        .with("smol FuturesUnordered", move |n| {
            peer_lists::<Smol, _, _>(n, k, future, unordered)
        })
        .run(options);
}

#[squall::coroutine]
fn yield_started(n: u64, k: u64, child: fn(u64) -> Deferred<u64>) -> Sample {
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
fn yield_futures<F: Future<Output = u64>>(n: u64, k: u64, future: fn(u64) -> F) -> Sample {
    let (batches, lap, mut sum) = (n.div_ceil(k), Lap::start(), 0);
    for _ in 0..batches {
        let results: Vec<u64> = yield_!((0..k).map(future).collect::<Vec<F>>());
        sum += results.iter().sum::<u64>();
    }
    let sample = lap.stop(batches * k);
    assert_eq!(sum, batches * sum_below(k));
    sample
}

fn peer_lists<R, F, J>(n: u64, k: u64, future: fn(u64) -> F, join: fn(Vec<F>) -> J) -> Sample
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

async fn tasks<R: Peer, F: Future<Output = u64> + 'static>(futures: Vec<F>) -> u64 {
    let tasks: Vec<_> = futures.into_iter().map(R::spawn).collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await;
    }
    sum
}

async fn joined_tasks<R: Peer, F: Future<Output = u64> + 'static>(futures: Vec<F>) -> u64 {
    let tasks: Vec<_> = futures.into_iter().map(R::spawn).collect();
    join_all(tasks).await.into_iter().sum()
}

async fn joined<F: Future<Output = u64>>(futures: Vec<F>) -> u64 {
    join_all(futures).await.into_iter().sum()
}

async fn unordered<F: Future<Output = u64>>(futures: Vec<F>) -> u64 {
    let mut all: FuturesUnordered<F> = futures.into_iter().collect();
    let mut sum = 0;
    while let Some(result) = all.next().await {
        sum += result;
    }
    sum
}

// ---------------------------------------------------------------- promises

fn promises(options: &Options) {
    Group::new("promise: make, set, yield")
        .with("squall", |n| run(|| set_then_yield(n)))
        .with("tokio oneshot", |n| {
            peer_promises::<Tokio, _>(n, |i| async move {
                let (promise, answer) = tokio::sync::oneshot::channel();
                promise.send(i).expect("the receiver is there");
                answer.await.expect("sent")
            })
        })
        .with("smol futures oneshot", |n| {
            peer_promises::<Smol, _>(n, |i| async move {
                let (promise, answer) = futures_channel::oneshot::channel();
                promise.send(i).expect("the receiver is there");
                answer.await.expect("sent")
            })
        })
        .with("smol async-channel", |n| {
            peer_promises::<Smol, _>(n, |i| async move {
                let (promise, answer) = async_channel::bounded(1);
                promise.try_send(i).expect("there is room for one");
                answer.recv().await.expect("sent")
            })
        })
        .run(options);
    Group::new("promise: two coroutines answer each other (a round)")
        .with("squall", |n| run(|| converse(n)))
        .with("tokio oneshot", tokio_conversation)
        .with("smol futures oneshot", smol_conversation)
        .run(options);
}

#[squall::coroutine]
fn set_then_yield(n: u64) -> Sample {
    let (lap, mut sum) = (Lap::start(), 0);
    for i in 0..n {
        let (promise, answer) = Promise::new();
        black_box(promise).set_result(i);
        sum += yield_!(answer);
    }
    let sample = lap.stop(n);
    assert_eq!(sum, sum_below(n));
    sample
}

fn peer_promises<R: Peer, F: Future<Output = u64>>(n: u64, one: fn(u64) -> F) -> Sample {
    R::block_on(async move {
        let (lap, mut sum) = (Lap::start(), 0);
        for i in 0..n {
            sum += one(i).await;
        }
        let sample = lap.stop(n);
        assert_eq!(sum, sum_below(n));
        sample
    })
}

/// A question, and where the answer goes; nobody asks any more if there is none.
struct Question(Option<(u64, Promise<Answer>)>);

/// An answer, and where the next question goes.
struct Answer(u64, Promise<Question>);

#[squall::coroutine]
fn converse(n: u64) -> Sample {
    let (mut ask, question) = Promise::new();
    let answerer = answer_each(question);
    let (lap, mut sum) = (Lap::start(), 0);
    for i in 0..n {
        let (reply, answer) = Promise::new();
        ask.set_result(Question(Some((i, reply))));
        let Answer(number, next) = yield_!(answer);
        sum += number;
        ask = next;
    }
    let sample = lap.stop(n);
    ask.set_result(Question(None));
    assert_eq!(yield_!(answerer), n);
    assert_eq!(sum, sum_below(n));
    sample
}

#[squall::coroutine]
fn answer_each(question: Deferred<Question>) -> u64 {
    let mut question = question;
    let mut answered = 0;
    while let Question(Some((number, reply))) = yield_!(question) {
        let (next, next_question) = Promise::new();
        reply.set_result(Answer(number, next));
        question = next_question;
        answered += 1;
    }
    answered
}

/// The same conversation over a oneshot channel of another make.
macro_rules! conversation {
    ($name:ident on $peer:ty, over $oneshot:path) => {
        fn $name(n: u64) -> Sample {
            use $oneshot::{Sender, channel};

            struct Question(Option<(u64, Sender<Answer>)>);
            struct Answer(u64, Sender<Question>);

            <$peer>::block_on(async move {
                let (mut ask, mut question) = channel();
                let answerer = <$peer>::spawn(async move {
                    let mut answered = 0;
                    while let Ok(Question(Some((number, reply)))) = question.await {
                        let (next, next_question) = channel();
                        assert!(reply.send(Answer(number, next)).is_ok());
                        question = next_question;
                        answered += 1;
                    }
                    answered
                });
                let (lap, mut sum) = (Lap::start(), 0);
                for i in 0..n {
                    let (reply, answer) = channel();
                    assert!(ask.send(Question(Some((i, reply)))).is_ok());
                    let Ok(Answer(number, next)) = answer.await else {
                        panic!("the answerer answers every question");
                    };
                    sum += number;
                    ask = next;
                }
                let sample = lap.stop(n);
                assert!(ask.send(Question(None)).is_ok());
                assert_eq!(answerer.await, n);
                assert_eq!(sum, sum_below(n));
                sample
            })
        }
    };
}

conversation!(tokio_conversation on Tokio, over tokio::sync::oneshot);
conversation!(smol_conversation on Smol, over futures_channel::oneshot);

// ---------------------------------------------------------------- timers

fn timers(options: &Options) {
    for k in [1, 1000, 100_000] {
        Group::new(format!("sleep: set {k}, cancel (each)"))
            .with("squall", move |n| run(|| cancel_sleeps(n, k)))
            .with("tokio", move |n| {
                Tokio::block_on(cancelled(n, k, Tokio::sleep))
            })
            .with("smol", move |n| {
                Smol::block_on(cancelled(n, k, Smol::sleep))
            })
            .run(options);
    }
    for (k, name) in [
        (1000, "sleep: 1000 coroutines, 1 to 10 ms (each)"),
        (100_000, "sleep: 100000 coroutines, 1 to 100 ms (each)"),
    ] {
        Group::new(name)
            .with("squall", move |n| run(|| sleep_many(n, k)))
            .with("tokio", move |n| peer_sleeps::<Tokio>(n, k))
            .with("smol", move |n| peer_sleeps::<Smol>(n, k))
            .run(options);
    }
}

#[squall::coroutine]
fn cancel_sleeps(n: u64, k: u64) -> Sample {
    yield_!(cancelled(n, k, squall::sleep))
}

/// Sets `k` timers and drops them, over and over.
async fn cancelled<S: Future<Output = ()>>(n: u64, k: u64, sleep: fn(Duration) -> S) -> Sample {
    let (batches, lap, mut pending) = (n.div_ceil(k), Lap::start(), 0);
    for _ in 0..batches {
        if k == 1 {
            let mut sleep = pin!(sleep(HOUR));
            pending +=
                poll_fn(|cx| Poll::Ready(u64::from(sleep.as_mut().poll(cx).is_pending()))).await;
            continue;
        }
        let mut sleeps: Vec<_> = (0..k).map(|_| Box::pin(sleep(HOUR))).collect();
        pending += poll_fn(|cx| {
            let polled = sleeps.iter_mut().map(|sleep| sleep.as_mut().poll(cx));
            Poll::Ready(polled.filter(Poll::is_pending).count() as u64)
        })
        .await;
    }
    let sample = lap.stop(batches * k);
    assert_eq!(pending, batches * k, "an hour has not passed");
    sample
}

/// One to ten milliseconds, and to a hundred for the later ones of many.
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

fn peer_sleeps<R: Peer>(n: u64, k: u64) -> Sample {
    async fn sleeper<R: Peer>(i: u64) -> u64 {
        R::sleep(some_milliseconds(i)).await;
        i
    }
    let all = |sleepers: Vec<_>| tasks::<R, _>(sleepers);
    peer_lists::<R, _, _>(n, k, sleeper::<R>, all)
}
