//! Connecting from an address of one's own choice.

use std::io;
use std::net::SocketAddr;

use mio::net::TcpStream;
use socket2::{Domain, Socket, Type};

/// The system's number for "the connection is on its way", which the standard library has no word for.
#[cfg(target_os = "linux")]
const EINPROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();
/// Of macOS and the BSDs.
#[cfg(not(target_os = "linux"))]
const EINPROGRESS: i32 = 36;

/// Begins to connect from an address of one's own.
pub(super) fn begin_connect(address: SocketAddr, source: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // A port that was used by a connection before may be used again.
    socket.set_reuse_address(source.port() != 0)?;
    socket.bind(&source.into())?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(EINPROGRESS) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}
