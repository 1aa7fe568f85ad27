//! Proxies whose word is taken for who the client is: Tornado's `xheaders` and `trusted_downstream`.

use std::net::{IpAddr, SocketAddr};

use crate::error::{Error, Result};

/// Proxies in front of a server, by their addresses.
///
/// Only a connection that comes from one of them is believed: with `X-Real-Ip`, or else the last
/// address of `X-Forwarded-For` that is none of theirs, and with `X-Scheme` or `X-Forwarded-Proto`.
/// Without this type a server looks at none of these headers, for any client can send them.
///
/// # Examples
///
/// ```
/// use squall_web::TrustedProxies;
///
/// let proxies = TrustedProxies::new(["127.0.0.1", "10.0.0.0/8", "::1"])?;
/// assert!(proxies.contains("10.1.2.3".parse().unwrap()));
/// assert!(!proxies.contains("11.1.2.3".parse().unwrap()));
/// # Ok::<(), squall_web::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TrustedProxies {
    networks: Vec<Network>,
    /// True if those are trusted that have no address.
    unix: bool,
}

#[derive(Clone, Copy, Debug)]
struct Network {
    address: IpAddr,
    bits: u8,
}

impl TrustedProxies {
    /// Trusts these addresses, and networks as `10.0.0.0/8`; `unix` stands for all that connect by a Unix
    /// socket.
    ///
    /// # Errors
    ///
    /// If one is neither an address nor a network; the message names it.
    pub fn new<T: AsRef<str>>(networks: impl IntoIterator<Item = T>) -> Result<TrustedProxies> {
        let mut proxies = TrustedProxies {
            networks: Vec::new(),
            unix: false,
        };
        for text in networks {
            match text.as_ref() {
                "unix" => proxies.unix = true,
                text => proxies.networks.push(network(text)?),
            }
        }
        Ok(proxies)
    }

    /// True if the connection's other end is one of theirs; a Unix socket has no address.
    pub(super) fn trusts(&self, remote: Option<SocketAddr>) -> bool {
        remote.map_or(self.unix, |remote| self.contains(remote.ip()))
    }

    /// True if the address is one of theirs. An IPv4 address in IPv6's clothes is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.has(address))
    }

    /// The client behind a proxy that is trusted, as `X-Real-Ip` or `X-Forwarded-For` tell.
    ///
    /// The list is read from its right end, where the nearest proxy wrote: what stands left of the
    /// first stranger may be anybody's invention.
    pub(super) fn client(&self, real_ip: Option<&str>, forwarded: Option<&str>) -> Option<IpAddr> {
        if let Some(address) = real_ip {
            return address.trim().parse().ok();
        }
        let mut client = None;
        for item in forwarded?.rsplit(',') {
            let Ok(address) = item.trim().parse::<IpAddr>() else {
                // Whoever wrote this is not to be believed about the rest.
                return client;
            };
            client = Some(address);
            if !self.contains(address) {
                break;
            }
        }
        client
    }
}

impl Network {
    fn has(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let shift = 32 - u32::from(self.bits);
                (ours.to_bits() ^ theirs.to_bits())
                    .checked_shr(shift)
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let shift = 128 - u32::from(self.bits);
                (ours.to_bits() ^ theirs.to_bits())
                    .checked_shr(shift)
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }
}

fn network(text: &str) -> Result<Network> {
    let bad = || {
        let message = format!(
            "{text:?} is no proxy's address: write one as \"127.0.0.1\", or a network as \"10.0.0.0/8\""
        );
        Error::mistake(message)
    };
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| bad())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        None => most,
        Some(bits) => bits.parse().map_err(|_| bad())?,
    };
    match bits <= most {
        true => Ok(Network { address, bits }),
        false => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn client(real_ip: Option<&str>, forwarded: Option<&str>, want: Option<&str>) {
        let proxies = TrustedProxies::new(["127.0.0.1", "5.5.5.5", "2001:db8::/32"]).unwrap();
        let got = proxies.client(real_ip, forwarded);
        assert_eq!(got, want.map(|want| want.parse().unwrap()));
    }

    #[test]
    fn the_first_stranger_from_the_right_is_the_client() {
        client(None, Some("127.0.0.1, 4.4.4.4"), Some("4.4.4.4"));
        client(None, Some("4.4.4.4, 5.5.5.5"), Some("4.4.4.4"));
        client(
            None,
            Some("6.6.6.6,4.4.4.4,2001:db8::7,5.5.5.5"),
            Some("4.4.4.4"),
        );
        client(None, Some("5.5.5.5"), Some("5.5.5.5"));
        client(None, Some("evil, 5.5.5.5"), Some("5.5.5.5"));
        client(None, Some("4.4.4.4, evil"), None);
        client(None, Some(""), None);
        client(None, None, None);
        client(Some("4.4.4.4"), Some("9.9.9.9"), Some("4.4.4.4"));
        client(Some("4.4.4.4<s>"), None, None);
        client(Some("::1"), None, Some("::1"));
    }

    #[test]
    fn networks_end_where_their_bits_do() {
        let all = TrustedProxies::new(["0.0.0.0/0"]).unwrap();
        assert!(all.contains("9.9.9.9".parse().unwrap()));
        assert!(all.contains("::ffff:9.9.9.9".parse().unwrap()));
        assert!(!all.contains("::9".parse().unwrap()));
        let half = TrustedProxies::new(["128.0.0.0/1", "8000::/1"]).unwrap();
        assert!(half.contains("200.0.0.1".parse().unwrap()));
        assert!(!half.contains("100.0.0.1".parse().unwrap()));
        assert!(half.contains("9000::".parse().unwrap()));
        assert!(!half.contains("7000::".parse().unwrap()));
        for bad in [
            "",
            "localhost",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/x",
            "10.0.0/8",
        ] {
            let error = TrustedProxies::new([bad]).unwrap_err().to_string();
            assert!(
                error.contains(&format!("{bad:?} is no proxy's address")),
                "{error}"
            );
        }
    }
}
