//! A handler at work.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::error::{Error, Result};

/// The running call of a handler: done at once, or a coroutine on the heap for this one request.
#[must_use = "a call answers nothing unless it is waited for"]
pub struct Call<'a>(State<'a>);

enum State<'a> {
    Done(Option<Result<()>>),
    Running(Pin<Box<dyn Future<Output = Result<()>> + 'a>>),
}

impl<'a> Call<'a> {
    /// A call that is over.
    pub fn done(result: impl HandlerResult) -> Call<'a> {
        Call(State::Done(Some(result.into_result())))
    }

    /// A call that goes on while it is waited for.
    pub fn coroutine<R: HandlerResult>(future: impl Future<Output = R> + 'a) -> Call<'a> {
        Call(State::Running(Box::pin(async move {
            future.await.into_result()
        })))
    }
}

impl Future for Call<'_> {
    type Output = Result<()>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match &mut self.0 {
            State::Running(future) => future.as_mut().poll(cx),
            State::Done(result) => Poll::Ready(result.take().unwrap_or(Ok(()))),
        }
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.0 {
            State::Done(_) => "done",
            State::Running(_) => "running",
        };
        f.debug_tuple("Call").field(&state).finish()
    }
}

/// What a handler may return: nothing, or a result whose error becomes the answer.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "returns `{Self}`",
    note = "return `()` or `squall_web::Result<()>`, and write the answer to the exchange"
)]
pub trait HandlerResult {
    /// Makes it a result with the crate's error.
    fn into_result(self) -> Result<()>;
}

impl HandlerResult for () {
    fn into_result(self) -> Result<()> {
        Ok(())
    }
}

impl<E: Into<Error>> HandlerResult for std::result::Result<(), E> {
    #[inline]
    fn into_result(self) -> Result<()> {
        self.map_err(Into::into)
    }
}
