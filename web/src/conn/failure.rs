//! What the log is told of a failure, and the client is not.

use squall::{Panicked, Traceback};

use super::exchange::Exchange;
use crate::error::Error;

/// Logs a handler's error with the way that it came: from 500 on as an error; below, if it has
/// more to say than its status, as a warning. The target is `squall::web`.
pub(crate) fn log_error(ex: &mut Exchange, error: &Error) {
    let way = squall::take_traceback();
    ex.note_failure(None, way.as_deref());
    if error.is_client_gone() && ex.headers_sent() {
        let request = ex.request();
        let (method, target) = (request.method(), request.target());
        tracing::debug!(target: "squall::web", "the client of {method} {target} has gone: {error}");
    } else if error.status().is_server_error() {
        log(ex, "uncaught error", error, way.as_deref());
    } else if error.has_details() {
        let request = ex.request();
        let (method, target) = (request.method(), request.target());
        tracing::warn!(target: "squall::web", "{method} {target}: {error}");
    }
}

/// Logs a handler's panic with the way that it came.
pub(super) fn log_panic(ex: &mut Exchange, panic: &Panicked) {
    ex.note_failure(Some(panic.message()), panic.traceback());
    log(ex, "panic", &panic.message(), panic.traceback());
}

fn log(ex: &Exchange, what: &str, details: &dyn std::fmt::Display, way: Option<&Traceback>) {
    let request = ex.request();
    let (method, target) = (request.method(), request.target());
    match way {
        Some(way) => {
            tracing::error!(target: "squall::web", "{what} {method} {target}: {details}\n{way}");
        }
        None => tracing::error!(target: "squall::web", "{what} {method} {target}: {details}"),
    }
}
