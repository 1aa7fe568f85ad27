//! Tells who blocks a loop, while it is still blocked.
//!
//! A loop that is watched shows in a [`Beacon`] whether it works or polls, and which coroutine runs.
//! One thread a process looks at all beacons, some times within the shortest threshold; it is made
//! when the first loop is watched, and ends when none is. A loop that is found at work in the same
//! turn for longer than its threshold is blocked, and told of once a turn.
//!
//! A blocked thread is then asked for its [native stack](super::native_stack), by a signal: that is
//! the one time that it is interrupted.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::IoLoop;
use super::clock::real_now;
use super::native_stack::{self, ThreadId};
use super::stack_frame::StackFrame;
use crate::coro::beacon::Beacon;
use crate::coro::lineage::{Lineage, LineageEnd};
use crate::coro::panic::panic_message;
use crate::coro::site::{CoroutineSite, YieldSite};
use crate::coro::traceback::TraceFrame;
use crate::coro::{context, shown};
use crate::error::{Error, Result};

/// The threshold of debug builds.
const DEFAULT_THRESHOLD: Duration = Duration::from_millis(100);

/// How often the thread looks within the shortest threshold.
const LOOKS: u32 = 4;

/// A loop that is blocked, as it was seen from another thread.
#[derive(Clone, Debug)]
pub struct Blocked {
    thread: Arc<str>,
    duration: Duration,
    /// The coroutine that runs, then the one that started it, and so on.
    lineage: Lineage,
    /// Or why there is none.
    stack: Result<Arc<[StackFrame]>, &'static str>,
}

impl Blocked {
    /// Returns the coroutine that runs; none if a callback or a handler does.
    pub fn coroutine(&self) -> Option<&'static CoroutineSite> {
        self.lineage.places[0].map(|place| place.coroutine)
    }

    /// Returns the yield that the coroutine was last resumed from; none if it has just been started.
    pub fn resumed_from(&self) -> Option<&'static YieldSite> {
        self.lineage.places[0].and_then(|place| place.at)
    }

    /// Returns the coroutine that started the one that runs, the one that started that, and so on;
    /// each with the yield that it was last suspended at.
    ///
    /// It ends at one that was started by a callback, at one that is gone, and after seven.
    pub fn started_by(&self) -> impl Iterator<Item = TraceFrame> {
        self.lineage.places.iter().skip(1).copied().flatten()
    }

    /// Returns the calls on the loop's stack, from the one that blocks up to the loop's turn.
    ///
    /// The 64 innermost at most. The loop's thread was interrupted for it by a `SIGURG`.
    ///
    /// # Errors
    ///
    /// With the reason if there is none: the crate's feature `native-stack` is off, the system is not
    /// Linux with glibc 2.35 or later on x86_64 or aarch64, the program handles `SIGURG` itself, or
    /// the thread did not answer within 500 ms, as it blocks the signal.
    pub fn stack(&self) -> Result<&[StackFrame], &'static str> {
        match &self.stack {
            Ok(stack) => Ok(stack),
            Err(reason) => Err(reason),
        }
    }

    /// Returns for how long the loop has not polled, at least.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Returns the name of the loop's thread.
    pub fn thread(&self) -> &str {
        &self.thread
    }

    /// Logs it as a warning, as [`BlockingAction::Log`] does.
    pub fn log(&self) {
        tracing::warn!(target: "squall", "{self}");
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Blocked {
            thread, duration, ..
        } = self;
        write!(
            f,
            "the loop of thread `{thread}` is blocked, for {duration:.0?} already, by "
        )?;
        match (self.coroutine(), self.resumed_from()) {
            (None, _) => f.write_str("a callback or handler")?,
            (Some(coroutine), None) => {
                write!(f, "coroutine {coroutine}\n    in its first run")?;
            }
            (Some(coroutine), Some(at)) => write!(
                f,
                "coroutine {coroutine}\n    resumed from the yield at {at}: {}",
                at.expression
            )?,
        }
        for TraceFrame { coroutine, at } in self.started_by() {
            write!(f, "\n  started by {coroutine}")?;
            match at {
                Some(at) => write!(f, "\n    last suspended at {at}: {}", at.expression)?,
                None => f.write_str("\n    in its first run")?,
            }
        }
        match self.lineage.end {
            LineageEnd::Root => {}
            LineageEnd::Gone => f.write_str("\n  started by a coroutine that has ended")?,
            LineageEnd::Deeper => f.write_str("\n  and so on")?,
        }
        match &self.stack {
            Ok(stack) => {
                f.write_str("\n  native stack (innermost first):")?;
                (stack.iter()).try_for_each(|frame| write!(f, "\n    {frame}"))
            }
            Err(reason) => write!(f, "\n  no native stack: {reason}"),
        }
    }
}

/// What is done about a loop that is blocked; see [`IoLoop::set_blocking_signal_threshold`].
#[derive(Clone)]
#[non_exhaustive]
pub enum BlockingAction {
    /// Logs a warning.
    Log,
    /// Logs a warning and aborts the process, for a supervisor to start another.
    Abort,
    /// Calls the function, on the watchdog's thread. Until it returns no other loop is watched.
    Call(Arc<dyn Fn(&Blocked) + Send + Sync>),
}

impl BlockingAction {
    /// Returns the action that calls `f`.
    pub fn call(f: impl Fn(&Blocked) + Send + Sync + 'static) -> BlockingAction {
        BlockingAction::Call(Arc::new(f))
    }

    fn run(&self, blocked: &Blocked) {
        match self {
            BlockingAction::Log => blocked.log(),
            BlockingAction::Abort => {
                blocked.log();
                std::process::abort();
            }
            BlockingAction::Call(f) => f(blocked),
        }
    }
}

impl fmt::Debug for BlockingAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BlockingAction::Log => "Log",
            BlockingAction::Abort => "Abort",
            BlockingAction::Call(_) => "Call(_)",
        })
    }
}

impl IoLoop {
    /// Logs a warning when the loop has not polled for `threshold`; `None` switches that off.
    ///
    /// The warning says which coroutine runs, where it is defined, from which yield it was last
    /// resumed, and who started it; and it shows the native stack of the loop's thread, for which that
    /// is interrupted once ([`Blocked::stack`]). Another thread writes it while the loop is still blocked, once a turn, within a
    /// quarter of the threshold: so a `tracing` subscriber of the loop's thread alone does not get it.
    ///
    /// In debug builds it is on, at 100 ms. On a loop with a virtual clock it is always off. The later
    /// of this and [`set_blocking_signal_threshold`](Self::set_blocking_signal_threshold) counts, as
    /// in Tornado.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::IoLoop;
    /// use std::time::Duration;
    ///
    /// let io_loop = IoLoop::current();
    /// io_loop.set_blocking_log_threshold(Some(Duration::from_millis(50)))?;
    /// assert!(io_loop.set_blocking_log_threshold(Some(Duration::ZERO)).is_err());
    /// # Ok::<(), squall::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the threshold is zero, if the loop is closed, or if the system has no thread left for the
    /// watchdog.
    pub fn set_blocking_log_threshold(&self, threshold: Option<Duration>) -> Result<()> {
        self.set_blocking_signal_threshold(threshold, BlockingAction::Log)
    }

    /// As [`set_blocking_log_threshold`](Self::set_blocking_log_threshold), but does `action`.
    ///
    /// Tornado's sends a signal to the process; here another thread acts.
    ///
    /// # Errors
    ///
    /// As `set_blocking_log_threshold`.
    pub fn set_blocking_signal_threshold(
        &self,
        threshold: Option<Duration>,
        action: BlockingAction,
    ) -> Result<()> {
        if threshold.is_some_and(|threshold| threshold.is_zero()) {
            return Err(Error::no_threshold());
        }
        if self.core.closed.get() {
            return Err(Error::loop_closed());
        }
        self.core.watch.decided.set(true);
        self.core.watch.end();
        if let Some(threshold) = threshold.filter(|_| !self.core.clock.is_virtual()) {
            let beacon = begin(threshold, action)?;
            self.core.watch.beacon.set(Some(beacon));
            self.show_if_running(beacon);
        }
        self.observe();
        Ok(())
    }

    /// Shows what runs now, for a loop that is watched from inside its run.
    fn show_if_running(&self, beacon: &'static Beacon) {
        let current = IoLoop::try_current();
        let is_current = current.is_some_and(|io_loop| ptr::eq(&*io_loop.core, &*self.core));
        if is_current && self.core.running.get() {
            beacon.work();
            context::with(|context| {
                context.beacon.set(Some(beacon));
                shown::show_running();
            });
        }
    }

    /// Begins to show what a run does.
    pub(super) fn begin_watch(&self) {
        let watch = &self.core.watch;
        let undecided = !watch.decided.replace(true);
        if undecided && cfg!(debug_assertions) && !self.core.clock.is_virtual() {
            // Nobody asked for it, so a system without threads runs without it.
            watch
                .beacon
                .set(begin(DEFAULT_THRESHOLD, BlockingAction::Log).ok());
            self.observe();
        }
        self.show_work();
        context::with(|context| context.beacon.set(watch.beacon.get()));
    }

    /// Ends that, and goes on showing what the run outside of it does, if there is one.
    pub(super) fn end_watch(&self, outer: Option<&IoLoop>) {
        self.show_rest();
        let outer = outer.filter(|outer| outer.core.running.get());
        let outer = outer.and_then(|outer| outer.core.watch.beacon.get());
        context::with(|context| context.beacon.set(outer));
    }

    #[inline]
    pub(super) fn show_work(&self) {
        if let Some(beacon) = self.core.watch.beacon.get() {
            beacon.work();
        }
    }

    #[inline]
    pub(super) fn show_rest(&self) {
        if let Some(beacon) = self.core.watch.beacon.get() {
            beacon.rest();
        }
    }
}

/// A loop's side of the watch.
#[derive(Default)]
pub(super) struct Watch {
    beacon: Cell<Option<&'static Beacon>>,
    /// True once it was said, or taken by default, whether the loop is watched.
    decided: Cell<bool>,
}

impl Watch {
    pub(super) fn is_on(&self) -> bool {
        self.beacon.get().is_some()
    }

    /// Ends the watch. Harmless if there is none.
    pub(super) fn end(&self) {
        let Some(beacon) = self.beacon.take() else {
            return;
        };
        context::with(|context| {
            if context
                .beacon
                .get()
                .is_some_and(|shown| ptr::eq(shown, beacon))
            {
                context.beacon.set(None);
            }
        });
        beacon.rest();
        beacon.show(&Lineage::default());
        let mut watched = lock();
        watched.loops.retain(|one| !ptr::eq(one.beacon, beacon));
        watched.spare.push(beacon);
    }
}

/// The loops of the process that are watched.
struct Watched {
    loops: Vec<WatchedLoop>,
    /// Beacons that no loop has. They are never freed, so that the thread may look at one at any
    /// time; there are as many as there ever were watched loops at a time.
    spare: Vec<&'static Beacon>,
    has_thread: bool,
}

struct WatchedLoop {
    beacon: &'static Beacon,
    thread: Arc<str>,
    thread_id: ThreadId,
    threshold: Duration,
    action: BlockingAction,
    /// The phase that was found last, when first, and whether it was told of.
    phase: u64,
    since: Instant,
    told: bool,
}

static WATCHED: Mutex<Watched> = Mutex::new(Watched {
    loops: Vec::new(),
    spare: Vec::new(),
    has_thread: false,
});

/// Told when a loop is added, which may want to be looked at sooner than the others.
static ADDED: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, Watched> {
    // Actions run outside of the lock, so nothing panics while it is held.
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds a loop of this thread to those that are watched.
fn begin(threshold: Duration, action: BlockingAction) -> Result<&'static Beacon> {
    native_stack::prepare();
    let mut watched = lock();
    if !watched.has_thread {
        let builder = std::thread::Builder::new().name("squall-watchdog".to_owned());
        builder.spawn(watch)?;
        watched.has_thread = true;
    }
    let spare = watched.spare.pop();
    let beacon = spare.unwrap_or_else(|| Box::leak(Box::default()));
    watched.loops.push(WatchedLoop {
        beacon,
        thread: std::thread::current().name().unwrap_or("?").into(),
        thread_id: ThreadId::current(),
        threshold,
        action,
        phase: beacon.phase(),
        since: real_now(),
        told: false,
    });
    ADDED.notify_one();
    Ok(beacon)
}

/// What the watchdog's thread does, until there is nothing to watch.
fn watch() {
    let mut watched = lock();
    loop {
        let now = real_now();
        let found = (watched.loops.iter_mut()).filter_map(|one| one.look(now));
        let found: Vec<Found> = found.collect();
        if !found.is_empty() {
            drop(watched);
            found.into_iter().for_each(Found::tell);
            watched = lock();
        }
        let Some(shortest) = watched.loops.iter().map(|one| one.threshold).min() else {
            watched.has_thread = false;
            return;
        };
        let pause = (shortest / LOOKS).max(Duration::from_millis(1));
        let waited = ADDED.wait_timeout(watched, pause);
        watched = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// A loop that was found blocked, in the turn of a phase.
struct Found {
    beacon: &'static Beacon,
    phase: u64,
    thread_id: ThreadId,
    action: BlockingAction,
    blocked: Blocked,
}

impl Found {
    /// Adds the stack, and acts; a panic is logged, and the watch goes on.
    fn tell(mut self) {
        self.blocked.stack = self.stack();
        let Found {
            action, blocked, ..
        } = self;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| action.run(&blocked))) {
            let message = panic_message(&panic);
            tracing::error!(target: "squall", "panic in the action of a blocking threshold: {message}");
        }
    }

    fn stack(&self) -> Result<Arc<[StackFrame]>, &'static str> {
        let watched = lock();
        // A loop ends its watch under the lock, on its own thread: while the lock is held here, a
        // thread whose loop is watched and works is not gone.
        let is_there =
            |one: &WatchedLoop| ptr::eq(one.beacon, self.beacon) && one.thread_id == self.thread_id;
        if !watched.loops.iter().any(is_there) || self.beacon.phase() != self.phase {
            return Err("the loop went on meanwhile");
        }
        let asked = native_stack::ask(self.thread_id, self.beacon, self.phase);
        drop(watched);
        Ok(asked?.answer()?.into())
    }
}

impl WatchedLoop {
    /// Looks at the loop; gives what is to be told, once a turn.
    fn look(&mut self, now: Instant) -> Option<Found> {
        let phase = self.beacon.phase();
        if phase != self.phase {
            self.phase = phase;
            self.since = now;
            self.told = false;
        }
        let duration = now.saturating_duration_since(self.since);
        if self.told || !Beacon::is_working(phase) || duration < self.threshold {
            return None;
        }
        let lineage = self.beacon.shown()?;
        if self.beacon.phase() != phase {
            return None;
        }
        self.told = true;
        Some(Found {
            beacon: self.beacon,
            phase,
            thread_id: self.thread_id,
            action: self.action.clone(),
            blocked: Blocked {
                thread: self.thread.clone(),
                duration,
                lineage,
                stack: Err("it was not asked for"),
            },
        })
    }
}
