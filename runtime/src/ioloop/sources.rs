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

use super::ready::{give_room_back, make_room};
use super::{IoLoop, WeakLoop};
use crate::coro::context;
use crate::coro::waits::WaitsFor;

#[derive(Default)]
pub(crate) struct Sources {
    slots: Slab<Source>,
    generation: u32,
    /// How many of them have no descriptor.
    in_memory: usize,
}

pub(super) struct Source {
    generation: u32,
    /// `IN_MEMORY` if there is none.
    fd: RawFd,
    kind: Kind,
}

/// In the place of a descriptor: the source is told by its peer, not by the system.
const IN_MEMORY: RawFd = -1;

enum Kind {
    /// A stream or listener of the library: edges, kept as readiness.
    Edge(Edges),
    /// A descriptor of `add_handler`.
    Handler {
        /// Nobody can remove it: it goes with the loop.
        for_good: bool,
    },
}

/// Both directions of a stream; the bytes of their states side by side, so that they take a word.
#[derive(Default)]
struct Edges {
    readers: Waiters,
    writers: Waiters,
    read: Readiness,
    write: Readiness,
}

#[derive(Default)]
struct Readiness {
    ready: bool,
    /// The peer will send no more: stays ready for good.
    closed: bool,
}

/// One direction of a stream.
struct Side<'a> {
    /// `IN_MEMORY` if there is none.
    fd: RawFd,
    state: &'a mut Readiness,
    waiters: &'a mut Waiters,
}

impl Edges {
    #[inline]
    fn side(&mut self, fd: RawFd, direction: Direction) -> Side<'_> {
        match direction {
            Direction::Read => Side {
                fd,
                state: &mut self.read,
                waiters: &mut self.readers,
            },
            Direction::Write => Side {
                fd,
                state: &mut self.write,
                waiters: &mut self.writers,
            },
        }
    }
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

    #[inline]
    pub(super) fn wake(self) {
        if let Some(first) = self.first {
            first.wake();
        }
        if let Some(more) = self.more {
            more.into_iter().for_each(Waker::wake);
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
    fn insert(&mut self, fd: RawFd, kind: Kind) -> SourceKey {
        // 31 bits, so that no token is the inbox's.
        self.generation = (self.generation + 1) & (u32::MAX >> 1);
        let generation = self.generation;
        self.in_memory += usize::from(fd == IN_MEMORY);
        make_room(&mut self.slots);
        let index = (self.slots).insert(Source {
            generation,
            fd,
            kind,
        });
        let index = u32::try_from(index).expect("fewer than 2^32 descriptors are open");
        SourceKey { index, generation }
    }

    pub(super) fn insert_handler(&mut self, fd: i32) -> SourceKey {
        self.insert(fd, Kind::Handler { for_good: false })
    }

    pub(super) fn remove(&mut self, key: SourceKey) -> Option<Source> {
        self.get(key)?;
        let source = self.slots.remove(key.index as usize);
        give_room_back(&mut self.slots);
        self.in_memory -= usize::from(source.fd == IN_MEMORY);
        Some(source)
    }

    /// Wakes everybody, who then find that their source is gone.
    pub(super) fn wake_all(self) {
        for (_, source) in self.slots {
            if let Kind::Edge(edges) = source.kind {
                edges.readers.wake();
                edges.writers.wake();
            }
        }
    }

    /// How many descriptors are registered.
    pub(super) fn descriptors(&self) -> usize {
        self.slots.len() - self.in_memory
    }

    /// Notes that a handler's descriptor goes with the loop, and no sooner.
    pub(super) fn keep(&mut self, fd: RawFd) {
        for (_, source) in &mut self.slots {
            if source.fd == fd
                && let Kind::Handler { for_good } = &mut source.kind
            {
                *for_good = true;
            }
        }
    }

    /// The descriptors of streams, and those of handlers that can be removed, in order; and how many
    /// streams have none.
    pub(super) fn registered(&self) -> (Vec<RawFd>, Vec<RawFd>, usize) {
        let counts = |source: &Source| {
            source.fd != IN_MEMORY && !matches!(source.kind, Kind::Handler { for_good: true })
        };
        let real = (self.slots.iter()).filter(|(_, source)| counts(source));
        let (streams, handlers): (Vec<_>, Vec<_>) =
            real.partition(|(_, source)| matches!(source.kind, Kind::Edge(_)));
        let [mut streams, mut handlers] = [streams, handlers].map(|sources| {
            sources
                .iter()
                .map(|(_, source)| source.fd)
                .collect::<Vec<_>>()
        });
        streams.sort_unstable();
        handlers.sort_unstable();
        (streams, handlers, self.in_memory)
    }

    fn get(&mut self, key: SourceKey) -> Option<&mut Source> {
        (self.slots.get_mut(key.index as usize)).filter(|s| s.generation == key.generation)
    }

    #[inline]
    fn side(&mut self, key: SourceKey, direction: Direction) -> Option<Side<'_>> {
        let source = self.get(key)?;
        match &mut source.kind {
            Kind::Edge(edges) => Some(edges.side(source.fd, direction)),
            Kind::Handler { .. } => None,
        }
    }

    /// Notes an event; the caller wakes or calls whom it concerns.
    pub(super) fn note(&mut self, event: &Event) -> Dispatch {
        let Some(source) = self.get(SourceKey::from_token(event.token())) else {
            return Dispatch::Nothing;
        };
        match &mut source.kind {
            Kind::Handler { .. } => Dispatch::Handler(source.fd),
            Kind::Edge(edges) => {
                let closed = event.is_read_closed() || event.is_error();
                let mut side = edges.side(source.fd, Direction::Read);
                let readers = side.note(event.is_readable(), closed);
                let closed = event.is_write_closed() || event.is_error();
                let mut side = edges.side(source.fd, Direction::Write);
                let writers = side.note(event.is_writable(), closed);
                Dispatch::Wake(readers, writers)
            }
        }
    }
}

impl Side<'_> {
    /// Keeps the waker for the next edge. Not inlined, so that those who need not wait are quick.
    #[inline(never)]
    fn wait(&mut self, cx: &Context<'_>) {
        self.waiters.add(cx.waker());
    }

    fn note(&mut self, ready: bool, closed: bool) -> Waiters {
        if !ready && !closed {
            return Waiters::default();
        }
        self.state.ready = true;
        self.state.closed |= closed;
        std::mem::take(self.waiters)
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
}

/// Knows a source without keeping it: tells one in memory, in the place of the system, that it is
/// ready, and waits for the end of any.
#[derive(Clone, Debug)]
pub(crate) struct Notifier {
    io_loop: WeakLoop,
    key: SourceKey,
}

impl Notifier {
    /// Makes a direction ready, `for_good` if it has ended, and wakes whoever waits for it. No effect
    /// if the source is gone.
    pub(crate) fn notify(&self, direction: Direction, for_good: bool) {
        let Some(io_loop) = self.io_loop.upgrade() else {
            return;
        };
        let waiters = match io_loop.sources().borrow_mut().side(self.key, direction) {
            Some(mut side) => side.note(true, for_good),
            None => return,
        };
        waiters.wake();
    }

    /// Ready once the direction has ended, and if the source is gone: nothing more will come, or be
    /// taken.
    pub(crate) fn poll_ended(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<()> {
        let Some(io_loop) = self.io_loop.upgrade() else {
            return Poll::Ready(());
        };
        let mut sources = io_loop.sources().borrow_mut();
        let Some(mut side) = sources.side(self.key, direction) else {
            return Poll::Ready(());
        };
        if side.state.closed {
            return Poll::Ready(());
        }
        side.wait(cx);
        context::waits_for(waits_for(side.fd, direction));
        Poll::Pending
    }
}

fn waits_for(fd: RawFd, direction: Direction) -> WaitsFor {
    match direction {
        Direction::Read if fd == IN_MEMORY => WaitsFor::Bytes,
        Direction::Write if fd == IN_MEMORY => WaitsFor::Room,
        Direction::Read => WaitsFor::Readable(fd),
        Direction::Write => WaitsFor::Writable(fd),
    }
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
        // Made first, so that a failure to register removes the slot again.
        let registration = Self::with_slot(io_loop, fd);
        let key = registration.key;
        let interest = Interest::READABLE | Interest::WRITABLE;
        io_loop.registry().register(source, key.token(), interest)?;
        Ok(registration)
    }

    /// Gives a place among the sources to one without a descriptor; its peer tells it what the system
    /// tells the others.
    pub(crate) fn in_memory(io_loop: &IoLoop) -> Registration {
        Self::with_slot(io_loop, IN_MEMORY)
    }

    fn with_slot(io_loop: &IoLoop, fd: RawFd) -> Registration {
        let mut edges = Edges::default();
        edges.write.ready = true;
        let key = (io_loop.sources().borrow_mut()).insert(fd, Kind::Edge(edges));
        Registration {
            io_loop: io_loop.downgrade(),
            key,
        }
    }

    /// What tells this source that it is ready.
    pub(crate) fn notifier(&self) -> Notifier {
        Notifier {
            io_loop: self.io_loop.clone(),
            key: self.key,
        }
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
        let Some(mut side) = sources.side(self.key, direction) else {
            return Poll::Ready(Err(loop_is_gone()));
        };
        if side.state.ready {
            return Poll::Ready(Ok(()));
        }
        side.wait(cx);
        context::waits_for(waits_for(side.fd, direction));
        Poll::Pending
    }

    /// Notes that the direction would block, or that a read has drained the socket.
    pub(crate) fn clear(&self, direction: Direction) {
        if let Some(io_loop) = self.io_loop.upgrade()
            && let Some(side) = io_loop.sources().borrow_mut().side(self.key, direction)
            && !side.state.closed
        {
            side.state.ready = false;
        }
    }

    /// Wakes whoever waits, for good: the descriptor is closed while the registration stays.
    pub(crate) fn close(&self) {
        let notifier = self.notifier();
        for direction in [Direction::Read, Direction::Write] {
            notifier.notify(direction, true);
        }
    }

    /// Forgets that the peer has closed: for a new try after "would block" all the same.
    pub(crate) fn clear_hard(&self, direction: Direction) {
        if let Some(io_loop) = self.io_loop.upgrade()
            && let Some(side) = io_loop.sources().borrow_mut().side(self.key, direction)
        {
            *side.state = Readiness::default();
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(io_loop) = self.io_loop.upgrade() {
            let removed = io_loop.sources().borrow_mut().remove(self.key);
            // Nobody who borrows it waits any more; those who watch for its end may.
            if let Some(Kind::Edge(edges)) = removed.map(|source| source.kind) {
                edges.readers.wake();
                edges.writers.wake();
            }
        }
    }
}

fn loop_is_gone() -> io::Error {
    io::Error::other("the loop that the stream belongs to is closed")
}
