//! Proxies: who connects for us, and for whom not.

use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;

use http::header::HeaderValue;
use percent_encoding::percent_decode_str;
#[cfg(feature = "tls")]
use squall::net::TlsConnector;
use url::{Host, Url};

use super::auth::basic;
use super::error::FetchError;
use super::socks::User;

/// An HTTP proxy, or one of SOCKS 5.
///
/// Requests for `http` are sent to it with their whole URL, and it sends them on. For those of `https`,
/// and with [`tunnel`](Proxy::tunnel) for all, it is asked for a tunnel to the server by `CONNECT`
/// instead, and sees nothing of what goes through.
///
/// # Examples
///
/// ```
/// use squall_web::client::{Proxy, Request};
///
/// let proxy = Proxy::new("http://proxy.example:3128")?.auth("user", "secret");
/// let request = Request::get("http://a.example/").proxy(proxy);
/// # Ok::<(), squall_web::client::FetchError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Proxy {
    /// An IPv6 address is in brackets.
    pub(super) host: Rc<str>,
    pub(super) port: u16,
    pub(super) authorization: Option<HeaderValue>,
    /// The same for SOCKS.
    pub(super) user: Option<Rc<User>>,
    pub(super) tunnels: bool,
    scheme: Scheme,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<TlsConnector>,
}

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Scheme {
    Http,
    Https,
    /// SOCKS 5; the proxy looks names up if that is said.
    Socks {
        looks_up: bool,
    },
}

impl Proxy {
    /// A proxy at a URL such as `http://user:password@proxy.example:3128`; a bare `host:port` will
    /// do. The port is 1080 if none is given, as for curl.
    ///
    /// One at `https://…` is spoken to by TLS, with the feature `tls`; its port is 443. One at
    /// `socks5://…` makes tunnels to addresses, one at `socks5h://…` looks names up as well.
    ///
    /// # Errors
    ///
    /// If it is no URL, or has another scheme.
    pub fn new(url: &str) -> Result<Proxy, FetchError> {
        let whole = match url.contains("://") {
            true => url.to_owned(),
            false => format!("http://{url}"),
        };
        let parsed = Url::parse(&whole)
            .map_err(|error| FetchError::request("malformed proxy url", "").because(error))?;
        let host = parsed.host_str().unwrap_or_default();
        let (scheme, own, default) = match parsed.scheme() {
            "http" => (Scheme::Http, 80, 1080),
            "https" if cfg!(feature = "tls") => (Scheme::Https, 443, 443),
            "https" => {
                let why = "an https proxy needs the feature `tls` of squall-web";
                return Err(FetchError::request(why, host));
            }
            "socks5" => (Scheme::Socks { looks_up: false }, 1080, 1080),
            "socks5h" => (Scheme::Socks { looks_up: true }, 1080, 1080),
            _ => {
                let why = "a proxy's scheme is http, https, socks5 or socks5h";
                return Err(FetchError::request(why, host));
            }
        };
        // The parser takes the scheme's own port away, so it has to be looked for.
        let names_own = whole.trim_end_matches('/').ends_with(&format!(":{own}"));
        let default = if names_own { own } else { default };
        let (authorization, user) = match (parsed.username(), parsed.password()) {
            ("", None) => (None, None),
            (name, password) => {
                let password = password.unwrap_or_default();
                let decode = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
                let user = Rc::new((decode(name), decode(password)));
                (basic(name, password, true), Some(user))
            }
        };
        Ok(Proxy {
            host: host.into(),
            port: parsed.port().unwrap_or(default),
            authorization,
            user,
            tunnels: matches!(scheme, Scheme::Socks { .. }),
            scheme,
            #[cfg(feature = "tls")]
            tls: None,
        })
    }

    /// Sets user name and password, sent by the scheme Basic, or as SOCKS does.
    #[must_use]
    pub fn auth(mut self, user: &str, password: &str) -> Proxy {
        self.user = Some(Rc::new((user.into(), password.into())));
        self.authorization = basic(user, password, false);
        self
    }

    /// Sets whether to go through it by `CONNECT`; false. curl's `--proxytunnel`.
    #[must_use]
    pub fn tunnel(mut self, tunnel: bool) -> Proxy {
        self.tunnels = tunnel || self.socks().is_some();
        self
    }

    /// If it speaks SOCKS: true if it looks names up.
    pub(super) fn socks(&self) -> Option<bool> {
        match self.scheme {
            Scheme::Socks { looks_up } => Some(looks_up),
            Scheme::Http | Scheme::Https => None,
        }
    }

    /// Sets whom to believe when the proxy itself is spoken to by TLS; the client's.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: TlsConnector) -> Proxy {
        self.tls = Some(tls);
        self
    }

    /// True if it is spoken to by TLS.
    #[cfg(feature = "tls")]
    pub(super) fn is_secure(&self) -> bool {
        self.scheme == Scheme::Https
    }

    pub(super) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("authority", &self.authority())
            .field("authorized", &self.authorization.is_some())
            .field("tunnels", &self.tunnels)
            .finish()
    }
}

/// Which proxy is for which URL.
///
/// # Examples
///
/// ```
/// use squall_web::client::{ClientConfig, Proxies, Proxy};
///
/// let proxies = Proxies::all(Proxy::new("proxy.example:3128")?).bypass("localhost, .internal");
/// let config = ClientConfig { proxies, ..ClientConfig::default() };
/// # Ok::<(), squall_web::client::FetchError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    /// Hosts that are connected to directly.
    bypass: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq)]
enum Rule {
    Everything,
    /// This host and all below it, perhaps at one port only.
    Host(String, Option<u16>),
    /// An address, and how many of its bits count.
    Network(IpAddr, u32),
}

impl Proxies {
    /// No proxy.
    pub fn none() -> Proxies {
        Proxies::default()
    }

    /// One proxy for everything.
    pub fn all(proxy: Proxy) -> Proxies {
        Proxies {
            http: Some(proxy.clone()),
            https: Some(proxy),
            bypass: Vec::new(),
        }
    }

    /// What the environment says, as curl reads it: `http_proxy`, `https_proxy`, `all_proxy` and
    /// `no_proxy`, also in capitals. `HTTP_PROXY` is left out: a CGI program has it from its client's
    /// `Proxy` header.
    ///
    /// # Errors
    ///
    /// If one of them is no proxy's URL.
    pub fn from_env() -> Result<Proxies, FetchError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(get: impl Fn(&str) -> Option<String>) -> Result<Proxies, FetchError> {
        let either = |name: &str| {
            let found = get(name).or_else(|| get(&name.to_ascii_uppercase()));
            found.filter(|value| !value.is_empty())
        };
        let parse = |value: Option<String>| value.map(|value| Proxy::new(&value)).transpose();
        let all = parse(either("all_proxy"))?;
        let http = parse(get("http_proxy").filter(|value| !value.is_empty()))?;
        let proxies = Proxies {
            http: http.or_else(|| all.clone()),
            https: parse(either("https_proxy"))?.or(all),
            bypass: Vec::new(),
        };
        Ok(proxies.bypass(&either("no_proxy").unwrap_or_default()))
    }

    /// Adds hosts that are connected to directly: names, which stand for all below them as well,
    /// addresses, networks (`10.0.0.0/8`), `host:port`, or `*` for all; between commas or spaces.
    #[must_use]
    pub fn bypass(mut self, hosts: &str) -> Proxies {
        let names = hosts
            .split([',', ' ', '\t'])
            .filter(|name| !name.is_empty());
        self.bypass.extend(names.map(Rule::parse));
        self
    }

    pub(super) fn for_url(&self, url: &Url) -> Option<&Proxy> {
        let proxy = match url.scheme() {
            "https" => self.https.as_ref()?,
            _ => self.http.as_ref()?,
        };
        let is_bypassed = self.bypass.iter().any(|rule| rule.matches(url));
        (!is_bypassed).then_some(proxy)
    }
}

impl Rule {
    fn parse(text: &str) -> Rule {
        if text == "*" {
            return Rule::Everything;
        }
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, bits.parse().ok()),
            None => (text, Some(u32::MAX)),
        };
        let address = address.trim_start_matches('[').trim_end_matches(']');
        if let (Ok(address), Some(bits)) = (address.parse(), bits) {
            return Rule::Network(address, bits);
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok() => (name, port.parse().ok()),
            _ => (text, None),
        };
        let name = name.trim_start_matches("*.").trim_start_matches('.');
        Rule::Host(name.to_ascii_lowercase(), port)
    }

    fn matches(&self, url: &Url) -> bool {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            _ => None,
        };
        match self {
            Rule::Everything => true,
            Rule::Network(network, bits) => {
                address.is_some_and(|address| is_within(address, *network, *bits))
            }
            Rule::Host(name, port) => {
                let host = url.host_str().unwrap_or_default();
                let below = host.strip_suffix(name.as_str());
                let is_host = below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
                is_host && port.is_none_or(|port| url.port_or_known_default() == Some(port))
            }
        }
    }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (address, network, width) = match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => (
            u128::from(address.to_bits()),
            u128::from(network.to_bits()),
            32,
        ),
        (IpAddr::V6(address), IpAddr::V6(network)) => (address.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    let ignored = width - bits.min(width);
    (address ^ network).checked_shr(ignored).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_of_a_proxy_is_taken_apart() {
        for (text, authority) in [
            ("http://p.example:3128", "p.example:3128"),
            ("p.example:3128", "p.example:3128"),
            ("http://p.example", "p.example:1080"),
            ("http://p.example:80/", "p.example:80"),
            ("[::1]:81", "[::1]:81"),
        ] {
            assert_eq!(Proxy::new(text).unwrap().authority(), authority);
        }
        let proxy = Proxy::new("http://Aladdin:open%20sesame@p:1").unwrap();
        assert_eq!(
            proxy.authorization,
            Proxy::new("p:1")
                .unwrap()
                .auth("Aladdin", "open sesame")
                .authorization
        );
        assert!(!format!("{proxy:?}").contains("QWxh"));
        for bad in ["", "http://", "http://a b", "p:99999"] {
            let error = Proxy::new(bad).unwrap_err().to_string();
            assert!(error.starts_with("fetch: malformed proxy url"), "{error}");
        }
        let error = Proxy::new("gopher://p:1080").unwrap_err().to_string();
        let want = "fetch from p: a proxy's scheme is http, https, socks5 or socks5h";
        assert_eq!(error, want);
    }

    #[track_caller]
    fn check(proxies: &Proxies, url: &str, want: Option<&str>) {
        let proxy = proxies.for_url(&url.parse().unwrap());
        assert_eq!(proxy.map(Proxy::authority).as_deref(), want, "{url}");
    }

    #[test]
    fn some_hosts_are_connected_to_directly() {
        let list = "localhost,.internal b.example:81  10.0.0.0/8, ::1, 192.168.1.7";
        let proxies = Proxies::all(Proxy::new("p:1").unwrap()).bypass(list);
        for direct in [
            "http://localhost/",
            "http://internal/",
            "http://x.INTERNAL/",
            "http://b.example:81/",
            "http://www.b.example:81/",
            "http://10.1.2.3/",
            "http://[::1]/",
            "http://192.168.1.7/",
        ] {
            check(&proxies, direct, None);
        }
        for through in [
            "http://localhost.example/",
            "http://xinternal/",
            "http://b.example/",
            "http://11.1.2.3/",
            "http://[::2]/",
            "http://192.168.1.8/",
        ] {
            check(&proxies, through, Some("p:1"));
        }
        check(&proxies.bypass("*"), "http://a.example/", None);
        check(&Proxies::none(), "http://a.example/", None);
    }

    #[test]
    fn environment_is_read_as_curl_reads_it() {
        let read = |pairs: &'static [(&str, &str)]| {
            let find = |name: &str| pairs.iter().find(|(key, _)| *key == name);
            Proxies::from_variables(|name| find(name).map(|(_, value)| value.to_string()))
        };
        let proxies = read(&[
            ("http_proxy", "a:1"),
            ("HTTPS_PROXY", "b:2"),
            ("NO_PROXY", "x.example"),
        ]);
        let proxies = proxies.unwrap();
        check(&proxies, "http://h/", Some("a:1"));
        check(&proxies, "https://h/", Some("b:2"));
        check(&proxies, "https://x.example/", None);
        let proxies = read(&[("HTTP_PROXY", "evil:1"), ("http_proxy", "")]).unwrap();
        check(&proxies, "http://h/", None);
        let proxies = read(&[("all_proxy", "c:3")]).unwrap();
        check(&proxies, "http://h/", Some("c:3"));
        check(&proxies, "https://h/", Some("c:3"));
        let proxies = read(&[("all_proxy", "socks5h://c")]).unwrap();
        check(&proxies, "https://h/", Some("c:1080"));
        assert!(read(&[("all_proxy", "gopher://c")]).is_err());
    }
}
