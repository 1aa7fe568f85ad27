//! Signals of the process.
//!
//! A signal interrupts the program anywhere, so its handler may do next to nothing: no lock, no
//! memory, no callback. What it can do is write a byte and set a flag. [`on_signal`] and
//! [`IoLoop::on_signal`] have the `signal-hook` crate write into a pipe that the loop reads;
//! [`SignalCallback`] is the flag, for handlers of one's own.
//!
//! Signals are coalesced, as by the system: several in a short time may be told as one.
//! Once a signal was asked for, its default action (to end the process, for many) is gone for good,
//! also after nobody waits for it any more.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use mio::net::UnixStream;
use signal_hook::SigId;
use signal_hook::consts::FORBIDDEN;
use signal_hook::low_level;

use super::handle::Inbox;
use super::sources::{Direction, Registration};
use super::{Interest, IoLoop};
use crate::error::{Error, Result};

/// Returns the signals of one number that come from now on: `SIGTERM` is 15, for one.
///
/// Names for the numbers are in [`signal`](crate::signal).
///
/// # Examples
///
/// ```no_run
/// use squall::{on_signal, signal, yield_};
///
/// #[squall::coroutine]
/// fn reload_on_hangup() -> squall::Result<()> {
///     let hangups = on_signal(signal::SIGHUP)?;
///     loop {
///         yield_!(hangups.next())?;
///         println!("reading the configuration again");
///     }
/// }
/// # fn main() {}
/// ```
///
/// # Errors
///
/// If the signal cannot be handled (`SIGKILL`, `SIGSTOP`, `SIGSEGV`, `SIGILL`, `SIGFPE`, or no
/// signal), or if there are no descriptors left.
pub fn on_signal(signal: i32) -> Result<Signals> {
    let (registered, reader) = Registered::new(signal)?;
    let mut reader = UnixStream::from_std(reader);
    let registration = Registration::new(&IoLoop::current(), &mut reader)?;
    Ok(Signals {
        registration,
        reader,
        signal,
        _registered: registered,
    })
}

/// The signals of one number; see [`on_signal`].
pub struct Signals {
    // First: no signal is written any more when the pipe closes.
    _registered: Registered,
    // Before the pipe: it is undone before the descriptor is closed.
    registration: Registration,
    reader: UnixStream,
    signal: i32,
}

impl Signals {
    /// Waits for the next signal. One that came since the last call counts.
    ///
    /// # Errors
    ///
    /// If the loop is closed.
    ///
    /// # Cancellation
    ///
    /// No signal is lost.
    pub async fn next(&self) -> Result<()> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Returns the signal's number.
    pub fn signal(&self) -> i32 {
        self.signal
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            ready!(self.registration.poll_ready(Direction::Read, cx))?;
            let came = drain(&self.reader)?;
            self.registration.clear(Direction::Read);
            if came {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signals").field(&self.signal).finish()
    }
}

impl IoLoop {
    /// Calls `callback` on the loop when the signal comes, until the loop is closed.
    ///
    /// What Tornado programs do by `signal.signal` and `add_callback_from_signal`. For a coroutine,
    /// see [`on_signal`]. Any number of callbacks, streams and loops may ask for one signal; all get
    /// it.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use squall::{IoLoop, signal};
    ///
    /// let io_loop = IoLoop::current();
    /// let stopper = io_loop.clone();
    /// io_loop.on_signal(signal::SIGTERM, move || stopper.stop())?;
    /// io_loop.start()?;
    /// # Ok::<(), squall::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`on_signal`], and if the loop is closed.
    pub fn on_signal(&self, signal: i32, callback: impl FnMut() + 'static) -> Result<()> {
        let (registered, reader) = Registered::new(signal)?;
        let (callback, fd) = (RefCell::new(callback), reader.as_raw_fd());
        self.add_source(Rc::new(reader), Interest::READ, move |reader, _| {
            let _ = &registered;
            if drain(&**reader).is_ok_and(|came| came) {
                // A handler does not run inside itself.
                (callback.borrow_mut())();
            }
        })?;
        self.core.sources.borrow_mut().keep(fd);
        Ok(())
    }

    /// Prints the tree of the living to stderr at each `SIGUSR2`, for programs under
    /// `#[squall::main]`. Without descriptors for it the program does without.
    pub(crate) fn dump_on_signal(&self) {
        let dump = || eprintln!("{}", crate::inspect::dump());
        if self.on_signal(crate::signal::SIGUSR2, dump).is_ok() {
            let background = &self.core.background_sources;
            background.set(background.get() + 1);
        }
    }
}

/// A signal that is written into a pipe, until it is dropped.
struct Registered(SigId);

impl Registered {
    fn new(signal: i32) -> Result<(Registered, StdUnixStream)> {
        if FORBIDDEN.contains(&signal) || signal <= 0 {
            return Err(Error::signal(signal));
        }
        let (reader, writer) = StdUnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let id = low_level::pipe::register(signal, writer).map_err(|_| Error::signal(signal))?;
        Ok((Registered(id), reader))
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        low_level::unregister(self.0);
    }
}

/// Reads all there is. True if there was something.
fn drain(mut reader: impl Read) -> io::Result<bool> {
    let mut came = false;
    loop {
        match reader.read(&mut [0; 64]) {
            Ok(0) => return Ok(came),
            Ok(_) => came = true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(came),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A callback that a signal handler can ask for: Tornado's `add_callback_from_signal`.
///
/// [`IoLoop::add_callback`] takes memory, and that of a [`Handle`](crate::Handle) a lock: neither is
/// allowed in a signal handler, where [`trigger`](Self::trigger) is. So the callback is given to the
/// loop beforehand. It is for handlers that are set by other means; [`IoLoop::on_signal`] sets its
/// own.
///
/// The loop forgets the callback when the last clone of this is dropped (which does take memory's
/// lock, so do not do that in a handler), and when it is closed.
///
/// # Examples
///
/// ```
/// use squall::{IoLoop, SignalCallback};
///
/// let io_loop = IoLoop::current();
/// let stopper = io_loop.clone();
/// let stop = SignalCallback::new(&io_loop, move || stopper.stop());
/// stop.trigger(); // in a signal handler, on any thread
/// io_loop.start()?;
/// # Ok::<(), squall::Error>(())
/// ```
#[derive(Clone)]
pub struct SignalCallback {
    flag: Arc<AtomicBool>,
    inbox: Arc<Inbox>,
}

impl SignalCallback {
    /// Gives a loop a callback; it is called when it was triggered, until this is dropped.
    pub fn new(io_loop: &IoLoop, callback: impl FnMut() + 'static) -> SignalCallback {
        let flag = Arc::new(AtomicBool::new(false));
        let entry = Entry {
            flag: flag.clone(),
            callback: Rc::new(RefCell::new(callback)),
        };
        if !io_loop.core.closed.get() {
            let mut callbacks = io_loop.core.signals.borrow_mut();
            let forgotten = callbacks.take_forgotten();
            callbacks.0.push(entry);
            drop(callbacks);
            drop(forgotten);
        }
        let inbox = io_loop.core.inbox.clone();
        SignalCallback { flag, inbox }
    }

    /// Makes the loop call the callback in its next turn, and wakes the loop if it sleeps.
    ///
    /// Async-signal-safe: takes no lock and no memory; it sets flags, and writes to the loop's
    /// eventfd, which may set `errno`, as any system call. Several triggers before the callback runs
    /// are one. Without effect once the loop is closed.
    pub fn trigger(&self) {
        self.flag.store(true, Ordering::SeqCst);
        self.inbox.signal();
    }
}

impl fmt::Debug for SignalCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalCallback")
            .field("triggered", &self.flag.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

/// The callbacks that signal handlers may ask a loop for.
#[derive(Default)]
pub(super) struct SignalCallbacks(Vec<Entry>);

struct Entry {
    flag: Arc<AtomicBool>,
    callback: Rc<RefCell<dyn FnMut()>>,
}

impl SignalCallbacks {
    /// Takes out those that nobody can trigger any more, to be dropped when nothing is borrowed.
    fn take_forgotten(&mut self) -> Vec<Entry> {
        let is_forgotten = |entry: &mut Entry| {
            Arc::strong_count(&entry.flag) == 1 && !entry.flag.load(Ordering::SeqCst)
        };
        self.0.extract_if(.., is_forgotten).collect()
    }
}

impl IoLoop {
    /// Queues the signal callbacks that were triggered.
    pub(super) fn queue_signal_callbacks(&self) {
        let triggered: Vec<_> = {
            let callbacks = self.core.signals.borrow();
            let triggered = (callbacks.0.iter()).filter(|e| e.flag.swap(false, Ordering::SeqCst));
            triggered.map(|entry| entry.callback.clone()).collect()
        };
        for callback in triggered {
            // Called by the loop's turn only, so never inside itself.
            self.add_callback(move || (callback.borrow_mut())());
        }
    }
}
