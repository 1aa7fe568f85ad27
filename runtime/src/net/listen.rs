//! Sockets that listen: how they are bound, and what accepts from them.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as StdTcp, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdUnix, UnixStream as StdUnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mio::net::{TcpListener, UnixListener};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::inherited;
use super::memory::MemoryListener;
use super::stream::IoStream;
use crate::error::Result;
use crate::ioloop::IoLoop;
use crate::ioloop::sources::Registration;

/// How often a free port is looked for that all addresses have.
const TRIES: usize = 16;

/// What stands for the address of a Unix socket, as in Tornado.
pub(super) const NO_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// How a server's sockets are made.
///
/// # Examples
///
/// ```
/// use squall::net::{ListenOptions, TcpServer};
/// use squall::yield_;
///
/// #[squall::main]
/// fn main() -> squall::Result<()> {
///     let options = ListenOptions {
///         reuse_port: true,
///         ..ListenOptions::default()
///     };
///     let first = TcpServer::bind_with("127.0.0.1:0", &options)?;
///     // Another process, or thread, may listen on the same port; connections are shared out.
///     let second = TcpServer::bind_with(first.local_addr()?, &options)?;
///     assert_eq!(first.local_addr()?, second.local_addr()?);
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// How many connections may wait to be accepted; the system has a limit of its own
    /// (`net.core.somaxconn`). 4,096 at first.
    pub backlog: u32,
    /// Others who set it, too, may listen on the same port (`SO_REUSEPORT`); the system shares the
    /// connections out.
    pub reuse_port: bool,
    /// The mode of a Unix socket's file; 0o600 at first, so that only the same user may connect.
    pub unix_mode: u32,
}

impl Default for ListenOptions {
    fn default() -> ListenOptions {
        ListenOptions {
            backlog: 4096,
            reuse_port: false,
            unix_mode: 0o600,
        }
    }
}

/// A socket that listens, before it is on a loop.
pub(super) struct Bound {
    pub(super) socket: BoundSocket,
}

pub(super) enum BoundSocket {
    Tcp(StdTcp),
    /// With the file that is removed when nobody listens any more.
    Unix(StdUnix, Option<Arc<SocketFile>>),
}

impl Bound {
    fn tcp(listener: StdTcp) -> Bound {
        let socket = BoundSocket::Tcp(listener);
        Bound { socket }
    }

    /// Takes a socket, if it is one that listens.
    pub(super) fn from_fd(fd: OwnedFd) -> io::Result<Bound> {
        let (listens, domain, kind) = {
            let socket = SockRef::from(&fd);
            (socket.is_listener(), socket.domain(), socket.r#type())
        };
        let message = match (listens, domain, kind) {
            (Ok(true), Ok(Domain::IPV4 | Domain::IPV6), Ok(Type::STREAM)) => {
                return Ok(Bound::tcp(fd.into()));
            }
            (Ok(true), Ok(Domain::UNIX), Ok(Type::STREAM)) => {
                let socket = BoundSocket::Unix(fd.into(), None);
                return Ok(Bound { socket });
            }
            (Ok(false), ..) => "the descriptor is of a socket that does not listen",
            (Ok(true), ..) => "the descriptor is of a socket that is neither TCP nor Unix",
            (Err(_), ..) => "the descriptor is not of a socket",
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, message))
    }

    /// One more that listens at the same place: by a socket of its own if the port may be shared, and
    /// otherwise by the same.
    pub(super) fn duplicate(&self) -> io::Result<Bound> {
        let socket = match &self.socket {
            BoundSocket::Tcp(listener) => {
                let own = SockRef::from(listener);
                match own.reuse_port()? {
                    // The backlog of the first is not known; the system's limit is the usual one.
                    true => {
                        let address = listener.local_addr()?;
                        let only_v6 = address.is_ipv6() && own.only_v6()?;
                        let options = ListenOptions {
                            reuse_port: true,
                            ..ListenOptions::default()
                        };
                        BoundSocket::Tcp(listen(address, only_v6, &options)?)
                    }
                    false => BoundSocket::Tcp(listener.try_clone()?),
                }
            }
            BoundSocket::Unix(listener, file) => {
                BoundSocket::Unix(listener.try_clone()?, file.clone())
            }
        };
        Ok(Bound { socket })
    }

    /// Puts it on the current loop.
    pub(super) fn onto_loop(self) -> io::Result<Listening> {
        let io_loop = IoLoop::current();
        let (registration, listener) = match self.socket {
            BoundSocket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                let mut listener = TcpListener::from_std(listener);
                let registration = Registration::new(&io_loop, &mut listener)?;
                (registration, Listener::Tcp(listener))
            }
            BoundSocket::Unix(listener, file) => {
                listener.set_nonblocking(true)?;
                let mut listener = UnixListener::from_std(listener);
                let registration = Registration::new(&io_loop, &mut listener)?;
                (registration, Listener::Unix(listener, file))
            }
        };
        Ok(Listening {
            registration,
            listener,
        })
    }
}

/// A socket that listens on a loop.
pub(super) struct Listening {
    // Before the socket: it is undone before the descriptor is closed.
    pub(super) registration: Registration,
    pub(super) listener: Listener,
}

pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, Option<Arc<SocketFile>>),
    /// Of a simulated network.
    Memory(MemoryListener),
}

impl Listening {
    /// Takes it from its loop.
    pub(super) fn off_loop(self) -> io::Result<Bound> {
        drop(self.registration);
        let socket = match self.listener {
            Listener::Tcp(listener) => BoundSocket::Tcp(listener.into()),
            Listener::Unix(listener, file) => BoundSocket::Unix(listener.into(), file),
            Listener::Memory(_) => {
                let message = "a server of a simulated network stays on its loop";
                return Err(io::Error::new(io::ErrorKind::Unsupported, message));
            }
        };
        Ok(Bound { socket })
    }
}

impl Listener {
    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Listener::Tcp(listener) => listener.local_addr(),
            Listener::Unix(..) => Ok(NO_ADDRESS),
            Listener::Memory(listener) => Ok(listener.address()),
        }
    }

    pub(super) fn accept(&self) -> io::Result<(Accepted, SocketAddr)> {
        match self {
            Listener::Tcp(listener) => {
                let (socket, peer) = listener.accept()?;
                Ok((Accepted::Tcp(socket), peer))
            }
            Listener::Unix(listener, _) => {
                let (socket, _) = listener.accept()?;
                Ok((Accepted::Unix(socket), NO_ADDRESS))
            }
            Listener::Memory(listener) => {
                let (stream, peer) = listener.accept()?;
                Ok((Accepted::Memory(stream), peer))
            }
        }
    }
}

pub(super) enum Accepted {
    Tcp(mio::net::TcpStream),
    Unix(mio::net::UnixStream),
    Memory(IoStream),
}

impl Accepted {
    pub(super) fn into_stream(self) -> Result<IoStream> {
        match self {
            Accepted::Tcp(socket) => {
                // A peer that has gone again is found out at the first read.
                let _ = socket.set_nodelay(true);
                IoStream::from_mio(socket)
            }
            Accepted::Unix(socket) => IoStream::from_mio_unix(socket),
            Accepted::Memory(stream) => Ok(stream),
        }
    }
}

/// Binds all of the addresses: Tornado's `bind_sockets`.
///
/// Those of a family that the system has not are left out, if others can be bound. Port 0 takes one
/// that is free at all of them.
pub(super) fn bind_all(
    addresses: &[SocketAddr],
    options: &ListenOptions,
) -> io::Result<Vec<Bound>> {
    let mut unique: Vec<SocketAddr> = Vec::new();
    for address in addresses {
        if !unique.contains(address) {
            unique.push(*address);
        }
    }
    if unique.is_empty() {
        let message = "the host has no address";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let mut tries = 0;
    loop {
        tries += 1;
        let bound = bind_each(&unique, options);
        let took_any = unique.len() > 1 && unique.iter().any(|address| address.port() == 0);
        match bound {
            Err(error) if took_any && error.kind() == io::ErrorKind::AddrInUse && tries < TRIES => {
            }
            bound => return bound,
        }
    }
}

fn bind_each(addresses: &[SocketAddr], options: &ListenOptions) -> io::Result<Vec<Bound>> {
    // With an address of version 4 beside it, one of version 6 is for version 6 only.
    let both = addresses.iter().any(SocketAddr::is_ipv4);
    let (mut bound, mut left_out, mut port) = (Vec::new(), None, 0);
    for address in addresses {
        let mut address = *address;
        if address.port() == 0 {
            address.set_port(port);
        }
        match listen(address, both, options) {
            Ok(listener) => {
                port = listener.local_addr()?.port();
                bound.push(Bound::tcp(listener));
            }
            Err(error) if is_missing_family(&error) => left_out = left_out.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    match left_out {
        Some(error) if bound.is_empty() => Err(error),
        _ => Ok(bound),
    }
}

fn is_missing_family(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}

fn listen(address: SocketAddr, only_v6: bool, options: &ListenOptions) -> io::Result<StdTcp> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if options.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() && only_v6 {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(backlog(options))?;
    Ok(socket.into())
}

fn backlog(options: &ListenOptions) -> i32 {
    i32::try_from(options.backlog).unwrap_or(i32::MAX)
}

/// Binds a Unix socket: Tornado's `bind_unix_socket`. A name that begins with a NUL is one without a
/// file, which Linux has.
pub(super) fn bind_unix(path: &Path, options: &ListenOptions) -> io::Result<Bound> {
    let has_file = !path.as_os_str().as_encoded_bytes().starts_with(b"\0");
    let address = SockAddr::unix(path).map_err(|error| at(path, &error))?;
    if has_file {
        make_way(path)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&address).map_err(|error| at(path, &error))?;
    let file = match has_file {
        true => Some(SocketFile::of(path)?),
        false => None,
    };
    if has_file {
        // Nobody can connect before it listens, so the mode comes in time.
        fs::set_permissions(path, fs::Permissions::from_mode(options.unix_mode))?;
    }
    socket.listen(backlog(options))?;
    let socket = BoundSocket::Unix(socket.into(), file.map(Arc::new));
    Ok(Bound { socket })
}

/// Removes the file of a socket that nobody listens at any more.
fn make_way(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata?,
    };
    if !metadata.file_type().is_socket() {
        let message = format!(
            "{} exists, and is no socket: it is left alone",
            path.display()
        );
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    match StdUnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // It listens: also if its queue is full, or we may not connect.
        _ => {
            let message = format!("another server listens at {}", path.display());
            Err(io::Error::new(io::ErrorKind::AddrInUse, message))
        }
    }
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The file of a Unix socket; removed when nobody of the process listens any more, unless another
/// server has taken its place.
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<SocketFile> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(SocketFile {
            path: std::path::absolute(path)?,
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode));
        if is_ours {
            // If it cannot be removed the next server that is bound there does it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What an address in words says, as it stands in a configuration.
pub(super) fn parse(spec: &str, options: &ListenOptions) -> io::Result<Vec<Bound>> {
    if let Some(path) = spec.strip_prefix("unix:") {
        return Ok(vec![bind_unix(Path::new(path), options)?]);
    }
    if let Some(number) = spec.strip_prefix("fd:") {
        let fd = number.parse().map_err(|_| {
            let message = format!("{spec:?} has no number behind `fd:`");
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })?;
        return Ok(vec![Bound::from_fd(inherited::duplicate(fd)?)?]);
    }
    if spec == "systemd" {
        return from_systemd();
    }
    let all = spec.strip_prefix(':').or(spec.strip_prefix("*:"));
    if let Some(port) = all.and_then(|port| port.parse::<u16>().ok()) {
        let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        return bind_all(&[v4, v6], options);
    }
    let addresses = spec.to_socket_addrs().map_err(|error| {
        let message = format!(
            "{spec:?} cannot be listened on ({error}); write `host:port`, `:port`, `unix:path`, `fd:number` or `systemd`"
        );
        io::Error::new(error.kind(), message)
    })?;
    bind_all(&addresses.collect::<Vec<_>>(), options)
}

fn from_systemd() -> io::Result<Vec<Bound>> {
    let [fds, pid] = ["LISTEN_FDS", "LISTEN_PID"].map(|name| std::env::var(name).ok());
    let fds = inherited::listen_fds(fds.as_deref(), pid.as_deref(), std::process::id())?;
    if fds.is_empty() {
        let message =
            "systemd passed no sockets: LISTEN_FDS and LISTEN_PID are not for this process";
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    let bound = fds
        .into_iter()
        .map(|fd| Bound::from_fd(inherited::duplicate(fd)?));
    bound.collect()
}
