//! Registered descriptors: what the loop knows of each, and who waits for it.
//!
//! The token that the system hands back is the slab key and a generation, so that a late event of a
//! closed socket does not fall on the new one in its slot. Readiness is kept: an event sets it, and
//! whoever reads or writes clears it when the system says "would block", so that a stream whose
//! last read drained the socket does not read again to be told so.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::task::{Context, Poll, Waker};

use mio::event::{Event, Source as MioSource};
use mio::unix::SourceFd;
use mio::{Interest, Token};
use slab::Slab;

use super::{IoLoop, WeakLoop};
use crate::coro::context;
use crate::coro::waits::WaitsFor;

#[derive(Default)]
pub(crate) struct Sources {
    slots: Slab<Source>,
    generation: u32,
}

pub(super) struct Source {
    generation: u32,
    kind: Kind,
}

enum Kind {
    /// A stream or listener of the library: edges, kept as readiness.
    Edge { read: Side, write: Side },
    /// A descriptor of `add_handler`.
    Handler(i32),
}

/// One direction of a stream.
#[derive(Default)]
struct Side {
    ready: bool,
    /// The peer will send no more: stays ready for good.
    closed: bool,
    waiters: Waiters,
}

/// Who waits for a direction: nearly always one at most.
#[derive(Default)]
pub(super) struct Waiters {
    first: Option<Waker>,
    // Boxed, so that an idle connection pays a word for it.
    #[allow(clippy::box_collection)]
    more: Option<Box<Vec<Waker>>>,
}

impl Waiters {
    fn add(&mut self, waker: &Waker) {
        let Some(first) = &self.first else {
            self.first = Some(waker.clone());
            return;
        };
        if first.will_wake(waker) {
            return;
        }
        let more = self.more.get_or_insert_default();
        if !more.iter().any(|other| other.will_wake(waker)) {
            more.push(waker.clone());
        }
    }

    pub(super) fn wake(self) {
        let more = self.more.into_iter().flat_map(|more| *more);
        for waker in self.first.into_iter().chain(more) {
            waker.wake();
        }
    }
}

/// A direction of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// Names a source until it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SourceKey {
    index: u32,
    generation: u32,
}

impl SourceKey {
    pub(super) fn token(self) -> Token {
        Token((self.generation as usize) << 32 | self.index as usize)
    }

    fn from_token(token: Token) -> SourceKey {
        SourceKey {
            index: token.0 as u32,
            generation: (token.0 >> 32) as u32,
        }
    }
}

/// What an event asks the loop to do.
pub(super) enum Dispatch {
    Wake(Waiters, Waiters),
    Handler(i32),
    /// The source is gone, or the event says nothing.
    Nothing,
}

impl Sources {
    fn insert(&mut self, kind: Kind) -> SourceKey {
        // 31 bits, so that no token is the inbox's.
        self.generation = (self.generation + 1) & (u32::MAX >> 1);
        let generation = self.generation;
        let index = self.slots.insert(Source { generation, kind });
        let index = u32::try_from(index).expect("fewer than 2^32 descriptors are open");
        SourceKey { index, generation }
    }

    pub(super) fn insert_handler(&mut self, fd: i32) -> SourceKey {
        self.insert(Kind::Handler(fd))
    }

    pub(super) fn remove(&mut self, key: SourceKey) -> Option<Source> {
        self.get(key)?;
        Some(self.slots.remove(key.index as usize))
    }

    /// Wakes everybody, who then find that their source is gone.
    pub(super) fn wake_all(self) {
        for (_, source) in self.slots {
            if let Kind::Edge { read, write } = source.kind {
                read.waiters.wake();
                write.waiters.wake();
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    fn get(&mut self, key: SourceKey) -> Option<&mut Source> {
        (self.slots.get_mut(key.index as usize)).filter(|s| s.generation == key.generation)
    }

    fn side(&mut self, key: SourceKey, direction: Direction) -> Option<&mut Side> {
        match (&mut self.get(key)?.kind, direction) {
            (Kind::Edge { read, .. }, Direction::Read) => Some(read),
            (Kind::Edge { write, .. }, Direction::Write) => Some(write),
            (Kind::Handler(_), _) => None,
        }
    }

    /// Notes an event; the caller wakes or calls whom it concerns.
    pub(super) fn note(&mut self, event: &Event) -> Dispatch {
        let Some(source) = self.get(SourceKey::from_token(event.token())) else {
            return Dispatch::Nothing;
        };
        match &mut source.kind {
            Kind::Handler(fd) => Dispatch::Handler(*fd),
            Kind::Edge { read, write } => {
                let closed = event.is_read_closed() || event.is_error();
                let reader = read.note(event.is_readable(), closed);
                let closed = event.is_write_closed() || event.is_error();
                let writer = write.note(event.is_writable(), closed);
                Dispatch::Wake(reader, writer)
            }
        }
    }
}

impl Side {
    fn note(&mut self, ready: bool, closed: bool) -> Waiters {
        if !ready && !closed {
            return Waiters::default();
        }
        self.ready = true;
        self.closed |= closed;
        std::mem::take(&mut self.waiters)
    }
}

/// A descriptor's registration with a loop; forgotten when it is dropped.
///
/// The system's side ends when the owner closes the descriptor, which he does next. Should a duplicate
/// keep it alive, its events name a generation that is gone, and are passed over.
#[derive(Debug)]
pub(crate) struct Registration {
    io_loop: WeakLoop,
    key: SourceKey,
    /// For those who look what is waited for.
    fd: RawFd,
}

impl Registration {
    /// Registers for edges of both directions. It is taken to be writable until a write says no.
    pub(crate) fn new(
        io_loop: &IoLoop,
        source: &mut (impl MioSource + AsRawFd),
    ) -> io::Result<Registration> {
        let fd = source.as_raw_fd();
        Self::with_fd(io_loop, source, fd)
    }

    /// The same of a source that is a bare descriptor.
    pub(crate) fn of_fd(io_loop: &IoLoop, fd: RawFd) -> io::Result<Registration> {
        Self::with_fd(io_loop, &mut SourceFd(&fd), fd)
    }

    fn with_fd(
        io_loop: &IoLoop,
        source: &mut impl MioSource,
        fd: RawFd,
    ) -> io::Result<Registration> {
        let write = Side {
            ready: true,
            ..Side::default()
        };
        let read = Side::default();
        let key = (io_loop.sources().borrow_mut()).insert(Kind::Edge { read, write });
        // Made first, so that a failure to register removes the slot again.
        let registration = Registration {
            io_loop: io_loop.downgrade(),
            key,
            fd,
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        io_loop.registry().register(source, key.token(), interest)?;
        Ok(registration)
    }

    /// Ready when the direction may be tried; otherwise the waker is kept for the next edge.
    pub(crate) fn poll_ready(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(io_loop) = self.io_loop.upgrade() else {
            return Poll::Ready(Err(loop_is_gone()));
        };
        let mut sources = io_loop.sources().borrow_mut();
        let Some(side) = sources.side(self.key, direction) else {
            return Poll::Ready(Err(loop_is_gone()));
        };
        if side.ready {
            return Poll::Ready(Ok(()));
        }
        side.waiters.add(cx.waker());
        context::waits_for(match direction {
            Direction::Read => WaitsFor::Readable(self.fd),
            Direction::Write => WaitsFor::Writable(self.fd),
        });
        Poll::Pending
    }

    /// Notes that the direction would block, or that a read has drained the socket.
    pub(crate) fn clear(&self, direction: Direction) {
        if let Some(io_loop) = self.io_loop.upgrade()
            && let Some(side) = io_loop.sources().borrow_mut().side(self.key, direction)
            && !side.closed
        {
            side.ready = false;
        }
    }

    /// Wakes whoever waits, for good: the descriptor is closed while the registration stays.
    pub(crate) fn close(&self) {
        let Some(io_loop) = self.io_loop.upgrade() else {
            return;
        };
        for direction in [Direction::Read, Direction::Write] {
            let waiters = match io_loop.sources().borrow_mut().side(self.key, direction) {
                Some(side) => side.note(true, true),
                None => continue,
            };
            waiters.wake();
        }
    }

    /// Forgets that the peer has closed: for a new try after "would block" all the same.
    pub(crate) fn clear_hard(&self, direction: Direction) {
        if let Some(io_loop) = self.io_loop.upgrade()
            && let Some(side) = io_loop.sources().borrow_mut().side(self.key, direction)
        {
            side.ready = false;
            side.closed = false;
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(io_loop) = self.io_loop.upgrade() {
            let removed = io_loop.sources().borrow_mut().remove(self.key);
            drop(removed);
        }
    }
}

fn loop_is_gone() -> io::Error {
    io::Error::other("the loop that the stream belongs to is closed")
}
