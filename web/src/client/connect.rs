//! From a route to a stream: look up the name, try its addresses, ask a proxy for a tunnel,
//! shake hands.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};

use http::header::{self, HeaderMap};
use http::{Method, StatusCode};
use squall::net::{IoStream, Resolver, TcpClient, ThreadedResolver};

use super::error::{Source, Stage};
use super::fetch::Shared;
use super::progress::Progress;
use super::proxy::Proxy;
use super::route::{Origin, Route, Through};
#[cfg(all(feature = "http2", feature = "tls"))]
use super::sessions::Known;
use super::socks::{self, Target};
use super::tls::Trust;
use super::wire::Wire;
use crate::http::{BodyFraming, Limits, encode_request_head};
#[cfg(all(feature = "http2", feature = "tls"))]
use crate::http2;

/// What a connection is made with; `progress` follows, for whoever has to say where it failed.
pub(super) struct Connecting<'a> {
    pub(super) shared: &'a Shared,
    pub(super) allow_ipv6: bool,
    pub(super) limits: &'a Limits,
    pub(super) progress: &'a Progress,
}

/// What a request may be sent on.
pub(super) struct Connected {
    pub(super) stream: IoStream,
    /// True if there was a connection already.
    pub(super) reused: bool,
    /// True if the stream is for one request, as it is one of HTTP/2.
    pub(super) is_http2: bool,
}

impl Connecting<'_> {
    /// Makes a connection, or has one of HTTP/2 that is there carry one more request.
    pub(super) async fn reach(&self, route: &Route) -> Result<Connected, Source> {
        #[cfg(all(feature = "http2", feature = "tls"))]
        if let Some(known) = self.shared.sessions.of(route) {
            return self.reach_by_either(route, &known).await;
        }
        Ok(Connected {
            stream: self.connect(route).await?,
            reused: false,
            is_http2: false,
        })
    }

    #[cfg(all(feature = "http2", feature = "tls"))]
    async fn reach_by_either(
        &self,
        route: &Route,
        known: &std::rc::Rc<Known>,
    ) -> Result<Connected, Source> {
        let carried = |stream, reused| Connected {
            stream,
            reused,
            is_http2: true,
        };
        if let Some(stream) = known.open() {
            return Ok(carried(stream, true));
        }
        let turn = match known.is_http1.get() {
            true => None,
            false => Some(known.asking.acquire().await),
        };
        if let Some(stream) = known.open() {
            return Ok(carried(stream, true));
        }
        let stream = self.connect(route).await?;
        let is_http2 = http2::is_agreed(&stream);
        known.is_http1.set(!is_http2);
        let connected = match is_http2 {
            true => carried(self.shared.sessions.begin(stream, known).await?, false),
            false => Connected {
                stream,
                reused: false,
                is_http2: false,
            },
        };
        drop(turn);
        Ok(connected)
    }

    /// Makes a connection: to a host or a proxy, through that, and secures it.
    async fn connect(&self, route: &Route) -> Result<IoStream, Source> {
        let (shared, progress) = (self.shared, self.progress);
        // First, as bad settings need no connection.
        progress.enter(Stage::Request);
        let connectors = &shared.connectors;
        let security = match &route.trust {
            Some(trust) => Some(connectors.prepare(trust, self.protocols()).await?),
            None => None,
        };
        let proxy_security = match &route.through {
            Through::Nobody => None,
            Through::Forward(proxy) => Trust::of_proxy(proxy, &shared.config),
            Through::Tunnel(tunnel) => Trust::of_proxy(&tunnel.0, &shared.config),
        };
        let proxy_security = match &proxy_security {
            Some(trust) => Some(connectors.prepare(trust, &HTTP1).await?),
            None => None,
        };
        let mut stream = match &route.unix {
            Some(path) => {
                progress.enter_with(Stage::Connect, path.display());
                TcpClient::new().connect_unix(path).await?
            }
            None => self.dial(route).await?,
        };
        if let Some(prepared) = proxy_security {
            stream = prepared.secure(stream, &route.to.host, progress).await?;
        }
        if let Through::Tunnel(tunnel) = &route.through {
            let (proxy, target) = &**tunnel;
            progress.enter_with(Stage::Proxy, proxy.authority());
            stream = match proxy.socks() {
                None => open_tunnel(stream, proxy, target, self.limits, progress).await?,
                Some(looks_up) => {
                    self.open_socks(&stream, proxy, target, looks_up).await?;
                    stream
                }
            };
        }
        match security {
            Some(prepared) => {
                let host = &route.server().host;
                prepared.secure(stream, host, progress).await
            }
            None => Ok(stream),
        }
    }

    fn protocols(&self) -> &'static [&'static str] {
        #[cfg(feature = "http2")]
        if self.shared.config.http2 {
            return &EITHER;
        }
        &HTTP1
    }

    async fn open_socks(
        &self,
        stream: &IoStream,
        proxy: &Proxy,
        target: &Origin,
        looks_up: bool,
    ) -> Result<(), Source> {
        let to = mapped(target, &self.shared.config.hostname_mapping);
        let address = match looks_up {
            true => None,
            false => {
                let found = self.look_up(&to).await?;
                self.progress.enter_with(Stage::Proxy, proxy.authority());
                Some(
                    found
                        .first()
                        .copied()
                        .ok_or("the host has no such address")?,
                )
            }
        };
        let target = address.map_or(Target::Host(&to), Target::Address);
        socks::open_tunnel(stream, target, proxy.user.as_deref()).await
    }

    async fn look_up(&self, host: &Origin) -> Result<Vec<SocketAddr>, Source> {
        let fits = |address: &SocketAddr| self.allow_ipv6 || address.is_ipv4();
        self.progress.enter_with(Stage::Resolve, &host.host);
        let addresses = match &self.shared.config.resolver {
            Some(own) => own.resolve(&host.host, host.port),
            None => ThreadedResolver::new().resolve(&host.host, host.port),
        };
        let mut addresses = addresses.await?;
        addresses.retain(fits);
        Ok(addresses)
    }

    /// Connects to one of the addresses of the route's first host.
    async fn dial(&self, route: &Route) -> Result<IoStream, Source> {
        let (config, progress) = (&self.shared.config, self.progress);
        let to = mapped(&route.to, &config.hostname_mapping);
        let addresses = self.look_up(&to).await?;
        progress.enter_with(Stage::Connect, format_args!("{}:{}", to.host, to.port));
        let client = TcpClient::new().source_ip(route.source);
        let connected = client.connect_addresses(addresses).await;
        connected.map_err(|error| of_the_system(error, &to.host))
    }
}

/// What is spoken on a connection with TLS.
const HTTP1: [&str; 1] = ["http/1.1"];
#[cfg(feature = "http2")]
const EITHER: [&str; 2] = ["h2", "http/1.1"];

/// Why there is no connection. A name has several addresses, so the error says which failed; that of a
/// host which is an address would only say it again.
fn of_the_system(error: squall::Error, host: &str) -> Source {
    let code = error.io().and_then(io::Error::raw_os_error);
    match (code, host.parse::<IpAddr>()) {
        (Some(code), Ok(_)) => io::Error::from_raw_os_error(code).into(),
        _ => error.into(),
    }
}

/// Where to connect to instead: by name and port, else by name.
fn mapped(to: &Origin, mapping: &HashMap<String, String>) -> Origin {
    let full = format!("{}:{}", to.host, to.port);
    let Some(other) = mapping.get(&full).or_else(|| mapping.get(&*to.host)) else {
        return to.clone();
    };
    let with_port = other.rsplit_once(':').and_then(|(host, port)| {
        // An IPv6 address without a port has colons as well, but ends in a bracket.
        let is_whole = !host.contains(':') || host.ends_with(']');
        let port = port.parse().ok().filter(|_| is_whole)?;
        Some((host, port))
    });
    let (host, port) = with_port.unwrap_or((other, to.port));
    Origin {
        host: host.into(),
        port,
    }
}

/// Asks for a tunnel by `CONNECT` (RFC 9110 §9.3.6).
async fn open_tunnel(
    stream: IoStream,
    proxy: &Proxy,
    target: &Origin,
    limits: &Limits,
    progress: &Progress,
) -> Result<IoStream, Source> {
    let authority = format!("{}:{}", target.host, target.port);
    let mut headers = HeaderMap::new();
    if let Some(authorization) = &proxy.authorization {
        headers.insert(header::PROXY_AUTHORIZATION, authorization.clone());
    }
    let mut head = Vec::new();
    let (method, none) = (Method::CONNECT, BodyFraming::None);
    encode_request_head(&mut head, &method, &authority, &authority, &headers, none)?;
    stream.write(&head).await?;
    let mut wire = Wire::new(stream);
    let answer = poll_fn(|cx| wire.poll_final_head(cx, &method, limits, progress));
    let answer = answer.await.map_err(|failure| {
        let too_large = || "its answer is too large".into();
        failure.source.unwrap_or_else(too_large)
    })?;
    if !answer.status.is_success() {
        let status = answer.status;
        let hint = match status {
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => "; see Proxy::auth",
            _ => "",
        };
        return Err(format!("the proxy answered {status}{hint}").into());
    }
    // The server cannot have spoken before the client: what came is not the tunnel's.
    match wire.into_idle() {
        Some(stream) => Ok(stream),
        None => Err(Box::new(io::Error::new(
            io::ErrorKind::InvalidData,
            "the proxy sent more than its answer",
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_mapped_with_and_without_port() {
        // S29
        let mapping = [
            ("a.example", "127.0.0.1"),
            ("a.example:81", "b.example:8081"),
            ("c.example", "[::1]"),
            ("d.example", "[::1]:82"),
        ];
        let mapping = mapping.map(|(from, to)| (from.to_owned(), to.to_owned()));
        let mapping = HashMap::from(mapping);
        let check = |host: &str, port, want: &str| {
            let to = mapped(
                &Origin {
                    host: host.into(),
                    port,
                },
                &mapping,
            );
            assert_eq!(format!("{}:{}", to.host, to.port), want);
        };
        check("a.example", 80, "127.0.0.1:80");
        check("a.example", 81, "b.example:8081");
        check("c.example", 80, "[::1]:80");
        check("d.example", 80, "[::1]:82");
        check("other", 80, "other:80");
    }
}
