//! A yield: one future waited for at one place in the source.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::cancel::Deliver;
use super::context;
use super::site::YieldSite;
use super::waits::WaitsFor;

pin_project! {
    /// What `yield_!` awaits. Notes where the coroutine stands, keeps the budget, and tells the
    /// coroutine, in the way `D`, that it is cancelled.
    #[must_use = "a yield point does nothing unless it is awaited"]
    #[derive(Debug)]
    pub struct YieldPoint<W, D> {
        site: &'static YieldSite,
        #[pin]
        wait: W,
        deliver: PhantomData<D>,
    }
}

impl<W: Future, D: Deliver<W::Output>> YieldPoint<W, D> {
    /// A yield of `wait` at `site`.
    #[inline]
    pub fn new(site: &'static YieldSite, wait: W) -> Self {
        YieldPoint {
            site,
            wait,
            deliver: PhantomData,
        }
    }
}

impl<W: Future, D: Deliver<W::Output>> Future for YieldPoint<W, D> {
    type Output = W::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<W::Output> {
        let this = self.project();
        let has_budget = context::with(|context| {
            context.site.set(Some(this.site));
            context.waits.set(WaitsFor::Unknown);
            if context.is_failing() {
                // The coroutine goes on, so it has dealt with the error that it took before.
                context.set_failure(None);
            }
            if context.now.get().is_none() {
                // No loop runs, so there are no turns to wait for.
                context.refill();
            }
            context.has_budget()
        });
        if !has_budget {
            context::waits_for(WaitsFor::Turn);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match this.wait.poll(cx) {
            Poll::Ready(value) => {
                context::with(|context| context.spend());
                Poll::Ready(value)
            }
            // What it waited for is dropped, by the coroutine, when this yield is over. A yield
            // further inside has told it before, and there is nothing left to tell here.
            Poll::Pending if context::with(|context| context.take_cancelling()) => {
                Poll::Ready(D::deliver())
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
