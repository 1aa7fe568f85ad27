//! Protection against requests that another site has a browser send.

use std::time::SystemTime;

use http::StatusCode;

use super::clock::wall_clock;
use super::exchange::Exchange;
use super::site::{XSRF_NAME, Xsrf};
use crate::error::{Error, Result};
use crate::http::{TOKEN_BYTES, is_same_token, mask_token, unmask_token};

impl Exchange {
    /// Returns the token that forms of this page send back as `_xsrf`, and scripts as `X-XSRFToken`:
    /// Tornado's `xsrf_token`.
    ///
    /// The client's own, masked anew. One that has none gets it with the cookie `_xsrf`, which this
    /// sets.
    ///
    /// # Errors
    ///
    /// 500 if the system gives no random numbers, or the cookie's attributes are malformed.
    pub fn xsrf_token(&mut self) -> Result<String> {
        if let Some(token) = &self.xsrf_token {
            return Ok(token.clone());
        }
        let mut mask = [0; 4];
        fill_random(&mut mask)?;
        let now = wall_clock().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        let token = match self.expected_token() {
            Some(value) => mask_token(&value, mask, now),
            None => {
                let mut value = [0; TOKEN_BYTES];
                fill_random(&mut value)?;
                let token = mask_token(&value, mask, now);
                let mut cookie = self.xsrf().cloned().unwrap_or_default().cookie;
                cookie.value = token.clone();
                self.set_cookie(cookie)?;
                token
            }
        };
        Ok(self.xsrf_token.insert(token).clone())
    }

    /// Checks that the request comes from a page of ours: that it has the cookie `_xsrf`, and the same
    /// token as the argument `_xsrf`, or the header `X-XSRFToken` or `X-CSRFToken`. Tornado's
    /// `check_xsrf_cookie`.
    ///
    /// [`Application::xsrf_cookies`](crate::Application::xsrf_cookies) calls it for all requests that
    /// change something. Of a body that is not read yet the arguments do not count.
    ///
    /// # Errors
    ///
    /// 403 if it does not; 400 if the arguments are malformed.
    pub fn check_xsrf(&mut self) -> Result<()> {
        let given = match self.argument_opt(XSRF_NAME)? {
            Some(token) if !token.is_empty() => Some(token),
            _ => {
                let header = |name| self.request().header_str(name).map(str::to_owned);
                header("x-xsrftoken").or_else(|| header("x-csrftoken"))
            }
        };
        let given = given.ok_or_else(|| forbidden("the XSRF token is missing"))?;
        let given = unmask_token(&given).ok_or_else(|| forbidden("the XSRF token is malformed"))?;
        let expected = self.expected_token();
        let expected = expected.ok_or_else(|| forbidden("the XSRF cookie is missing"))?;
        match is_same_token(&given, &expected) {
            true => Ok(()),
            false => Err(forbidden("the XSRF token is not that of the cookie")),
        }
    }

    /// The value that the client's cookie has.
    fn expected_token(&self) -> Option<Vec<u8>> {
        let name = self.xsrf().map_or(XSRF_NAME, |xsrf| &xsrf.cookie.name);
        unmask_token(&self.cookie(name)?)
    }

    fn xsrf(&self) -> Option<&Xsrf> {
        self.site.as_ref()?.xsrf.as_ref()
    }
}

fn fill_random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| {
        let message = format!("the system gives no random numbers: {error}");
        Error::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    })
}

fn forbidden(message: &'static str) -> Error {
    Error::new(StatusCode::FORBIDDEN, message)
}
