//! A route's pattern: literal segments, `{name}` for one segment, `{name:u64}` for one that parses as
//! that type, `{name...}` for the rest; and the way back, from arguments to a path.

use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::http::decode_path_segment;

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
    Typed(Kind),
    Rest,
}

/// What an argument has to parse as, for its pattern to match.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    parses: fn(&str) -> bool,
}

macro_rules! kinds {
    ($($ty:ident)*) => {
        [$(Kind { name: stringify!($ty), parses: |text| text.parse::<$ty>().is_ok() },)*]
    };
}

const KINDS: [Kind; 13] = kinds!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize bool);

impl Kind {
    fn of(name: &str) -> Option<Kind> {
        KINDS.into_iter().find(|kind| kind.name == name)
    }

    /// True if the segment parses once it is decoded, as that for the handler is.
    fn fits(self, raw: &[u8]) -> bool {
        let Ok(raw) = str::from_utf8(raw) else {
            return false;
        };
        decode_path_segment(raw).is_ok_and(|text| (self.parses)(&text))
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Kind) -> bool {
        self.name == other.name
    }
}

impl Eq for Kind {}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What a segment may hold as it is (RFC 3986 §3.3).
const SEGMENT: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');
const SEGMENTS: AsciiSet = SEGMENT.remove(b'/');
/// A literal stands in a pattern as it is sent, so what is encoded stays so.
const LITERAL: AsciiSet = SEGMENT.remove(b'%');

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
            let Some(inside) = inside else {
                if segment.contains(['{', '}']) {
                    return Err(format!(
                        "{segment:?} in \"/{text}\": a {{name}} takes a whole segment"
                    ));
                }
                segments.push(Segment::Literal(segment.into()));
                continue;
            };
            let (name, kind) = argument(inside).map_err(|why| format!("\"/{text}\": {why}"))?;
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
                Segment::Typed(kind) if !kind.fits(&rest[..len]) => return false,
                Segment::One | Segment::Typed(_) | Segment::Rest => {
                    spans.push(at as u32..(at + len) as u32);
                }
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

    /// Makes the path that this pattern matches with these arguments, encoded.
    ///
    /// # Errors
    ///
    /// Which argument cannot stand where it is to, and why. Their number is the caller's affair.
    pub(super) fn path(&self, arguments: &[&dyn fmt::Display]) -> Result<String, String> {
        let mut path = String::new();
        let mut given = self.names.iter().zip(arguments);
        for segment in &self.segments {
            path.push('/');
            if let Segment::Literal(literal) = segment {
                path.extend(utf8_percent_encode(literal, &LITERAL));
                continue;
            }
            let Some((name, argument)) = given.next() else {
                return Err("an argument is missing".to_owned());
            };
            let text = argument.to_string();
            match segment {
                Segment::Rest => path.extend(utf8_percent_encode(&text, &SEGMENTS)),
                _ if text.is_empty() => return Err(format!("{name:?} is empty")),
                // Clients take such segments away, encoded or not.
                _ if text == "." || text == ".." => {
                    return Err(format!("{name:?} is {text:?}, which no segment can be"));
                }
                Segment::Typed(kind) if !(kind.parses)(&text) => {
                    return Err(format!("{name:?} is no {}: {text:?}", kind.name));
                }
                _ => path.extend(utf8_percent_encode(&text, &SEGMENT)),
            }
        }
        Ok(path)
    }
}

/// Takes apart what is between the braces.
fn argument(inside: &str) -> Result<(&str, Segment), String> {
    if let Some(name) = inside.strip_suffix("...") {
        return Ok((name, Segment::Rest));
    }
    let Some((name, kind)) = inside.split_once(':') else {
        return Ok((inside, Segment::One));
    };
    match Kind::of(kind) {
        Some(kind) => Ok((name, Segment::Typed(kind))),
        None => {
            let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            let known = known.join(", ");
            Err(format!(
                "{{{inside}}} has a type that paths are not matched by: write one of {known}, or {{{name}}}"
            ))
        }
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
    fn a_type_matches_what_parses() {
        check("/u/{id:u64}", "/u/7", Some(&["7"]));
        check("/u/{id:u64}", "/u/%37", Some(&["%37"]));
        check("/u/{id:u64}", "/u/x", None);
        check("/u/{id:u64}", "/u/-7", None);
        check("/u/{id:u64}", "/u/", None);
        check("/u/{id:u64}", "/u/%FF", None);
        check("/u/{id:i8}/x", "/u/-128/x", Some(&["-128"]));
        check("/u/{id:i8}/x", "/u/128/x", None);
        check("/{on:bool}", "/true", Some(&["true"]));
        check("/{on:bool}", "/yes", None);
    }

    #[track_caller]
    fn path(pattern: &str, arguments: &[&dyn fmt::Display]) -> Result<String, String> {
        let path = Pattern::parse(pattern).unwrap().path(arguments);
        if let Ok(path) = &path {
            let mut spans = Vec::new();
            let pattern = Pattern::parse(pattern).unwrap();
            assert!(pattern.matches(path.as_bytes(), &mut spans), "{path}");
            for (span, argument) in spans.iter().zip(arguments) {
                let raw = &path[span.start as usize..span.end as usize];
                assert_eq!(decode_path_segment(raw).unwrap(), argument.to_string());
            }
        }
        path
    }

    #[test]
    fn arguments_make_the_path_that_gives_them_back() {
        assert_eq!(path("/", &[]).unwrap(), "/");
        assert_eq!(path("/a/b/", &[]).unwrap(), "/a/b/");
        assert_eq!(path("/u/{id}", &[&7]).unwrap(), "/u/7");
        assert_eq!(
            path("/u/{id}/x", &[&"a/b c?é%#"]).unwrap(),
            "/u/a%2Fb%20c%3F%C3%A9%25%23/x"
        );
        assert_eq!(path("/s/{p...}", &[&"a/b c"]).unwrap(), "/s/a/b%20c");
        assert_eq!(path("/s/{p...}", &[&""]).unwrap(), "/s/");
        assert_eq!(path("/{a}/{b:i8}", &[&"x", &-1]).unwrap(), "/x/-1");
        for (bad, arguments, why) in [
            ("/{a}", &[&"" as &dyn fmt::Display], "\"a\" is empty"),
            ("/{a}", &[&".."], "which no segment can be"),
            ("/{n:u8}", &[&256], "\"n\" is no u8: \"256\""),
        ] {
            let error = path(bad, arguments).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn bad_patterns_say_the_mend() {
        for (pattern, want) in [
            ("a", "slash in front"),
            ("/a{b}", "whole segment"),
            ("/{}", "name of its own"),
            ("/{a}/{a}", "name of its own"),
            ("/{a...}/b", "nothing may follow"),
            ("/{a:f128}", "write one of u8, u16"),
            ("/{:u8}", "name of its own"),
        ] {
            let error = Pattern::parse(pattern).unwrap_err();
            assert!(error.contains(want), "{pattern}: {error}");
        }
    }
}
