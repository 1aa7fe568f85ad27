//! Where connections go: what the pool tells them apart by.

use std::net::IpAddr;
use std::rc::Rc;

use super::proxy::Proxy;

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
    pub(super) through: Through,
    /// The own end, if that matters.
    pub(super) source: Option<IpAddr>,
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
    pub(super) fn new(target: Origin, proxy: Option<&Proxy>, source: Option<IpAddr>) -> Route {
        let Some(proxy) = proxy else {
            return Route {
                to: target,
                through: Through::Nobody,
                source,
            };
        };
        let to = Origin {
            host: proxy.host.clone(),
            port: proxy.port,
        };
        let through = match proxy.tunnels {
            true => Through::Tunnel(Box::new((proxy.clone(), target))),
            false => Through::Forward(proxy.clone()),
        };
        Route {
            to,
            through,
            source,
        }
    }
}
