//! `Authorization: Digest` (RFC 7616), with MD5 and SHA-256.
//!
//! The server's 401 brings a *challenge*; the request goes again with an answer that only who knows the
//! password can give. Later requests of the fetch, after a redirect, answer the same challenge at once,
//! with the next count.

use std::cell::Cell;
use std::fmt::Write;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;

use http::header::{self, HeaderMap, HeaderValue};
use md5::Md5;
use sha2::{Digest as _, Sha256};

/// Who a request is from, and what the server wants to know.
#[derive(Clone)]
pub(super) struct Digest {
    user: Rc<str>,
    password: Rc<str>,
    challenge: Option<Challenge>,
    /// How often the challenge was answered.
    answered: Cell<u32>,
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Digest").finish_non_exhaustive()
    }
}

impl Digest {
    pub(super) fn new(user: &str, password: &str) -> Digest {
        Digest {
            user: user.into(),
            password: password.into(),
            challenge: None,
            answered: Cell::new(0),
        }
    }

    /// Takes the challenge of a 401. True if the request is to be sent again: if there is one that can be
    /// answered, and it is not that this user is unknown.
    pub(super) fn take_challenge(&mut self, headers: &HeaderMap) -> bool {
        let values = headers.get_all(header::WWW_AUTHENTICATE).iter();
        let offered = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(challenges);
        // The best of those that are known; the server names them in its own order.
        let Some(best) = offered.max_by_key(|challenge| challenge.algorithm) else {
            return false;
        };
        if self.challenge.is_some() && self.answered.get() > 0 && !best.stale {
            return false;
        }
        self.challenge = Some(best);
        self.answered.set(0);
        true
    }

    /// The header for a request, once there is a challenge.
    pub(super) fn header(&self, method: &str, target: &str) -> Option<HeaderValue> {
        let challenge = self.challenge.as_ref()?;
        let count = self.answered.get() + 1;
        self.answered.set(count);
        let random = || RandomState::new().build_hasher().finish();
        let cnonce = format!("{:016x}{:016x}", random(), random());
        let text = challenge.answer(&self.user, &self.password, method, target, count, &cnonce);
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// What is hashed how; the better the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Md5,
    Md5Session,
    Sha256,
    Sha256Session,
}

impl Algorithm {
    const ALL: [Algorithm; 4] = [
        Algorithm::Md5,
        Algorithm::Md5Session,
        Algorithm::Sha256,
        Algorithm::Sha256Session,
    ];

    fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Md5Session => "MD5-sess",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha256Session => "SHA-256-sess",
        }
    }

    fn hash(self, text: &str) -> String {
        let bytes = match self {
            Algorithm::Md5 | Algorithm::Md5Session => Md5::digest(text).to_vec(),
            Algorithm::Sha256 | Algorithm::Sha256Session => Sha256::digest(text).to_vec(),
        };
        bytes.iter().fold(String::new(), |mut hex, byte| {
            // Writing to a text cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    fn is_for_session(self) -> bool {
        matches!(self, Algorithm::Md5Session | Algorithm::Sha256Session)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// True if the answer counts and has a nonce of its own; old servers know neither.
    has_qop: bool,
    stale: bool,
    hides_user: bool,
}

impl Challenge {
    /// None if it is another scheme, or wants what is not known here.
    fn of(scheme: &str, fields: &[(String, String)]) -> Option<Challenge> {
        let get = |name: &str| {
            let mut found = fields
                .iter()
                .filter(|(key, _)| key.eq_ignore_ascii_case(name));
            found.next().map(|(_, value)| value.as_str())
        };
        let is_true = |name| get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let named = get("algorithm").unwrap_or("MD5");
        let mut known = Algorithm::ALL.into_iter();
        let qop = get("qop").map(|list| {
            let mut offered = list.split(',').map(str::trim);
            offered.any(|one| one.eq_ignore_ascii_case("auth"))
        });
        let is_ours = scheme.eq_ignore_ascii_case("digest") && qop != Some(false);
        is_ours.then_some(())?;
        Some(Challenge {
            realm: get("realm")?.to_owned(),
            nonce: get("nonce")?.to_owned(),
            opaque: get("opaque").map(str::to_owned),
            algorithm: known.find(|one| one.name().eq_ignore_ascii_case(named))?,
            has_qop: qop.is_some(),
            stale: is_true("stale"),
            hides_user: is_true("userhash"),
        })
    }

    /// RFC 7616 §3.4.
    fn answer(
        &self,
        user: &str,
        password: &str,
        method: &str,
        target: &str,
        count: u32,
        cnonce: &str,
    ) -> String {
        let Challenge {
            realm,
            nonce,
            algorithm,
            ..
        } = self;
        let hash = |text: String| algorithm.hash(&text);
        let mut secret = hash(format!("{user}:{realm}:{password}"));
        if algorithm.is_for_session() {
            secret = hash(format!("{secret}:{nonce}:{cnonce}"));
        }
        let asked = hash(format!("{method}:{target}"));
        let response = match self.has_qop {
            true => hash(format!(
                "{secret}:{nonce}:{count:08x}:{cnonce}:auth:{asked}"
            )),
            false => hash(format!("{secret}:{nonce}:{asked}")),
        };
        let mut text = String::from("Digest ");
        let shown = match self.hides_user {
            true => hash(format!("{user}:{realm}")),
            false => user.to_owned(),
        };
        // A name that is not ASCII cannot stand in a quoted text (RFC 7616 §3.4, RFC 8187).
        text += &match shown.is_ascii() {
            true => format!("username={}", quoted(&shown)),
            false => format!("username*=UTF-8''{}", percent(&shown)),
        };
        let name = algorithm.name();
        // Writing to a text cannot fail.
        let _ = write!(
            text,
            ", realm={}, nonce={}, uri={}, response=\"{response}\", algorithm={name}",
            quoted(realm),
            quoted(nonce),
            quoted(target)
        );
        if self.has_qop {
            let _ = write!(text, ", qop=auth, nc={count:08x}, cnonce=\"{cnonce}\"");
        } else if algorithm.is_for_session() {
            let _ = write!(text, ", cnonce=\"{cnonce}\"");
        }
        if let Some(opaque) = &self.opaque {
            let _ = write!(text, ", opaque={}", quoted(opaque));
        }
        if self.hides_user {
            text += ", userhash=true";
        }
        text
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn percent(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Takes `WWW-Authenticate` apart: several challenges, each a scheme and its fields (RFC 9110 §11.6.1).
fn challenges(value: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    let mut scheme = String::new();
    let mut fields = Vec::new();
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let behind = after.trim_start_matches([' ', '\t']);
        match behind.strip_prefix('=') {
            // A token68 of another scheme ends in these.
            Some(behind) if !word.is_empty() && !behind.starts_with('=') => {
                let (text, behind) = text(behind.trim_start_matches([' ', '\t']));
                fields.push((word.to_owned(), text));
                rest = behind;
            }
            _ => {
                found.extend(Challenge::of(&scheme, &fields));
                if rest.is_empty() {
                    return found;
                }
                fields.clear();
                scheme = word.to_owned();
                rest = after.trim_start_matches('=');
            }
        }
    }
}

/// A token or a quoted text, and what is behind.
fn text(value: &str) -> (String, &str) {
    let Some(inside) = value.strip_prefix('"') else {
        let end = value.find([' ', '\t', ',']).unwrap_or(value.len());
        return (value[..end].to_owned(), &value[end..]);
    };
    let mut text = String::new();
    let mut chars = inside.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (text, &inside[at + 1..]),
            '\\' => text.extend(chars.next().map(|(_, char)| char)),
            _ => text.push(char),
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(value: &str) -> Challenge {
        let found = challenges(value);
        assert_eq!(found.len(), 1, "{value}: {found:?}");
        found.into_iter().next().unwrap()
    }

    fn response(text: &str) -> &str {
        text.split("response=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
    }

    // RFC 7616 §3.9.1
    #[test]
    fn examples_of_the_rfc_are_answered() {
        for (algorithm, want) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            (
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let challenge = only(&format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
                 algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            ));
            let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            let answer = challenge.answer(
                "Mufasa",
                "Circle of Life",
                "GET",
                "/dir/index.html",
                1,
                cnonce,
            );
            assert_eq!(response(&answer), want);
            assert!(answer.contains(", qop=auth, nc=00000001, "), "{answer}");
        }
    }

    // RFC 2069 §2.4, with the response of its erratum 749; no qop.
    #[test]
    fn old_servers_are_answered() {
        let challenge = only(
            "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
             opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
        );
        let answer = challenge.answer("Mufasa", "CircleOfLife", "GET", "/dir/index.html", 1, "x");
        assert_eq!(response(&answer), "1949323746fe6a43ef61f9606e7febea");
        assert!(
            !answer.contains("qop") && !answer.contains("cnonce"),
            "{answer}"
        );
    }

    // RFC 7616 §3.9.2, but with SHA-256.
    #[test]
    fn names_are_hidden_or_encoded() {
        let value = "Digest realm=\"api\", qop=auth, algorithm=SHA-256, nonce=\"n\", userhash=true";
        let answer = only(value).answer("J\u{e4}s\u{f8}n", "p", "GET", "/", 2, "c");
        assert!(
            answer.ends_with("userhash=true") && answer.is_ascii(),
            "{answer}"
        );
        let answer =
            only(&value.replace("true", "false")).answer("J\u{e4}", "p", "GET", "/", 2, "c");
        assert!(
            answer.starts_with("Digest username*=UTF-8''J%C3%A4, "),
            "{answer}"
        );
        let answer = only(value.trim_end_matches(", userhash=true"));
        let answer = answer.answer("a\"b", "p", "GET", "/", 2, "c");
        assert!(
            answer.starts_with("Digest username=\"a\\\"b\", "),
            "{answer}"
        );
    }

    #[test]
    fn challenges_are_found_among_others() {
        let value = "Negotiate, Basic realm=\"a, b=c\", NTLM abc==, \
                     digest nonce = n , realm=\"q\\\"r\", algorithm=sha-256-sess , qop=\"auth-int,auth\"";
        let challenge = only(value);
        assert_eq!((&*challenge.nonce, &*challenge.realm), ("n", "q\"r"));
        assert_eq!(challenge.algorithm, Algorithm::Sha256Session);
        for other in [
            "",
            "Basic",
            "Digest",
            "Digest realm=\"no nonce\"",
            "Digest realm=r, nonce=n, algorithm=ROT13",
            "Digest realm=r, nonce=n, qop=\"auth-int\"",
            "Digest realm=\"not ended",
            "= = ,",
        ] {
            assert_eq!(challenges(other), [], "{other}");
        }
    }

    #[test]
    fn the_best_is_answered_and_a_refusal_is_taken() {
        let mut headers = HeaderMap::new();
        for value in [
            "Digest realm=r, nonce=2, algorithm=SHA-256",
            "Digest realm=r, nonce=1",
        ] {
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(value));
        }
        let mut digest = Digest::new("u", "p");
        assert!(digest.header("GET", "/").is_none());
        assert!(digest.take_challenge(&headers));
        let value = digest.header("GET", "/").unwrap();
        assert!(value.to_str().unwrap().contains("nonce=\"2\"") && value.is_sensitive());
        assert!(!digest.take_challenge(&headers), "the password is wrong");
        let stale = HeaderValue::from_static("Digest realm=r, nonce=3, stale=TRUE");
        headers.insert(header::WWW_AUTHENTICATE, stale);
        assert!(digest.take_challenge(&headers));
        assert!(!format!("{digest:?}").contains('p'));
    }
}
