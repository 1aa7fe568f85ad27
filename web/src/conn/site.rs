//! What an application decides for all of its answers; each exchange is handed it with its request.

use crate::http::{Compression, Cookie, CookieSecret};

/// What the cookie and the argument of XSRF tokens are called.
pub(super) const XSRF_NAME: &str = "_xsrf";

#[derive(Clone, Debug, Default)]
pub(crate) struct Site {
    pub(crate) compression: Option<Compression>,
    pub(crate) secret: Option<CookieSecret>,
    pub(crate) xsrf: Option<Xsrf>,
}

/// Protection against forged requests: see
/// [`Application::xsrf_cookies`](crate::Application::xsrf_cookies).
///
/// # Examples
///
/// ```
/// use squall_web::{Application, Cookie, SameSite, Xsrf};
///
/// let cookie = Cookie::new("_xsrf", "").secure().same_site(SameSite::Lax);
/// let app = Application::new().xsrf_cookies(Xsrf::new().cookie(cookie));
/// ```
#[derive(Clone, Debug)]
pub struct Xsrf {
    pub(crate) cookie: Cookie,
}

impl Default for Xsrf {
    fn default() -> Self {
        Xsrf::new()
    }
}

impl Xsrf {
    /// With the cookie `_xsrf` for the whole site, until the browser is closed.
    pub fn new() -> Xsrf {
        Xsrf {
            cookie: Cookie::new(XSRF_NAME, ""),
        }
    }

    /// Sets the cookie's name and attributes; its value counts for nothing.
    pub fn cookie(mut self, cookie: Cookie) -> Xsrf {
        self.cookie = cookie;
        self
    }
}
