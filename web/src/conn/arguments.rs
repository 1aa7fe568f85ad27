//! What the client asked with: the arguments of the query, of a form, and of the path.

use std::mem;
use std::ops::Range;
use std::rc::Rc;
use std::str::FromStr;

use http::StatusCode;

use super::exchange::Exchange;
use crate::error::{Error, Result};
use crate::http::{decode_path_segment, parse_form, parse_query};

/// What the route's pattern matched.
#[derive(Debug, Default)]
pub(super) struct PathArguments {
    names: Rc<[Box<str>]>,
    /// Where in the path each is.
    pub(super) spans: Vec<Range<u32>>,
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
    /// 400 if the arguments are malformed: not UTF-8, or more than 1,000.
    pub fn argument_opt(&mut self, name: &str) -> Result<Option<String>> {
        Ok(self.arguments(name)?.pop())
    }

    /// Returns all arguments of this name in order, those of the query first.
    ///
    /// # Errors
    ///
    /// As [`argument_opt`](Exchange::argument_opt).
    pub fn arguments(&mut self, name: &str) -> Result<Vec<String>> {
        let all = self.all_arguments()?.iter();
        Ok(all
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
            .collect())
    }

    /// Returns the names and values of all arguments in order, those of the query first.
    ///
    /// # Errors
    ///
    /// As [`argument_opt`](Exchange::argument_opt).
    pub fn all_arguments(&mut self) -> Result<&[(String, String)]> {
        if self.arguments.is_none() {
            let bad = |error| {
                Error::new(StatusCode::BAD_REQUEST, "malformed arguments").with_source(error)
            };
            let request = self.request();
            let mut all = parse_query(request.query().unwrap_or("")).map_err(bad)?;
            let content_type = request.header_str("content-type").unwrap_or("");
            if is_form(content_type) {
                if request.is_encoded() {
                    let message = "the form is compressed in a way that is not taken apart here";
                    return Err(Error::new(StatusCode::BAD_REQUEST, message));
                }
                all.extend(parse_form(request.body()).map_err(bad)?);
            }
            self.arguments = Some(all);
        }
        Ok(self.arguments.as_deref().unwrap_or(&[]))
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
        spans: impl FnOnce(&str, &mut Vec<Range<u32>>) -> bool,
    ) -> bool {
        let mut found = mem::take(&mut self.path_arguments.spans);
        found.clear();
        let matches = spans(self.request().path(), &mut found);
        self.path_arguments.spans = found;
        if matches {
            self.path_arguments.names = names.clone();
        }
        matches
    }
}

fn is_form(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or("");
    (essence.trim()).eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn no_such_path_argument(name: &str) -> Error {
    let message = format!(
        "the handler wants the path's {name:?}, but its route has no such part: write it as {{{name}}} in the pattern"
    );
    Error::new(StatusCode::INTERNAL_SERVER_ERROR, message)
}
