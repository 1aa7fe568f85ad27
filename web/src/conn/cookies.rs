//! Cookies of a request and its answer, plain and signed.

use std::time::Duration;

use http::header::SET_COOKIE;

use super::clock::wall_clock;
use super::exchange::Exchange;
use super::request::Request;
use crate::error::{Error, Result};
use crate::http::cookie::{cookie_pairs, cookie_value};
use crate::http::{Cookie, CookieSecret, parse_cookies};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a signed cookie is kept, and how old it may be: as in Tornado.
const KEPT_DAYS: u32 = 30;
const MAX_AGE: Duration = DAY.saturating_mul(31);

impl Request<'_> {
    /// Returns the names and values of the cookies that came, in order. Of those with the same name
    /// the last counts.
    pub fn cookies(&self) -> Vec<(String, String)> {
        let lines = self.header_values("cookie");
        lines.flat_map(parse_cookies).collect()
    }

    /// Returns the value of a cookie, if it came: Tornado's `get_cookie`.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let lines = self.header_values("cookie");
        let named = lines.flat_map(cookie_pairs).filter(|(n, _)| *n == name);
        named.last().map(|(_, value)| cookie_value(value))
    }
}

impl Exchange {
    /// Returns the value of a cookie that came with the request: Tornado's `get_cookie`.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.request().cookie(name)
    }

    /// Sets a cookie, in place of one of this name that was set before: Tornado's `set_cookie`.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall_web::{Cookie, Exchange, Result};
    ///
    /// fn login(ex: &mut Exchange) -> Result<()> {
    ///     ex.set_cookie(("seen", "yes"))?;
    ///     ex.set_cookie(Cookie::new("theme", "dark").expires_days(365))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// If the name is no token, or value or attributes have control characters; see
    /// [`Cookie::to_header`].
    pub fn set_cookie(&mut self, cookie: impl Into<Cookie>) -> Result<()> {
        let cookie = cookie.into();
        let value = cookie.to_header(wall_clock())?;
        if self.headers_sent() {
            tracing::error!(target: "squall::web", "the cookie {} is set after the headers were sent, and lost: {}", cookie.name, self.request().target());
            return Ok(());
        }
        self.forget_cookie(&cookie.name);
        self.add_header(SET_COOKIE, value)
    }

    /// Has the client forget a cookie that was set for the whole site: Tornado's `clear_cookie`.
    ///
    /// # Errors
    ///
    /// As [`set_cookie`](Exchange::set_cookie).
    pub fn clear_cookie(&mut self, name: &str) -> Result<()> {
        self.clear_cookie_as(Cookie::new(name, ""))
    }

    /// Has the client forget a cookie of this name, path and domain.
    ///
    /// # Errors
    ///
    /// As [`set_cookie`](Exchange::set_cookie).
    pub fn clear_cookie_as(&mut self, cookie: Cookie) -> Result<()> {
        self.set_cookie(cookie.cleared())
    }

    fn forget_cookie(&mut self, name: &str) {
        self.headers.retain(|(header, value)| {
            let set = value.as_bytes().strip_prefix(name.as_bytes());
            *header != SET_COOKIE || !set.is_some_and(|rest| rest.starts_with(b"="))
        });
    }

    /// Sets a cookie that the client can read and not change: Tornado's `set_signed_cookie`. It is
    /// kept for 30 days, unless it says for how long.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall_web::{Application, CookieSecret, Exchange, Result};
    ///
    /// fn login(ex: &mut Exchange) -> Result<()> {
    ///     ex.set_signed_cookie(("user", "ann"))
    /// }
    ///
    /// fn whoami(ex: &mut Exchange) -> Result<()> {
    ///     let user = ex.signed_cookie("user")?;
    ///     ex.write(user.as_deref().unwrap_or("nobody"));
    ///     Ok(())
    /// }
    ///
    /// let app = Application::new()
    ///     .cookie_secret(CookieSecret::new("what nobody can guess"))
    ///     .post("/login", login)
    ///     .get("/whoami", whoami);
    /// ```
    ///
    /// # Errors
    ///
    /// 500 if the application has no [secret](crate::Application::cookie_secret); as
    /// [`set_cookie`](Exchange::set_cookie).
    pub fn set_signed_cookie(&mut self, cookie: impl Into<Cookie>) -> Result<()> {
        let mut cookie = cookie.into();
        let secret = self.cookie_secret()?;
        cookie.value = secret.sign(&cookie.name, cookie.value.as_bytes(), wall_clock());
        if !cookie.has_end() {
            cookie = cookie.expires_days(KEPT_DAYS);
        }
        self.set_cookie(cookie)
    }

    /// Returns the value of a signed cookie that came: Tornado's `get_signed_cookie`. None if there is
    /// none, if it is forged or another cookie's, older than 31 days, or no text.
    ///
    /// # Errors
    ///
    /// 500 if the application has no [secret](crate::Application::cookie_secret).
    pub fn signed_cookie(&self, name: &str) -> Result<Option<String>> {
        self.signed_cookie_within(name, MAX_AGE)
    }

    /// As [`signed_cookie`](Exchange::signed_cookie), with another age that it may have.
    ///
    /// # Errors
    ///
    /// As [`signed_cookie`](Exchange::signed_cookie).
    pub fn signed_cookie_within(&self, name: &str, max_age: Duration) -> Result<Option<String>> {
        let secret = self.cookie_secret()?;
        let signed = self.cookie(name);
        let value = signed.and_then(|text| secret.verify(name, &text, wall_clock(), max_age));
        Ok(value.and_then(|value| String::from_utf8(value).ok()))
    }

    fn cookie_secret(&self) -> Result<&CookieSecret> {
        let site = self.site.as_ref();
        site.and_then(|site| site.secret.as_ref()).ok_or_else(|| {
            let message =
                "signed cookies need a secret: give the application one with `cookie_secret`";
            Error::mistake(message)
        })
    }
}
