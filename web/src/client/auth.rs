//! `Authorization: Basic` (RFC 7617).

use http::header::HeaderValue;
use percent_encoding::percent_decode_str;

use base64::prelude::{BASE64_STANDARD, Engine};

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
    let mut value =
        HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(&plain))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

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
