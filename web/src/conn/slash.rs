//! Pages whose paths end with a slash, and those whose paths do not.

use http::{Method, StatusCode};

use super::exchange::Exchange;
use crate::error::{Error, Result};

impl Exchange {
    /// Sends the client to the same path with a slash at its end, unless it has one: Tornado's `addslash`.
    /// The query goes along. The handler needs a route for both paths.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall_web::{Application, Exchange, Result};
    ///
    /// fn folder(ex: &mut Exchange) -> Result<()> {
    ///     ex.add_slash()?;
    ///     ex.write("<a href=part>a part</a>");
    ///     Ok(())
    /// }
    ///
    /// let app = Application::new().get("/folder", folder).get("/folder/", folder);
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::finish`] if the client was sent there; 404 if the request is no `GET` or `HEAD`; 403 if
    /// the path begins with two slashes, for a browser would go to another host.
    pub fn add_slash(&mut self) -> Result<()> {
        let path = self.request().path();
        match path.ends_with('/') {
            true => Ok(()),
            false => self.send_to(format!("{path}/")),
        }
    }

    /// As [`add_slash`](Exchange::add_slash), without a slash at its end: Tornado's `removeslash`. The
    /// root stays as it is.
    ///
    /// # Errors
    ///
    /// As [`add_slash`](Exchange::add_slash).
    pub fn remove_slash(&mut self) -> Result<()> {
        let path = self.request().path();
        match path.len() > 1 && path.ends_with('/') {
            false => Ok(()),
            true => self.send_to(path.trim_end_matches('/').to_owned()),
        }
    }

    fn send_to(&mut self, mut path: String) -> Result<()> {
        let request = self.request();
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Error::status_only(StatusCode::NOT_FOUND));
        }
        if request.path().starts_with("//") {
            let message = "a redirect to this path would lead to another host";
            return Err(Error::new(StatusCode::FORBIDDEN, message));
        }
        if let Some(query) = request.query() {
            path.push('?');
            path.push_str(query);
        }
        self.redirect_permanent(&path)?;
        Err(Error::finish())
    }
}
