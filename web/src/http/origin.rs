//! Whose page sends a request, as a browser says it: `Origin` (RFC 6454 §7).

use super::host::is_authority;

/// True if a page of this origin was served by this host: `Origin` has a scheme, `Host` has not.
pub(crate) fn same_origin(origin: &str, host: &str) -> bool {
    let Some((_, rest)) = origin.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    !authority.is_empty() && authority.eq_ignore_ascii_case(host)
}

/// True for a scheme and an authority and nothing else, as browsers write origins.
pub(crate) fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let has_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    has_scheme && scheme.bytes().all(is_scheme) && is_authority(authority.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_compared_with_the_host() {
        // W9
        let check = |origin, host, want| assert_eq!(same_origin(origin, host), want, "{origin}");
        check("http://h.example", "h.example", true);
        check("https://h.example", "h.example", true);
        check("http://H.Example/", "h.example", true);
        check("http://h.example/path?x", "h.example", true);
        check("http://h.example:81", "h.example:81", true);
        check("http://h.example:81", "h.example", false);
        check("http://h.example", "h.example:81", false);
        check("http://sub.h.example", "h.example", false);
        check("http://evil.example", "h.example", false);
        check("http://evil.example/h.example", "h.example", false);
        check("http://user@h.example", "h.example", false);
        check("h.example", "h.example", false);
        check("null", "null", false);
        check("", "", false);
        check("http://", "", false);
        check("file://", "h.example", false);
    }

    #[test]
    fn origin_is_a_scheme_and_an_authority() {
        for good in [
            "https://a",
            "http://a.example:8080",
            "app+x://h",
            "https://[::1]:1",
        ] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "",
            "a.example",
            "null",
            "https://",
            "https://a/",
            "://a",
            "1s://a",
            "https://a b",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
