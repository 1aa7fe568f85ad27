//! The table of routes.

use std::fmt::{self, Display};
use std::rc::Rc;

use http::{Method, StatusCode};

use super::compose::HostTable;
use super::endpoint::{AnyMethod, Factory, Functions, HandlerFunction, method_not_allowed};
use super::handler::RequestHandler;
use super::log;
use super::pattern::Pattern;
use super::redirect::Redirect;
use super::scope::Scopes;
use super::table::{Route, Table, Target};
use super::urls::{Urls, no_such_name};
use crate::conn::{BodyPlan, Call, Exchange, Handle, NamedUrls, Verb};
use crate::error::{Error, Result};
use crate::files::StaticFiles;
use crate::websocket::{self, WebSocketHandler};

/// A table of routes, and what they lead to: Tornado's `Application`.
///
/// Patterns are tried in the order in which they were added, and the first that matches is taken.
/// `{name}` stands for one segment of the path, `{name:u64}` for one that parses as that type (an
/// integer's, or `bool`), `{name...}` for all that is left. A path without a route is answered 404, a
/// method that the route lacks 405 with `Allow`; `HEAD` is answered as `GET`.
///
/// Handlers belong to the loop's thread, so what they share may be in an `Rc`: no lock, and no `Send`.
/// With [`HttpServer::start`](crate::HttpServer::start) each thread makes an application of its own.
///
/// # Examples
///
/// ```
/// use squall_web::{Application, Exchange, Result};
///
/// fn index(ex: &mut Exchange) {
///     ex.write("welcome");
/// }
///
/// #[squall::coroutine]
/// fn user(ex: &mut Exchange) -> Result<()> {
///     let id: u64 = ex.path_argument("id")?;
///     ex.write(format!("user {id}"));
///     Ok(())
/// }
///
/// let app = Application::new().get("/", index).get("/users/{id:u64}", user);
/// ```
///
/// What handlers share:
///
/// ```
/// use std::cell::RefCell;
/// use std::rc::Rc;
///
/// use squall_web::{Application, Exchange};
///
/// let visits = Rc::new(RefCell::new(0));
/// let app = Application::new().get("/", move |ex: &mut Exchange| {
///     *visits.borrow_mut() += 1;
///     ex.write(format!("visit {}", visits.borrow()));
/// });
/// ```
///
/// # Panics
///
/// Adding a route panics if its pattern is malformed, or if a path's method has a function already:
/// that is a mistake in the program, found when it starts.
#[derive(Default)]
pub struct Application {
    pub(super) routes: Vec<Route>,
    /// Those for any host.
    pub(super) own: Table,
    /// Those for some hosts, which come before.
    pub(super) hosts: Vec<HostTable>,
    pub(super) default_host: Option<Box<str>>,
    /// The route for what has none.
    pub(super) default: Option<usize>,
    pub(super) urls: Option<Rc<Urls>>,
    pub(super) scopes: Scopes,
}

impl Application {
    /// Makes an application without routes.
    pub fn new() -> Application {
        Application::default()
    }

    /// Has a path's requests answered by handlers that `make` makes, one a request.
    #[track_caller]
    pub fn route<H: RequestHandler>(
        mut self,
        pattern: &str,
        make: impl Fn() -> H + 'static,
    ) -> Application {
        self.add(pattern, Target::Handler(Box::new(Factory::new(make))));
        self
    }

    /// Has a path's WebSocket connections served by handlers that `make` makes, one a connection.
    #[track_caller]
    pub fn websocket<H: WebSocketHandler>(
        self,
        pattern: &str,
        make: impl Fn() -> H + 'static,
    ) -> Application {
        self.get(pattern, async move |ex: &mut Exchange| {
            websocket::serve(make(), ex).await
        })
    }

    /// Has a path's `GET` (and `HEAD`) requests answered by a function.
    #[track_caller]
    pub fn get<M: 'static>(self, pattern: &str, function: impl HandlerFunction<M>) -> Application {
        self.on(Verb::Get, pattern, function)
    }

    /// Has a path's `POST` requests answered by a function.
    #[track_caller]
    pub fn post<M: 'static>(self, pattern: &str, function: impl HandlerFunction<M>) -> Application {
        self.on(Verb::Post, pattern, function)
    }

    /// Has a path's `PUT` requests answered by a function.
    #[track_caller]
    pub fn put<M: 'static>(self, pattern: &str, function: impl HandlerFunction<M>) -> Application {
        self.on(Verb::Put, pattern, function)
    }

    /// Has a path's `PATCH` requests answered by a function.
    #[track_caller]
    pub fn patch<M: 'static>(
        self,
        pattern: &str,
        function: impl HandlerFunction<M>,
    ) -> Application {
        self.on(Verb::Patch, pattern, function)
    }

    /// Has a path's `DELETE` requests answered by a function.
    #[track_caller]
    pub fn delete<M: 'static>(
        self,
        pattern: &str,
        function: impl HandlerFunction<M>,
    ) -> Application {
        self.on(Verb::Delete, pattern, function)
    }

    /// Has a path's requests of one method answered by a function.
    #[track_caller]
    pub fn on<M: 'static>(
        mut self,
        verb: Verb,
        pattern: &str,
        function: impl HandlerFunction<M>,
    ) -> Application {
        let mut routes = self.routes.iter_mut().filter(|route| route.scope == 0);
        let existing = routes.find(|route| *route.text == *pattern);
        if let Some(route) = existing
            && let Target::Functions(functions) = &mut route.target
        {
            let added = functions.add(verb, function);
            let verb = verb.as_str();
            assert!(added, "{pattern:?} has a function for {verb} already");
            return self;
        }
        let mut functions = Functions::default();
        functions.add(verb, function);
        self.add(pattern, Target::Functions(functions));
        self
    }

    /// Serves the files of a directory at the paths that begin with `prefix`.
    ///
    /// # Panics
    ///
    /// If the prefix does not begin and end with a slash.
    #[track_caller]
    pub fn files(self, prefix: &str, files: StaticFiles) -> Application {
        assert!(
            prefix.ends_with('/'),
            "the prefix {prefix:?} of files needs a slash at its end"
        );
        let serve = async move |ex: &mut Exchange| {
            // As it was sent: the files' own rules say what may be decoded.
            let path = ex.last_path_argument().unwrap_or("").to_owned();
            files.serve(ex, &path).await
        };
        self.get(&format!("{prefix}{{path...}}"), serve)
    }

    /// Says how the bodies of a path's requests are taken: read whole, or streamed; and their limits.
    ///
    /// # Panics
    ///
    /// If no route has this pattern: add the route first.
    #[track_caller]
    pub fn body(mut self, pattern: &str, plan: BodyPlan) -> Application {
        self.routes_of(pattern, |route| route.body = Some(plan));
        self
    }

    /// Changes the routes with this pattern; those of applications inside are theirs to change.
    #[track_caller]
    fn routes_of(&mut self, pattern: &str, change: impl FnMut(&mut Route)) {
        let routes = self.routes.iter_mut().filter(|route| route.scope == 0);
        let mut routes = routes.filter(|route| *route.text == *pattern).peekable();
        assert!(
            routes.peek().is_some(),
            "no route has the pattern {pattern:?}: add it before saying more of it"
        );
        routes.for_each(change);
    }

    /// Leaves a path's requests unchecked by [`xsrf_cookies`](Application::xsrf_cookies): those that
    /// other programs send, and that prove otherwise who they are.
    ///
    /// # Panics
    ///
    /// If no route has this pattern: add the route first.
    #[track_caller]
    pub fn xsrf_exempt(mut self, pattern: &str) -> Application {
        self.routes_of(pattern, |route| route.xsrf_exempt = true);
        self
    }

    /// Has a path's requests of any method answered by a function; of those that
    /// [`Verb`] has.
    #[track_caller]
    pub fn any<M: 'static>(
        mut self,
        pattern: &str,
        function: impl HandlerFunction<M>,
    ) -> Application {
        self.add(pattern, Target::Handler(Box::new(AnyMethod::new(function))));
        self
    }

    /// Redirects a path's `GET` (and `HEAD`) requests for good (301): Tornado's `RedirectHandler`.
    /// Arguments of the pattern may stand in the target, whose path they are encoded for; a query
    /// goes along. The target stays as it is when the application is put into another.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall_web::Application;
    ///
    /// let app = Application::new()
    ///     .redirect("/old/{id}", "/new/{id}?from=old")
    ///     .redirect("/docs/{path...}", "https://docs.example.com/{path...}");
    /// ```
    ///
    /// # Panics
    ///
    /// If an argument of the target stands before its path, or is none of the pattern's.
    #[track_caller]
    pub fn redirect(self, pattern: &str, to: &str) -> Application {
        self.redirect_with(StatusCode::MOVED_PERMANENTLY, pattern, to)
    }

    /// As [`redirect`](Application::redirect), with another status, such as 302 for now only.
    ///
    /// # Panics
    ///
    /// As [`redirect`](Application::redirect); if the status does not redirect.
    #[track_caller]
    pub fn redirect_with(self, status: StatusCode, pattern: &str, to: &str) -> Application {
        assert!(status.is_redirection(), "{status} does not redirect");
        let redirect = match Pattern::parse(pattern).and_then(|p| Redirect::parse(&p, to)) {
            Ok(redirect) => redirect,
            Err(error) => panic!("{error}"),
        };
        self.get(pattern, move |ex: &mut Exchange| {
            let url = redirect.url(ex)?;
            ex.redirect_with(status, &url)
        })
    }

    /// Has what has no route answered by a function, whatever the method: Tornado's
    /// `default_handler_class`. Its answer's status is 404, unless it sets another.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall_web::{Application, Exchange};
    ///
    /// let app = Application::new().default_function(|ex: &mut Exchange| {
    ///     ex.write("There is nothing here. <a href=/>Go back</a>");
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// If there is a default already.
    #[track_caller]
    pub fn default_function<M: 'static>(
        mut self,
        function: impl HandlerFunction<M>,
    ) -> Application {
        self.add_default(Target::Handler(Box::new(AnyMethod::new(function))));
        self
    }

    /// As [`default_function`](Application::default_function), with handlers that `make` makes. A
    /// method that they lack is 405.
    ///
    /// # Panics
    ///
    /// If there is a default already.
    #[track_caller]
    pub fn default_handler<H: RequestHandler>(
        mut self,
        make: impl Fn() -> H + 'static,
    ) -> Application {
        self.add_default(Target::Handler(Box::new(Factory::new(make))));
        self
    }

    /// Gives the routes with this pattern a name, by which
    /// [`reverse_url`](Exchange::reverse_url) finds their path.
    ///
    /// # Panics
    ///
    /// If no route has this pattern, or another pattern has the name.
    #[track_caller]
    pub fn name(mut self, pattern: &str, name: &str) -> Application {
        self.routes_of(pattern, |_| ());
        self.add_name(pattern, name);
        self
    }

    /// Returns the path of the route that has this name: see
    /// [`Exchange::reverse_url`].
    ///
    /// # Errors
    ///
    /// As [`Exchange::reverse_url`].
    pub fn reverse_url(&self, name: &str, arguments: &[&dyn Display]) -> Result<String> {
        let urls = self.urls.as_ref().ok_or_else(|| no_such_name(name))?;
        urls.by_position(name, arguments)
    }

    #[track_caller]
    pub(super) fn add_name(&mut self, text: &str, name: &str) {
        let urls = self.urls.get_or_insert_default().clone();
        let added = Pattern::parse(text).and_then(|pattern| urls.add(name, text, pattern));
        if let Err(error) = added {
            panic!("{error}");
        }
        self.scopes.change(|site| site.urls = Some(urls));
    }

    #[track_caller]
    fn add(&mut self, text: &str, target: Target) {
        let index = self.add_route(text, target);
        self.own.add(index, &self.routes[index].pattern);
    }

    #[track_caller]
    fn add_default(&mut self, target: Target) {
        assert!(self.default.is_none(), "there is a default already");
        // The name is one that no pattern of a program's has by chance.
        let index = self.add_route("/{*...}", target);
        self.routes[index].is_default = true;
        self.default = Some(index);
    }

    #[track_caller]
    fn add_route(&mut self, text: &str, target: Target) -> usize {
        let pattern = match Pattern::parse(text) {
            Ok(pattern) => pattern,
            Err(error) => panic!("{error}"),
        };
        self.routes.push(Route {
            text: text.into(),
            pattern,
            target,
            body: None,
            xsrf_exempt: false,
            scope: 0,
            is_default: false,
        });
        self.routes.len() - 1
    }

    /// Checks that no other site has a browser send what changes something. A method that is lacking is
    /// told of first, whoever asks.
    fn check_forgery(&self, route: &Route, verb: Verb, ex: &mut Exchange) -> Result<()> {
        let Some(site) = &ex.site else {
            return Ok(());
        };
        let (by_origin, by_token) = (site.cross_origin.is_some(), site.xsrf.is_some());
        let is_harmless = matches!(verb, Verb::Get | Verb::Head | Verb::Options);
        if is_harmless || route.xsrf_exempt || !route.target.endpoint().answers(verb) {
            return Ok(());
        }
        if by_origin {
            ex.check_cross_origin()?;
        }
        match by_token {
            true => ex.check_xsrf(),
            false => Ok(()),
        }
    }

    /// The first route that matches, its arguments being noted in the exchange.
    fn find(&self, ex: &mut Exchange) -> Option<usize> {
        let found = match self.hosts.is_empty() {
            true => self.own.find(&self.routes, ex),
            false => self.find_by_host(ex),
        };
        found.or_else(|| {
            let is_path = ex.path_bytes().starts_with(b"/");
            let is_tunnel = *ex.request().method() == Method::CONNECT;
            self.default.filter(|_| is_path && !is_tunnel)
        })
    }
}

impl Handle for Application {
    fn body_plan(&self, ex: &mut Exchange) -> BodyPlan {
        ex.route = self.find(ex);
        let route = ex.route.map(|index| &self.routes[index]);
        let verb = Verb::of(ex.request().method());
        match (route, verb) {
            (Some(route), Some(verb)) if route.target.endpoint().answers(verb) => {
                let usual = route.target.endpoint().body_plan();
                let plan = route.body.unwrap_or(usual);
                // A handler that takes pieces gets them, whatever else the plan says.
                plan.streamed_if(usual)
            }
            // The answer is 404 or 405 whatever comes.
            _ => BodyPlan::stream(),
        }
    }

    fn handle<'a>(&'a self, ex: &'a mut Exchange) -> Call<'a> {
        let found = ex.route.or_else(|| self.find(ex));
        let Some(route) = found.map(|index| &self.routes[index]) else {
            ex.site.clone_from(self.scopes.get(0));
            return no_route(ex);
        };
        ex.site.clone_from(self.scopes.get(route.scope));
        if route.is_default {
            ex.set_status(StatusCode::NOT_FOUND);
        }
        let endpoint = route.target.endpoint();
        match Verb::of(ex.request().method()) {
            Some(verb) => match self.check_forgery(route, verb, ex) {
                Ok(()) => endpoint.serve(verb, ex),
                Err(error) => Call::done(Err::<(), _>(error)),
            },
            None if route.is_default => no_route(ex),
            None => method_not_allowed(ex, &endpoint.methods()),
        }
    }

    fn finished(&self, ex: &Exchange) {
        // What was refused before it came here has none yet.
        let site = ex.site.as_ref().or(self.scopes.get(0).as_ref());
        match site.and_then(|site| site.log.as_ref()) {
            Some(log) => (log.0)(ex),
            None => log::access(ex),
        }
    }
}

/// The answer to a request without a route. `*` and `CONNECT` name no path that could have one.
fn no_route<'a>(ex: &mut Exchange) -> Call<'a> {
    let method = ex.request().method();
    let status = match (ex.request().target(), method) {
        ("*", &Method::OPTIONS) => {
            // RFC 9110 §9.3.7: a ping, answered for the server as a whole.
            ex.set_status(StatusCode::NO_CONTENT);
            return Call::done(());
        }
        (_, &Method::CONNECT) => StatusCode::NOT_IMPLEMENTED,
        _ => StatusCode::NOT_FOUND,
    };
    Call::done(Err::<(), _>(Error::status_only(status)))
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self.routes.iter();
        let routes = routes.map(|route| (&route.text, route.target.endpoint().methods()));
        f.debug_map().entries(routes).finish()
    }
}
