//! Protection against requests that another site has a browser send, without tokens: the browser says
//! where they come from.

use http::StatusCode;

use super::exchange::Exchange;
use crate::error::{Error, Result};
use crate::http::{is_origin, same_origin};

/// Whose pages may send requests that change something, beside the site's own; see
/// [`Application::cross_origin_protection`](crate::Application::cross_origin_protection).
///
/// # Examples
///
/// ```
/// use squall_web::{Application, CrossOrigin};
///
/// let protection = CrossOrigin::new().trust("https://shop.example.com");
/// let app = Application::new().cross_origin_protection(protection);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CrossOrigin {
    trusted: Vec<Box<str>>,
}

impl CrossOrigin {
    /// With the site's own pages alone.
    pub fn new() -> CrossOrigin {
        CrossOrigin::default()
    }

    /// Adds the pages of an origin, scheme and port included: `https://shop.example.com`. Tornado's
    /// `trusted_origins`.
    ///
    /// # Panics
    ///
    /// If it is no origin: one has a scheme, and neither a path nor a slash at its end.
    #[track_caller]
    pub fn trust(mut self, origin: &str) -> CrossOrigin {
        assert!(
            is_origin(origin),
            "{origin:?} is no origin: write scheme and host, as in \"https://example.com\""
        );
        self.trusted.push(origin.into());
        self
    }

    fn trusts(&self, origin: &str) -> bool {
        self.trusted.iter().any(|trusted| **trusted == *origin)
    }
}

/// `Origin` has several values, or one that is no text.
#[derive(Debug)]
pub(crate) struct NoOrigin;

impl Exchange {
    /// Whose page sends the request, if one says so.
    pub(crate) fn origin(&self) -> std::result::Result<Option<&str>, NoOrigin> {
        let mut origins = self.request().header_values("origin");
        match (origins.next().map(std::str::from_utf8), origins.next()) {
            (None, _) => Ok(None),
            (Some(Ok(origin)), None) => Ok(Some(origin)),
            _ => Err(NoOrigin),
        }
    }

    /// Checks that no other site has a browser send the request: by `Sec-Fetch-Site`, which all browsers
    /// send over TLS, or else by `Origin`, which has to be that of `Host`. A request with neither is no
    /// browser's, and is let in.
    ///
    /// [`Application::cross_origin_protection`](crate::Application::cross_origin_protection) calls it for
    /// all requests that change something.
    ///
    /// # Errors
    ///
    /// 403 if another site does, and it is not [trusted](CrossOrigin::trust).
    pub fn check_cross_origin(&self) -> Result<()> {
        let origin = self
            .origin()
            .map_err(|NoOrigin| refused("a malformed Origin"))?;
        let site = self
            .site
            .as_ref()
            .and_then(|site| site.cross_origin.as_ref());
        let is_trusted = |origin: &str| site.is_some_and(|site| site.trusts(origin));
        let mut fetch_sites = self.request().header_values("sec-fetch-site");
        let is_fine = match (fetch_sites.next(), fetch_sites.next(), origin) {
            (Some(b"same-origin" | b"none"), None, _) => true,
            (Some(_), _, origin) => origin.is_some_and(is_trusted),
            (None, _, None) => true,
            (None, _, Some(origin)) => {
                let host = self.request().host().unwrap_or_default();
                is_trusted(origin) || same_origin(origin, host)
            }
        };
        match is_fine {
            true => Ok(()),
            false => Err(refused(origin.unwrap_or("another site"))),
        }
    }
}

fn refused(whose: &str) -> Error {
    let message = format!("a page of {whose:?} may not send this: see CrossOrigin::trust");
    Error::new(StatusCode::FORBIDDEN, message).with_reason("Cross origin request refused")
}
