//! The framework: routes, handlers, the life of a request.
//!
//! An [`Application`] is a table of routes. A request's path picks one; a function, or a
//! [`RequestHandler`] made for this one request, answers it. Errors become error pages here.

mod application;
mod endpoint;
mod handler;
mod log;
mod pattern;

pub use application::Application;
pub use endpoint::{AsyncFunction, HandlerFunction, SyncFunction};
pub use handler::RequestHandler;
