//! Routes that lead elsewhere: where to, with the arguments of the path.

use http::StatusCode;

use super::pattern::Pattern;
use crate::conn::Exchange;
use crate::error::{Error, Result};

/// A target in whose path arguments of the route may stand.
#[derive(Debug)]
pub(super) struct Redirect {
    /// `https://host`, or nothing.
    origin: Box<str>,
    path: Pattern,
    /// Of the target's own.
    query: Option<Box<str>>,
    fragment: Option<Box<str>>,
}

impl Redirect {
    /// Parses the target of a route with this pattern.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as a sentence that ends with the mend.
    pub(super) fn parse(from: &Pattern, to: &str) -> Result<Redirect, String> {
        let (rest, fragment) = split(to, '#');
        let (rest, query) = split(rest, '?');
        let (origin, path) = match rest.split_once("://") {
            Some((scheme, behind)) => {
                let at = behind.find('/').unwrap_or(behind.len());
                rest.split_at(scheme.len() + "://".len() + at)
            }
            None => ("", rest),
        };
        let fixed = [origin, query.unwrap_or(""), fragment.unwrap_or("")].concat();
        if fixed.contains(['{', '}']) {
            return Err(format!(
                "arguments of the target {to:?} may stand in its path only, or whoever asks says where to"
            ));
        }
        if let Some(bad) = to
            .chars()
            .find(|c| c.is_control() || *c == ' ' || *c == '\\')
        {
            return Err(format!("the target {to:?} has a {bad:?}: encode it"));
        }
        if path.starts_with("//") {
            return Err(format!(
                "the target {to:?} is of another host: write it with its scheme"
            ));
        }
        let path = if path.is_empty() { "/" } else { path };
        let path = Pattern::parse(path)?;
        for name in &*path.names {
            if !from.names.contains(name) {
                return Err(format!(
                    "the target {to:?} has {{{name}}}, which the redirected pattern has not"
                ));
            }
        }
        Ok(Redirect {
            origin: origin.into(),
            path,
            query: query.map(Box::from),
            fragment: fragment.map(Box::from),
        })
    }

    /// Where this request is to go.
    pub(super) fn url(&self, ex: &Exchange) -> Result<String> {
        let mut arguments = Vec::new();
        for name in &*self.path.names {
            let argument: String = ex.path_argument(name)?;
            if argument.contains(char::is_control) {
                return Err(elsewhere());
            }
            arguments.push(argument);
        }
        let shown: Vec<&dyn std::fmt::Display> = arguments.iter().map(|a| a as _).collect();
        let path = self.path.path(&shown).map_err(|_| elsewhere())?;
        // For a browser this would begin a host.
        if path.starts_with("//") {
            return Err(elsewhere());
        }
        let mut url = format!("{}{path}", self.origin);
        let queries = [self.query.as_deref(), ex.request().query()];
        let mut joint = '?';
        for query in queries.into_iter().flatten().filter(|q| !q.is_empty()) {
            url.push(joint);
            url.push_str(query);
            joint = '&';
        }
        if let Some(fragment) = &self.fragment {
            url.push('#');
            url.push_str(fragment);
        }
        Ok(url)
    }
}

/// What is before the first `at`, and what is behind it, if there is one.
fn split(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, behind)) => (before, Some(behind)),
        None => (text, None),
    }
}

fn elsewhere() -> Error {
    let message = "the path's arguments would redirect to elsewhere than was meant";
    Error::new(StatusCode::BAD_REQUEST, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_targets_say_the_mend() {
        let from = Pattern::parse("/{a}/{rest...}").unwrap();
        for (to, want) in [
            ("new", "slash in front"),
            ("/{b}", "has {b}"),
            ("https://{a}.example.com/", "path only"),
            ("{a}://example.com/", "path only"),
            ("/x?y={a}", "path only"),
            ("//example.com/{a}", "with its scheme"),
            ("/a\r\nb", "encode it"),
            ("/\\example.com", "encode it"),
        ] {
            let error = Redirect::parse(&from, to).unwrap_err();
            assert!(error.contains(want), "{to}: {error}");
        }
        for good in [
            "/",
            "/{a}",
            "https://example.com",
            "https://example.com/x/{rest...}?a#b",
        ] {
            Redirect::parse(&from, good).unwrap();
        }
    }
}
