//! Tunnels through SOCKS 5 (RFC 1928), with user names and passwords (RFC 1929).

use std::net::{IpAddr, SocketAddr};

use squall::net::IoStream;

use super::error::Source;
use super::route::Origin;

/// Where the tunnel is to end.
pub(super) enum Target<'a> {
    /// A name, or an address, that the proxy looks up.
    Host(&'a Origin),
    Address(SocketAddr),
}

/// User name and password.
pub(super) type User = (Vec<u8>, Vec<u8>);

const VERSION: u8 = 5;
const NO_ONE: u8 = 0;
const BY_PASSWORD: u8 = 2;
const CONNECT: u8 = 1;

/// Asks a proxy for a tunnel.
pub(super) async fn open_tunnel(
    stream: &IoStream,
    target: Target<'_>,
    user: Option<&User>,
) -> Result<(), Source> {
    let methods: &[u8] = match user {
        None => &[VERSION, 1, NO_ONE],
        Some(_) => &[VERSION, 2, NO_ONE, BY_PASSWORD],
    };
    stream.write(methods).await?;
    let chosen = stream.read_bytes(2).await?;
    match (chosen[0], chosen[1], user) {
        (VERSION, NO_ONE, _) => {}
        (VERSION, BY_PASSWORD, Some(user)) => log_in(stream, user).await?,
        (VERSION, 0xff, None) => return Err("the proxy wants a user name; see Proxy::auth".into()),
        (VERSION, method, _) => {
            return Err(format!("the proxy wants a method of its own ({method:#x})").into());
        }
        _ => return Err("the proxy does not speak SOCKS 5".into()),
    }
    stream.write(&request(target)?).await?;
    let answer = stream.read_bytes(4).await?;
    if answer[0] != VERSION {
        return Err("the proxy does not speak SOCKS 5".into());
    }
    if answer[1] != 0 {
        return Err(format!("the proxy answered: {}", refusal(answer[1])).into());
    }
    // The proxy's own end, which nobody needs to know.
    let length = match answer[3] {
        1 => 4,
        4 => 16,
        3 => usize::from(stream.read_bytes(1).await?[0]),
        kind => return Err(format!("the proxy names an address of the kind {kind}").into()),
    };
    stream.read_bytes(length + 2).await?;
    Ok(())
}

async fn log_in(stream: &IoStream, (name, password): &User) -> Result<(), Source> {
    let mut message = vec![1];
    for part in [name, password] {
        let length = u8::try_from(part.len());
        message.push(length.map_err(|_| "user name or password has more than 255 bytes")?);
        message.extend_from_slice(part);
    }
    stream.write(&message).await?;
    match stream.read_bytes(2).await?[1] {
        0 => Ok(()),
        _ => Err("the proxy refused user name and password".into()),
    }
}

fn request(target: Target<'_>) -> Result<Vec<u8>, Source> {
    let mut message = vec![VERSION, CONNECT, 0];
    let (address, port) = match target {
        Target::Address(address) => (Some(address.ip()), address.port()),
        Target::Host(origin) => {
            let bare = origin.host.trim_start_matches('[').trim_end_matches(']');
            (bare.parse().ok(), origin.port)
        }
    };
    match (address, target) {
        (Some(IpAddr::V4(address)), _) => {
            message.push(1);
            message.extend_from_slice(&address.octets());
        }
        (Some(IpAddr::V6(address)), _) => {
            message.push(4);
            message.extend_from_slice(&address.octets());
        }
        (None, Target::Host(origin)) => {
            let length = u8::try_from(origin.host.len());
            message.push(3);
            message.push(length.map_err(|_| "the host's name has more than 255 bytes")?);
            message.extend_from_slice(origin.host.as_bytes());
        }
        (None, Target::Address(_)) => {}
    }
    message.extend_from_slice(&port.to_be_bytes());
    Ok(message)
}

fn refusal(code: u8) -> String {
    let words = match code {
        1 => "it has failed itself",
        2 => "its rules do not allow it",
        3 => "the network is unreachable",
        4 => "the host is unreachable",
        5 => "the host refused the connection",
        6 => "the way was too long (TTL)",
        7 => "it does not know how to connect",
        8 => "it does not know this kind of address",
        other => return format!("refused ({other})"),
    };
    words.to_owned()
}
