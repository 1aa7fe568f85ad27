//! Promises beside oneshot channels.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use futures_channel::oneshot as futures_oneshot;
use squall::{Deferred, Promise, yield_};
use tokio::sync::oneshot as tokio_oneshot;

use crate::support::{Group, Lap, Options, Peer, Sample, Smol, Tokio, run, sum_below};

pub(crate) fn promises(options: &Options) {
    Group::new("promise: make, set, yield")
        .with("squall", |n| run(|| set_then_yield(n)))
        .with("tokio oneshot", |n| {
            peer_promises::<Tokio, _>(n, |i| async move {
                let (promise, answer) = tokio_oneshot::channel();
                promise.send(i).expect("the receiver is there");
                answer.await.expect("sent")
            })
        })
        .with("futures oneshot", |n| {
            peer_promises::<Smol, _>(n, |i| async move {
                let (promise, answer) = futures_oneshot::channel();
                promise.send(i).expect("the receiver is there");
                answer.await.expect("sent")
            })
        })
        .with("async-channel", |n| {
            peer_promises::<Smol, _>(n, |i| async move {
                let (promise, answer) = async_channel::bounded(1);
                promise.try_send(i).expect("there is room for one");
                answer.recv().await.expect("sent")
            })
        })
        .run(options);
    Group::new("promise: make, wait, set, take")
        .with("squall", |n| run(|| wait_then_set(n)))
        // Not on tokio, whose budget would at times make an answer that is there pending.
        .with("tokio oneshot", |n| {
            peer_promises::<Smol, _>(n, |i| async move {
                let (promise, answer) = tokio_oneshot::channel();
                let set = || promise.send(i).expect("the receiver is there");
                pending_until(answer, set).expect("sent")
            })
        })
        .with("futures oneshot", |n| {
            peer_promises::<Smol, _>(n, |i| async move {
                let (promise, answer) = futures_oneshot::channel();
                let set = || promise.send(i).expect("the receiver is there");
                pending_until(answer, set).expect("sent")
            })
        })
        .run(options);
    Group::new("promise: two coroutines answer each other (a round)")
        .with("squall", |n| run(|| converse(n)))
        .with("tokio oneshot", tokio_conversation)
        .with("smol futures oneshot", smol_conversation)
        .run(options);
}

/// Waits for an answer in vain, sets it, and takes it.
fn pending_until<T>(answer: impl Future<Output = T>, set: impl FnOnce()) -> T {
    let mut answer = pin!(answer);
    let mut context = Context::from_waker(Waker::noop());
    assert!(answer.as_mut().poll(&mut context).is_pending());
    set();
    match answer.poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the answer was set"),
    }
}

#[squall::coroutine]
pub(crate) fn set_then_yield(n: u64) -> Sample {
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

#[squall::coroutine]
fn wait_then_set(n: u64) -> Sample {
    let (lap, mut sum) = (Lap::start(), 0);
    for i in 0..n {
        let (promise, answer) = Promise::new();
        sum += pending_until(answer, || promise.set_result(i));
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
pub(crate) fn converse(n: u64) -> Sample {
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
