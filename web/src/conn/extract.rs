//! Arguments and bodies as values of types.

use std::fmt::Display;
use std::str::FromStr;

use http::StatusCode;
use serde::de::DeserializeOwned;

use super::exchange::Exchange;
use crate::error::{Error, Result};
use crate::http::grammar::essence;

impl Exchange {
    /// Returns the last argument of this name, parsed.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall_web::{Exchange, Result};
    ///
    /// fn page(ex: &mut Exchange) -> Result<()> {
    ///     let page: u32 = ex.argument_as("page")?;
    ///     let size = ex.argument_as_opt("size")?.unwrap_or(20);
    ///     ex.write(format!("from {}", page * size));
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// 400, which tells the client of which argument, if there is none or it does not parse; as
    /// [`argument`](Exchange::argument).
    pub fn argument_as<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<T> {
        let value = self.argument_as_opt(name)?;
        value.ok_or_else(|| Error::missing_argument(name))
    }

    /// Returns the last argument of this name, parsed, if there is one.
    ///
    /// # Errors
    ///
    /// As [`argument_as`](Exchange::argument_as), but not if there is none.
    pub fn argument_as_opt<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<Option<T>> {
        let Some(text) = self.argument_opt(name)? else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|error: T::Err| {
            let message = format!("the argument {name:?} does not parse: {text:?}");
            let reason = format!("Malformed argument {name}: {error}");
            Error::new(StatusCode::BAD_REQUEST, message).with_reason(reason)
        })
    }

    /// Returns the body as a value of its JSON. What nests deeper than 128 levels is refused.
    ///
    /// # Examples
    ///
    /// ```
    /// use serde::Deserialize;
    /// use squall_web::{Exchange, Result};
    ///
    /// #[derive(Deserialize)]
    /// struct Order {
    ///     item: String,
    ///     count: u32,
    /// }
    ///
    /// fn order(ex: &mut Exchange) -> Result<()> {
    ///     let order: Order = ex.json()?;
    ///     ex.write(format!("{} of {}", order.count, order.item));
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// 415 if the body does not say that it is JSON, by `Content-Type: application/json` or one that ends
    /// in `+json`: browsers send that to other sites only if these agree. 400, which tells the client what
    /// is wrong and where, if it is malformed or of another shape. 500 if it is
    /// [streamed](crate::BodyPlan::stream) and was not read.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        if self.has_unread_body() {
            let message = "the body is streamed: `read_body` comes before `json`";
            return Err(Error::mistake(message));
        }
        let content_type = self.request().header_str("content-type").unwrap_or("");
        if !is_json(content_type) {
            let message = format!("a body of JSON is wanted, not {content_type:?}");
            let reason = "The body has to be JSON, with Content-Type: application/json";
            return Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message).with_reason(reason));
        }
        serde_json::from_slice(self.request().body()).map_err(|error| {
            let reason = format!("Malformed JSON: {error}");
            Error::new(StatusCode::BAD_REQUEST, "malformed JSON")
                .with_reason(reason)
                .with_source(error)
        })
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = essence(content_type);
    let suffix = essence.len().checked_sub("+json".len());
    essence.eq_ignore_ascii_case("application/json")
        || suffix.is_some_and(|at| {
            let suffix = essence.get(at..).unwrap_or("");
            essence.contains('/') && suffix.eq_ignore_ascii_case("+json")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_json_are_known() {
        for good in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/problem+json",
            "application/vnd.api+JSON ; x=y",
        ] {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "text/json",
            "application/jsonx",
            "+json",
            "json",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
