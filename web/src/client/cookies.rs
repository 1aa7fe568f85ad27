//! A jar of cookies: RFC 6265, for a client that is no browser.
//!
//! Own code rather than the crate `cookie_store`: that one brings `cookie`, `time`, `serde` and a list
//! of public suffixes for what is 200 lines here.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use url::{Host, Url};

use crate::conn::wall_clock;

/// Keeps the cookies of responses, and sends them with requests to whom they are for.
///
/// Cheap to clone; all clones are the same jar. Give it to a client as
/// [`ClientConfig::cookies`](super::ClientConfig::cookies).
///
/// It has no list of public suffixes. So a cookie for a domain of one label (`com`) is refused, and
/// one for `co.uk` is not: do not use one jar for sites that attack each other. `SameSite` and
/// `HttpOnly` say nothing to a program that is no browser.
///
/// # Examples
///
/// ```
/// use squall_web::client::{ClientConfig, CookieJar};
///
/// let jar = CookieJar::new();
/// let url = "http://a.example/shop/".parse()?;
/// jar.set(&url, "basket=3 apples; Path=/shop");
/// assert_eq!(jar.header(&url).as_deref(), Some("basket=3 apples"));
///
/// let config = ClientConfig { cookies: Some(jar), ..ClientConfig::default() };
/// # Ok::<(), url::ParseError>(())
/// ```
#[derive(Clone, Default)]
pub struct CookieJar {
    /// In the order in which they were made.
    cookies: Rc<RefCell<Vec<Cookie>>>,
}

struct Cookie {
    name: String,
    value: String,
    domain: String,
    /// True if it is for this host alone, and for none below it.
    host_only: bool,
    path: String,
    secure: bool,
    /// When it is thrown away; with the jar if none.
    expires: Option<SystemTime>,
}

impl CookieJar {
    /// Makes an empty jar.
    pub fn new() -> CookieJar {
        CookieJar::default()
    }

    /// Takes a cookie as the value of a `Set-Cookie` header in a response from `url`.
    ///
    /// Returns false if it is malformed, too large, or not for the server that sent it to give.
    pub fn set(&self, url: &Url, set_cookie: &str) -> bool {
        let now = wall_clock();
        let Some(cookie) = Cookie::parse(url, set_cookie, now) else {
            return false;
        };
        let mut cookies = self.cookies.borrow_mut();
        let old = cookies.iter().position(|old| old.is_same(&cookie));
        let is_over = cookie.is_over(now);
        match old {
            Some(at) if is_over => drop(cookies.remove(at)),
            // It keeps its place: that of the day it was made (RFC 6265 §5.3).
            Some(at) => cookies[at] = cookie,
            None if is_over => {}
            None => add(&mut cookies, cookie, now),
        }
        true
    }

    /// Returns what the `Cookie` header of a request for `url` says, if there is anything to say.
    pub fn header(&self, url: &Url) -> Option<String> {
        let now = wall_clock();
        let mut cookies = self.cookies.borrow_mut();
        cookies.retain(|cookie| !cookie.is_over(now));
        let mut matching: Vec<&Cookie> = cookies.iter().filter(|c| c.is_for(url)).collect();
        // The longer path first; of equal ones the older, as the sort is stable.
        matching.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> = matching.iter().map(|cookie| cookie.pair()).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Returns the value of a cookie that would be sent to `url`.
    pub fn get(&self, url: &Url, name: &str) -> Option<String> {
        let now = wall_clock();
        let cookies = self.cookies.borrow();
        let named = |cookie: &&Cookie| cookie.name == name && !cookie.is_over(now);
        let mut matching = cookies.iter().filter(named).filter(|c| c.is_for(url));
        let first = matching.next()?;
        let longest = matching.fold(first, |best, cookie| {
            match cookie.path.len() > best.path.len() {
                true => cookie,
                false => best,
            }
        });
        Some(longest.value.clone())
    }

    /// Returns how many cookies there are; those whose time is over may count until they are next
    /// looked at.
    pub fn len(&self) -> usize {
        self.cookies.borrow().len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Throws all of them away.
    pub fn clear(&self) {
        self.cookies.borrow_mut().clear();
    }
}

impl fmt::Debug for CookieJar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not what is in it: sessions are secrets.
        f.debug_struct("CookieJar")
            .field("cookies", &self.len())
            .finish()
    }
}

/// Adds a cookie; the oldest of its domain, or of all, makes room.
fn add(cookies: &mut Vec<Cookie>, cookie: Cookie, now: SystemTime) {
    cookies.retain(|old| !old.is_over(now));
    let of_domain = |old: &Cookie| old.domain == cookie.domain;
    if cookies.iter().filter(|old| of_domain(old)).count() >= MAX_OF_DOMAIN {
        let oldest = cookies.iter().position(of_domain);
        oldest.map(|at| cookies.remove(at));
    } else if cookies.len() >= MAX_IN_ALL {
        cookies.remove(0);
    }
    cookies.push(cookie);
}

impl Cookie {
    /// RFC 6265 §5.2 and §5.3.
    fn parse(url: &Url, text: &str, now: SystemTime) -> Option<Cookie> {
        if text.len() > MAX_BYTES || text.chars().any(|c| c.is_control() && c != '\t') {
            return None;
        }
        let (pair, attributes) = text.split_once(';').unwrap_or((text, ""));
        let (name, value) = pair.split_once('=')?;
        let (name, value) = (trim(name), trim(value));
        let host = url.host()?.to_string();
        if name.is_empty() {
            return None;
        }
        let mut cookie = Cookie {
            name: name.to_owned(),
            value: value.to_owned(),
            domain: host.clone(),
            host_only: true,
            path: default_path(url.path()).to_owned(),
            secure: false,
            expires: None,
        };
        let mut max_age = None;
        for attribute in attributes.split(';') {
            let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let (key, value) = (trim(key), trim(value));
            match key.to_ascii_lowercase().as_str() {
                "expires" => cookie.expires = parse_date(value).or(cookie.expires),
                "max-age" => max_age = parse_age(value, now).or(max_age),
                "domain" if !value.is_empty() => {
                    let domain = value.strip_prefix('.').unwrap_or(value);
                    cookie.domain = domain.to_ascii_lowercase();
                    cookie.host_only = false;
                }
                "path" => match value.starts_with('/') {
                    true => cookie.path = value.to_owned(),
                    false => cookie.path = default_path(url.path()).to_owned(),
                },
                "secure" => cookie.secure = true,
                _ => {}
            }
        }
        cookie.expires = max_age.or(cookie.expires);
        if !cookie.host_only && !cookie.domain.contains('.') {
            // `Domain=com`. A host of one label, such as `localhost`, may name itself.
            if cookie.domain != host {
                return None;
            }
            cookie.host_only = true;
        }
        let allowed = cookie.matches_domain(url) && cookie.keeps_prefix_promise(url);
        allowed.then_some(cookie)
    }

    /// `__Secure-` and `__Host-` promise how a cookie was set.
    fn keeps_prefix_promise(&self, url: &Url) -> bool {
        let secure = self.secure && url.scheme() == "https";
        let name = self.name.to_ascii_lowercase();
        if name.starts_with("__host-") {
            return secure && self.host_only && self.path == "/";
        }
        // A plain connection must not replace what a secure one set.
        !(name.starts_with("__secure-") || self.secure) || secure
    }

    fn is_same(&self, other: &Cookie) -> bool {
        self.name == other.name && self.domain == other.domain && self.path == other.path
    }

    fn is_over(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    fn is_for(&self, url: &Url) -> bool {
        self.matches_domain(url)
            && self.matches_path(url.path())
            && (!self.secure || url.scheme() == "https")
    }

    /// RFC 6265 §5.1.3.
    fn matches_domain(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else {
            return false;
        };
        if host == self.domain {
            return true;
        }
        let below = host
            .strip_suffix(&self.domain)
            .is_some_and(|rest| rest.ends_with('.'));
        !self.host_only && below && matches!(url.host(), Some(Host::Domain(_)))
    }

    /// RFC 6265 §5.1.4.
    fn matches_path(&self, path: &str) -> bool {
        match path.strip_prefix(self.path.as_str()) {
            Some(rest) => rest.is_empty() || self.path.ends_with('/') || rest.starts_with('/'),
            None => false,
        }
    }

    fn pair(&self) -> String {
        format!("{}={}", self.name, self.value)
    }
}

/// The folder of the request's path.
fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(end) => &path[..end],
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn parse_age(value: &str, now: SystemTime) -> Option<SystemTime> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = match value.starts_with('-') {
        true => 0,
        false => digits.parse().unwrap_or(u64::MAX),
    };
    // So far ahead that it cannot be told from "never", and that no clock overflows.
    now.checked_add(Duration::from_secs(seconds.min(FAR)))
}

/// RFC 6265 §5.1.1: takes what servers send, which is more than one format.
fn parse_date(text: &str) -> Option<SystemTime> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    let is_delimiter = |c: char| !c.is_ascii_alphanumeric() && c != ':';
    for token in text.split(is_delimiter).filter(|token| !token.is_empty()) {
        if time.is_none() && token.contains(':') {
            time = Some(parse_time(token)?);
        } else if let (None, Ok(number), 1..=2) = (day, token.parse::<u64>(), token.len()) {
            day = Some(number);
        } else if let (None, Some(number)) = (month, parse_month(token)) {
            month = Some(number);
        } else if let (None, Ok(number), 2 | 4) = (year, token.parse::<u64>(), token.len()) {
            year = Some(match number {
                70..=99 => 1900 + number,
                0..=69 => 2000 + number,
                _ => number,
            });
        }
    }
    let (day, month, year) = (day?, month?, year?);
    if !(1..=31).contains(&day) || year < 1601 {
        return None;
    }
    if year < 1970 {
        return Some(SystemTime::UNIX_EPOCH);
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + time?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn parse_time(token: &str) -> Option<u64> {
    let mut parts = token.split(':').map(str::parse::<u64>);
    let (hour, minute, second) = (
        parts.next()?.ok()?,
        parts.next()?.ok()?,
        parts.next()?.ok()?,
    );
    (hour < 24 && minute < 60 && second < 60 && parts.next().is_none())
        .then_some(hour * 3600 + minute * 60 + second)
}

fn parse_month(token: &str) -> Option<u64> {
    let start = token.get(..3)?.to_ascii_lowercase();
    let at = MONTHS.iter().position(|month| *month == start)?;
    Some(at as u64 + 1)
}

/// In the calendar of Gregory, with years that begin in March, so that the odd day comes last.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let days = year * 365 + year / 4 - year / 100 + year / 400;
    days + (month * 153 + 2) / 5 + (day - 1) - 719_468
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// The bounds that RFC 6265 §6.1 asks for at least.
const MAX_BYTES: usize = 4096;
const MAX_OF_DOMAIN: usize = 50;
const MAX_IN_ALL: usize = 3000;

/// 400 days: what RFC 6265bis allows.
const FAR: u64 = 400 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    /// Sets one cookie from one URL; gives what another gets.
    #[track_caller]
    fn check(from: &str, set_cookie: &str, to: &str, want: Option<&str>) {
        let jar = CookieJar::new();
        jar.set(&url(from), set_cookie);
        let got = jar.header(&url(to));
        assert_eq!(got.as_deref(), want, "{set_cookie:?} from {from} to {to}");
    }

    #[test]
    fn cookie_goes_to_its_host() {
        let from = "http://a.example/x/y";
        check(from, "a=b", "http://a.example/x/y", Some("a=b"));
        check(from, "a=b", "http://a.example:81/x/", Some("a=b"));
        check(from, " a = b c ; X", "http://a.example/x", Some("a=b c"));
        check(from, "a=", "http://a.example/x", Some("a="));
        check(from, "a=\"b\"", "http://a.example/x", Some("a=\"b\""));
        check(from, "a=b", "http://www.a.example/x", None);
        check(from, "a=b", "http://other.example/x", None);
        check(from, "a=b", "https://a.example/x", Some("a=b"));
    }

    #[test]
    fn domain_widens_it_to_hosts_below() {
        let from = "http://www.a.example/";
        for domain in ["a.example", ".A.Example", "www.a.example"] {
            let set = format!("a=b; Domain={domain}");
            check(from, &set, from, Some("a=b"));
        }
        let set = "a=b; domain=a.example";
        check(from, set, "http://a.example/", Some("a=b"));
        check(from, set, "http://x.y.a.example/", Some("a=b"));
        check(from, set, "http://xa.example/", None);
        // For others it is not theirs to give.
        for domain in [
            "example",
            "b.example",
            "x.www.a.example",
            ".",
            "ww.a.example",
        ] {
            check(from, &format!("a=b; Domain={domain}"), from, None);
        }
        let ip = "http://10.0.0.7/";
        check(ip, "a=b; Domain=0.0.7", ip, None);
        check(ip, "a=b; Domain=10.0.0.7", ip, Some("a=b"));
        check(
            "http://localhost/",
            "a=b; Domain=localhost",
            "http://localhost/",
            Some("a=b"),
        );
    }

    #[test]
    fn path_is_the_folder_or_what_is_said() {
        let from = "http://h/shop/cart";
        check(from, "a=b", "http://h/shop", Some("a=b"));
        check(from, "a=b", "http://h/shop/other", Some("a=b"));
        check(from, "a=b", "http://h/shopping", None);
        check(from, "a=b", "http://h/", None);
        check(from, "a=b; Path=/", "http://h/", Some("a=b"));
        check(from, "a=b; Path=/x/", "http://h/x/y", Some("a=b"));
        check(from, "a=b; Path=/x/", "http://h/x", None);
        check(from, "a=b; Path=relative", "http://h/shop", Some("a=b"));
    }

    #[test]
    fn secure_ones_stay_on_https() {
        check("https://h/", "a=b; Secure", "https://h/", Some("a=b"));
        check("https://h/", "a=b; Secure", "http://h/", None);
        check("http://h/", "a=b; Secure", "https://h/", None);
        for (set, kept) in [
            ("__Secure-a=b; Secure", true),
            ("__Secure-a=b", false),
            ("__Host-a=b; Secure; Path=/", true),
            ("__Host-a=b; Secure; Path=/x", false),
            ("__Host-a=b; Secure; Path=/; Domain=a.example", false),
        ] {
            let jar = CookieJar::new();
            assert_eq!(jar.set(&url("https://a.example/"), set), kept, "{set}");
        }
    }

    #[test]
    fn later_cookie_replaces_and_past_one_deletes() {
        let jar = CookieJar::new();
        let from = url("http://h/");
        jar.set(&from, "a=1");
        jar.set(&from, "b=2");
        jar.set(&from, "a=3");
        assert_eq!(jar.header(&from).as_deref(), Some("a=3; b=2"));
        assert_eq!(jar.get(&from, "b").as_deref(), Some("2"));
        jar.set(&from, "a=; Max-Age=0");
        jar.set(&from, "b=; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(jar.header(&from), None);
        assert!(jar.is_empty());
        // `Max-Age` counts more than `Expires`.
        jar.set(
            &from,
            "a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        );
        jar.set(&from, "c=1; Max-Age=99999999999999999999999");
        jar.set(&from, "d=1; Max-Age=soon");
        assert_eq!(jar.len(), 3);
        jar.clear();
        assert!(jar.is_empty());
    }

    #[test]
    fn longer_path_comes_first() {
        let jar = CookieJar::new();
        jar.set(&url("http://h/"), "a=1; Path=/");
        jar.set(&url("http://h/"), "a=2; Path=/x");
        jar.set(&url("http://h/"), "b=3; Path=/");
        let to = url("http://h/x");
        assert_eq!(jar.header(&to).as_deref(), Some("a=2; a=1; b=3"));
        assert_eq!(jar.get(&to, "a").as_deref(), Some("2"));
    }

    #[test]
    fn malformed_and_oversized_ones_are_refused() {
        let jar = CookieJar::new();
        let from = url("http://h/");
        for bad in ["", "a", "=b", ";a=b", "a=b\0", "a=b\r\nX: y"] {
            assert!(!jar.set(&from, bad), "{bad:?}");
        }
        assert!(!jar.set(&from, &format!("a={}", "x".repeat(4096))));
        assert!(jar.is_empty());
    }

    #[test]
    fn number_is_limited_and_the_oldest_goes() {
        let jar = CookieJar::new();
        for n in 0..60 {
            jar.set(&url("http://h/"), &format!("c{n}=x"));
        }
        assert_eq!(jar.len(), MAX_OF_DOMAIN);
        assert_eq!(jar.get(&url("http://h/"), "c9"), None);
        assert!(jar.get(&url("http://h/"), "c10").is_some());
        for n in 0..MAX_IN_ALL {
            jar.set(&url(&format!("http://h{n}/")), "a=b");
        }
        assert_eq!(jar.len(), MAX_IN_ALL);
    }

    #[test]
    fn dates_of_all_formats_are_read() {
        let want = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for date in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "6 november 1994 08:49:37",
        ] {
            assert_eq!(parse_date(date), Some(want), "{date}");
        }
        let leap = parse_date("Thu, 29 Feb 2024 00:00:00 GMT").unwrap();
        let march = parse_date("Fri, 01 Mar 2024 00:00:00 GMT").unwrap();
        assert_eq!(
            march.duration_since(leap).unwrap(),
            Duration::from_secs(86_400)
        );
        assert_eq!(
            parse_date("Thu, 01 Jan 1970 00:00:00 GMT"),
            Some(SystemTime::UNIX_EPOCH)
        );
        for bad in [
            "",
            "tomorrow",
            "Sun, 06 Nov 1994",
            "06 Nov 1994 25:00:00",
            "32 Nov 1994 00:00:00",
        ] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }
}
