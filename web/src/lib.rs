//! HTTP server, HTTP client and web framework on [`squall`].
//!
//! ```no_run
//! use squall::yield_;
//! use squall_web::{Application, Exchange, HttpServer, Result};
//!
//! #[squall::coroutine]
//! fn hello(ex: &mut Exchange) -> Result<()> {
//!     ex.write("Hello, world");
//!     Ok(())
//! }
//!
//! #[squall::main]
//! fn main() -> Result<()> {
//!     yield_!(HttpServer::new(Application::new().get("/", hello)).listen("127.0.0.1:8888")?)
//! }
//! ```
//!
//! | to do this | use |
//! |---|---|
//! | answer requests by functions or types | [`Application`], [`RequestHandler`], [`Exchange`] |
//! | serve files | [`StaticFiles`] |
//! | take files | [`Exchange::files`]; [`Uploads`] for large ones |
//! | serve | [`HttpServer`], [`http::Limits`] |
//! | answer without routes | [`Handle`] |
//! | ask others | [`client`] |
//! | talk both ways | [`websocket`] |
//! | read and write HTTP/1.1 without a socket | [`mod@http`] |

#![forbid(unsafe_code)]
// The macros' output names the crate by its own name, here too.
extern crate self as squall_web;

mod app;
pub mod client;
mod conn;
mod error;
mod files;
pub mod http;
#[cfg(feature = "http2")]
mod http2;
#[doc(hidden)]
pub mod private;
mod server;
mod uploads;
pub mod websocket;

pub use self::http::{Compression, Cookie, CookieSecret, SameSite};
pub use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
pub use app::{Application, AsyncFunction, HandlerFunction, RequestHandler, SyncFunction};
pub use client::AsyncHttpClient;
pub use conn::{
    BodyPlan, Call, ClientGone, CrossOrigin, Detached, Exchange, FormFile, Handle, HandlerResult,
    IntoName, IntoValue, Request, TrustedProxies, Verb, Xsrf,
};
pub use error::{Error, Result};
pub use files::StaticFiles;
pub use server::{Drained, HttpServer, HttpThreads, Listening, Serving, Unfinished};
pub use squall_macros::request_handler;
pub use uploads::{UploadedFile, UploadedForm, Uploads};

/// The README's programs, compiled and, if they end, run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
