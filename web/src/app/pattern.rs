//! A route's pattern: literal segments, `{name}` for one segment, `{name...}` for the rest.

use std::ops::Range;
use std::rc::Rc;

#[derive(Debug)]
pub(super) struct Pattern {
    segments: Vec<Segment>,
    /// The names of the arguments, in order.
    pub(super) names: Rc<[Box<str>]>,
}

#[derive(Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    One,
    Rest,
}

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as a sentence that ends with the mend.
    pub(super) fn parse(text: &str) -> Result<Pattern, String> {
        let Some(text) = text.strip_prefix('/') else {
            return Err(format!("the pattern {text:?} needs a slash in front"));
        };
        let mut segments = Vec::new();
        let mut names: Vec<Box<str>> = Vec::new();
        for segment in text.split('/') {
            if segments.last() == Some(&Segment::Rest) {
                return Err(format!("nothing may follow the {{name...}} of \"/{text}\""));
            }
            let inside = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}'));
            let Some(name) = inside else {
                if segment.contains(['{', '}']) {
                    return Err(format!(
                        "{segment:?} in \"/{text}\": a {{name}} takes a whole segment"
                    ));
                }
                segments.push(Segment::Literal(segment.into()));
                continue;
            };
            let (name, kind) = match name.strip_suffix("...") {
                Some(name) => (name, Segment::Rest),
                None => (name, Segment::One),
            };
            if name.is_empty() || names.iter().any(|n| **n == *name) {
                return Err(format!(
                    "each {{name}} of \"/{text}\" needs a name of its own"
                ));
            }
            segments.push(kind);
            names.push(name.into());
        }
        Ok(Pattern {
            segments,
            names: names.into(),
        })
    }

    /// The path that it matches, if it matches only one.
    pub(super) fn literal(&self) -> Option<String> {
        let mut path = String::new();
        for segment in &self.segments {
            let Segment::Literal(literal) = segment else {
                return None;
            };
            path.push('/');
            path.push_str(literal);
        }
        Some(path)
    }

    /// Matches a path, and notes where in it the arguments are.
    pub(super) fn matches(&self, path: &[u8], spans: &mut Vec<Range<u32>>) -> bool {
        let Some(mut rest) = path.strip_prefix(b"/") else {
            return false;
        };
        let mut at = 1;
        for (i, segment) in self.segments.iter().enumerate() {
            let is_last = i + 1 == self.segments.len();
            let len = match segment {
                Segment::Rest => rest.len(),
                _ => (rest.iter().position(|byte| *byte == b'/')).unwrap_or(rest.len()),
            };
            match segment {
                Segment::Literal(literal) if rest[..len] == *literal.as_bytes() => {}
                Segment::Literal(_) => return false,
                Segment::One if len == 0 => return false,
                Segment::One | Segment::Rest => spans.push(at as u32..(at + len) as u32),
            }
            if is_last {
                return len == rest.len();
            }
            if len == rest.len() {
                return false;
            }
            rest = &rest[len + 1..];
            at += len + 1;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, path: &str, want: Option<&[&str]>) {
        let pattern = Pattern::parse(pattern).unwrap();
        let mut spans = Vec::new();
        let matches = pattern.matches(path.as_bytes(), &mut spans);
        let got = spans
            .iter()
            .map(|s| &path[s.start as usize..s.end as usize]);
        let got: Option<Vec<&str>> = matches.then(|| got.collect());
        assert_eq!(got.as_deref(), want, "{path}");
    }

    #[test]
    fn literals_match_themselves() {
        check("/", "/", Some(&[]));
        check("/", "", None);
        check("/a/b", "/a/b", Some(&[]));
        check("/a/b", "/a", None);
        check("/a", "/a/b", None);
        check("/a", "/a/", None);
        check("/a/", "/a/", Some(&[]));
        check("/a", "//a", None);
    }

    #[test]
    fn a_name_takes_one_segment_and_dots_the_rest() {
        check("/u/{id}", "/u/7", Some(&["7"]));
        check("/u/{id}", "/u/", None);
        check("/u/{id}", "/u/7/8", None);
        check("/u/{id}/p/{page}", "/u/7/p/8", Some(&["7", "8"]));
        check("/s/{path...}", "/s/a/b/c", Some(&["a/b/c"]));
        check("/s/{path...}", "/s/", Some(&[""]));
        check("/s/{path...}", "/s", None);
    }

    #[test]
    fn bad_patterns_say_the_mend() {
        for (pattern, want) in [
            ("a", "slash in front"),
            ("/a{b}", "whole segment"),
            ("/{}", "name of its own"),
            ("/{a}/{a}", "name of its own"),
            ("/{a...}/b", "nothing may follow"),
        ] {
            let error = Pattern::parse(pattern).unwrap_err();
            assert!(error.contains(want), "{pattern}: {error}");
        }
    }
}
