//! Tokens against forged requests, as Tornado has them: one random value for a client, in its cookie
//! and in its forms, masked anew each time it is shown, so that compression does not give it away.

use super::signed::unhex;

/// The random value behind a token.
pub(crate) const TOKEN_BYTES: usize = 16;

/// Writes a token of version 2: `2|mask|masked|seconds`.
pub(crate) fn mask_token(token: &[u8], mask: [u8; 4], seconds: u64) -> String {
    let mut text = String::from("2|");
    let mut hex = |bytes: &mut dyn Iterator<Item = u8>| {
        bytes.for_each(|byte| text += &format!("{byte:02x}"));
        text.push('|');
    };
    hex(&mut mask.into_iter());
    hex(&mut masked(token, mask));
    text + &seconds.to_string()
}

/// Returns the value behind a token; none if it is malformed or empty.
///
/// A text without a version is one of version 1: the value in hex, or as it is.
pub(crate) fn unmask_token(text: &str) -> Option<Vec<u8>> {
    let token = match text.split_once('|') {
        Some((version, rest)) if is_version(version) => {
            let mut fields = rest.split('|');
            let mut field = || fields.next();
            let (mask, value, seconds) = (field()?, field()?, field()?);
            let mask: [u8; 4] = unhex_any(mask)?.try_into().ok()?;
            let is_time = !seconds.is_empty() && seconds.bytes().all(|b| b.is_ascii_digit());
            if version != "2" || !is_time || field().is_some() {
                return None;
            }
            masked(&unhex_any(value)?, mask).collect()
        }
        _ => unhex_any(text).unwrap_or_else(|| text.as_bytes().to_vec()),
    };
    (!token.is_empty()).then_some(token)
}

/// True if two values are the same; takes the same time wherever they differ.
pub(crate) fn is_same_token(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b));
    a.len() == b.len() && std::hint::black_box(differences) == 0
}

fn is_version(text: &str) -> bool {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits && !text.is_empty() && !text.starts_with('0')
}

fn masked(bytes: &[u8], mask: [u8; 4]) -> impl Iterator<Item = u8> {
    bytes
        .iter()
        .zip(mask.into_iter().cycle())
        .map(|(byte, mask)| byte ^ mask)
}

fn unhex_any(text: &str) -> Option<Vec<u8>> {
    unhex(&text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_differ_and_the_value_does_not() {
        let token = b"0123456789abcdef";
        let a = mask_token(token, [1, 2, 3, 4], 1_300_000_000);
        let b = mask_token(token, *b"\xff\0\x80z", 1_300_000_000);
        assert_eq!(a, "2|01020304|3133313735373533393b626662666662|1300000000");
        assert_ne!(a, b);
        for text in [&a, &b] {
            assert_eq!(unmask_token(text).as_deref(), Some(&token[..]));
        }
    }

    #[test]
    fn tokens_of_version_1_are_hex_or_plain() {
        // H268, X46
        assert_eq!(unmask_token("deadbeef"), Some(b"\xde\xad\xbe\xef".to_vec()));
        assert_eq!(unmask_token("DEADBEEF"), Some(b"\xde\xad\xbe\xef".to_vec()));
        assert_eq!(unmask_token("not hex"), Some(b"not hex".to_vec()));
        assert_eq!(unmask_token("a|b"), Some(b"a|b".to_vec()));
    }

    #[test]
    fn malformed_tokens_are_none() {
        // H271
        for bad in [
            "",
            "2|",
            "3|",
            "2|01020304|31",
            "2|010203|31|1",
            "2|01020304|3|1",
            "2|01020304||1",
            "2|01020304|31|x",
            "2|01020304|31|1|2",
            "1|01020304|31|1",
            "2|01020304|31|",
        ] {
            assert_eq!(unmask_token(bad), None, "{bad}");
        }
    }

    #[test]
    fn tokens_are_compared_whole() {
        assert!(is_same_token(b"abc", b"abc"));
        for other in [&b"abd"[..], b"ab", b"abcd", b""] {
            assert!(!is_same_token(b"abc", other));
        }
    }
}
