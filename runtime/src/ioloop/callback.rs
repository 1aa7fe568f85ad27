//! Callbacks, and what they may return.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::coro::deferred::Deferred;
use crate::coro::outcome::panic_message;

pub(crate) type Callback = Box<dyn FnOnce()>;

/// What a spawned callback may return: nothing, or a started coroutine.
#[diagnostic::on_unimplemented(
    message = "a callback cannot return `{Self}`",
    label = "returns `{Self}`",
    note = "return `()`, or call a coroutine with owned parameters, which starts when it is called",
    note = "a coroutine that borrows (`Scoped`) or an `async fn` does not run by itself: yield it inside a coroutine"
)]
pub trait CallbackResult {
    /// Lets the result go; failures are logged.
    fn detach(self);
}

impl CallbackResult for () {
    fn detach(self) {}
}

impl<T> CallbackResult for Deferred<T> {
    fn detach(self) {}
}

/// Runs a callback; a panic is logged and goes no further.
pub(crate) fn run(callback: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(callback)) {
        let message = panic_message(&panic);
        tracing::error!(target: "squall", "panic in callback: {message}");
    }
}
