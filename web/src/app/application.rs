//! The table of routes.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use http::{Method, StatusCode};

use super::endpoint::{Endpoint, Factory, Functions, HandlerFunction, method_not_allowed};
use super::handler::RequestHandler;
use super::log;
use super::pattern::Pattern;
use crate::conn::{BodyPlan, Call, Exchange, Handle, Site, Verb, Xsrf};
use crate::error::{Error, Result};
use crate::files::StaticFiles;
use crate::http::{Compression, CookieSecret};
use crate::websocket::{self, WebSocketHandler};

/// A table of routes, and what they lead to: Tornado's `Application`.
///
/// Patterns are tried in the order in which they were added, and the first that matches is taken.
/// `{name}` stands for one segment of the path, `{name...}` for all that is left. A path without a
/// route is answered 404, a method that the route lacks 405 with `Allow`; `HEAD` is answered as
/// `GET`.
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
/// let app = Application::new().get("/", index).get("/users/{id}", user);
/// ```
///
/// # Panics
///
/// Adding a route panics if its pattern is malformed, or if a path's method has a function already:
/// that is a mistake in the program, found when it starts.
#[derive(Default)]
pub struct Application {
    routes: Vec<Route>,
    /// The routes that match one path only, by that path: the first of each.
    literals: HashMap<Box<[u8]>, usize, BuildHasherDefault<Fnv>>,
    /// The routes that match several paths, in order.
    patterns: Vec<usize>,
    site: Option<Rc<Site>>,
}

struct Route {
    text: Box<str>,
    pattern: Pattern,
    target: Target,
    /// How its requests' bodies are taken, if that was said.
    body: Option<BodyPlan>,
    /// True if its requests need no XSRF token.
    xsrf_exempt: bool,
}

enum Target {
    Handler(Box<dyn Endpoint>),
    Functions(Functions),
}

impl Target {
    fn endpoint(&self) -> &dyn Endpoint {
        match self {
            Target::Handler(handler) => &**handler,
            Target::Functions(functions) => functions,
        }
    }
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
        let existing = self.routes.iter_mut().find(|route| *route.text == *pattern);
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
        let len = prefix.len();
        let serve = async move |ex: &mut Exchange| {
            // As it was sent: the files' own rules say what may be decoded.
            let path = ex.request().path().get(len..).unwrap_or("").to_owned();
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

    /// Changes the routes with this pattern.
    #[track_caller]
    fn routes_of(&mut self, pattern: &str, change: impl FnMut(&mut Route)) {
        let routes = self.routes.iter_mut();
        let mut routes = routes.filter(|route| *route.text == *pattern).peekable();
        assert!(
            routes.peek().is_some(),
            "no route has the pattern {pattern:?}: add it before saying more of it"
        );
        routes.for_each(change);
    }

    /// Has answers compressed for clients that accept it.
    pub fn compress(mut self, compression: Compression) -> Application {
        self.site_mut().compression = Some(compression);
        self
    }

    /// Gives it the keys that [signed cookies](Exchange::set_signed_cookie) need.
    pub fn cookie_secret(mut self, secret: CookieSecret) -> Application {
        self.site_mut().secret = Some(secret);
        self
    }

    /// Has all requests that may change something (all but `GET`, `HEAD` and `OPTIONS`)
    /// [checked](Exchange::check_xsrf) to come from pages of this site: Tornado's `xsrf_cookies`.
    ///
    /// The pages put [`xsrf_token`](Exchange::xsrf_token) into their forms. Of a body that a route
    /// streams the arguments count only if it came with its head: send the header.
    pub fn xsrf_cookies(mut self, xsrf: Xsrf) -> Application {
        self.site_mut().xsrf = Some(xsrf);
        self
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

    fn site_mut(&mut self) -> &mut Site {
        Rc::make_mut(self.site.get_or_insert_default())
    }

    #[track_caller]
    fn add(&mut self, text: &str, target: Target) {
        let pattern = match Pattern::parse(text) {
            Ok(pattern) => pattern,
            Err(error) => panic!("{error}"),
        };
        let index = self.routes.len();
        match pattern.literal() {
            Some(path) => {
                self.literals.entry(path.as_bytes().into()).or_insert(index);
            }
            None => self.patterns.push(index),
        }
        self.routes.push(Route {
            text: text.into(),
            pattern,
            target,
            body: None,
            xsrf_exempt: false,
        });
    }

    /// A method that is lacking is told of first, whoever asks.
    fn check_xsrf(&self, route: &Route, verb: Verb, ex: &mut Exchange) -> Result<()> {
        let is_on = self.site.as_ref().is_some_and(|site| site.xsrf.is_some());
        let is_harmless = matches!(verb, Verb::Get | Verb::Head | Verb::Options);
        match is_on && !is_harmless && !route.xsrf_exempt && route.target.endpoint().answers(verb) {
            true => ex.check_xsrf(),
            false => Ok(()),
        }
    }

    /// The first route that matches, its arguments being noted in the exchange.
    fn find(&self, ex: &mut Exchange) -> Option<usize> {
        let literal = self.literals.get(ex.path_bytes()).copied();
        for &index in &self.patterns {
            if literal.is_some_and(|literal| literal < index) {
                break;
            }
            let pattern = &self.routes[index].pattern;
            if ex.set_path_arguments(&pattern.names, |path, spans| pattern.matches(path, spans)) {
                return Some(index);
            }
        }
        ex.clear_path_arguments();
        literal
    }
}

impl Handle for Application {
    fn body_plan(&self, ex: &mut Exchange) -> BodyPlan {
        ex.route = self.find(ex);
        let route = ex.route.map(|index| &self.routes[index]);
        let verb = Verb::of(ex.request().method());
        match (route, verb) {
            (Some(route), Some(verb)) if route.target.endpoint().answers(verb) => {
                route.body.unwrap_or_default()
            }
            // The answer is 404 or 405 whatever comes.
            _ => BodyPlan::stream(),
        }
    }

    fn handle<'a>(&'a self, ex: &'a mut Exchange) -> Call<'a> {
        ex.site.clone_from(&self.site);
        let found = ex.route.or_else(|| self.find(ex));
        let Some(route) = found.map(|index| &self.routes[index]) else {
            return no_route(ex);
        };
        let endpoint = route.target.endpoint();
        match Verb::of(ex.request().method()) {
            Some(verb) => match self.check_xsrf(route, verb, ex) {
                Ok(()) => endpoint.serve(verb, ex),
                Err(error) => Call::done(Err::<(), _>(error)),
            },
            None => method_not_allowed(ex, &endpoint.methods()),
        }
    }

    fn finished(&self, ex: &Exchange) {
        log::access(ex);
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

/// FNV-1a: short keys hash in a few cycles. The keys are the program's own, so that no client can
/// make them collide.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The length of the bytes that follow, which tell it themselves.
    fn write_usize(&mut self, _: usize) {}
}
