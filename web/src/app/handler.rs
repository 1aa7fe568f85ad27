//! Handlers as types: one instance a request.

use std::future::Future;

use crate::conn::{Exchange, Verb};
use crate::error::{Error, Result};

/// Answers the requests of a route: Tornado's `RequestHandler`.
///
/// Write it under [`#[request_handler]`](macro@crate::request_handler), which makes this trait of
/// your methods: `get`, `head`, `post`, `put`, `patch`, `delete`, `options`, and the hooks `prepare`,
/// `data_received`, `write_error`, `on_connection_close` and `on_finish`. Each takes the exchange;
/// methods that wait are marked `#[coroutine]`.
///
/// One instance serves one request, so fields are the request's own state. The order is `prepare`, the
/// method (unless `prepare` has finished the answer), `write_error` if one of them failed,
/// `on_finish`.
///
/// A handler that has `data_received` gets the body of a request piece by piece, between `prepare` and
/// the method, each when the last one is done with: Tornado's `stream_request_body`. The route's
/// [plan](crate::Application::body) still says how much it may be, and how long it may take.
///
/// A handler that has `on_connection_close` is told when the client leaves while a method or hook of
/// it waits. That ends there, as it would be of no use to anybody: its coroutine is dropped where it
/// stands, `on_connection_close` is called, and `on_finish`. Without it the method goes on, and may look
/// out by itself: [`Exchange::client_gone`].
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
///
/// A body that is not kept:
///
/// ```
/// use squall_web::{Application, BodyPlan, Exchange, RequestHandler, Result, request_handler};
///
/// #[derive(Default)]
/// struct Upload {
///     bytes: usize,
/// }
///
/// #[request_handler]
/// impl RequestHandler for Upload {
///     fn data_received(&mut self, ex: &mut Exchange, chunk: &[u8]) {
///         self.bytes += chunk.len();
///     }
///
///     fn put(&mut self, ex: &mut Exchange) {
///         ex.write(format!("{} bytes", self.bytes));
///     }
///
///     fn on_connection_close(&mut self, ex: &Exchange) {
///         eprintln!("only {} bytes have come", self.bytes);
///     }
/// }
///
/// let app = Application::new()
///     .route("/upload", Upload::default)
///     .body("/upload", BodyPlan::stream().max_bytes(1 << 30));
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

    /// True if it takes bodies piece by piece.
    const STREAMS_BODY: bool = false;

    /// True if it is to be told, and ended, when its client leaves.
    const HEARS_OF_CLOSE: bool = false;

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

    /// Takes a piece of the body. Runs between `prepare` and the method.
    fn call_data_received<'x>(
        &'x mut self,
        ex: &'x mut Exchange,
        chunk: &'x [u8],
    ) -> impl Future<Output = Result<()>> + 'x {
        let _ = (ex, chunk);
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

    /// Runs when the client has left while the handler waited, which ends it.
    fn on_connection_close(&mut self, ex: &Exchange) {
        let _ = ex;
    }

    /// Runs when the answer is complete.
    fn on_finish(&mut self, ex: &Exchange) {
        let _ = ex;
    }
}
