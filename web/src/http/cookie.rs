//! Cookies (RFC 6265): those that come, as Tornado reads them, and those that are set.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};
use std::{error, fmt};

use http::HeaderValue;

use super::date::DateCache;
use super::grammar::is_token_byte;

/// Takes the value of a `Cookie` header apart, into names and values in their order.
///
/// Only `;` separates; a value is unquoted as Tornado and Python do it: `"a\073b"` is `a;b`. What has
/// no name that a cookie can have is left out. Of cookies with the same name the last counts.
///
/// ```
/// use squall_web::http::parse_cookies;
///
/// let cookies = parse_cookies(b"a=b; c=\"d\\073\\\"e\"; lonely");
/// assert_eq!(cookies, [("a".into(), "b".into()), ("c".into(), "d;\"e".into())]);
/// ```
pub fn parse_cookies(header: &[u8]) -> Vec<(String, String)> {
    let pairs = cookie_pairs(header);
    pairs
        .map(|(name, value)| (name.to_owned(), cookie_value(value)))
        .collect()
}

/// The names, and the values as they were sent.
pub(crate) fn cookie_pairs(header: &[u8]) -> impl Iterator<Item = (&str, &[u8])> {
    header.split(|byte| *byte == b';').filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii());
        let name = str::from_utf8(name).ok();
        let name = name.filter(|name| is_name(name, true))?;
        Some((name, value))
    })
}

/// What a value as it was sent stands for.
pub(crate) fn cookie_value(sent: &[u8]) -> String {
    to_text(unquote(sent))
}

/// True for a token; those that come may have a colon as well, which Python allows.
fn is_name(name: &str, with_colon: bool) -> bool {
    let is_legal = |b: u8| is_token_byte(b) || (with_colon && b == b':');
    !name.is_empty() && name.bytes().all(is_legal)
}

/// UTF-8 if it is that, and ISO 8859-1 otherwise.
fn to_text(bytes: Cow<'_, [u8]>) -> String {
    let latin = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect();
    String::from_utf8(bytes.into_owned()).unwrap_or_else(|error| latin(error.as_bytes()))
}

fn unquote(value: &[u8]) -> Cow<'_, [u8]> {
    let [b'"', inside @ .., b'"'] = value else {
        return Cow::Borrowed(value);
    };
    let mut bytes = Vec::with_capacity(inside.len());
    let mut rest = inside;
    loop {
        rest = match rest {
            [
                b'\\',
                a @ b'0'..=b'3',
                b @ b'0'..=b'7',
                c @ b'0'..=b'7',
                rest @ ..,
            ] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest
            }
            [b'\\', quoted, rest @ ..] | [quoted, rest @ ..] => {
                bytes.push(*quoted);
                rest
            }
            [] => return Cow::Owned(bytes),
        };
    }
}

/// A cookie to set.
///
/// For the whole site (`Path=/`) and until the browser is closed, unless it is told otherwise.
///
/// # Examples
///
/// ```
/// use squall_web::{Cookie, Exchange, Result, SameSite};
///
/// fn remember(ex: &mut Exchange) -> Result<()> {
///     let cookie = Cookie::new("theme", "dark").expires_days(365);
///     ex.set_cookie(cookie.secure().http_only().same_site(SameSite::Lax))
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    pub(crate) name: String,
    pub(crate) value: String,
    path: Option<String>,
    domain: Option<String>,
    expires: Option<Expires>,
    max_age: Option<Duration>,
    secure: bool,
    http_only: bool,
    same_site: Option<SameSite>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expires {
    At(SystemTime),
    In(Duration),
    /// It has been over for a year.
    Past,
}

/// Whether a cookie goes along with what other sites ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// When somebody follows a link.
    Lax,
    /// Always; browsers want [`Cookie::secure`] then.
    None,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Cookie {
    /// Makes a cookie.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Cookie {
        Cookie {
            name: name.into(),
            value: value.into(),
            path: Some("/".into()),
            domain: None,
            expires: None,
            max_age: None,
            secure: false,
            http_only: false,
            same_site: None,
        }
    }

    /// Limits it to paths that begin so.
    pub fn path(mut self, path: impl Into<String>) -> Cookie {
        self.path = Some(path.into());
        self
    }

    /// Has it sent to a domain and all below it, rather than to this host alone.
    pub fn domain(mut self, domain: impl Into<String>) -> Cookie {
        self.domain = Some(domain.into());
        self
    }

    /// Sets until when it is kept.
    pub fn expires(mut self, at: SystemTime) -> Cookie {
        self.expires = Some(Expires::At(at));
        self
    }

    /// Sets for how many days it is kept.
    pub fn expires_days(mut self, days: u32) -> Cookie {
        self.expires = Some(Expires::In(DAY * days));
        self
    }

    /// Sets for how long it is kept; browsers prefer this to the date.
    pub fn max_age(mut self, age: Duration) -> Cookie {
        self.max_age = Some(age);
        self
    }

    /// Has it sent over TLS only.
    pub fn secure(mut self) -> Cookie {
        self.secure = true;
        self
    }

    /// Keeps it from the page's scripts.
    pub fn http_only(mut self) -> Cookie {
        self.http_only = true;
        self
    }

    /// Sets whether it goes along with what other sites ask.
    pub fn same_site(mut self, rule: SameSite) -> Cookie {
        self.same_site = Some(rule);
        self
    }

    /// Has the client forget a cookie of this name, path and domain.
    pub(crate) fn cleared(mut self) -> Cookie {
        self.value = String::new();
        self.expires = Some(Expires::Past);
        self.max_age = None;
        self
    }

    pub(crate) fn has_end(&self) -> bool {
        self.expires.is_some() || self.max_age.is_some()
    }

    /// Returns the value of a `Set-Cookie` header.
    ///
    /// A value that has blanks, quotes, `,`, `;`, `\` or letters beyond ASCII is quoted as Python
    /// does it, which [`parse_cookies`] and Tornado undo.
    ///
    /// # Errors
    ///
    /// If the name is no token, the value has control characters, or an attribute has any of those or
    /// a `;`.
    pub fn to_header(&self, now: SystemTime) -> Result<HeaderValue, CookieError> {
        if !is_name(&self.name, false) {
            return Err(CookieError::Name);
        }
        let mut text = format!("{}={}", self.name, quote(&self.value)?);
        let attributes = [("Domain", &self.domain), ("Path", &self.path)];
        for (name, value) in attributes {
            let Some(value) = value else { continue };
            let is_safe = |b: u8| b.is_ascii_graphic() && b != b';';
            if !value.bytes().all(is_safe) {
                return Err(CookieError::Attribute(name));
            }
            text += &format!("; {name}={value}");
        }
        let at = match self.expires {
            Some(Expires::At(at)) => Some(at),
            Some(Expires::In(age)) => now.checked_add(age),
            Some(Expires::Past) => now.checked_sub(DAY * 365),
            None => None,
        };
        if let Some(at) = at {
            let mut dates = DateCache::new();
            text += "; Expires=";
            text += str::from_utf8(dates.get(at)).unwrap_or_default();
        }
        if let Some(age) = self.max_age {
            text += &format!("; Max-Age={}", age.as_secs());
        }
        if self.secure {
            text += "; Secure";
        }
        if self.http_only {
            text += "; HttpOnly";
        }
        text += match self.same_site {
            Some(SameSite::Strict) => "; SameSite=Strict",
            Some(SameSite::Lax) => "; SameSite=Lax",
            Some(SameSite::None) => "; SameSite=None",
            None => "",
        };
        HeaderValue::try_from(text).map_err(|_| CookieError::Value)
    }
}

impl<N: Into<String>, V: Into<String>> From<(N, V)> for Cookie {
    fn from((name, value): (N, V)) -> Cookie {
        Cookie::new(name, value)
    }
}

fn quote(value: &str) -> Result<Cow<'_, str>, CookieError> {
    if value.bytes().any(|b| b.is_ascii_control()) {
        return Err(CookieError::Value);
    }
    // RFC 6265 §4.1.1: cookie-octet.
    let is_plain = |b: u8| b.is_ascii_graphic() && !b"\",;\\".contains(&b);
    if value.bytes().all(is_plain) {
        return Ok(Cow::Borrowed(value));
    }
    let mut text = String::from("\"");
    for byte in value.bytes() {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' ' => text.push(' '),
            _ if is_plain(byte) => text.push(char::from(byte)),
            _ => text += &format!("\\{byte:03o}"),
        }
    }
    text.push('"');
    Ok(Cow::Owned(text))
}

/// Why a cookie cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieError {
    /// The name is no token.
    Name,
    /// The value has a control character.
    Value,
    /// The attribute has a character that would end it.
    Attribute(&'static str),
}

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CookieError::Name => f.write_str("the cookie's name is no token"),
            CookieError::Value => f.write_str("the cookie's value has a control character"),
            CookieError::Attribute(name) => write!(
                f,
                "the cookie's {name} has a blank, a semicolon or a control character"
            ),
        }
    }
}

impl error::Error for CookieError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, want: &[(&str, &str)]) {
        let cookies = parse_cookies(header.as_bytes());
        let cookies: Vec<_> = cookies.iter().map(|(n, v)| (&**n, &**v)).collect();
        assert_eq!(cookies, want, "{header}");
    }

    #[test]
    fn cookies_come_as_tornado_reads_them() {
        check("a=b", &[("a", "b")]); // H228
        check("a=\"b\"", &[("a", "b")]); // H229
        check("a=\"b;c\"", &[("a", "\"b")]); // H230
        check("a=\"b\\073c\"", &[("a", "b;c")]); // H231
        check("a=b]_xsrf=q", &[("a", "b]_xsrf=q")]); // H232
        check("/=x; a=b", &[("a", "b")]); // H233
        check("a", &[]); // H234
        check("=v", &[]); // H235
        check("a=b; a=c", &[("a", "b"), ("a", "c")]); // H236
        check("a b=c", &[]); // H237
        check("a=\"\\\"", &[("a", "\\")]); // H239
        check("key:term=value:term", &[("key:term", "value:term")]); // U21
        check("a=b=c;;  d = e f ;", &[("a", "b=c"), ("d", "e f")]);
        check("a=\"b=\\042\"", &[("a", "b=\"")]);
        check("a=\"\\400\"", &[("a", "400")]);
        check("a=; b=\"\"", &[("a", ""), ("b", "")]);
        check("a=\"", &[("a", "\"")]);
        check("a=é; b=\"\\303\\251\"", &[("a", "é"), ("b", "é")]);
        let latin = parse_cookies(b"a=caf\xe9"); // H238
        assert_eq!(latin[0].1, "café");
    }

    #[test]
    fn unquoting_takes_linear_time() {
        // CVE-2024-52804.
        let long = format!("a=\"{}\"", "\\042".repeat(500_000));
        assert_eq!(parse_cookies(long.as_bytes())[0].1.len(), 500_000);
    }

    #[track_caller]
    fn set(cookie: Cookie) -> String {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        cookie.to_header(now).unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn cookie_is_set_with_its_attributes() {
        assert_eq!(set(Cookie::new("a", "b")), "a=b; Path=/");
        let all = Cookie::new("a", "")
            .path("/x")
            .domain("h.example")
            .expires_days(1)
            .max_age(Duration::from_secs(5))
            .secure()
            .http_only()
            .same_site(SameSite::Strict);
        let want = "a=; Domain=h.example; Path=/x; Expires=Mon, 07 Nov 1994 08:49:37 GMT; \
            Max-Age=5; Secure; HttpOnly; SameSite=Strict";
        assert_eq!(set(all), want);
        let cleared = Cookie::new("a", "b").cleared();
        assert_eq!(
            set(cleared),
            "a=; Path=/; Expires=Sat, 06 Nov 1993 08:49:37 GMT"
        );
    }

    #[test]
    fn values_come_back_as_they_were() {
        // X17
        for (value, written) in [
            ("a=b", "a=b"),
            ("a;b", "\"a\\073b\""),
            ("a\"b", "\"a\\\"b\""),
            ("a\\b", "\"a\\\\b\""),
            ("a, b", "\"a\\054 b\""),
            ("é", "\"\\303\\251\""),
            ("\"q\"", "\"\\\"q\\\"\""),
            (" ", "\" \""),
        ] {
            let header = set(Cookie::new("n", value));
            let (pair, _) = header.split_once("; Path").unwrap();
            assert_eq!(pair, format!("n={written}"));
            assert_eq!(parse_cookies(pair.as_bytes()), [("n".into(), value.into())]);
        }
    }

    #[test]
    fn what_would_end_a_cookie_is_refused() {
        // X18
        let refused = |cookie: Cookie| cookie.to_header(SystemTime::UNIX_EPOCH).unwrap_err();
        for name in ["", "a b", "a=b", "a;b", "a\n", "é", "a,b", "\"a\"", "a:b"] {
            assert_eq!(refused(Cookie::new(name, "x")), CookieError::Name, "{name}");
        }
        for value in ["a\nb", "a\rb", "a\0", "\x7f", "\t"] {
            assert_eq!(
                refused(Cookie::new("a", value)),
                CookieError::Value,
                "{value:?}"
            );
        }
        for bad in ["a;b", "a b", "a\n", "a\x7f"] {
            let domain = refused(Cookie::new("a", "b").domain(bad));
            assert_eq!(domain, CookieError::Attribute("Domain"));
            assert!(domain.to_string().contains("semicolon"));
            let path = refused(Cookie::new("a", "b").path(bad));
            assert_eq!(path, CookieError::Attribute("Path"));
        }
    }
}
