//! A yield: one future waited for at one place in the source.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::context;
use super::site::YieldSite;

pin_project! {
    /// What `yield_!` awaits. Notes where the coroutine stands, and keeps the budget.
    #[must_use = "a yield point does nothing unless it is awaited"]
    #[derive(Debug)]
    pub struct YieldPoint<W> {
        site: &'static YieldSite,
        #[pin]
        wait: W,
    }
}

impl<W: Future> YieldPoint<W> {
    /// A yield of `wait` at `site`.
    #[inline]
    pub fn new(site: &'static YieldSite, wait: W) -> Self {
        YieldPoint { site, wait }
    }
}

impl<W: Future> Future for YieldPoint<W> {
    type Output = W::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<W::Output> {
        let this = self.project();
        let has_budget = context::with(|context| {
            context.site.set(Some(this.site));
            if context.is_failing() {
                // The coroutine goes on, so it has dealt with the error that it took before.
                context.set_failure(None);
            }
            context.has_budget()
        });
        if !has_budget {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = this.wait.poll(cx);
        if polled.is_ready() {
            context::with(|context| context.spend());
        }
        polled
    }
}
