//! Level-triggered handlers of descriptors: `add_handler` and its family.
//!
//! mio reports edges. A handler is promised levels: it is called again and again while its
//! descriptor is ready. So after each call the descriptor is registered anew, which makes the system
//! report a readiness that is still there.

use std::collections::HashMap;
use std::fmt;
use std::ops::BitOr;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;

use mio::unix::SourceFd;

use super::IoLoop;
use super::sources::SourceKey;
use crate::error::{Error, Result};

/// What a handler waits for, and what it is told.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interest(u8);

impl Interest {
    /// The descriptor can be read, or its peer has closed: Tornado's `IOLoop.READ`.
    pub const READ: Interest = Interest(1);
    /// The descriptor can be written: Tornado's `IOLoop.WRITE`.
    pub const WRITE: Interest = Interest(2);
    /// The descriptor is in error; reported whether or not it was asked for: Tornado's
    /// `IOLoop.ERROR`.
    pub const ERROR: Interest = Interest(4);

    /// True if all of `other` is in this.
    pub fn contains(self, other: Interest) -> bool {
        self.0 & other.0 == other.0
    }

    fn of(event: &mio::event::Event) -> Interest {
        let readable = event.is_readable() || event.is_read_closed();
        let writable = event.is_writable() || event.is_write_closed();
        let bits = [
            (readable, Interest::READ),
            (writable, Interest::WRITE),
            (event.is_error(), Interest::ERROR),
        ];
        let all = bits.iter().filter(|(on, _)| *on);
        all.fold(Interest(0), |sum, (_, bit)| sum | *bit)
    }

    fn to_mio(self) -> Result<mio::Interest> {
        let read = self.contains(Interest::READ);
        match (read, self.contains(Interest::WRITE)) {
            (true, true) => Ok(mio::Interest::READABLE | mio::Interest::WRITABLE),
            (true, false) => Ok(mio::Interest::READABLE),
            (false, true) => Ok(mio::Interest::WRITABLE),
            (false, false) => Err(Error::no_interest()),
        }
    }
}

impl BitOr for Interest {
    type Output = Interest;

    fn bitor(self, other: Interest) -> Interest {
        Interest(self.0 | other.0)
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Interest::READ, "READ"),
            (Interest::WRITE, "WRITE"),
            (Interest::ERROR, "ERROR"),
        ];
        let names = names.iter().filter(|(bit, _)| self.contains(*bit));
        let names: Vec<&str> = names.map(|(_, name)| *name).collect();
        f.write_str(&names.join(" | "))
    }
}

type HandlerFn = Rc<dyn Fn(RawFd, Interest)>;

#[derive(Default)]
pub(super) struct Handlers {
    by_fd: HashMap<RawFd, Entry>,
}

struct Entry {
    key: SourceKey,
    interest: Interest,
    handler: HandlerFn,
}

impl IoLoop {
    /// Calls `handler` whenever the descriptor is ready for what `interest` names.
    ///
    /// Level-triggered, as in Tornado: it is called each turn while the descriptor stays ready. The
    /// caller keeps the descriptor open, and removes the handler before closing it.
    ///
    /// # Errors
    ///
    /// If the descriptor has a handler on this loop already (use
    /// [`update_handler`](Self::update_handler)), if `interest` names neither `READ` nor `WRITE`, if
    /// the loop is closed, or if the system cannot poll such a descriptor (a plain file, or one that
    /// is closed); [`Error::io`] then gives the system's own error.
    pub fn add_handler(
        &self,
        fd: &impl AsRawFd,
        interest: Interest,
        handler: impl Fn(RawFd, Interest) + 'static,
    ) -> Result<()> {
        let fd = fd.as_raw_fd();
        let wanted = interest.to_mio()?;
        if self.core.closed.get() {
            return Err(Error::loop_closed());
        }
        if self.core.handlers.borrow().by_fd.contains_key(&fd) {
            return Err(Error::handler_exists(fd));
        }
        let key = self.core.sources.borrow_mut().insert_handler(fd);
        let mut source = SourceFd(&fd);
        if let Err(error) = (self.core.registry).register(&mut source, key.token(), wanted) {
            self.core.sources.borrow_mut().remove(key);
            return Err(Error::not_polled(fd, error));
        }
        let handler = Rc::new(handler);
        let entry = Entry {
            key,
            interest,
            handler,
        };
        self.core.handlers.borrow_mut().by_fd.insert(fd, entry);
        Ok(())
    }

    /// As [`add_handler`](Self::add_handler), for an object that the loop keeps.
    ///
    /// The handler is called with the object. The loop holds it until the handler is removed or the
    /// loop closed, and drops it then: unless somebody else holds it, its descriptor is closed. That
    /// is Rust's form of what Tornado has `close(all_fds=True)`, `split_fd` and `close_fd` for: who
    /// owns a descriptor closes it, by being dropped. A handler of `add_handler` borrows, and its
    /// descriptor stays open.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::{Interest, IoLoop};
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    /// use std::rc::Rc;
    ///
    /// let (ours, mut theirs) = UnixStream::pair()?;
    /// let io_loop = IoLoop::current();
    /// let inside = io_loop.clone();
    /// io_loop.add_source(Rc::new(ours), Interest::READ, move |socket, _| {
    ///     let mut byte = [0];
    ///     socket.as_ref().read_exact(&mut byte).expect("it is readable");
    ///     inside.remove_handler(&**socket);
    ///     inside.stop();
    /// })?;
    /// theirs.write_all(b"x")?;
    /// io_loop.start()?;
    /// assert_eq!(theirs.read(&mut [0])?, 0, "the socket was dropped with its handler");
    /// # Ok::<(), squall::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`add_handler`](Self::add_handler); the loop does not hold the object then.
    pub fn add_source<S: AsRawFd + 'static>(
        &self,
        source: Rc<S>,
        interest: Interest,
        handler: impl Fn(&Rc<S>, Interest) + 'static,
    ) -> Result<()> {
        let kept = source.clone();
        self.add_handler(&*source, interest, move |_, told| handler(&kept, told))
    }

    /// Changes what a descriptor's handler waits for.
    ///
    /// # Errors
    ///
    /// If the descriptor has no handler, or as [`add_handler`](Self::add_handler).
    pub fn update_handler(&self, fd: &impl AsRawFd, interest: Interest) -> Result<()> {
        let fd = fd.as_raw_fd();
        let wanted = interest.to_mio()?;
        let mut handlers = self.core.handlers.borrow_mut();
        let entry = (handlers.by_fd.get_mut(&fd)).ok_or_else(|| Error::no_handler(fd))?;
        (self.core.registry)
            .reregister(&mut SourceFd(&fd), entry.key.token(), wanted)
            .map_err(|error| Error::not_polled(fd, error))?;
        entry.interest = interest;
        Ok(())
    }

    /// Stops calling a descriptor's handler. Harmless if it has none.
    ///
    /// A handler that another handler removes in the same turn is not called any more.
    pub fn remove_handler(&self, fd: &impl AsRawFd) {
        let fd = fd.as_raw_fd();
        let removed = self.core.handlers.borrow_mut().by_fd.remove(&fd);
        if let Some(entry) = removed {
            self.core.sources.borrow_mut().remove(entry.key);
            // It fails if the descriptor was closed before, and is then gone from the poll as well.
            let _ = self.core.registry.deregister(&mut SourceFd(&fd));
        }
    }

    /// Calls a descriptor's handler for an event, and arms it again.
    pub(super) fn call_handler(&self, fd: RawFd, event: &mio::event::Event) {
        let found = {
            let handlers = self.core.handlers.borrow();
            let entry = handlers.by_fd.get(&fd);
            entry.map(|entry| (entry.interest, entry.handler.clone()))
        };
        let Some((interest, handler)) = found else {
            return;
        };
        let told = Interest(Interest::of(event).0 & (interest | Interest::ERROR).0);
        if told != Interest(0) {
            self.run_callback(|| handler(fd, told));
        }
        self.rearm(fd);
    }

    fn rearm(&self, fd: RawFd) {
        let failed = {
            let handlers = self.core.handlers.borrow();
            let Some(entry) = handlers.by_fd.get(&fd) else {
                return;
            };
            let Ok(wanted) = entry.interest.to_mio() else {
                return;
            };
            (self.core.registry).reregister(&mut SourceFd(&fd), entry.key.token(), wanted)
        };
        if let Err(error) = failed {
            tracing::error!(target: "squall", "the handler of descriptor {fd} is removed, as the descriptor cannot be polled any more (was it closed?): {error}");
            self.remove_handler(&fd);
        }
    }
}
