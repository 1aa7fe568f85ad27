//! What an application decides for all of its answers.

use crate::conn::{
    CrossOrigin, ErrorPage, Exchange, IntoName, IntoValue, LogFunction, Site, Who, Xsrf,
};
use crate::error::{Error, Result};
use crate::http::{Compression, CookieSecret};

use super::application::Application;

impl Application {
    /// Has answers compressed for clients that accept it.
    pub fn compress(self, compression: Compression) -> Application {
        self.set(|site| site.compression = Some(compression))
    }

    /// Gives it the keys that [signed cookies](Exchange::set_signed_cookie) need.
    pub fn cookie_secret(self, secret: CookieSecret) -> Application {
        self.set(|site| site.secret = Some(secret))
    }

    /// Has all requests that may change something (all but `GET`, `HEAD` and `OPTIONS`)
    /// [checked](Exchange::check_xsrf) to come from pages of this site: Tornado's `xsrf_cookies`.
    ///
    /// The pages put [`xsrf_token`](Exchange::xsrf_token) into their forms. Of a body that a route
    /// streams the arguments count only if it came with its head: send the header.
    pub fn xsrf_cookies(self, xsrf: Xsrf) -> Application {
        self.set(|site| site.xsrf = Some(xsrf))
    }

    /// Has all requests that may change something (all but `GET`, `HEAD` and `OPTIONS`)
    /// [checked](Exchange::check_cross_origin) to come from pages of this site, or of origins that are
    /// trusted, by what the browser says of them: Tornado's `cross_origin_protection`. Pages need no
    /// token then. Before the handler's `prepare`.
    ///
    /// Browsers from 2023 on say it; for older ones use [`xsrf_cookies`](Application::xsrf_cookies).
    /// [`xsrf_exempt`](Application::xsrf_exempt) leaves a path's requests out of both.
    pub fn cross_origin_protection(self, protection: CrossOrigin) -> Application {
        self.set(|site| site.cross_origin = Some(protection))
    }

    /// Has each request that was answered, or cut, or refused, told to a function, in place of the access
    /// log: Tornado's `log_function`, and `log_request`.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall_web::{Application, Exchange};
    ///
    /// let app = Application::new().log_request(|ex: &Exchange| {
    ///     let request = ex.request();
    ///     println!("{} {} {}", ex.status().as_u16(), request.method(), request.target());
    /// });
    /// ```
    pub fn log_request(self, log: impl Fn(&Exchange) + 'static) -> Application {
        self.set(|site| site.log = Some(LogFunction(std::rc::Rc::new(log))))
    }

    /// Gives all answers a header, those of errors as well, unless a handler sets it: Tornado's
    /// `set_default_headers`.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall_web::Application;
    ///
    /// let app = Application::new().default_header("x-frame-options", "DENY");
    /// ```
    ///
    /// # Panics
    ///
    /// If name or value are malformed, or the header is the server's own to set.
    #[track_caller]
    pub fn default_header(self, name: impl IntoName, value: impl IntoValue) -> Application {
        let header = name
            .into_name()
            .and_then(|name| Ok((name, value.into_value()?)));
        let (name, value) = match header {
            Ok(header) => header,
            Err(error) => panic!("the default header is malformed: {error}"),
        };
        let own = ["content-length", "transfer-encoding", "connection", "date"];
        assert!(
            !own.contains(&name.as_str()),
            "{name} is the server's own to set"
        );
        self.set(|site| {
            site.headers.retain(|(other, _)| *other != name);
            site.headers.push((name, value));
        })
    }

    /// Has the pages of errors written by a function, those for which no handler was called as well:
    /// Tornado's `write_error`. Status and headers of the error are set; what it writes is the page.
    /// A handler's own [`write_error`](crate::RequestHandler) comes first.
    ///
    /// If it panics, the page is the plain one.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall_web::{Application, Error, Exchange};
    ///
    /// let app = Application::new().write_error(|ex: &mut Exchange, error: &Error| {
    ///     ex.write(format!("Sorry: {}", error.status().as_u16()));
    /// });
    /// ```
    pub fn write_error(self, page: impl Fn(&mut Exchange, &Error) + 'static) -> Application {
        self.set(|site| site.error_page = Some(ErrorPage(std::rc::Rc::new(page))))
    }

    /// Shows on the pages of errors what went wrong: the error and those behind it, the coroutines that it
    /// passed with their places in the source, and the request. Tornado's `serve_traceback`.
    ///
    /// For developing only: it tells clients what is none of their business.
    pub fn debug(self, on: bool) -> Application {
        self.set(|site| site.debug = Some(on))
    }

    /// Gives answers to `GET` and `HEAD` that are there whole an `ETag` made of their bodies, and answers
    /// 304 where the client has it. Tornado does so unasked; it costs a SHA-1 of each answer.
    pub fn etags(self, on: bool) -> Application {
        self.set(|site| site.etags = Some(on))
    }

    /// Says where those are sent who have to log in: Tornado's `login_url`. See
    /// [`Exchange::authenticated`].
    pub fn login_url(self, url: &str) -> Application {
        let url = url.into();
        self.set(|site| site.login_url = Some(url))
    }

    /// Says who asks, by a function that is called once a request, if somebody wants to know: Tornado's
    /// `get_current_user`. See [`Exchange::current_user`].
    ///
    /// # Examples
    ///
    /// ```
    /// use squall_web::{Application, Exchange, Result};
    ///
    /// struct User {
    ///     name: String,
    /// }
    ///
    /// fn who(ex: &mut Exchange) -> Result<Option<User>> {
    ///     Ok(ex.signed_cookie("user")?.map(|name| User { name }))
    /// }
    ///
    /// fn account(ex: &mut Exchange) -> Result<()> {
    ///     let user = ex.authenticated::<User>()?;
    ///     ex.write(format!("the account of {}", user.name));
    ///     Ok(())
    /// }
    ///
    /// let app = Application::new()
    ///     .current_user(who)
    ///     .login_url("/login")
    ///     .get("/account", account);
    /// ```
    pub fn current_user<T: 'static>(
        self,
        who: impl Fn(&mut Exchange) -> Result<Option<T>> + 'static,
    ) -> Application {
        self.set(|site| site.who = Some(Who::new(who)))
    }

    fn set(mut self, change: impl FnOnce(&mut Site)) -> Application {
        self.scopes.change(change);
        self
    }
}
