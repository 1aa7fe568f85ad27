//! A non-blocking socket, pipe or end of a pair in memory, with buffered reads.
//!
//! Reads take what the socket has into a buffer and give the part that was asked for; what comes
//! after it stays for the next read. The buffer is freed whenever it is empty, so that a stream that
//! idles holds none. All methods take `&self`: one coroutine may read while another writes. At most
//! one read may be pending; a second gets an error.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use mio::net::{TcpStream, UnixStream};
use mio::unix::pipe;
use socket2::{Domain, Socket as Socket2, Type};

use super::memory::End;
use super::read_buf::ReadBuf;
use super::turns::Turns;
use crate::error::{Error, Result};
use crate::ioloop::IoLoop;
use crate::ioloop::sources::{Direction, Registration};

/// The system's number for "the connection is on its way", which the standard library has no word for.
#[cfg(target_os = "linux")]
const EINPROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();
/// Of macOS and the BSDs.
#[cfg(not(target_os = "linux"))]
const EINPROGRESS: i32 = 36;

/// How much is read at a time.
const CHUNK: usize = 16 * 1024;

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
    registration: Registration,
    socket: Socket,
    /// What was read and not asked for yet.
    buffer: RefCell<ReadBuf>,
    reading: Cell<bool>,
    writing: Turns,
    closed: Cell<bool>,
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// The end of a pipe that is read; none once it is closed, for a pipe has no other way to end.
    Reader(RefCell<Option<pipe::Receiver>>),
    /// The end of a pipe that is written.
    Writer(RefCell<Option<pipe::Sender>>),
    /// One end of a pair in memory.
    Memory(End),
}

impl Socket {
    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => (&*socket).read(into),
            Socket::Unix(socket) => (&*socket).read(into),
            Socket::Reader(pipe) => {
                (pipe.borrow().as_ref()).map_or(Ok(0), |mut pipe| pipe.read(into))
            }
            Socket::Writer(_) => Err(wrong_end()),
            Socket::Memory(end) => end.read(into),
        }
    }

    /// True if a read that gave less than there was room for has taken all there is.
    fn is_drained(&self) -> bool {
        match self {
            Socket::Memory(end) => end.is_drained(),
            _ => true,
        }
    }

    fn write(&self, data: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => (&*socket).write(data),
            Socket::Unix(socket) => (&*socket).write(data),
            Socket::Reader(_) => Err(wrong_end()),
            Socket::Writer(pipe) => match pipe.borrow().as_ref() {
                Some(mut pipe) => pipe.write(data),
                None => Err(io::ErrorKind::BrokenPipe.into()),
            },
            Socket::Memory(end) => end.write(data),
        }
    }
}

/// Begins to connect from an address of one's own.
fn begin_connect(address: SocketAddr, source: IpAddr) -> io::Result<TcpStream> {
    let socket = Socket2::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(EINPROGRESS) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

fn wrong_end() -> io::Error {
    let message = "a pipe is read at one end and written at the other; this is the wrong one";
    io::Error::new(io::ErrorKind::Unsupported, message)
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
        let mut socket = UnixStream::from_std(socket);
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
        let socket = Socket::Reader(RefCell::new(Some(pipe)));
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
        let socket = Socket::Writer(RefCell::new(Some(pipe)));
        Ok(Self::new(registration, socket))
    }

    /// Takes one end of a wire in memory.
    pub(super) fn from_memory(registration: Registration, end: End) -> IoStream {
        Self::new(registration, Socket::Memory(end))
    }

    pub(super) fn from_mio(mut socket: TcpStream) -> Result<IoStream> {
        let registration = Registration::new(&IoLoop::current(), &mut socket)?;
        Ok(Self::new(registration, Socket::Tcp(socket)))
    }

    /// Connects to an address; the stream is there when the connection is.
    pub(super) async fn connect(address: SocketAddr, source: Option<IpAddr>) -> Result<IoStream> {
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

    fn new(registration: Registration, socket: Socket) -> IoStream {
        IoStream {
            registration,
            socket,
            buffer: RefCell::default(),
            reading: Cell::new(false),
            writing: Turns::default(),
            closed: Cell::new(false),
        }
    }

    /// Reads up to and with `delimiter`.
    ///
    /// # Errors
    ///
    /// If it is not found within `max` bytes ([`Error::is_limit`]), if the stream ends before
    /// ([`Error::is_closed`]), if another read is pending, or if the system's read fails.
    ///
    /// # Cancellation
    ///
    /// No bytes are lost: what was read stays in the stream.
    pub async fn read_until(&self, delimiter: &[u8], max: usize) -> Result<Vec<u8>> {
        let _reading = Reading::begin(self)?;
        let mut searched = 0;
        loop {
            let (found, len) = {
                let buffer = self.buffer.borrow();
                let from = searched.min(buffer.len());
                let found =
                    find(&buffer.filled()[from..], delimiter).map(|at| from + at + delimiter.len());
                (found, buffer.len())
            };
            match found {
                Some(end) if end <= max => return Ok(self.buffer.borrow_mut().take(end)),
                None if len < max => {}
                _ => return Err(Error::limit_exceeded(max)),
            }
            searched = len.saturating_sub(delimiter.len().saturating_sub(1));
            self.fill_or_fail().await?;
        }
    }

    /// Reads exactly `count` bytes.
    ///
    /// # Errors
    ///
    /// If the stream ends before ([`Error::is_closed`]), if another read is pending, or if the
    /// system's read fails.
    ///
    /// # Cancellation
    ///
    /// No bytes are lost: what was read stays in the stream.
    pub async fn read_bytes(&self, count: usize) -> Result<Vec<u8>> {
        let _reading = Reading::begin(self)?;
        while self.buffer.borrow().len() < count {
            self.fill_or_fail().await?;
        }
        Ok(self.buffer.borrow_mut().take(count))
    }

    /// Reads what there is, `max` bytes at most and one at least; empty at the end of the stream.
    ///
    /// Tornado's `read_bytes(…, partial=True)`.
    ///
    /// # Errors
    ///
    /// If another read is pending, or if the system's read fails.
    ///
    /// # Cancellation
    ///
    /// No bytes are lost: what was read stays in the stream.
    pub async fn read_partial(&self, max: usize) -> Result<Vec<u8>> {
        let _reading = Reading::begin(self)?;
        if max > 0 && self.buffer.borrow().is_empty() {
            poll_fn(|cx| self.poll_fill(cx)).await?;
        }
        let mut buffer = self.buffer.borrow_mut();
        let len = buffer.len().min(max);
        Ok(buffer.take(len))
    }

    /// Reads until the peer closes.
    ///
    /// # Errors
    ///
    /// If more than `max` bytes come ([`Error::is_limit`]), if another read is pending, or if the
    /// system's read fails.
    pub async fn read_until_close(&self, max: usize) -> Result<Vec<u8>> {
        let _reading = Reading::begin(self)?;
        loop {
            if self.buffer.borrow().len() > max {
                return Err(Error::limit_exceeded(max));
            }
            if poll_fn(|cx| self.poll_fill(cx)).await? == 0 {
                let mut buffer = self.buffer.borrow_mut();
                let len = buffer.len();
                return Ok(buffer.take(len));
            }
        }
    }

    /// Writes all of `data`; done when the system has taken it.
    ///
    /// What the system does not take at once is written as the peer reads: a slow reader makes its
    /// writer wait. Of several writes at the same time each goes out whole, in the order of their
    /// calls.
    ///
    /// # Errors
    ///
    /// If the stream is closed by either side ([`Error::is_closed`]), or the system's write fails.
    ///
    /// # Cancellation
    ///
    /// A part of the data may have been sent.
    pub async fn write(&self, data: &[u8]) -> Result<()> {
        let _turn = self.writing.wait().await;
        let mut rest = data;
        while !rest.is_empty() {
            let written = poll_fn(|cx| self.poll_write(cx, rest)).await?;
            rest = &rest[written..];
        }
        Ok(())
    }

    /// Closes the stream: its peer sees the end, and reads and writes of it fail from now on.
    ///
    /// The descriptor of a socket is freed when the stream is dropped, that of a pipe now.
    pub fn close(&self) {
        if !self.closed.replace(true) {
            let _ = match &self.socket {
                Socket::Tcp(socket) => socket.shutdown(Shutdown::Both),
                Socket::Unix(socket) => socket.shutdown(Shutdown::Both),
                Socket::Reader(_) | Socket::Writer(_) => {
                    self.close_pipe();
                    Ok(())
                }
                Socket::Memory(end) => {
                    end.close();
                    self.registration.close();
                    Ok(())
                }
            };
        }
    }

    /// Tells the peer that no more will be written; reading goes on.
    ///
    /// # Errors
    ///
    /// If the connection is gone.
    pub fn shutdown_write(&self) -> Result<()> {
        match &self.socket {
            Socket::Tcp(socket) => socket.shutdown(Shutdown::Write)?,
            Socket::Unix(socket) => socket.shutdown(Shutdown::Write)?,
            Socket::Reader(_) => {}
            Socket::Writer(_) => self.close_pipe(),
            Socket::Memory(end) => end.shut(),
        }
        Ok(())
    }

    /// True once [`close`](Self::close) was called.
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Sends small writes at once (`TCP_NODELAY`); without effect on others.
    ///
    /// # Errors
    ///
    /// If the connection is gone.
    pub fn set_nodelay(&self, on: bool) -> Result<()> {
        if let Socket::Tcp(socket) = &self.socket {
            socket.set_nodelay(on)?;
        }
        Ok(())
    }

    /// Returns the address of the peer; none for a Unix socket, a pipe or a pair in memory.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(socket) => socket.peer_addr().ok(),
            Socket::Memory(end) => end.addresses().map(|addresses| addresses.peer),
            Socket::Unix(_) | Socket::Reader(_) | Socket::Writer(_) => None,
        }
    }

    /// Returns the stream's own address; none for a Unix socket, a pipe or a pair in memory.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(socket) => socket.local_addr().ok(),
            Socket::Memory(end) => end.addresses().map(|addresses| addresses.own),
            Socket::Unix(_) | Socket::Reader(_) | Socket::Writer(_) => None,
        }
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
        Poll::Ready(Ok(ready!(
            self.registration.poll_ready(Direction::Read, cx)
        )?))
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

    /// Writes a part of `data`; gives how much.
    ///
    /// # Errors
    ///
    /// If the stream is closed or the system's write fails.
    pub fn poll_write(&self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize>> {
        loop {
            if self.closed.get() {
                return Poll::Ready(Err(Error::stream_closed()));
            }
            ready!(self.registration.poll_ready(Direction::Write, cx))?;
            match self.socket.write(data) {
                Ok(0) if !data.is_empty() => {
                    return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into()));
                }
                Ok(written) => return Poll::Ready(Ok(written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.registration.clear_hard(Direction::Write);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    fn poll_read_socket(&self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<Result<usize>> {
        loop {
            if self.closed.get() {
                return Poll::Ready(Err(Error::stream_closed()));
            }
            ready!(self.registration.poll_ready(Direction::Read, cx))?;
            match self.socket.read(into) {
                Ok(read) => {
                    // Less than there is room for: the socket is drained, and the next edge tells.
                    if read < into.len() && self.socket.is_drained() {
                        self.registration.clear(Direction::Read);
                    }
                    return Poll::Ready(Ok(read));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.registration.clear_hard(Direction::Read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Reads once from the socket to the end of the buffer.
    fn poll_fill(&self, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        // First, so that no room is made for a read that has to wait.
        if !self.closed.get() {
            ready!(self.registration.poll_ready(Direction::Read, cx))?;
        }
        self.buffer.borrow_mut().fill(CHUNK, |room| {
            let polled = self.poll_read_socket(cx, room);
            let read = match &polled {
                Poll::Ready(Ok(read)) => *read,
                _ => 0,
            };
            (polled, read)
        })
    }

    /// Closes a pipe's descriptor, and wakes whoever waits for it.
    fn close_pipe(&self) {
        match &self.socket {
            Socket::Reader(pipe) => drop(pipe.take()),
            Socket::Writer(pipe) => drop(pipe.take()),
            Socket::Tcp(_) | Socket::Unix(_) | Socket::Memory(_) => {}
        }
        self.registration.close();
    }

    async fn fill_or_fail(&self) -> Result<()> {
        match poll_fn(|cx| self.poll_fill(cx)).await? {
            0 => Err(Error::stream_closed()),
            _ => Ok(()),
        }
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

/// Marks that a read is pending, until it is dropped.
struct Reading<'a>(&'a IoStream);

impl<'a> Reading<'a> {
    fn begin(stream: &'a IoStream) -> Result<Reading<'a>> {
        if stream.closed.get() {
            return Err(Error::stream_closed());
        }
        if stream.reading.replace(true) {
            return Err(Error::already_reading());
        }
        Ok(Reading(stream))
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.reading.set(false);
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    (haystack.windows(needle.len())).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_in_memory_costs_sockets_nothing() {
        assert!(size_of::<End>() <= size_of::<RefCell<Option<pipe::Receiver>>>());
    }
}
