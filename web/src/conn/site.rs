//! What an application decides for all of its answers; each exchange is handed it with its request.

use std::any::{Any, type_name};
use std::fmt::{self, Display};
use std::rc::Rc;

use http::{HeaderName, HeaderValue};

use super::cross_origin::CrossOrigin;
use super::exchange::Exchange;
use crate::error::{Error, Result};
use crate::http::{Compression, Cookie, CookieSecret};

/// What the cookie and the argument of XSRF tokens are called.
pub(super) const XSRF_NAME: &str = "_xsrf";

#[derive(Clone, Debug, Default)]
pub(crate) struct Site {
    pub(crate) compression: Option<Compression>,
    pub(crate) secret: Option<CookieSecret>,
    pub(crate) xsrf: Option<Xsrf>,
    pub(crate) cross_origin: Option<CrossOrigin>,
    /// Those of all answers.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) log: Option<LogFunction>,
    pub(crate) error_page: Option<ErrorPage>,
    /// True if error pages show what went wrong.
    pub(crate) debug: Option<bool>,
    pub(crate) etags: Option<bool>,
    pub(crate) login_url: Option<Box<str>>,
    pub(crate) who: Option<Who>,
    pub(crate) urls: Option<Rc<dyn NamedUrls>>,
}

impl Site {
    /// Fills in what is not set with what is set around it.
    pub(crate) fn within(self, outer: &Site) -> Site {
        let mut headers = self.headers;
        add_missing(&mut headers, &outer.headers);
        Site {
            compression: self.compression.or(outer.compression),
            secret: self.secret.or_else(|| outer.secret.clone()),
            xsrf: self.xsrf.or_else(|| outer.xsrf.clone()),
            cross_origin: (self.cross_origin).or_else(|| outer.cross_origin.clone()),
            headers,
            log: self.log.or_else(|| outer.log.clone()),
            error_page: self.error_page.or_else(|| outer.error_page.clone()),
            debug: self.debug.or(outer.debug),
            etags: self.etags.or(outer.etags),
            login_url: self.login_url.or_else(|| outer.login_url.clone()),
            who: self.who.or_else(|| outer.who.clone()),
            urls: self.urls.or_else(|| outer.urls.clone()),
        }
    }

    /// Without names of its own: those of all are the outermost application's.
    pub(crate) fn without_urls(self) -> Site {
        Site { urls: None, ..self }
    }
}

/// Adds the headers whose names are not there.
pub(super) fn add_missing(
    headers: &mut Vec<(HeaderName, HeaderValue)>,
    more: &[(HeaderName, HeaderValue)],
) {
    for (name, value) in more {
        if !headers.iter().any(|(own, _)| own == name) {
            headers.push((name.clone(), value.clone()));
        }
    }
}

/// Learns of each request that is over.
#[derive(Clone)]
pub(crate) struct LogFunction(pub(crate) Rc<dyn Fn(&Exchange)>);

/// Writes the page of an error.
#[derive(Clone)]
pub(crate) struct ErrorPage(pub(crate) Rc<PageFunction>);

type PageFunction = dyn Fn(&mut Exchange, &Error);

/// Says who asks.
#[derive(Clone)]
pub(crate) struct Who {
    pub(super) ask: Rc<AskFunction>,
    /// What it gives.
    pub(super) type_name: &'static str,
}

type AskFunction = dyn Fn(&mut Exchange) -> Result<Option<Rc<dyn Any>>>;

impl Who {
    pub(crate) fn new<T: 'static>(
        who: impl Fn(&mut Exchange) -> Result<Option<T>> + 'static,
    ) -> Who {
        Who {
            ask: Rc::new(move |ex| Ok(who(ex)?.map(|user| Rc::new(user) as Rc<dyn Any>))),
            type_name: type_name::<T>(),
        }
    }
}

/// Finds URLs by the names of routes.
pub(crate) trait NamedUrls: fmt::Debug {
    fn by_position(&self, name: &str, arguments: &[&dyn Display]) -> Result<String>;

    fn by_name(&self, name: &str, arguments: &[(&str, &dyn Display)]) -> Result<String>;
}

impl fmt::Debug for LogFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogFunction")
    }
}

impl fmt::Debug for ErrorPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErrorPage")
    }
}

impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Who").field(&self.type_name).finish()
    }
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
