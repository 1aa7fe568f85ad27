//! Where connections go: what the pool tells them apart by.

use std::net::IpAddr;
use std::path::Path;
use std::rc::Rc;

use super::proxy::Proxy;
use super::tls::Trust;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    /// An IPv6 address is in brackets.
    pub(super) host: Rc<str>,
    pub(super) port: u16,
}

/// A way that requests of several fetches may share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Route {
    /// The other end of the TCP connection.
    pub(super) to: Origin,
    /// The Unix socket that stands for it, if there is one.
    pub(super) unix: Option<Rc<Path>>,
    pub(super) through: Through,
    /// The own end, if that matters.
    pub(super) source: Option<IpAddr>,
    /// By what the way to the server is secured, if it is.
    pub(super) trust: Option<Trust>,
}

/// Who stands between.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Through {
    Nobody,
    /// A proxy that sends requests on, of all servers.
    Forward(Proxy),
    /// A proxy that made a tunnel to this server, for whom it let in.
    Tunnel(Box<(Proxy, Origin)>),
}

impl Route {
    pub(super) fn new(target: Origin, proxy: Option<&Proxy>, trust: Option<Trust>) -> Route {
        let (to, through) = match proxy {
            None => (target, Through::Nobody),
            Some(proxy) => {
                let to = Origin {
                    host: proxy.host.clone(),
                    port: proxy.port,
                };
                // A proxy that is to send requests on has to read them.
                let through = match proxy.tunnels || trust.is_some() {
                    true => Through::Tunnel(Box::new((proxy.clone(), target))),
                    false => Through::Forward(proxy.clone()),
                };
                (to, through)
            }
        };
        Route {
            to,
            unix: None,
            through,
            source: None,
            trust,
        }
    }

    /// The server that is spoken to at the end of the way.
    pub(super) fn server(&self) -> &Origin {
        match &self.through {
            Through::Nobody | Through::Forward(_) => &self.to,
            Through::Tunnel(tunnel) => &tunnel.1,
        }
    }
}
