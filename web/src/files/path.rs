//! From what was asked to names of files.

use http::StatusCode;

use crate::error::{Error, Result};
use crate::http::decode_path_segment;

/// A path below the root, decoded and harmless.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Each a name: not empty, no dots alone, no separator.
    pub(super) names: Vec<String>,
    /// True if it ends with a slash, or is the root itself.
    pub(super) is_directory: bool,
}

impl Asked {
    /// Takes apart what follows the route's prefix, as it was sent.
    ///
    /// # Errors
    ///
    /// 404 for what no file of ours can be called; 400 if it is not UTF-8.
    pub(super) fn parse(path: &str, with_hidden: bool) -> Result<Asked> {
        let (names, is_directory) = match path.rsplit_once('/') {
            _ if path.is_empty() => return Ok(Asked::root()),
            Some((names, "")) => (names, true),
            _ => (path, false),
        };
        let names = names.split('/').map(|segment| {
            // Decoded once, after it was split: an encoded slash is none.
            let name = decode_path_segment(segment).map_err(|error| {
                Error::new(StatusCode::BAD_REQUEST, "malformed path").with_source(error)
            })?;
            let is_hidden = name.starts_with('.') && name != ".well-known";
            match is_name(&name) && (with_hidden || !is_hidden) {
                true => Ok(name.into_owned()),
                false => Err(Error::status_only(StatusCode::NOT_FOUND)),
            }
        });
        Ok(Asked {
            names: names.collect::<Result<_>>()?,
            is_directory,
        })
    }

    fn root() -> Asked {
        Asked {
            names: Vec::new(),
            is_directory: true,
        }
    }
}

/// True for what stands for one entry of a directory, on any system: `\` separates and `:` names a
/// drive or a stream on Windows.
fn is_name(name: &str) -> bool {
    let is_special = |c: char| matches!(c, '/' | '\\' | '\0') || (cfg!(windows) && c == ':');
    !matches!(name, "" | "." | "..") && !name.contains(is_special)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, names: &[&str], is_directory: bool) {
        let asked = Asked::parse(path, false).unwrap();
        assert_eq!(asked.names, names, "{path}");
        assert_eq!(asked.is_directory, is_directory, "{path}");
    }

    #[test]
    fn names_are_decoded() {
        check("", &[], true);
        check("a.txt", &["a.txt"], false);
        check("a/b/c", &["a", "b", "c"], false);
        check("sub/", &["sub"], true);
        check("with%20space+.txt", &["with space+.txt"], false);
        check("%C3%A9", &["é"], false);
        check(".well-known/x", &[".well-known", "x"], false);
    }

    #[test]
    fn ways_out_are_refused() {
        for bad in [
            "..",
            "../a",
            "a/..",
            "a/../b",
            "%2e%2e/a",
            "%2E./a",
            ".%2e/",
            "a/./b",
            ".",
            "./",
            "/",
            "//",
            "/etc/passwd",
            "a//b",
            "%2fetc/passwd",
            "a%2fb",
            "..%2fa",
            "..%5ca",
            "a\\b",
            "%5c..",
            "a%00b",
            "%00",
            ".git/config",
            "a/.env",
            "%2egit",
            "...",
        ] {
            let error = Asked::parse(bad, false).expect_err(bad);
            assert_eq!(error.status(), StatusCode::NOT_FOUND, "{bad}");
        }
        for bad in ["%ff", "a/%c0%ae%c0%ae/b", "%c0%af"] {
            let error = Asked::parse(bad, false).expect_err(bad);
            assert_eq!(error.status(), StatusCode::BAD_REQUEST, "{bad}");
        }
        assert!(Asked::parse(".env", true).is_ok());
        assert!(Asked::parse("..", true).is_err());
        // Decoded once, it is a strange name.
        check("%252e%252e", &["%2e%2e"], false);
    }
}
