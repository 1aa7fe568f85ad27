//! Values that are signed: Tornado's signed cookies, version 2.
//!
//! ```text
//! 2|1:0|10:1300000000|3:key|8:dmFsdWU=|3d4e60b9…
//! │  │   │             │     │          └ HMAC-SHA256 of all before it, in hex
//! │  │   │             │     └ the value in base64
//! │  │   │             └ the name, so that a value of one cookie is none of another
//! │  │   └ when it was signed, in seconds
//! │  └ the key's version
//! └ the form's version; each field has its length in front
//! ```
//!
//! A value is signed, not hidden: who has it can read it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use base64::prelude::{BASE64_STANDARD, Engine};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Keys that cookies are signed with: Tornado's `cookie_secret`.
///
/// What it signs Tornado can read, and the other way round.
///
/// # Examples
///
/// ```
/// use squall_web::{Application, CookieSecret};
///
/// let secret = CookieSecret::new("what nobody can guess");
/// // Signs with the new key, and still knows the old one.
/// let changed = CookieSecret::versions([(1, "the old one"), (2, "the new one")], 2);
/// let app = Application::new().cookie_secret(changed);
/// ```
#[derive(Clone)]
pub struct CookieSecret {
    keys: Keys,
}

#[derive(Clone)]
enum Keys {
    /// Whatever version a value names.
    One(Vec<u8>),
    Several(BTreeMap<u32, Vec<u8>>, u32),
}

impl CookieSecret {
    /// One key.
    ///
    /// # Panics
    ///
    /// If it is empty: anybody could sign then.
    pub fn new(secret: impl AsRef<[u8]>) -> CookieSecret {
        let keys = Keys::One(sound(secret.as_ref()));
        CookieSecret { keys }
    }

    /// Several keys by their versions, of which `current` signs.
    ///
    /// # Panics
    ///
    /// If one is empty, or there is none of the version `current`.
    pub fn versions<S: AsRef<[u8]>>(
        keys: impl IntoIterator<Item = (u32, S)>,
        current: u32,
    ) -> CookieSecret {
        let keys = keys.into_iter();
        let keys: BTreeMap<u32, Vec<u8>> = keys.map(|(n, key)| (n, sound(key.as_ref()))).collect();
        assert!(
            keys.contains_key(&current),
            "there is no key of version {current} to sign with"
        );
        let keys = Keys::Several(keys, current);
        CookieSecret { keys }
    }

    /// Signs a value for a name.
    pub fn sign(&self, name: &str, value: &[u8], now: SystemTime) -> String {
        let (version, key) = match &self.keys {
            Keys::One(key) => (0, key),
            Keys::Several(keys, current) => (*current, &keys[current]),
        };
        let version = version.to_string();
        let time = seconds(now).to_string();
        let value = BASE64_STANDARD.encode(value);
        let mut text = String::from("2|");
        for field in [&version, &time, name, &value] {
            text += &format!("{}:{field}|", field.len());
        }
        let signature = mac(key, text.as_bytes()).finalize().into_bytes();
        signature
            .iter()
            .for_each(|byte| text += &format!("{byte:02x}"));
        text
    }

    /// Returns the value that was signed for this name, not longer than `max_age` ago.
    ///
    /// None for what is malformed, forged, too old, or another name's; it does not tell which.
    pub fn verify(
        &self,
        name: &str,
        signed: &str,
        now: SystemTime,
        max_age: Duration,
    ) -> Option<Vec<u8>> {
        let fields = Fields::parse(signed)?;
        let key = match &self.keys {
            Keys::One(key) => key,
            Keys::Several(keys, _) => keys.get(&fields.key_version)?,
        };
        let signature = unhex(fields.signature)?;
        // Takes the same time wherever the first difference is.
        (mac(key, fields.signed.as_bytes()).verify_slice(&signature)).ok()?;
        let is_in_time = seconds(now) <= fields.time.saturating_add(max_age.as_secs());
        let value = (fields.name == name && is_in_time).then_some(fields.value)?;
        BASE64_STANDARD.decode(value).ok()
    }

    /// Returns the version of the key that a value says it was signed with; nothing is checked.
    pub fn key_version(signed: &str) -> Option<u32> {
        Some(Fields::parse(signed)?.key_version)
    }
}

impl fmt::Debug for CookieSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieSecret")
    }
}

fn sound(secret: &[u8]) -> Vec<u8> {
    assert!(!secret.is_empty(), "a cookie secret cannot be empty");
    secret.to_vec()
}

fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

fn mac(key: &[u8], text: &[u8]) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(key);
    let mut mac = mac.expect("an HMAC takes keys of any length");
    mac.update(text);
    mac
}

/// A signed value, taken apart and not checked.
struct Fields<'a> {
    key_version: u32,
    time: u64,
    name: &'a str,
    value: &'a str,
    /// All but the signature.
    signed: &'a str,
    signature: &'a str,
}

impl<'a> Fields<'a> {
    fn parse(text: &'a str) -> Option<Fields<'a>> {
        let mut rest = text.strip_prefix("2|")?;
        let mut field = || {
            let (len, after) = rest.split_once(':')?;
            let len = usize::try_from(number(len)?).ok()?;
            let value = after.get(..len)?;
            rest = after[len..].strip_prefix('|')?;
            Some(value)
        };
        let (version, time, name, value) = (field()?, field()?, field()?, field()?);
        Some(Fields {
            key_version: u32::try_from(number(version)?).ok()?,
            time: number(time)?,
            name,
            value,
            signed: &text[..text.len() - rest.len()],
            signature: rest,
        })
    }
}

/// Digits and nothing else.
fn number(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

/// Lower-case hex, as it is written: a signature has one form.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    pairs.iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNED: &str = "2|1:0|10:1300000000|3:key|8:dmFsdWU=|3d4e60b996ff9c5d5788e333a0cba6f238a22c6c0f94788870e1a9ecd482e152";
    const MONTH: Duration = Duration::from_secs(31 * 24 * 60 * 60);

    fn secret() -> CookieSecret {
        CookieSecret::new("It's a secret to everybody")
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn verify(signed: &str) -> Option<Vec<u8>> {
        secret().verify("key", signed, at(1_300_000_000), MONTH)
    }

    // X45
    #[test]
    fn values_are_those_of_tornado() {
        assert_eq!(secret().sign("key", b"value", at(1_300_000_000)), SIGNED);
        assert_eq!(verify(SIGNED).as_deref(), Some(&b"value"[..]));
        for value in [&b""[..], b"|", "é|2".as_bytes(), &[0, 255, 10]] {
            let signed = secret().sign("a|b:c", value, at(5));
            let verified = secret().verify("a|b:c", &signed, at(5), MONTH);
            assert_eq!(verified.as_deref(), Some(value));
        }
    }

    #[test]
    fn other_names_secrets_and_times_are_refused() {
        let now = at(1_300_000_000);
        assert_eq!(secret().verify("kez", SIGNED, now, MONTH), None);
        let other = CookieSecret::new("It's a secret to nobody");
        assert_eq!(other.verify("key", SIGNED, now, MONTH), None);
        let end = now + MONTH;
        assert!(secret().verify("key", SIGNED, end, MONTH).is_some());
        let late = end + Duration::from_secs(1);
        assert_eq!(secret().verify("key", SIGNED, late, MONTH), None);
    }

    #[test]
    fn each_change_is_noticed() {
        for at in 0..SIGNED.len() {
            for byte in [b'0', b'1', b'|', b'x', b'A', b' '] {
                let mut bytes = SIGNED.as_bytes().to_vec();
                if bytes[at] == byte {
                    continue;
                }
                bytes[at] = byte;
                let changed = String::from_utf8(bytes).unwrap();
                assert_eq!(verify(&changed), None, "{changed}");
            }
            assert_eq!(verify(&SIGNED[..at]), None);
        }
        for bad in [
            "",
            "2|",
            "2|1:0",
            "2|1:0|1:é|1:a|1:b|c",
            "2|99999999999999999999:0|",
            "1|1:0|10:1300000000|3:key|8:dmFsdWU=|00",
            &format!("{SIGNED}0"),
            &format!("{SIGNED}00"),
            &SIGNED.to_uppercase(),
            &SIGNED.replace("3:key", "+3:key"),
        ] {
            assert_eq!(verify(bad), None, "{bad}");
        }
    }

    #[test]
    fn keys_change_with_their_versions() {
        let now = at(1_300_000_000);
        let old = CookieSecret::versions([(0, "ajklasdf0ojaisdf"), (1, "aslkjasaolwkjsdf")], 0);
        let new = CookieSecret::versions([(0, "ajklasdf0ojaisdf"), (1, "aslkjasaolwkjsdf")], 1);
        let only_new = CookieSecret::versions([(1, "aslkjasaolwkjsdf")], 1);
        let (first, second) = (old.sign("k", b"v", now), new.sign("k", b"v", now));
        assert_eq!(CookieSecret::key_version(&first), Some(0));
        assert_eq!(CookieSecret::key_version(&second), Some(1));
        for signed in [&first, &second] {
            assert!(new.verify("k", signed, now, MONTH).is_some());
        }
        assert_eq!(only_new.verify("k", &first, now, MONTH), None);
        assert_eq!(CookieSecret::key_version("x"), None);
    }

    #[test]
    #[should_panic(expected = "cannot be empty")]
    fn empty_secret_is_refused() {
        CookieSecret::new("");
    }

    #[test]
    #[should_panic(expected = "no key of version 3")]
    fn current_key_has_to_be_there() {
        CookieSecret::versions([(1, "a")], 3);
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", secret()), "CookieSecret");
    }

    #[test]
    fn one_text_for_each_value() {
        let (secret, now) = (secret(), at(1_300_000_000));
        let with = |text: &str| {
            let signed = format!("2|1:0|10:1300000000|3:key|{}:{text}|", text.len());
            let key = match &secret.keys {
                Keys::One(key) => key,
                Keys::Several(..) => unreachable!("there is one"),
            };
            let signature = mac(key, signed.as_bytes()).finalize().into_bytes();
            let signature: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
            secret.verify("key", &(signed + &signature), now, MONTH)
        };
        // RFC 4648 §10.
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(with(text).as_deref(), Some(plain.as_bytes()), "{text}");
        }
        for bad in [
            "Z", "Zg", "Zg=", "Zh==", "Zm9=", "====", "Z===", "Zg==Zg==", "Zg==\n", "Z-==",
        ] {
            assert_eq!(with(bad), None, "{bad}");
        }
    }
}
