//! The framework: routes, handlers, the life of a request.
//!
//! An [`Application`] is a table of routes. A request's path picks one; a function, or a
//! [`RequestHandler`] made for this one request, answers it. Errors become error pages here.
//!
//! An application that is put into another, under a prefix or for a host, becomes routes of that: the
//! way to a handler is as short from everywhere.

mod application;
mod compose;
mod endpoint;
mod handler;
mod host;
mod log;
mod pattern;
mod redirect;
mod scope;
mod settings;
mod table;
mod urls;

pub use application::Application;
pub use endpoint::{AsyncFunction, HandlerFunction, SyncFunction};
pub use handler::RequestHandler;
