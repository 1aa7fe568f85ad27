//! The crate's error.

use std::fmt;
use std::io;
use std::panic::Location;
use std::time::Duration;

/// The result of what this crate does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong in the loop, a stream, a queue or a process.
///
/// The kinds may grow; ask the questions that matter to you.
pub struct Error {
    kind: Kind,
    source: Option<io::Error>,
}

#[derive(Debug)]
enum Kind {
    Io,
    AlreadyRunning,
    LoopClosed,
    TooManyLoops,
    HandlerExists(i32),
    NoHandler(i32),
    /// The source says why.
    NotPolled(i32),
    NoInterest,
    StreamClosed,
    LimitExceeded {
        limit: usize,
    },
    WriteBufferFull {
        limit: usize,
    },
    AlreadyReading,
    Resolve {
        host: String,
    },
    /// The source says why.
    Connect {
        to: String,
    },
    QueueEmpty,
    QueueFull,
    Cancelled,
    TimedOut(String),
    OverReleased(usize),
    /// Of `run_sync_timeout`.
    RunTimeout(Duration),
    RunStopped,
    RunClosed,
    Deadlock(String),
    NoPeriod,
    NoThreshold,
    NoThreads,
    PoolShutDown,
    Signal(i32),
    CallbackDropped(&'static Location<'static>),
}

impl Error {
    /// True if a stream was closed, by either side, before the operation was done.
    pub fn is_closed(&self) -> bool {
        matches!(self.kind, Kind::StreamClosed)
            || self.source.as_ref().is_some_and(|source| {
                matches!(
                    source.kind(),
                    io::ErrorKind::ConnectionReset
                        | io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::BrokenPipe
                        | io::ErrorKind::UnexpectedEof
                )
            })
    }

    /// True if a read went past the number of bytes that it was allowed, or a write would have.
    pub fn is_limit(&self) -> bool {
        matches!(
            self.kind,
            Kind::LimitExceeded { .. } | Kind::WriteBufferFull { .. }
        )
    }

    /// True if the two sides of a TLS connection could not agree, or do not believe each other; the
    /// message says why. Also for settings of TLS that cannot be used.
    #[cfg(feature = "tls")]
    pub fn is_tls(&self) -> bool {
        let inner = self.source.as_ref().and_then(io::Error::get_ref);
        inner.is_some_and(|inner| inner.is::<TlsFailure>())
    }

    /// True if a host's name could not be looked up.
    pub fn is_resolve(&self) -> bool {
        matches!(self.kind, Kind::Resolve { .. })
    }

    /// True if `get_nowait` found a queue empty.
    pub fn is_queue_empty(&self) -> bool {
        matches!(self.kind, Kind::QueueEmpty)
    }

    /// True if `put_nowait` found a queue full.
    pub fn is_queue_full(&self) -> bool {
        matches!(self.kind, Kind::QueueFull)
    }

    /// True if the coroutine was cancelled meanwhile.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.kind, Kind::Cancelled)
    }

    /// True if a deadline passed first. Trying again may help.
    pub fn is_timeout(&self) -> bool {
        matches!(self.kind, Kind::TimedOut(_) | Kind::RunTimeout(_))
    }

    pub(crate) fn is_deadlock(&self) -> bool {
        matches!(self.kind, Kind::Deadlock(_))
    }

    /// Returns the system's error, if it was one.
    pub fn io(&self) -> Option<&io::Error> {
        self.source.as_ref()
    }

    pub(crate) fn already_running() -> Error {
        Kind::AlreadyRunning.into()
    }

    pub(crate) fn loop_closed() -> Error {
        Kind::LoopClosed.into()
    }

    pub(crate) fn too_many_loops() -> Error {
        Kind::TooManyLoops.into()
    }

    pub(crate) fn handler_exists(fd: i32) -> Error {
        Kind::HandlerExists(fd).into()
    }

    pub(crate) fn no_handler(fd: i32) -> Error {
        Kind::NoHandler(fd).into()
    }

    pub(crate) fn not_polled(fd: i32, source: io::Error) -> Error {
        Error {
            kind: Kind::NotPolled(fd),
            source: Some(source),
        }
    }

    pub(crate) fn no_interest() -> Error {
        Kind::NoInterest.into()
    }

    pub(crate) fn stream_closed() -> Error {
        Kind::StreamClosed.into()
    }

    pub(crate) fn limit_exceeded(limit: usize) -> Error {
        Kind::LimitExceeded { limit }.into()
    }

    pub(crate) fn write_buffer_full(limit: usize) -> Error {
        Kind::WriteBufferFull { limit }.into()
    }

    pub(crate) fn already_reading() -> Error {
        Kind::AlreadyReading.into()
    }

    pub(crate) fn resolve(host: &str, source: io::Error) -> Error {
        Error {
            kind: Kind::Resolve {
                host: host.to_owned(),
            },
            source: Some(source),
        }
    }

    /// Says where a connection could not be made to; other errors than the system's stay as they are.
    pub(crate) fn connect(to: impl fmt::Display, error: Error) -> Error {
        match error {
            Error {
                kind: Kind::Io,
                source: source @ Some(_),
            } => Error {
                kind: Kind::Connect { to: to.to_string() },
                source,
            },
            other => other,
        }
    }

    pub(crate) fn queue_empty() -> Error {
        Kind::QueueEmpty.into()
    }

    pub(crate) fn queue_full() -> Error {
        Kind::QueueFull.into()
    }

    pub(crate) fn timed_out(message: String) -> Error {
        Kind::TimedOut(message).into()
    }

    pub(crate) fn over_released(permits: usize) -> Error {
        Kind::OverReleased(permits).into()
    }

    pub(crate) fn cancelled() -> Error {
        Kind::Cancelled.into()
    }

    pub(crate) fn run_timeout(timeout: Duration) -> Error {
        Kind::RunTimeout(timeout).into()
    }

    pub(crate) fn deadlock(living: &dyn fmt::Display) -> Error {
        Kind::Deadlock(living.to_string()).into()
    }

    pub(crate) fn run_stopped() -> Error {
        Kind::RunStopped.into()
    }

    pub(crate) fn run_closed() -> Error {
        Kind::RunClosed.into()
    }

    pub(crate) fn no_period() -> Error {
        Kind::NoPeriod.into()
    }

    pub(crate) fn no_threshold() -> Error {
        Kind::NoThreshold.into()
    }

    pub(crate) fn no_threads() -> Error {
        Kind::NoThreads.into()
    }

    pub(crate) fn pool_shut_down() -> Error {
        Kind::PoolShutDown.into()
    }

    pub(crate) fn signal(signal: i32) -> Error {
        Kind::Signal(signal).into()
    }

    pub(crate) fn callback_dropped(site: &'static Location<'static>) -> Error {
        Kind::CallbackDropped(site).into()
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        match error {
            Error {
                kind: Kind::Io,
                source: Some(source),
            } => source,
            error @ Error {
                kind: Kind::StreamClosed,
                ..
            } => io::Error::new(io::ErrorKind::UnexpectedEof, error),
            other => match &other.source {
                Some(source) if matches!(other.kind, Kind::Connect { .. }) => {
                    io::Error::new(source.kind(), other)
                }
                _ => io::Error::other(other),
            },
        }
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Error {
        Error { kind, source: None }
    }
}

impl From<io::Error> for Error {
    fn from(source: io::Error) -> Error {
        Error {
            kind: Kind::Io,
            source: Some(source),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            // The system's words are all there is to say, so they are not left to `source`.
            Kind::Io => match &self.source {
                Some(source) => source.fmt(f),
                None => f.write_str("input or output failed"),
            },
            Kind::AlreadyRunning => f.write_str(
                "the loop is running already; call this from outside of its callbacks and coroutines",
            ),
            Kind::LoopClosed => f.write_str("the loop is closed; make a new one"),
            Kind::TooManyLoops => f.write_str("a process has 65,536 loops at most; close some"),
            Kind::HandlerExists(fd) => write!(
                f,
                "descriptor {fd} has a handler already; change it by update_handler or remove it first"
            ),
            Kind::NoHandler(fd) => write!(f, "descriptor {fd} has no handler; add one first"),
            Kind::NotPolled(fd) => match &self.source {
                Some(source) if source.kind() == io::ErrorKind::PermissionDenied => write!(
                    f,
                    "descriptor {fd} cannot be polled: a file is always ready; read it by run_in_executor"
                ),
                _ => write!(f, "descriptor {fd} cannot be polled; was it closed?"),
            },
            Kind::NoInterest => f.write_str("a handler waits for READ or WRITE; none was given"),
            Kind::StreamClosed => f.write_str("the stream is closed"),
            Kind::LimitExceeded { limit } => {
                write!(f, "what was waited for did not come within {limit} bytes")
            }
            Kind::WriteBufferFull { limit } => write!(
                f,
                "more than {limit} bytes would wait to be written; wait for the writes before"
            ),
            Kind::AlreadyReading => f.write_str("another read of this stream is pending"),
            Kind::Resolve { host } => write!(f, "the name {host:?} could not be looked up"),
            // As for `Io`.
            Kind::Connect { to } => match &self.source {
                Some(source) => write!(f, "no connection to {to}: {source}"),
                None => write!(f, "no connection to {to}"),
            },
            Kind::QueueEmpty => f.write_str("the queue is empty"),
            Kind::QueueFull => f.write_str("the queue is full"),
            Kind::TimedOut(message) => f.write_str(message),
            Kind::OverReleased(permits) => write!(
                f,
                "all {permits} permits of the semaphore are there: it was released more often than acquired"
            ),
            Kind::Cancelled => f.write_str("the coroutine was cancelled"),
            Kind::RunTimeout(timeout) => {
                let seconds = timeout.as_secs_f64();
                write!(f, "operation timed out after {seconds} seconds")
            }
            Kind::RunStopped => {
                f.write_str("the loop was stopped before run_sync's future was done")
            }
            Kind::RunClosed => f.write_str("the loop was closed before run_sync's future was done"),
            Kind::Deadlock(living) => write!(
                f,
                "nothing can run any more: there is no timer, descriptor or answer to wait for, and no other thread woke the loop\n{living}"
            ),
            Kind::NoPeriod => f.write_str("a periodic callback's period is longer than zero"),
            Kind::NoThreshold => f.write_str(
                "a blocking threshold is longer than zero; `None` switches the watchdog off",
            ),
            Kind::NoThreads => f.write_str("a thread pool has one thread at least"),
            Kind::PoolShutDown => f.write_str("the thread pool was shut down"),
            Kind::Signal(signal) => write!(f, "signal {signal} cannot be handled"),
            Kind::CallbackDropped(site) => write!(
                f,
                "the callback of the task at {site} was dropped without being called"
            ),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a `main` that returns it prints.
        fmt::Display::fmt(self, f)?;
        match std::error::Error::source(self) {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.kind {
            Kind::Io | Kind::Connect { .. } => {
                self.source.as_ref().and_then(|source| source.source())
            }
            _ => self.source.as_ref().map(|source| source as _),
        }
    }
}

/// Why TLS failed: in words of our own, with the library's error below.
#[cfg(feature = "tls")]
#[derive(Debug)]
pub(crate) struct TlsFailure {
    message: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

#[cfg(feature = "tls")]
impl TlsFailure {
    pub(crate) fn new(
        message: String,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> TlsFailure {
        TlsFailure {
            message,
            source: source.into(),
        }
    }

    pub(crate) fn into_io(self, kind: io::ErrorKind) -> io::Error {
        io::Error::new(kind, self)
    }
}

#[cfg(feature = "tls")]
impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(feature = "tls")]
impl std::error::Error for TlsFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}
