//! A non-blocking socket, pipe or end of a pair in memory, with buffered reads.
//!
//! Reads take what the socket has into a buffer and give the part that was asked for; what comes
//! after it stays for the next read. The buffer is freed whenever it is empty, so that a stream that
//! idles holds none. All methods take `&self`: one coroutine may read while another writes. At most
//! one read may be pending; a second gets an error.
//!
//! Here are the type, what makes it, and the steps that only poll; `reading`, `writing` and `closing`
//! have what is built of them, `socket` what is below.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{OwnedFd, RawFd};
use std::path::Path;
use std::task::{Context, Poll, ready};

use mio::net::{TcpStream, UnixStream};
use mio::unix::pipe;
use socket2::{Domain, SockAddr, Type};

use super::admission::Admitted;
use super::from_source::begin_connect;
use super::memory::End;
use super::rare::Rare;
use super::read_buf::ReadBuf;
use super::socket::{Socket, first_full};
use super::turns::Turns;
use crate::error::{Error, Result};
use crate::ioloop::IoLoop;
use crate::ioloop::sources::{Direction, Registration};

/// A connected socket, one end of a pipe, or one of a [`pair`](Self::pair) in memory: Tornado's
/// `IOStream` and `PipeIOStream`.
///
/// # Examples
///
/// ```no_run
/// # use squall::{net::TcpClient, yield_};
/// #[squall::main]
/// fn main() -> squall::Result<()> {
///     let stream = yield_!(TcpClient::new().connect("localhost", 80))?;
///     yield_!(stream.write(b"GET / HTTP/1.0\r\n\r\n"))?;
///     let head = yield_!(stream.read_until(b"\r\n\r\n", 64 * 1024))?;
///     println!("{}", String::from_utf8_lossy(&head));
///     Ok(())
/// }
/// ```
pub struct IoStream {
    // Before the socket: it is undone before the descriptor is closed.
    pub(super) registration: Registration,
    pub(super) socket: Socket,
    /// What was read and not asked for yet.
    pub(super) buffer: RefCell<ReadBuf>,
    pub(super) reading: Cell<bool>,
    pub(super) writing: Turns,
    pub(super) closed: Cell<bool>,
    pub(super) rare: Rare,
    /// Counts with its server, until the stream is dropped.
    pub(super) admitted: Option<Admitted>,
}

impl IoStream {
    /// Takes a connected TCP socket into the current loop; makes it non-blocking.
    ///
    /// # Errors
    ///
    /// If the system cannot poll it.
    pub fn from_tcp(socket: std::net::TcpStream) -> Result<IoStream> {
        socket.set_nonblocking(true)?;
        Self::from_mio(TcpStream::from_std(socket))
    }

    /// Takes a connected Unix socket into the current loop; makes it non-blocking.
    ///
    /// # Errors
    ///
    /// If the system cannot poll it.
    pub fn from_unix(socket: std::os::unix::net::UnixStream) -> Result<IoStream> {
        socket.set_nonblocking(true)?;
        Self::from_mio_unix(UnixStream::from_std(socket))
    }

    pub(super) fn from_mio_unix(mut socket: UnixStream) -> Result<IoStream> {
        let registration = Registration::new(&IoLoop::current(), &mut socket)?;
        Ok(Self::new(registration, Socket::Unix(socket)))
    }

    /// Takes the end of a pipe that is read into the current loop; makes it non-blocking.
    ///
    /// Writing it is an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::net::IoStream;
    /// use squall::yield_;
    ///
    /// #[squall::main]
    /// fn main() -> squall::Result<()> {
    ///     let (reader, writer) = std::io::pipe()?;
    ///     let reader = IoStream::from_pipe_reader(reader)?;
    ///     let writer = IoStream::from_pipe_writer(writer)?;
    ///     yield_!(writer.write(b"one\ntwo"))?;
    ///     drop(writer);
    ///     assert_eq!(yield_!(reader.read_until(b"\n", 80))?, b"one\n");
    ///     assert_eq!(yield_!(reader.read_until_close(80))?, b"two");
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// If the system cannot poll it: if it is a plain file, for one.
    pub fn from_pipe_reader(pipe: impl Into<OwnedFd>) -> Result<IoStream> {
        let mut pipe = pipe::Receiver::from(pipe.into());
        pipe.set_nonblocking(true)?;
        let registration = Registration::new(&IoLoop::current(), &mut pipe)?;
        let socket = Socket::Reader(Box::new(RefCell::new(Some(pipe))));
        Ok(Self::new(registration, socket))
    }

    /// Takes the end of a pipe that is written into the current loop; makes it non-blocking.
    ///
    /// Reading it is an error. [`close`](Self::close), [`shutdown_write`](Self::shutdown_write) and
    /// dropping it tell the reader that the end has come.
    ///
    /// # Errors
    ///
    /// If the system cannot poll it: if it is a plain file, for one.
    pub fn from_pipe_writer(pipe: impl Into<OwnedFd>) -> Result<IoStream> {
        let mut pipe = pipe::Sender::from(pipe.into());
        pipe.set_nonblocking(true)?;
        let registration = Registration::new(&IoLoop::current(), &mut pipe)?;
        // The system will never say so, and a read is to find its error.
        registration.notifier().notify(Direction::Read, true);
        let socket = Socket::Writer(Box::new(RefCell::new(Some(pipe))));
        Ok(Self::new(registration, socket))
    }

    /// Takes one end of a wire in memory.
    pub(super) fn from_memory(registration: Registration, end: End) -> IoStream {
        Self::new(registration, Socket::Memory(Box::new(end)))
    }

    pub(super) fn from_mio(mut socket: TcpStream) -> Result<IoStream> {
        let registration = Registration::new(&IoLoop::current(), &mut socket)?;
        Ok(Self::new(registration, Socket::Tcp(socket)))
    }

    /// Connects to an address, from `source` if there is one; the stream is there when the connection
    /// is.
    pub(super) async fn connect(
        address: SocketAddr,
        source: Option<SocketAddr>,
    ) -> Result<IoStream> {
        let mut socket = match source {
            None => TcpStream::connect(address)?,
            Some(source) => begin_connect(address, source)?,
        };
        let registration = Registration::new(&IoLoop::current(), &mut socket)?;
        // A socket that connects cannot be written yet.
        registration.clear_hard(Direction::Write);
        loop {
            poll_fn(|cx| registration.poll_ready(Direction::Write, cx)).await?;
            if let Some(error) = socket.take_error()? {
                return Err(error.into());
            }
            match socket.peer_addr() {
                Ok(_) => {
                    // As the server does: small writes are not held back. It only fails if the
                    // connection is gone, which the first write finds out.
                    let _ = socket.set_nodelay(true);
                    return Ok(Self::new(registration, Socket::Tcp(socket)));
                }
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                    registration.clear_hard(Direction::Write);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Connects to a Unix socket; would block if its queue is full.
    pub(super) fn connect_unix(path: &Path) -> Result<IoStream> {
        let address = SockAddr::unix(path)?;
        let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(&address)?;
        Self::from_mio_unix(UnixStream::from_std(socket.into()))
    }

    fn new(registration: Registration, socket: Socket) -> IoStream {
        IoStream {
            registration,
            socket,
            buffer: RefCell::default(),
            reading: Cell::new(false),
            writing: Turns::default(),
            closed: Cell::new(false),
            rare: Rare::default(),
            admitted: None,
        }
    }

    /// Sends small writes at once (`TCP_NODELAY`); without effect on others.
    ///
    /// # Errors
    ///
    /// If the connection is gone.
    pub fn set_nodelay(&self, on: bool) -> Result<()> {
        Ok(self.socket.set_nodelay(on)?)
    }

    /// Returns the address of the peer; none for a Unix socket, a pipe or a pair in memory.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.socket.peer_addr()
    }

    /// Returns the stream's own address; none for a Unix socket, a pipe or a pair in memory.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.socket.local_addr()
    }

    /// True if there is TLS on the stream.
    pub fn is_secure(&self) -> bool {
        self.socket.tells_ends()
    }

    /// Returns the number of the descriptor, for a socket option that has no method here; none for a
    /// pair in memory and a pipe that is closed. Tornado's `fileno`.
    ///
    /// The stream keeps owning it: whoever closes it, or reads from it, breaks the stream.
    pub fn raw_fd(&self) -> Option<RawFd> {
        self.socket.raw_fd()
    }

    /// Ready when a read may be tried, without one: a connection that idles needs no buffer to wait.
    ///
    /// # Errors
    ///
    /// If the stream is closed.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.closed.get() {
            return Poll::Ready(Err(Error::stream_closed()));
        }
        if !self.buffer.borrow().is_empty() {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Ok(ready!(self.poll_may_read(cx))?))
    }

    /// Ready when the socket may be read.
    pub(super) fn poll_may_read(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.socket.holds_bytes() {
            true => Poll::Ready(Ok(())),
            false => self.registration.poll_ready(Direction::Read, cx),
        }
    }

    /// Reads into the caller's own buffer, past the stream's: for protocols that keep their bytes
    /// themselves. Gives 0 at the end of the stream.
    ///
    /// # Errors
    ///
    /// If the stream is closed or the system's read fails.
    pub fn poll_read(&self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<Result<usize>> {
        if self.closed.get() {
            return Poll::Ready(Err(Error::stream_closed()));
        }
        {
            let mut buffer = self.buffer.borrow_mut();
            if !buffer.is_empty() {
                return Poll::Ready(Ok(buffer.copy_to(into)));
            }
        }
        self.poll_read_socket(cx, into)
    }

    /// As [`poll_read`](Self::poll_read), but behind what is in `into`, for which `room` more bytes, or
    /// what it has room for if that is more, are asked. Nothing is allocated for a read that has to wait,
    /// and the room need not be filled with zeros first.
    ///
    /// # Errors
    ///
    /// If the stream is closed or the system's read fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use squall::{net::IoStream, yield_};
    ///
    /// #[squall::coroutine]
    /// fn line(stream: &IoStream) -> squall::Result<Vec<u8>> {
    ///     let mut read = Vec::new();
    ///     while !read.contains(&b'\n') {
    ///         if yield_!(poll_fn(|cx| stream.poll_read_behind(cx, &mut read, 1024)))? == 0 {
    ///             break;
    ///         }
    ///     }
    ///     Ok(read)
    /// }
    /// ```
    pub fn poll_read_behind(
        &self,
        cx: &mut Context<'_>,
        into: &mut Vec<u8>,
        room: usize,
    ) -> Poll<Result<usize>> {
        ready!(self.poll_readable(cx))?;
        into.reserve(room);
        {
            let mut buffer = self.buffer.borrow_mut();
            if !buffer.is_empty() {
                return Poll::Ready(Ok(buffer.append_to(into)));
            }
        }
        let spare = into.capacity() - into.len();
        self.poll_reading(cx, spare, |socket| socket.read_behind(into))
    }

    /// Writes a part of `data`; gives how much.
    ///
    /// With TLS, a write that was pending has to be polled again with the same bytes until it is done:
    /// some of them may be encrypted already.
    ///
    /// # Errors
    ///
    /// If the stream is closed or the system's write fails.
    pub fn poll_write(&self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize>> {
        let written = ready!(self.poll_writing(cx, |socket| socket.write(data)))?;
        Poll::Ready(some_of(written, data))
    }

    /// Writes a part of `parts`, one after the other; gives how much. A socket or pipe takes them in
    /// one call of the system.
    ///
    /// # Errors
    ///
    /// If the stream is closed or the system's write fails.
    pub fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = ready!(self.poll_writing(cx, |socket| socket.write_vectored(parts)))?;
        Poll::Ready(some_of(written, first_full(parts)))
    }

    pub(super) fn poll_finish_writing(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_writing(cx, Socket::finish_writing)
    }

    /// Does `step` as soon as the socket may be written, and again if it would block all the same.
    #[inline]
    fn poll_writing<R>(
        &self,
        cx: &mut Context<'_>,
        step: impl Fn(&Socket) -> io::Result<R>,
    ) -> Poll<Result<R>> {
        loop {
            if self.closed.get() {
                return Poll::Ready(Err(Error::stream_closed()));
            }
            ready!(self.registration.poll_ready(Direction::Write, cx))?;
            match step(&self.socket) {
                Ok(done) => return Poll::Ready(Ok(done)),
                Err(error) => self.write_failed(error)?,
            }
        }
    }

    /// Gives the error, or nothing if the write is to be tried again.
    fn write_failed(&self, error: io::Error) -> Result<()> {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.registration.clear_hard(Direction::Write),
            io::ErrorKind::Interrupted => {}
            _ => return Err(self.failed(error)),
        }
        Ok(())
    }

    /// Keeps an error for [`error`](Self::error).
    #[cold]
    fn failed(&self, error: io::Error) -> Error {
        self.rare.keep(&error);
        error.into()
    }

    pub(super) fn poll_read_socket(
        &self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<Result<usize>> {
        self.poll_reading(cx, into.len(), |socket| socket.read(into))
    }

    /// Reads by `read`, which has so much room, as soon as the socket may be read.
    #[inline]
    fn poll_reading(
        &self,
        cx: &mut Context<'_>,
        room: usize,
        mut read: impl FnMut(&Socket) -> io::Result<usize>,
    ) -> Poll<Result<usize>> {
        loop {
            if self.closed.get() {
                return Poll::Ready(Err(Error::stream_closed()));
            }
            ready!(self.poll_may_read(cx))?;
            match read(&self.socket) {
                Ok(read) => {
                    // Less than there is room for: the socket is drained, and the next edge tells.
                    if read < room && self.socket.is_drained() {
                        self.registration.clear(Direction::Read);
                    }
                    return Poll::Ready(Ok(read));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.registration.clear_hard(Direction::Read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(self.failed(error))),
            }
        }
    }
}

/// What was written of `data`: none of it is an error, unless there is none.
#[inline]
fn some_of(written: usize, data: &[u8]) -> Result<usize> {
    match written {
        0 if !data.is_empty() => Err(io::Error::from(io::ErrorKind::WriteZero).into()),
        written => Ok(written),
    }
}

impl fmt::Debug for IoStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoStream")
            .field("peer", &self.peer_addr())
            .field("buffered", &self.buffer.borrow().len())
            .field("closed", &self.closed.get())
            .finish_non_exhaustive()
    }
}
