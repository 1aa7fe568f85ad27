//! What a stream is over: a socket, the end of a pipe, or that of a wire in memory; and TLS over these.

use std::cell::RefCell;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
#[cfg(target_os = "linux")]
use std::os::fd::AsFd;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use mio::net::{TcpStream, UnixStream};
use mio::unix::pipe;
use socket2::SockRef;

use super::memory::End;
#[cfg(feature = "tls")]
use super::tls::session::Session;

pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// The end of a pipe that is read; none once it is closed, for a pipe has no other way to end.
    Reader(Box<RefCell<Option<pipe::Receiver>>>),
    /// The end of a pipe that is written.
    Writer(Box<RefCell<Option<pipe::Sender>>>),
    /// One end of a pair in memory.
    Memory(Box<End>),
    /// Any of these, with TLS over it.
    #[cfg(feature = "tls")]
    Tls(Box<Session>),
}

impl Socket {
    pub(super) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => (&*socket).read(into),
            Socket::Unix(socket) => (&*socket).read(into),
            Socket::Reader(pipe) => {
                (pipe.borrow().as_ref()).map_or(Ok(0), |mut pipe| pipe.read(into))
            }
            Socket::Writer(_) => Err(wrong_end()),
            Socket::Memory(end) => end.read(into),
            #[cfg(feature = "tls")]
            Socket::Tls(session) => session.read(into),
        }
    }

    /// Reads behind what is in `into`, as much as that has room for.
    pub(super) fn read_behind(&self, into: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            #[cfg(target_os = "linux")]
            Socket::Tcp(socket) => read_uninit(socket, into),
            #[cfg(target_os = "linux")]
            Socket::Unix(socket) => read_uninit(socket, into),
            _ => {
                let had = into.len();
                into.resize(into.capacity(), 0);
                let read = self.read(&mut into[had..]);
                into.truncate(had + read.as_ref().map_or(0, |count| *count));
                read
            }
        }
    }

    /// True if a read may give something though the system has nothing.
    pub(super) fn holds_bytes(&self) -> bool {
        match self {
            #[cfg(feature = "tls")]
            Socket::Tls(session) => session.may_read(),
            _ => false,
        }
    }

    /// True if an end without the peer's word for it may be a cut.
    pub(super) fn tells_ends(&self) -> bool {
        match self {
            #[cfg(feature = "tls")]
            Socket::Tls(_) => true,
            _ => false,
        }
    }

    /// Tells a write from the rest of one that was given up.
    pub(super) fn begin_write(&self) {
        #[cfg(feature = "tls")]
        if let Socket::Tls(session) = self {
            session.begin_write();
        }
    }

    /// True if a read that gave less than there was room for has taken all there is.
    pub(super) fn is_drained(&self) -> bool {
        match self {
            Socket::Memory(end) => end.is_drained(),
            #[cfg(feature = "tls")]
            Socket::Tls(session) => session.is_drained(),
            _ => true,
        }
    }

    pub(super) fn write(&self, data: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => (&*socket).write(data),
            Socket::Unix(socket) => (&*socket).write(data),
            Socket::Reader(_) => Err(wrong_end()),
            Socket::Writer(pipe) => match pipe.borrow().as_ref() {
                Some(mut pipe) => pipe.write(data),
                None => Err(io::ErrorKind::BrokenPipe.into()),
            },
            Socket::Memory(end) => end.write(data),
            #[cfg(feature = "tls")]
            Socket::Tls(session) => session.write(&[IoSlice::new(data)]),
        }
    }

    /// Writes a part of the slices, one after the other; in one call where the system has one.
    pub(super) fn write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => (&*socket).write_vectored(parts),
            Socket::Unix(socket) => (&*socket).write_vectored(parts),
            Socket::Reader(_) => Err(wrong_end()),
            Socket::Writer(pipe) => match pipe.borrow().as_ref() {
                Some(mut pipe) => pipe.write_vectored(parts),
                None => Err(io::ErrorKind::BrokenPipe.into()),
            },
            Socket::Memory(end) => end.write(first_full(parts)),
            #[cfg(feature = "tls")]
            Socket::Tls(session) => session.write(parts),
        }
    }

    /// Says that no more will be read or written. The owner closes the descriptor by dropping this;
    /// that of a pipe is closed now.
    pub(super) fn close(&self) {
        // It only fails if the connection is gone, which is what is wanted.
        let _ = match self {
            Socket::Tcp(socket) => socket.shutdown(Shutdown::Both),
            Socket::Unix(socket) => socket.shutdown(Shutdown::Both),
            Socket::Reader(_) | Socket::Writer(_) => {
                self.close_pipe();
                Ok(())
            }
            Socket::Memory(end) => {
                end.close();
                Ok(())
            }
            #[cfg(feature = "tls")]
            Socket::Tls(session) => {
                session.close();
                Ok(())
            }
        };
    }

    /// Has a TCP socket reset its connection when it is dropped; false if it is none, or will not.
    pub(super) fn end_by_reset(&self) -> bool {
        match self {
            Socket::Tcp(socket) => SockRef::from(socket)
                .set_linger(Some(Duration::ZERO))
                .is_ok(),
            #[cfg(feature = "tls")]
            Socket::Tls(session) => session.socket.end_by_reset(),
            _ => false,
        }
    }

    /// Says that no more will be written.
    pub(super) fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => socket.shutdown(Shutdown::Write),
            Socket::Unix(socket) => socket.shutdown(Shutdown::Write),
            Socket::Reader(_) => Ok(()),
            Socket::Writer(_) => {
                self.close_pipe();
                Ok(())
            }
            Socket::Memory(end) => {
                end.shut();
                Ok(())
            }
            #[cfg(feature = "tls")]
            Socket::Tls(session) => session.shutdown_write(),
        }
    }

    /// As `shutdown_write`, but would block where the end is told in bytes that the socket does not take.
    pub(super) fn finish_writing(&self) -> io::Result<()> {
        match self {
            #[cfg(feature = "tls")]
            Socket::Tls(session) => session.finish_writing(),
            _ => self.shutdown_write(),
        }
    }

    fn close_pipe(&self) {
        match self {
            Socket::Reader(pipe) => drop(pipe.take()),
            Socket::Writer(pipe) => drop(pipe.take()),
            _ => {}
        }
    }

    /// True for what has no side that is read.
    pub(super) fn only_writes(&self) -> bool {
        matches!(self, Socket::Writer(_))
    }

    pub(super) fn set_nodelay(&self, on: bool) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => socket.set_nodelay(on),
            #[cfg(feature = "tls")]
            Socket::Tls(session) => session.socket.set_nodelay(on),
            _ => Ok(()),
        }
    }

    pub(super) fn peer_addr(&self) -> Option<SocketAddr> {
        match self {
            Socket::Tcp(socket) => socket.peer_addr().ok(),
            Socket::Memory(end) => end.addresses().map(|addresses| addresses.peer),
            #[cfg(feature = "tls")]
            Socket::Tls(session) => session.socket.peer_addr(),
            Socket::Unix(_) | Socket::Reader(_) | Socket::Writer(_) => None,
        }
    }

    pub(super) fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Socket::Tcp(socket) => socket.local_addr().ok(),
            Socket::Memory(end) => end.addresses().map(|addresses| addresses.own),
            #[cfg(feature = "tls")]
            Socket::Tls(session) => session.socket.local_addr(),
            Socket::Unix(_) | Socket::Reader(_) | Socket::Writer(_) => None,
        }
    }

    pub(super) fn raw_fd(&self) -> Option<RawFd> {
        match self {
            Socket::Tcp(socket) => Some(socket.as_raw_fd()),
            Socket::Unix(socket) => Some(socket.as_raw_fd()),
            Socket::Reader(pipe) => pipe.borrow().as_ref().map(AsRawFd::as_raw_fd),
            Socket::Writer(pipe) => pipe.borrow().as_ref().map(AsRawFd::as_raw_fd),
            Socket::Memory(_) => None,
            #[cfg(feature = "tls")]
            Socket::Tls(session) => session.socket.raw_fd(),
        }
    }
}

/// Reads into room that nobody has written zeros to.
#[cfg(target_os = "linux")]
fn read_uninit(socket: impl AsFd, into: &mut Vec<u8>) -> io::Result<usize> {
    match into.len() == into.capacity() {
        true => Ok(0),
        false => Ok(rustix::io::read(
            socket,
            rustix::buffer::spare_capacity(into),
        )?),
    }
}

/// The first slice that has bytes.
pub(super) fn first_full<'a>(parts: &'a [IoSlice<'_>]) -> &'a [u8] {
    parts
        .iter()
        .find(|part| !part.is_empty())
        .map_or(&[], |part| part)
}

fn wrong_end() -> io::Error {
    let message = "a pipe is read at one end and written at the other; this is the wrong one";
    io::Error::new(io::ErrorKind::Unsupported, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_over_a_socket_pays_for_no_other_kind() {
        let word = size_of::<usize>();
        // In a debug build, a socket of mio's is larger.
        let socket = size_of::<TcpStream>().next_multiple_of(word);
        assert_eq!(size_of::<Socket>(), socket + word);
    }
}
