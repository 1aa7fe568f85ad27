//! The grammar of a host with an optional port.

use super::grammar::alphanumerics_and;

/// Checks `host [":" port]` (RFC 9110 §7.2) where the host is not empty.
///
/// Stricter than RFC 3986 §3.2.2 in two points: no comma, which would hide a
/// second value, and no future kind of IP literal.
pub(super) fn is_authority(text: &[u8]) -> bool {
    let name_end = match text.strip_prefix(b"[") {
        Some(literal) => {
            let Some(end) = literal.iter().position(|byte| *byte == b']') else {
                return false;
            };
            if !is_ipv6(&literal[..end]) {
                return false;
            }
            end + 2
        }
        None => text
            .iter()
            .position(|byte| !HOST_BYTES[usize::from(*byte)])
            .unwrap_or(text.len()),
    };
    let (name, port) = text.split_at(name_end);
    !name.is_empty() && is_port(port)
}

fn is_ipv6(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok())
}

/// Checks nothing, or a colon and at most five digits.
fn is_port(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// The bytes of a registered name or IPv4 address, without the comma.
static HOST_BYTES: [bool; 256] = alphanumerics_and(b".-_~%!$&'()*+;=");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authority_is_a_host_and_perhaps_a_port() {
        for good in [
            "a",
            "a.example:80",
            "a:",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:80",
            "a_b-c~d",
            "%41",
        ] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            ":80",
            "a,b",
            "a b",
            "a/b",
            "u@a",
            "caf\u{e9}",
            "a:b",
            "a:123456",
            "a:1:2",
            "[::1",
            "[]",
            "[a]",
            "[::1]x",
            "[::1]]",
            "::1",
            "a#",
            "a?",
            "a\\b",
            "a\"b",
            "a\0",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }
}
