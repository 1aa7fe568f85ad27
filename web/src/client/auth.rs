//! `Authorization: Basic` (RFC 7617).

use http::header::HeaderValue;
use percent_encoding::percent_decode_str;

/// Returns the header's value; none if the name has a colon, which would end it.
///
/// `encoded` says that both are parts of a URL.
pub(super) fn basic(user: &str, password: &str, encoded: bool) -> Option<HeaderValue> {
    let decode = |text: &str| match encoded {
        true => percent_decode_str(text).collect(),
        false => text.as_bytes().to_vec(),
    };
    let mut plain: Vec<u8> = decode(user);
    if plain.contains(&b':') {
        return None;
    }
    plain.push(b':');
    plain.extend(decode(password));
    let mut value = HeaderValue::from_str(&format!("Basic {}", base64(&plain))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) & 63;
            text.push(match digit <= group.len() {
                true => char::from(DIGITS[value as usize]),
                false => '=',
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads() {
        // RFC 4648 §10.
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }

    #[test]
    fn user_and_password_are_one_word() {
        let of = |user, password, encoded| {
            basic(user, password, encoded).map(|value| value.to_str().unwrap().to_owned())
        };
        // RFC 7617 §2 and §2.1.
        let aladdin = Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(of("Aladdin", "open sesame", false).as_deref(), aladdin);
        assert_eq!(of("Aladdin", "open%20sesame", true).as_deref(), aladdin);
        let pound = Some("Basic dGVzdDoxMjPCow==");
        assert_eq!(of("test", "123\u{a3}", false).as_deref(), pound);
        assert_eq!(of("u", "", false).as_deref(), Some("Basic dTo="));
        assert_eq!(of("a:b", "c", false), None);
        assert_eq!(of("a%3Ab", "c", true), None);
    }
}
