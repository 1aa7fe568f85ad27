//! Handlers as types: one instance a request.

use std::future::Future;

use crate::conn::{Exchange, Verb};
use crate::error::{Error, Result};

/// Answers the requests of a route: Tornado's `RequestHandler`.
///
/// Write it under [`#[request_handler]`](macro@crate::request_handler), which makes this trait of
/// your methods: `get`, `head`, `post`, `put`, `patch`, `delete`, `options`, and the hooks `prepare`,
/// `on_finish` and `write_error`. Each takes the exchange; methods that wait are marked `#[coroutine]`.
///
/// One instance serves one request, so fields are the request's own state. The order is `prepare`, the
/// method (unless `prepare` has finished the answer), `write_error` if one of them failed,
/// `on_finish`.
///
/// # Examples
///
/// ```
/// use squall_web::{Application, Exchange, RequestHandler, Result, request_handler};
///
/// struct Item {
///     greeting: &'static str,
/// }
///
/// #[request_handler]
/// impl RequestHandler for Item {
///     #[coroutine]
///     fn get(&mut self, ex: &mut Exchange, id: u64) -> Result<()> {
///         yield_!(squall::sleep(std::time::Duration::from_millis(1)));
///         ex.write(format!("{} {id}", self.greeting));
///         Ok(())
///     }
///
///     fn delete(&mut self, ex: &mut Exchange, id: u64) -> Result<()> {
///         ex.write(format!("deleted {id}"));
///         Ok(())
///     }
/// }
/// # use squall::yield_;
///
/// let app = Application::new().route("/items/{id}", || Item { greeting: "item" });
/// ```
// The macro writes the implementations, so the futures' bounds are its affair.
#[allow(async_fn_in_trait)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a request handler",
    label = "not a `RequestHandler`",
    note = "write `#[squall_web::request_handler]` above `impl RequestHandler for {Self}`, with a `get` or another method",
    note = "a plain function goes to `.get(path, function)`, not to `.route(path, …)`"
)]
pub trait RequestHandler: Sized + 'static {
    /// The methods that it has.
    const METHODS: &'static [Verb];

    /// Calls the method for `verb`, which is one of `METHODS`, with the path's arguments.
    fn call<'x>(
        &'x mut self,
        verb: Verb,
        ex: &'x mut Exchange,
    ) -> impl Future<Output = Result<()>> + 'x;

    /// Runs before the method. Finishing the answer here keeps the method from being called.
    fn call_prepare<'x>(
        &'x mut self,
        ex: &'x mut Exchange,
    ) -> impl Future<Output = Result<()>> + 'x {
        let _ = ex;
        std::future::ready(Ok(()))
    }

    /// Writes the answer to a request that failed.
    fn call_write_error<'x>(
        &'x mut self,
        ex: &'x mut Exchange,
        error: &'x Error,
    ) -> impl Future<Output = Result<()>> + 'x {
        ex.write_error_page(error);
        std::future::ready(Ok(()))
    }

    /// Runs when the answer is complete.
    fn on_finish(&mut self, ex: &Exchange) {
        let _ = ex;
    }
}
