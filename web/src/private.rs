//! Names that the macros' output uses. No promise is made about them.

use std::str::FromStr;

pub use ::squall;

use crate::conn::Exchange;
pub use crate::conn::{HandlerResult, Verb};
use crate::error::{Error, Result};
use http::StatusCode;

/// Returns what the route's `{name}` matched, or what is at `position` if no part has this name.
///
/// # Errors
///
/// As [`Exchange::path_argument`].
pub fn path_argument<T: FromStr>(ex: &Exchange, position: usize, name: &str) -> Result<T> {
    ex.path_argument_at(ex.path_argument_index(position, name), name)
}

/// The result of a method that the handler lacks. The router does not call those.
///
/// # Errors
///
/// Always: 405.
pub fn missing_method() -> Result<()> {
    Err(Error::status_only(StatusCode::METHOD_NOT_ALLOWED))
}

/// A method's result with the crate's error.
///
/// # Errors
///
/// The method's.
pub fn result(result: impl HandlerResult) -> Result<()> {
    result.into_result()
}
