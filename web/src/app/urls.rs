//! Routes that have names, and the way from a name and arguments to a URL.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::{self, Display};

use super::pattern::Pattern;
use crate::conn::{Exchange, NamedUrls};
use crate::error::{Error, Result};

/// The patterns that have names. All of an application's settings share it, those of nested ones too.
#[derive(Default)]
pub(super) struct Urls(RefCell<HashMap<Box<str>, Named>>);

struct Named {
    text: Box<str>,
    pattern: Pattern,
}

impl Urls {
    /// Names a pattern.
    ///
    /// # Errors
    ///
    /// If another pattern has the name.
    pub(super) fn add(&self, name: &str, text: &str, pattern: Pattern) -> Result<(), String> {
        let mut names = self.0.borrow_mut();
        if let Some(other) = names.get(name) {
            let other = &other.text;
            return Err(format!(
                "the name {name:?} is that of {other:?} already: give {text:?} another"
            ));
        }
        let text = text.into();
        names.insert(name.into(), Named { text, pattern });
        Ok(())
    }

    /// The names and the patterns that they stand for.
    pub(super) fn all(&self) -> Vec<(Box<str>, Box<str>)> {
        let names = self.0.borrow();
        (names.iter())
            .map(|(name, named)| (name.clone(), named.text.clone()))
            .collect()
    }

    /// Asks a named pattern for a URL.
    fn with(
        &self,
        name: &str,
        ask: impl FnOnce(&Named) -> Result<String, String>,
    ) -> Result<String> {
        let names = self.0.borrow();
        let Some(named) = names.get(name) else {
            return Err(no_such_name(name));
        };
        ask(named).map_err(|why| {
            let text = &named.text;
            Error::mistake(format!("no URL for {name:?} ({text}): {why}"))
        })
    }
}

impl Named {
    fn by_position(&self, arguments: &[&dyn Display]) -> Result<String, String> {
        let (wanted, given) = (self.pattern.names.len(), arguments.len());
        if wanted != given {
            let names = self.names();
            return Err(format!(
                "it wants {wanted} arguments{names}, {given} are given"
            ));
        }
        self.pattern.path(arguments)
    }

    fn by_name(&self, arguments: &[(&str, &dyn Display)]) -> Result<String, String> {
        let mut ordered = Vec::new();
        for name in &*self.pattern.names {
            let mut given = arguments.iter().filter(|(other, _)| **other == **name);
            match (given.next(), given.next()) {
                (Some((_, value)), None) => ordered.push(*value),
                (None, _) => return Err(format!("the argument {name:?} is missing")),
                (Some(_), Some(_)) => return Err(format!("the argument {name:?} is given twice")),
            }
        }
        let is_known = |name: &str| self.pattern.names.iter().any(|known| **known == *name);
        if let Some((other, _)) = arguments.iter().find(|(name, _)| !is_known(name)) {
            let names = self.names();
            return Err(format!("it has no argument {other:?}{names}"));
        }
        self.pattern.path(&ordered)
    }

    fn names(&self) -> String {
        match self.pattern.names.join(", ") {
            names if names.is_empty() => names,
            names => format!(" ({names})"),
        }
    }
}

impl NamedUrls for Urls {
    fn by_position(&self, name: &str, arguments: &[&dyn Display]) -> Result<String> {
        self.with(name, |named| named.by_position(arguments))
    }

    fn by_name(&self, name: &str, arguments: &[(&str, &dyn Display)]) -> Result<String> {
        self.with(name, |named| named.by_name(arguments))
    }
}

impl fmt::Debug for Urls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.all()).finish()
    }
}

impl Exchange {
    /// Returns the path of the route that has this [name](crate::Application::name), with arguments in
    /// the order of its pattern: Tornado's `reverse_url`. They are encoded.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall_web::{Application, Exchange, Result};
    ///
    /// fn index(ex: &mut Exchange) -> Result<()> {
    ///     let url = ex.reverse_url("user", &[&"ann/bob", &7])?;
    ///     assert_eq!(url, "/users/ann%2Fbob/7");
    ///     ex.redirect(&url)
    /// }
    ///
    /// fn user(ex: &mut Exchange) {}
    ///
    /// let app = Application::new()
    ///     .get("/", index)
    ///     .get("/users/{name}/{page:u32}", user)
    ///     .name("/users/{name}/{page:u32}", "user");
    /// assert_eq!(app.reverse_url("user", &[&"ann", &1])?, "/users/ann/1");
    /// # Ok::<(), squall_web::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// 500, with what is wrong: there is no such name, the number of arguments is another, or one
    /// cannot stand in a path where it is to.
    pub fn reverse_url(&self, name: &str, arguments: &[&dyn Display]) -> Result<String> {
        self.urls(name)?.by_position(name, arguments)
    }

    /// As [`reverse_url`](Exchange::reverse_url), with arguments by their names.
    ///
    /// # Errors
    ///
    /// As [`reverse_url`](Exchange::reverse_url); if an argument is missing, or the pattern has none of
    /// its name.
    pub fn reverse_url_with(
        &self,
        name: &str,
        arguments: &[(&str, &dyn Display)],
    ) -> Result<String> {
        self.urls(name)?.by_name(name, arguments)
    }

    fn urls(&self, name: &str) -> Result<&dyn NamedUrls> {
        let site = self.site.as_ref();
        let urls = site.and_then(|site| site.urls.as_deref());
        urls.ok_or_else(|| no_such_name(name))
    }
}

pub(super) fn no_such_name(name: &str) -> Error {
    Error::mistake(format!(
        "no route has the name {name:?}: give it one with `Application::name`"
    ))
}
