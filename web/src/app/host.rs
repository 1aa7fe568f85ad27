//! Names of hosts that routes may be for: `example.com`, `*.example.com`, `*`.

/// A host's name, or a family of them. Ports play no part, and neither does case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostPattern {
    Any,
    Exact(Box<str>),
    /// The suffix with its dot in front: one label or more stands before it.
    Under(Box<str>),
}

impl HostPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as a sentence that ends with the mend.
    pub(super) fn parse(text: &str) -> Result<HostPattern, String> {
        if text == "*" {
            return Ok(HostPattern::Any);
        }
        let (name, is_family) = match text.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        if host_name(name).len() != name.len() {
            return Err(format!(
                "the host {text:?} is a name only: leave out its port, and the dot at its end"
            ));
        }
        let is_literal = name.starts_with('[') && name.ends_with(']') && !is_family;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if name.is_empty() || !is_literal && !name.chars().all(is_name) {
            return Err(format!(
                "the host {text:?} is no name: write `example.com`, `*.example.com` for all under it, or `*`"
            ));
        }
        Ok(match is_family {
            true => HostPattern::Under(format!(".{name}").into()),
            false => HostPattern::Exact(name.into()),
        })
    }

    /// True if the name is one of them.
    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            HostPattern::Any => true,
            HostPattern::Exact(exact) => name.eq_ignore_ascii_case(exact),
            HostPattern::Under(suffix) => {
                let (name, suffix) = (name.as_bytes(), suffix.as_bytes());
                let labels = name.len().checked_sub(suffix.len()).filter(|len| *len > 0);
                labels.is_some_and(|at| name[at..].eq_ignore_ascii_case(suffix))
            }
        }
    }
}

/// The name in `name[:port]`, without the dot that may end it.
pub(super) fn host_name(host: &str) -> &str {
    let name = match (host.strip_prefix('['), host.rsplit_once(':')) {
        (Some(literal), _) => {
            let end = literal.find(']').map_or(host.len(), |end| end + 2);
            &host[..end]
        }
        (None, Some((name, _))) => name,
        (None, None) => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_matched_without_port_and_case() {
        for (pattern, host, want) in [
            ("example.com", "example.com", true),
            ("example.com", "EXAMPLE.com:8080", true),
            ("Example.com", "example.com.", true),
            ("example.com", "a.example.com", false),
            ("example.com", "", false),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "a.B.Example.com:1", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.example.com", "badexample.com", false),
            ("[::1]", "[::1]:80", true),
            ("[::1]", "[::2]", false),
            ("*", "anything", true),
            ("*", "", true),
        ] {
            let parsed = HostPattern::parse(pattern).unwrap();
            assert_eq!(parsed.matches(host_name(host)), want, "{pattern} {host}");
        }
    }

    #[test]
    fn bad_hosts_say_the_mend() {
        for (pattern, want) in [
            ("", "no name"),
            ("*.", "no name"),
            ("a.*", "no name"),
            ("http://a", "leave out its port"),
            ("a/b", "no name"),
            ("a:80", "leave out its port"),
            ("a.", "leave out its port"),
            ("*.[::1]", "no name"),
        ] {
            let error = HostPattern::parse(pattern).unwrap_err();
            assert!(error.contains(want), "{pattern}: {error}");
        }
    }
}
