//! Applications of applications: under a prefix, and for hosts.

use super::application::Application;
use super::host::{HostPattern, host_name};
use super::pattern::Pattern;
use super::table::{Route, Table};
use crate::conn::Exchange;

/// The routes for some hosts.
pub(super) struct HostTable {
    /// All of them have to match: a host's application may have been put into another host's.
    hosts: Vec<HostPattern>,
    table: Table,
}

impl HostTable {
    fn is_for(&self, name: &str) -> bool {
        self.hosts.iter().all(|host| host.matches(name))
    }
}

impl Application {
    /// Puts another application's routes under a prefix: `/api` and `/users/{id}` make
    /// `/api/users/{id}`. The prefix may have arguments of its own.
    ///
    /// The routes stand where this is called in the order of this application's. What the other has no
    /// route for goes on to the next, unless it has a
    /// [default](Application::default_function). Its settings hold for its routes; those that it
    /// lacks are this application's. Names of routes are one set: those of both must differ.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall_web::{Application, Exchange};
    ///
    /// fn list(ex: &mut Exchange) {
    ///     ex.write("[]");
    /// }
    ///
    /// let api = Application::new().get("/users", list).name("/users", "users");
    /// let app = Application::new().nest("/api", api);
    /// assert_eq!(app.reverse_url("users", &[])?, "/api/users");
    /// # Ok::<(), squall_web::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If the prefix is malformed, or has an argument in common with a pattern; if a name is taken; if
    /// the other has a [`default_host`](Application::default_host).
    #[track_caller]
    pub fn nest(mut self, prefix: &str, other: Application) -> Application {
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        if !prefix.is_empty()
            && let Err(error) = Pattern::parse(prefix)
        {
            panic!("{error}");
        }
        assert!(
            !prefix.ends_with("...}"),
            "the prefix {prefix:?} leaves nothing to match: its last part takes all"
        );
        self.take_in(prefix, &[], other);
        self
    }

    /// Has the requests for some hosts answered by another application: `example.com`, or
    /// `*.example.com` for all names under it. Tornado's `add_handlers`.
    ///
    /// Hosts come before the routes for any host, in the order in which they were added; what one has
    /// no route for goes on to the next whose host matches, and at last to this application's own
    /// routes. Ports and case do not count. Settings and names are as with
    /// [`nest`](Application::nest).
    ///
    /// # Examples
    ///
    /// ```
    /// use squall_web::{Application, Exchange};
    ///
    /// let named = |name: &'static str| move |ex: &mut Exchange| ex.write(name);
    /// let app = Application::new()
    ///     .host("api.example.com", Application::new().get("/", named("api")))
    ///     .host("*.example.com", Application::new().get("/", named("a customer")))
    ///     .get("/", named("anybody"))
    ///     .default_host("api.example.com");
    /// ```
    ///
    /// # Panics
    ///
    /// If the name is malformed; as [`nest`](Application::nest).
    #[track_caller]
    pub fn host(mut self, host: &str, other: Application) -> Application {
        let host = match HostPattern::parse(host) {
            Ok(host) => host,
            Err(error) => panic!("{error}"),
        };
        self.take_in("", &[host], other);
        self
    }

    /// Has requests for hosts that are not known, and for which there is no other route, answered as
    /// those for this one: Tornado's `default_host`. Not where a proxy says that it is in front, by
    /// `X-Real-Ip`.
    pub fn default_host(mut self, host: &str) -> Application {
        self.default_host = Some(host_name(host).into());
        self
    }

    #[track_caller]
    fn take_in(&mut self, prefix: &str, hosts: &[HostPattern], mut other: Application) {
        assert!(
            other.default_host.is_none(),
            "an application inside of another has no default host: set it for the outermost"
        );
        let offset = self.scopes.take_in(std::mem::take(&mut other.scopes));
        let mut routes: Vec<Option<Route>> = other.routes.into_iter().map(Some).collect();
        let mut take = |app: &mut Application, index: usize| {
            let route = routes[index].take().expect("a route stands in one table");
            app.take_route(prefix, offset, route)
        };
        for inner in other.hosts {
            let mut table = Table::default();
            for index in inner.table.all {
                let index = take(self, index);
                table.add(index, &self.routes[index].pattern);
            }
            let hosts = [hosts, &inner.hosts].concat();
            self.hosts.push(HostTable { hosts, table });
        }
        let mut table = Table::default();
        let all = other.own.all.into_iter().chain(other.default);
        for index in all {
            let index = take(self, index);
            match hosts {
                [] => self.own.add(index, &self.routes[index].pattern),
                _ => table.add(index, &self.routes[index].pattern),
            }
        }
        if !hosts.is_empty() {
            let hosts = hosts.to_vec();
            self.hosts.push(HostTable { hosts, table });
        }
        for (name, text) in other.urls.iter().flat_map(|urls| urls.all()) {
            self.add_name(&format!("{prefix}{text}"), &name);
        }
    }

    /// Takes a route of another application in, and returns its number here.
    #[track_caller]
    fn take_route(&mut self, prefix: &str, offset: usize, route: Route) -> usize {
        let text = format!("{prefix}{}", route.text);
        let pattern = match Pattern::parse(&text) {
            Ok(pattern) => pattern,
            Err(error) => panic!("{error}"),
        };
        self.routes.push(Route {
            text: text.into(),
            pattern,
            scope: route.scope + offset,
            ..route
        });
        self.routes.len() - 1
    }

    /// The first route that matches, where some are for hosts.
    pub(super) fn find_by_host(&self, ex: &mut Exchange) -> Option<usize> {
        let host = ex.request().host().map_or("", host_name).to_owned();
        let found = self.find_in_hosts(ex, |table| table.is_for(&host));
        let found = found.or_else(|| self.own.find(&self.routes, ex));
        if found.is_some() || ex.request().header("x-real-ip").is_some() {
            return found;
        }
        let default = self.default_host.as_deref()?;
        self.find_in_hosts(ex, |table| table.is_for(default))
    }

    fn find_in_hosts(
        &self,
        ex: &mut Exchange,
        is_for: impl Fn(&HostTable) -> bool,
    ) -> Option<usize> {
        let mut tables = self.hosts.iter().filter(|table| is_for(table));
        tables.find_map(|hosts| hosts.table.find(&self.routes, ex))
    }
}
