//! A socket with TLS over it.
//!
//! It reads and writes as any other socket: "would block" means that the socket below would. Of what is
//! written it takes a part, and says how much only when all of it has left rustls, so that a write that
//! is done has reached the system. A write that had to wait is to be tried again with the same bytes.

use std::cell::RefCell;
use std::io::{self, IoSlice, Read, Write};

use rustls::Connection;

use super::failure::{self, Hello};
use crate::net::socket::Socket;

pub(in crate::net) struct Session {
    pub(in crate::net) socket: Socket,
    state: RefCell<State>,
}

pub(super) struct State {
    pub(super) connection: Connection,
    /// How many bytes of the write under way rustls has; they are on their way, and not told yet.
    taken: usize,
    /// How many decrypted bytes rustls has.
    readable: usize,
    /// The peer has said, or shown, that no more will come.
    has_ended: bool,
    /// What ended the connection for both directions.
    failure: Option<rustls::Error>,
    /// The read under way took all that the socket had.
    is_drained: bool,
    hello: Hello,
}

/// What a handshake waits for.
pub(super) enum Step {
    Done,
    Read,
    Write,
}

impl Session {
    pub(super) fn new(socket: Socket, connection: Connection) -> Session {
        Session {
            socket,
            state: RefCell::new(State {
                connection,
                taken: 0,
                readable: 0,
                has_ended: false,
                failure: None,
                is_drained: false,
                hello: Hello::default(),
            }),
        }
    }

    /// Goes on with the handshake as far as the socket allows.
    pub(super) fn advance(&self) -> io::Result<Step> {
        let state = &mut *self.state.borrow_mut();
        loop {
            match state.flush(&self.socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Step::Write),
                flushed => flushed?,
            }
            if !state.connection.is_handshaking() {
                return Ok(Step::Done);
            }
            if state.has_ended {
                return Err(failure::ended_in_handshake());
            }
            match state.receive(&self.socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Step::Read),
                received => received?,
            }
        }
    }

    /// Reads decrypted bytes; 0 at the end that the peer has told.
    pub(in crate::net) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let state = &mut *self.state.borrow_mut();
        // More may have come since the socket was read for what is still here.
        state.is_drained = false;
        loop {
            match state.connection.reader().read(into) {
                Ok(read) => {
                    state.readable -= read;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(failure::cut_off());
                }
                Err(error) => return Err(error),
            }
            state.receive(&self.socket)?;
        }
    }

    /// True if a read may give something though the socket has nothing.
    pub(in crate::net) fn may_read(&self) -> bool {
        let state = self.state.borrow();
        // The socket may be one with TLS itself.
        state.readable > 0 || state.has_ended || self.socket.holds_bytes()
    }

    /// True if a read now would block.
    pub(in crate::net) fn is_drained(&self) -> bool {
        !self.may_read() && self.state.borrow().is_drained
    }

    pub(in crate::net) fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let state = &mut *self.state.borrow_mut();
        state.fail_again()?;
        // First what is on its way: of this write, or of one before that was given up.
        state.flush(&self.socket)?;
        if state.taken == 0 {
            state.taken = state.connection.writer().write_vectored(parts)?;
            state.flush(&self.socket)?;
        }
        Ok(std::mem::take(&mut state.taken))
    }

    /// Begins another write: what the one before has left is sent, and is none of it.
    pub(in crate::net) fn begin_write(&self) {
        self.state.borrow_mut().taken = 0;
    }

    /// Says that no more will be written, as far as the socket takes it now.
    pub(in crate::net) fn shutdown_write(&self) -> io::Result<()> {
        if self.say_goodbye() {
            self.socket.shutdown_write()?;
        }
        Ok(())
    }

    /// Says that no more will be written, or would block: then it is to be tried again.
    pub(in crate::net) fn finish_writing(&self) -> io::Result<()> {
        let state = &mut *self.state.borrow_mut();
        state.connection.send_close_notify();
        state.flush(&self.socket)?;
        self.socket.finish_writing()
    }

    pub(in crate::net) fn close(&self) {
        self.say_goodbye();
        self.socket.close();
    }

    /// True if all has left.
    fn say_goodbye(&self) -> bool {
        let state = &mut *self.state.borrow_mut();
        state.connection.send_close_notify();
        // If the connection is gone, or its reader too slow, it is not told.
        state.flush(&self.socket).is_ok()
    }

    pub(super) fn look<R>(&self, f: impl FnOnce(&Connection) -> R) -> R {
        f(&self.state.borrow().connection)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A peer must be able to tell an end from a cut.
        self.say_goodbye();
    }
}

impl State {
    /// Reads once from the socket, and decrypts.
    fn receive(&mut self, socket: &Socket) -> io::Result<()> {
        self.fail_again()?;
        let mut below = Below {
            socket,
            hello: self.connection.is_handshaking().then_some(&mut self.hello),
            was_short: false,
        };
        let read = self.connection.read_tls(&mut below)?;
        self.is_drained = below.was_short && socket.is_drained();
        match self.connection.process_new_packets() {
            Ok(now) => {
                self.readable = now.plaintext_bytes_to_read();
                self.has_ended = read == 0 || now.peer_has_closed();
            }
            Err(error) => {
                self.has_ended = true;
                self.failure = Some(error);
                // The alert that tells the peer; if it is not taken, he finds out by the close.
                let _ = self.flush(socket);
                return self.fail_again();
            }
        }
        // What had to be answered; what the socket does not take now leaves with the next write.
        match self.flush(socket) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    fn fail_again(&self) -> io::Result<()> {
        match &self.failure {
            Some(error) => Err(failure::explain(error, &self.hello)),
            None => Ok(()),
        }
    }

    /// Sends all that rustls has.
    fn flush(&mut self, socket: &Socket) -> io::Result<()> {
        let mut below = Below {
            socket,
            hello: None,
            was_short: false,
        };
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut below) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The socket, as rustls wants it.
struct Below<'a> {
    socket: &'a Socket,
    /// Where the first bytes are kept, during the handshake.
    hello: Option<&'a mut Hello>,
    was_short: bool,
}

impl Read for Below<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.socket.read(into)?;
        self.was_short = read < into.len();
        if let Some(hello) = &mut self.hello {
            hello.note(&into[..read]);
        }
        Ok(read)
    }
}

impl Write for Below<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.socket.write(data)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.socket.write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
