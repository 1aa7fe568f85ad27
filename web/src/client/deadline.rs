//! A future that has until a point in time.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use squall::IoLoop;

/// Waits for `future` until `deadline`; `None` if that came first. The future is dropped then.
///
/// A future that is done at the deadline itself wins.
pub(super) async fn with_deadline<F: Future>(
    future: F,
    deadline: Option<Instant>,
) -> Option<F::Output> {
    let Some(deadline) = deadline else {
        return Some(future.await);
    };
    let mut future = pin!(future);
    let mut sleep = squall::sleep_until(deadline);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Pin::new(&mut sleep).poll(cx).map(|()| None),
    })
    .await
}

/// Returns the point that lies `timeout` from now; none if there is no timeout, or no such point.
pub(super) fn deadline_after(timeout: Option<Duration>) -> Option<Instant> {
    IoLoop::current().time().checked_add(timeout?)
}

#[cfg(test)]
mod tests {
    use squall::yield_;

    use super::*;

    #[squall::test]
    fn deadline_ends_the_wait_and_drops_the_future() {
        let until = deadline_after(Some(Duration::from_secs(5)));
        let (promise, never) = squall::Promise::<()>::new();
        assert_eq!(yield_!(with_deadline(never, until)), None);
        assert_eq!(Some(IoLoop::current().time()), until);
        assert!(promise.is_abandoned());
    }

    #[squall::test]
    fn result_in_time_is_given() {
        let work = async {
            yield_!(squall::sleep(Duration::from_secs(5)));
            7
        };
        let until = deadline_after(Some(Duration::from_secs(5)));
        assert_eq!(yield_!(with_deadline(work, until)), Some(7));
        assert_eq!(yield_!(with_deadline(async { 8 }, None)), Some(8));
    }

    #[squall::test]
    fn endless_timeout_is_none() {
        assert_eq!(deadline_after(None), None);
        assert_eq!(deadline_after(Some(Duration::MAX)), None);
    }
}
