//! Tornado's assertions about queues, Q1 to Q27.

/// Putting and getting: order, bound, waiting, hand-over.
mod queue;

/// Waits that are given up.
mod giving_up;

/// Work that is counted: `task_done` and `join`.
mod join;

/// Queues of other orders.
mod kinds;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use squall::sync::Queue;
use squall::{sleep, yield_};

use crate::support::Trace;

pub(crate) const MS: Duration = Duration::from_millis(1);

pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Waits for `future` until `limit` has passed; then it is dropped.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut limit = sleep(limit);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Pin::new(&mut limit).poll(cx).map(|()| None),
    })
    .await
}

/// How many wait in the queue, by the name of the field that it shows.
pub(crate) fn count<T>(queue: &Queue<T>, field: &str) -> usize {
    let shown = format!("{queue:?}");
    let (_, rest) = shown.split_once(&format!("{field}: ")).expect(field);
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("it is a number")
}

/// Gets until `stop`, and adds each item to a trace under a name.
#[squall::coroutine]
pub(crate) fn consume(name: &'static str, queue: Queue<u32>, times: u32, trace: Trace) {
    for _ in 0..times {
        let item = yield_!(queue.get());
        trace.add(format!("{name} {item}"));
    }
}
