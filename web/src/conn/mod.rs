//! `http` driven over a stream.
//!
//! A connection is a coroutine. While it idles it holds its stream. When bytes come it takes a
//! `worker` from the server's pool, and with it an [`Exchange`] and the buffers; each request of the
//! connection is parsed, handled and answered in it, and when the input is used up the worker goes
//! back. Whoever handles requests implements [`Handle`].

mod answer;
mod arguments;
mod body;
mod buffer;
mod call;
mod clock;
mod compress;
mod cookies;
mod cross_origin;
mod debug_page;
mod etag;
mod exchange;
mod extra;
mod extract;
mod failure;
mod form;
mod guest;
mod idle;
mod inflate;
mod plan;
mod request;
mod server;
mod shared;
mod site;
mod slash;
mod trusted;
mod upgrade;
mod user;
mod values;
mod wire;
mod worker;
mod xsrf;

pub use call::{Call, HandlerResult};
pub use cross_origin::CrossOrigin;
pub use exchange::Exchange;
pub use form::FormFile;
pub use plan::BodyPlan;
pub use request::{Request, Verb};
pub use site::Xsrf;
pub use trusted::TrustedProxies;
pub use upgrade::Detached;
pub use values::{IntoName, IntoValue};
pub use wire::ClientGone;

pub(crate) use clock::{after, wall_clock};
pub(crate) use failure::log_error;
pub(crate) use guest::{Leaves, Place, Stay};
#[cfg(feature = "http2")]
pub(crate) use shared::Conn;
pub(crate) use shared::{Activity, Settings, Shared};
pub(crate) use site::{ErrorPage, LogFunction, NamedUrls, Site, Who};

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
    /// Says how a request's body is to be taken. Asked when the head is there and says that there is a
    /// body, before any of it is read or asked for.
    fn body_plan(&self, ex: &mut Exchange) -> BodyPlan {
        let _ = ex;
        BodyPlan::whole()
    }

    /// Answers one request: by what it writes to the exchange until the call is done.
    fn handle<'a>(&'a self, ex: &'a mut Exchange) -> Call<'a>;

    /// Learns that the answer is complete, or was cut; for logs. Also of requests that were refused
    /// before they came here: one whose head could not be read has an empty target.
    fn finished(&self, ex: &Exchange) {
        let _ = ex;
    }
}
