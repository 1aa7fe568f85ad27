//! `http` driven over a stream.
//!
//! A connection is a coroutine. While it idles it holds its stream and a timer. When bytes come it
//! takes an [`Exchange`] from the server's pool, and with it the buffers; each request of the
//! connection is parsed, handled and answered in it, and when the input is used up the exchange
//! goes back. Whoever handles requests implements [`Handle`].

mod body;
mod buffer;
mod call;
mod clock;
mod exchange;
mod failure;
mod request;
mod send;
mod server;
mod values;

pub use call::{Call, HandlerResult};
pub use exchange::Exchange;
pub use request::{Request, Verb};
pub use values::{IntoName, IntoValue};

pub(crate) use clock::wall_clock;
pub(crate) use failure::log_error;
pub(crate) use server::{Shared, serve_connection};

/// Answers requests: what [`HttpServer`](crate::HttpServer) serves.
///
/// [`Application`](crate::Application) is one. Implement it to serve without routes.
///
/// # Examples
///
/// ```
/// use squall_web::{Call, Exchange, Handle};
///
/// struct Teapot;
///
/// impl Handle for Teapot {
///     fn handle<'a>(&'a self, ex: &'a mut Exchange) -> Call<'a> {
///         ex.set_status(squall_web::StatusCode::IM_A_TEAPOT);
///         Call::done(())
///     }
/// }
/// ```
pub trait Handle: 'static {
    /// Answers one request: by what it writes to the exchange until the call is done.
    fn handle<'a>(&'a self, ex: &'a mut Exchange) -> Call<'a>;

    /// Learns that the answer is complete; for logs.
    fn finished(&self, ex: &Exchange) {
        let _ = ex;
    }
}
