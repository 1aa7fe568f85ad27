//! The client's bounds, and what its requests have in common.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use squall::net::Resolver;
#[cfg(feature = "tls")]
use squall::net::TlsConnector;

use super::cookies::CookieJar;
use super::proxy::Proxies;
use crate::http::Limits;

/// Bounds of a client on connections and on what it takes from a server, and the defaults of its
/// requests.
///
/// ```
/// use squall_web::client::ClientConfig;
///
/// let config = ClientConfig { max_clients_per_host: 10, ..ClientConfig::default() };
/// assert_eq!(config.max_idle_per_host, 64);
/// ```
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// How many fetches may be under way in all; 512. Tornado's `max_clients`, which is 10.
    ///
    /// More wait for their turn, first come first served, and their timeouts run meanwhile. Zero is
    /// taken as one.
    pub max_clients: usize,
    /// How many fetches may be under way to one host and port; 256. Zero is taken as one.
    pub max_clients_per_host: usize,
    /// How many idle connections are kept for one host and port; 64. Of more, the oldest is closed.
    ///
    /// Zero keeps none: a connection a request, as Tornado's simple client does.
    pub max_idle_per_host: usize,
    /// How many idle connections are kept in all; 256. Of more, the oldest is closed.
    pub max_idle: usize,
    /// How long a connection may be idle before it is closed; 90 s.
    pub idle_timeout: Duration,
    /// Bytes of a response's body, as it is sent and as it is once decompressed; 100 MiB. A longer
    /// one is an error, before it is read. [`Request`](super::Request) may say otherwise.
    pub max_body_bytes: u64,
    /// Bytes of a response's head; 64 KiB. A longer one is an error.
    pub max_head_bytes: usize,
    /// How long a fetch may take, unless its request says otherwise; 20 s. `None` is for ever.
    pub timeout: Option<Duration>,
    /// How long waiting for one's turn may take, and then looking up the name and connecting, unless
    /// the request says otherwise; 20 s.
    pub connect_timeout: Option<Duration>,
    /// How long nothing may be sent or received while a request is under way; `None`, so that only
    /// the other two count.
    pub stall_timeout: Option<Duration>,
    /// The `User-Agent`, unless a request has its own; `squall/…` with this crate's version.
    pub user_agent: String,
    /// Where cookies are kept; `None`, so that those of responses are ignored.
    pub cookies: Option<CookieJar>,
    /// Through whom to connect, unless a request says otherwise; nobody.
    /// [`Proxies::from_env`] asks the environment.
    pub proxies: Proxies,
    /// Other names or addresses to connect to: from `host` or `host:port` to `host` or `host:port`.
    /// The request still goes to the host of its URL.
    pub hostname_mapping: HashMap<String, String>,
    /// Who looks names up; `None` is the system, on another thread.
    pub resolver: Option<Rc<dyn Resolver>>,
    /// Whom to believe over TLS, and what to show, unless a request says otherwise; `None` believes whom
    /// the system does, and shows nothing. Tornado's `ssl_options`.
    #[cfg(feature = "tls")]
    pub tls: Option<TlsConnector>,
    /// Whether HTTP/2 is spoken to those who speak it, over TLS; true. All requests of one origin then
    /// share a connection.
    #[cfg(feature = "http2")]
    pub http2: bool,
}

impl Default for ClientConfig {
    fn default() -> Self {
        ClientConfig {
            max_clients: 512,
            max_clients_per_host: 256,
            max_idle_per_host: 64,
            max_idle: 256,
            idle_timeout: Duration::from_secs(90),
            max_body_bytes: 100 * 1024 * 1024,
            max_head_bytes: 64 * 1024,
            timeout: Some(Duration::from_secs(20)),
            connect_timeout: Some(Duration::from_secs(20)),
            stall_timeout: None,
            user_agent: concat!("squall/", env!("CARGO_PKG_VERSION")).to_owned(),
            cookies: None,
            proxies: Proxies::none(),
            hostname_mapping: HashMap::new(),
            resolver: None,
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "http2")]
            http2: true,
        }
    }
}

impl ClientConfig {
    /// The bounds as the codec wants them.
    pub(super) fn limits(&self, max_body_bytes: u64) -> Limits {
        Limits {
            max_head_bytes: self.max_head_bytes,
            max_body_bytes,
            ..Limits::default()
        }
    }
}
