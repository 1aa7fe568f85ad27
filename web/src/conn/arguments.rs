//! What the client asked with: the arguments of the query, of a form, and of the path.

use std::mem;
use std::ops::Range;
use std::rc::Rc;
use std::str::FromStr;

use http::StatusCode;

use super::exchange::Exchange;
use super::form::{FilePart, read_form};
use crate::error::{Error, Result};
use crate::http::{decode_path_segment, parse_query};

/// What the route's pattern matched.
#[derive(Debug, Default)]
pub(super) struct PathArguments {
    names: Rc<[Box<str>]>,
    /// Where in the path each is.
    pub(super) spans: Vec<Range<u32>>,
}

/// The arguments of a query and of a form.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    /// Those of the query, then those of the form.
    pub(super) all: Vec<(String, String)>,
    from_query: usize,
    pub(super) files: Vec<FilePart>,
    /// True if the body was not there yet.
    without_form: bool,
}

impl Arguments {
    fn of(ex: &Exchange) -> Result<Arguments> {
        let query = ex.request().query().unwrap_or("");
        let mut arguments = Arguments {
            all: parse_query(query).map_err(malformed)?,
            ..Arguments::default()
        };
        arguments.from_query = arguments.all.len();
        arguments.without_form = ex.has_unread_body();
        if !arguments.without_form {
            read_form(ex, &mut arguments)?;
        }
        Ok(arguments)
    }
}

pub(super) fn malformed(error: impl std::error::Error + 'static) -> Error {
    Error::new(StatusCode::BAD_REQUEST, "malformed arguments").with_source(error)
}

/// The last value of this name.
fn last(all: &[(String, String)], name: &str) -> Option<String> {
    let mut named = all.iter().rev().filter(|(key, _)| key == name);
    named.next().map(|(_, value)| value.clone())
}

fn named(all: &[(String, String)], name: &str) -> Vec<String> {
    let named = all.iter().filter(|(key, _)| key == name);
    named.map(|(_, value)| value.clone()).collect()
}

impl Exchange {
    /// Returns the last argument of this name, of the query or of a form in the body: Tornado's
    /// `get_argument`.
    ///
    /// # Errors
    ///
    /// 400 if there is none, or if the arguments are malformed. For one that may be missing use
    /// [`argument_opt`](Exchange::argument_opt).
    pub fn argument(&mut self, name: &str) -> Result<String> {
        let argument = self.argument_opt(name)?;
        argument.ok_or_else(|| Error::missing_argument(name))
    }

    /// Returns the last argument of this name, if there is one.
    ///
    /// # Errors
    ///
    /// 400 if the arguments are malformed: not UTF-8, more than 1,000, or in a form with files that is
    /// not whole.
    pub fn argument_opt(&mut self, name: &str) -> Result<Option<String>> {
        Ok(last(self.all_arguments()?, name))
    }

    /// Returns all arguments of this name in order, those of the query first.
    ///
    /// # Errors
    ///
    /// As [`argument_opt`](Exchange::argument_opt).
    pub fn arguments(&mut self, name: &str) -> Result<Vec<String>> {
        Ok(named(self.all_arguments()?, name))
    }

    /// Returns the last argument of this name in the query, if there is one: Tornado's
    /// `get_query_argument`.
    ///
    /// # Errors
    ///
    /// As [`argument_opt`](Exchange::argument_opt).
    pub fn query_argument(&mut self, name: &str) -> Result<Option<String>> {
        Ok(last(self.query_arguments()?, name))
    }

    /// Returns the last argument of this name in the form, if there is one: Tornado's
    /// `get_body_argument`.
    ///
    /// # Errors
    ///
    /// As [`argument_opt`](Exchange::argument_opt).
    pub fn body_argument(&mut self, name: &str) -> Result<Option<String>> {
        Ok(last(self.body_arguments()?, name))
    }

    /// Returns the names and values of all arguments in order, those of the query first.
    ///
    /// # Errors
    ///
    /// As [`argument_opt`](Exchange::argument_opt).
    pub fn all_arguments(&mut self) -> Result<&[(String, String)]> {
        Ok(&self.read_arguments()?.all)
    }

    /// Returns the names and values of the query's arguments in order.
    ///
    /// # Errors
    ///
    /// As [`argument_opt`](Exchange::argument_opt).
    pub fn query_arguments(&mut self) -> Result<&[(String, String)]> {
        let arguments = self.read_arguments()?;
        Ok(&arguments.all[..arguments.from_query])
    }

    /// Returns the names and values of the form's fields in order; files are
    /// [apart](Exchange::files).
    ///
    /// # Errors
    ///
    /// As [`argument_opt`](Exchange::argument_opt).
    pub fn body_arguments(&mut self) -> Result<&[(String, String)]> {
        let arguments = self.read_arguments()?;
        Ok(&arguments.all[arguments.from_query..])
    }

    /// What was asked with, taken apart once a request.
    pub(super) fn read_arguments(&mut self) -> Result<&Arguments> {
        let has_form = !self.has_unread_body();
        let arguments = match self.arguments.take() {
            Some(arguments) if !(arguments.without_form && has_form) => arguments,
            _ => Arguments::of(self)?,
        };
        Ok(self.arguments.insert(arguments))
    }

    /// Returns what the route's `{name}` matched, decoded and parsed.
    ///
    /// # Errors
    ///
    /// 404 if it does not parse: such a page does not exist. 500 if the route has no such name.
    pub fn path_argument<T: FromStr>(&self, name: &str) -> Result<T> {
        let index = (self.path_arguments.names.iter()).position(|n| **n == *name);
        let index = index.ok_or_else(|| no_such_path_argument(name))?;
        self.path_argument_at(index, name)
    }

    /// What the route's last part matched, as it was sent.
    pub(crate) fn last_path_argument(&self) -> Option<&str> {
        let span = self.path_arguments.spans.last()?;
        (self.request().path()).get(span.start as usize..span.end as usize)
    }

    pub(crate) fn path_argument_at<T: FromStr>(&self, index: usize, name: &str) -> Result<T> {
        let span = self.path_arguments.spans.get(index);
        let span = span.ok_or_else(|| no_such_path_argument(name))?;
        let path = self.request().path();
        let raw = path.get(span.start as usize..span.end as usize);
        let raw = raw.ok_or_else(|| no_such_path_argument(name))?;
        let text = decode_path_segment(raw).map_err(|error| {
            Error::new(StatusCode::BAD_REQUEST, "malformed path").with_source(error)
        })?;
        text.parse().map_err(|_| {
            let message = format!("the path's {name:?} does not parse: {text:?}");
            Error::new(StatusCode::NOT_FOUND, message)
        })
    }

    /// The index of the route's `{name}`; that of the position if none has this name.
    pub(crate) fn path_argument_index(&self, position: usize, name: &str) -> usize {
        let mut names = self.path_arguments.names.iter();
        names.position(|n| **n == *name).unwrap_or(position)
    }

    /// Forgets what patterns matched, and those of the exchange's earlier requests.
    pub(crate) fn clear_path_arguments(&mut self) {
        self.path_arguments.spans.clear();
        if !self.path_arguments.names.is_empty() {
            self.path_arguments.names = Rc::default();
        }
    }

    pub(crate) fn set_path_arguments(
        &mut self,
        names: &Rc<[Box<str>]>,
        spans: impl FnOnce(&[u8], &mut Vec<Range<u32>>) -> bool,
    ) -> bool {
        let mut found = mem::take(&mut self.path_arguments.spans);
        found.clear();
        let matches = spans(self.path_bytes(), &mut found);
        self.path_arguments.spans = found;
        if matches {
            self.path_arguments.names = names.clone();
        }
        matches
    }
}

fn no_such_path_argument(name: &str) -> Error {
    let message = format!(
        "the handler wants the path's {name:?}, but its route has no such part: write it as {{{name}}} in the pattern"
    );
    Error::mistake(message)
}
