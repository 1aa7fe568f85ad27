//! Two pipes, one each way, and what their ends see.
//!
//! An end behaves as a socket's does: a write that finds no room would block, a read after the peer's
//! last byte gives 0, writing to who reads no more is a broken pipe, and an end that is dropped with
//! bytes unread resets the connection, as TCP does.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use super::conditions::Conditions;
use super::pipe::{Content, Pipe};
use crate::ioloop::sources::{Direction, Notifier, Registration};
use crate::ioloop::timers::Timeout;
use crate::ioloop::{IoLoop, WeakLoop};

/// One end of a wire: what a stream has in the place of a socket.
pub(in crate::net) struct End {
    // Two words, so that streams over sockets do not grow for it.
    wire: Rc<Wire>,
    side: Side,
}

/// The addresses of an end that is in a network.
#[derive(Clone, Copy, Debug)]
pub(in crate::net) struct Addresses {
    pub(in crate::net) own: SocketAddr,
    pub(in crate::net) peer: SocketAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left = 0,
    Right = 1,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
        }
    }
}

struct Wire {
    io_loop: WeakLoop,
    conditions: Conditions,
    /// Of the left end, if it is in a network.
    addresses: Option<Addresses>,
    ends: [Notifier; 2],
    /// What is written by each side.
    pipes: RefCell<[Pipe; 2]>,
    /// True for a side that has been told that the connection is broken.
    is_reset: [Cell<bool>; 2],
    /// The timer of the next arrival at the other end, for each side.
    timers: [Cell<Option<Timeout>>; 2],
    /// How the ends are called in the event log; none if none is written.
    names: Option<Box<[String; 2]>>,
}

/// Joins two registrations of the current loop; the first is the side that connected.
pub(in crate::net) fn wire(
    io_loop: &IoLoop,
    conditions: &Conditions,
    registrations: [&Registration; 2],
    addresses: Option<Addresses>,
) -> [End; 2] {
    let names = io_loop.number_stream().map(|number| match addresses {
        Some(Addresses { own, peer }) => Box::new([
            format!("{number}: {own} → {peer}"),
            format!("{number}: {peer} → {own}"),
        ]),
        None => Box::new([
            format!("{number}: left → right"),
            format!("{number}: right → left"),
        ]),
    });
    let wire = Rc::new(Wire {
        io_loop: io_loop.downgrade(),
        conditions: conditions.clone(),
        addresses,
        ends: registrations.map(Registration::notifier),
        pipes: RefCell::new([(); 2].map(|()| Pipe::new(conditions.buffer))),
        is_reset: Default::default(),
        timers: Default::default(),
        names,
    });
    [Side::Left, Side::Right].map(|side| End {
        wire: wire.clone(),
        side,
    })
}

impl End {
    pub(in crate::net) fn addresses(&self) -> Option<Addresses> {
        let left = self.wire.addresses?;
        Some(match self.side {
            Side::Left => left,
            Side::Right => Addresses {
                own: left.peer,
                peer: left.own,
            },
        })
    }

    /// Reads what has arrived; 0 at the end of the stream.
    pub(in crate::net) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let (wire, sender) = (&*self.wire, self.side.other());
        let io_loop = wire.io_loop.upgrade();
        let random = io_loop.as_ref().and_then(IoLoop::seeded);
        let (count, left) = {
            let pipe = &mut wire.pipes.borrow_mut()[sender as usize];
            let readable = pipe.readable();
            if readable == 0 {
                return match (wire.is_reset[self.side as usize].get(), pipe.has_ended) {
                    (true, _) => Err(io::ErrorKind::ConnectionReset.into()),
                    (false, true) => Ok(0),
                    (false, false) => Err(io::ErrorKind::WouldBlock.into()),
                };
            }
            let possible = readable.min(into.len());
            let count = wire.conditions.transfer(possible, random);
            (pipe.read(&mut into[..count]), readable - count)
        };
        wire.record(sender, format_args!("{count} bytes read, {left} left"));
        wire.ends[sender as usize].notify(Direction::Write, false);
        Ok(count)
    }

    /// True if a read now would block.
    pub(in crate::net) fn is_drained(&self) -> bool {
        let pipe = &self.wire.pipes.borrow()[self.side.other() as usize];
        pipe.readable() == 0
    }

    /// Writes what there is room for.
    pub(in crate::net) fn write(&self, data: &[u8]) -> io::Result<usize> {
        let wire = &self.wire;
        if wire.is_reset[self.side as usize].get() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let Some(io_loop) = wire.io_loop.upgrade() else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let random = io_loop.seeded();
        let delay = wire.conditions.delay(random);
        let room = {
            let pipe = &wire.pipes.borrow()[self.side as usize];
            // On a wire with latency it is told by the reset that comes back.
            if pipe.is_shut || (pipe.is_deaf && delay.is_zero()) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            pipe.room()
        };
        if data.is_empty() {
            return Ok(0);
        }
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = wire.conditions.transfer(room.min(data.len()), random);
        let content = match wire.conditions.breaks(random) {
            true => Content::Reset,
            false => Content::Bytes(data[..count].to_vec()),
        };
        wire.record(
            self.side,
            format_args!("{count} of {} bytes written, {delay:?} away", data.len()),
        );
        wire.send(self.side, content, io_loop.turn_time() + delay);
        Ok(count)
    }

    /// Says that no more will be written.
    pub(in crate::net) fn shut(&self) {
        let wire = &self.wire;
        let was_shut = {
            let pipe = &mut wire.pipes.borrow_mut()[self.side as usize];
            std::mem::replace(&mut pipe.is_shut, true)
        };
        if !was_shut {
            wire.record(self.side, format_args!("shut"));
            wire.send_soon(self.side, Content::End);
        }
    }

    /// Says that no more will be written, nor read.
    pub(in crate::net) fn close(&self) {
        self.wire.pipes.borrow_mut()[self.side.other() as usize].deafen();
        self.shut();
        // A writer that waits for room is to find out.
        self.wire.ends[self.side.other() as usize].notify(Direction::Write, false);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let sender = self.side.other() as usize;
        let has_unread = self.wire.pipes.borrow()[sender].readable() > 0;
        if has_unread {
            self.wire
                .record(self.side.other(), format_args!("dropped unread"));
            self.wire.send_soon(self.side, Content::Reset);
        }
        self.close();
    }
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("End")
            .field("side", &self.side)
            .field("addresses", &self.addresses())
            .finish_non_exhaustive()
    }
}

impl Wire {
    /// Sends what is no byte, with the latency of this moment.
    fn send_soon(self: &Rc<Self>, from: Side, content: Content) {
        if let Some(io_loop) = self.io_loop.upgrade() {
            let delay = self.conditions.delay(io_loop.seeded());
            self.send(from, content, io_loop.turn_time() + delay);
        }
    }

    fn send(self: &Rc<Self>, from: Side, content: Content, arrives: Instant) {
        self.pipes.borrow_mut()[from as usize].send(content, arrives);
        self.deliver(from);
    }

    /// Hands out what has arrived, and sets the timer for what has not.
    fn deliver(self: &Rc<Self>, from: Side) {
        let Some(io_loop) = self.io_loop.upgrade() else {
            return;
        };
        let now = io_loop.turn_time();
        loop {
            let content = self.pipes.borrow_mut()[from as usize].take_arrived(now);
            match content {
                Some(content) => self.arrive(from, content),
                None => break,
            }
        }
        let next = self.pipes.borrow()[from as usize].next_arrival();
        if let Some(next) = next.filter(|_| self.timers[from as usize].get().is_none()) {
            // The wire is not kept by what is under way on it.
            let wire = Rc::downgrade(self);
            let timer = io_loop.call_at(next, move || {
                if let Some(wire) = wire.upgrade() {
                    wire.timers[from as usize].set(None);
                    wire.deliver(from);
                }
            });
            self.timers[from as usize].set(Some(timer));
        }
    }

    fn arrive(&self, from: Side, content: Content) {
        let to = from.other();
        if self.is_reset[to as usize].get() {
            return;
        }
        match content {
            Content::Bytes(bytes) => {
                let count = bytes.len();
                let is_deaf = {
                    let pipe = &mut self.pipes.borrow_mut()[from as usize];
                    pipe.arrive(bytes);
                    pipe.is_deaf
                };
                if is_deaf {
                    self.record(from, format_args!("{count} bytes arrive at nobody"));
                    self.reset();
                } else {
                    self.record(from, format_args!("{count} bytes arrive"));
                    self.ends[to as usize].notify(Direction::Read, false);
                }
            }
            Content::End => {
                self.pipes.borrow_mut()[from as usize].has_ended = true;
                self.record(from, format_args!("the end arrives"));
                self.ends[to as usize].notify(Direction::Read, true);
            }
            Content::Reset => {
                self.record(from, format_args!("reset"));
                self.reset();
            }
        }
    }

    /// Breaks the connection for both. What has arrived can still be read, as on Linux.
    fn reset(&self) {
        for pipe in &mut *self.pipes.borrow_mut() {
            pipe.lose();
        }
        for (is_reset, end) in self.is_reset.iter().zip(&self.ends) {
            is_reset.set(true);
            end.notify(Direction::Read, true);
            end.notify(Direction::Write, true);
        }
    }

    fn record(&self, from: Side, event: fmt::Arguments<'_>) {
        if let (Some(names), Some(io_loop)) = (&self.names, self.io_loop.upgrade()) {
            let name = &names[from as usize];
            io_loop.record(format_args!("stream {name}: {event}"));
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(io_loop) = self.io_loop.upgrade() {
            for timer in self.timers.iter().filter_map(Cell::take) {
                io_loop.remove_timeout(timer);
            }
        }
    }
}
