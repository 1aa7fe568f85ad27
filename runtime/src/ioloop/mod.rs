//! One thread's loop: readiness, timers, callbacks, and the queue of what can run.
//!
//! ```text
//!  one turn:  callbacks ─► due timers ─► runnable coroutines ─► poll ─► I/O handlers
//!             (those queued              (those queued           (no wait if
//!              before the turn)           when their phase        anything can run)
//!                                         begins)
//! ```
//!
//! `turn` is one iteration, `ready` the run queue and the wakers, `timers` the deadlines, `sources`
//! the registered descriptors, `handle` the way in from other threads, `clock` the time. The loop
//! has not heard of coroutines: it runs what implements `Resume`.

mod add_future;
pub(crate) mod callback;
mod child_exit;
mod clock;
mod close;
mod current;
mod deadlines;
mod deadlock;
mod event_log;
mod handle;
mod handlers;
pub(crate) mod leftovers;
mod mailbox;
mod main_loop;
#[cfg(all(
    feature = "native-stack",
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod native_stack;
#[cfg(not(all(
    feature = "native-stack",
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
#[path = "no_native_stack.rs"]
mod native_stack;
mod periodic;
mod profiling;
pub(crate) mod ready;
pub(crate) mod replies;
mod roll;
mod run_sync;
mod signals;
pub(crate) mod simulation;
mod sleep;
pub(crate) mod sources;
mod stack_frame;
pub(crate) mod timers;
mod tokio_context;
mod turn;
pub(crate) mod waker;
mod watchdog;

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

pub use callback::CallbackResult;
pub(crate) use child_exit::ChildExit;
pub use current::turn_time;
pub(crate) use current::with_current;
pub use handle::Handle;
pub use handlers::Interest;
pub use periodic::PeriodicCallback;
pub use signals::{SignalCallback, Signals, on_signal};
pub(crate) use sleep::turn_until;
pub use sleep::{Sleep, sleep, sleep_until};
pub use stack_frame::StackFrame;
pub use timers::Timeout;
pub use watchdog::{Blocked, BlockingAction};

use crate::coro::context::{self, TurnTime};
use crate::coro::frames::{self, Roll};
use crate::coro::task::Resume;
use crate::coro::tick::Tick;
use crate::error::{Error, Result};
use crate::inspect;
use callback::{Callback, ErrorHook};
use clock::Clock;
use current::Running;
use deadlock::Deadlock;
use handle::Inbox;
use handlers::Handlers;
use profiling::Profiler;
use ready::Ready;
use replies::Replies;
use signals::SignalCallbacks;
use simulation::Simulation;
use sources::Sources;
use timers::{Action, Timers};
use watchdog::Watch;

/// A thread's event loop: Tornado's `IOLoop` on mio's `Poll`.
///
/// Cheap to clone; every clone is the same loop. It belongs to its thread: other threads reach it
/// through a [`Handle`].
///
/// ```compile_fail,E0277
/// fn needs_send<T: Send>() {}
/// needs_send::<squall::IoLoop>();
/// ```
///
/// # Examples
///
/// ```
/// use squall::IoLoop;
/// use std::time::Duration;
///
/// let io_loop = IoLoop::current();
/// let stopper = io_loop.clone();
/// io_loop.call_later(Duration::from_millis(1), move || stopper.stop());
/// io_loop.start()?;
/// # Ok::<(), squall::Error>(())
/// ```
#[derive(Clone)]
pub struct IoLoop {
    core: Rc<Core>,
}

/// A loop that is not kept alive: what timers and streams hold.
#[derive(Clone)]
pub(crate) struct WeakLoop {
    core: Weak<Core>,
}

struct Core {
    id: u16,
    clock: Clock,
    poll: RefCell<mio::Poll>,
    registry: mio::Registry,
    events: Cell<Option<mio::Events>>,
    ready: Ready,
    callbacks: RefCell<VecDeque<Callback>>,
    timers: RefCell<Timers>,
    sources: RefCell<Sources>,
    handlers: RefCell<Handlers>,
    inbox: Arc<Inbox>,
    replies: RefCell<Replies>,
    signals: RefCell<SignalCallbacks>,
    error_hook: RefCell<Option<ErrorHook>>,
    /// What a layer above keeps for this loop: its default executor.
    executor: RefCell<Option<Rc<dyn Any>>>,
    running: Cell<bool>,
    stopping: Cell<bool>,
    closed: Cell<bool>,
    /// True when `run_sync`'s own future is to be polled after this turn.
    root_woken: Cell<bool>,
    /// Sources that are there for the loop's own sake, such as that of `SIGUSR2`.
    background_sources: Cell<usize>,
    deadlock: Deadlock,
    /// Coroutines resumed since the last poll; bounds how long I/O and timers are left waiting.
    resumes: Cell<u32>,
    /// True while resumes are measured or watched.
    is_observed: Cell<bool>,
    profiler: Profiler,
    /// When the turn began, while that is measured.
    turn_start: Cell<Option<Instant>>,
    watch: Watch,
    /// There if what is left to chance comes from a seed, or is written down.
    simulation: OnceCell<Box<Simulation>>,
    /// What a layer above keeps for this loop: the network that it is in, if it is no real one.
    network: RefCell<Option<Rc<dyn Any>>>,
}

impl IoLoop {
    /// Makes a loop. It is not the thread's current one until [`make_current`](Self::make_current).
    ///
    /// # Errors
    ///
    /// If the system has no more descriptors for it; close some and try again.
    pub fn new() -> Result<IoLoop> {
        Self::with_clock(Clock::real())
    }

    /// Makes a loop whose time jumps to the next timer whenever nothing else can happen.
    ///
    /// What `#[squall::test]` runs on: an hour of [`sleep`] passes in no time. While descriptors are
    /// registered the loop first waits some milliseconds of real time for them.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_virtual_clock() -> Result<IoLoop> {
        Self::with_clock(Clock::virtual_from_now())
    }

    fn with_clock(clock: Clock) -> Result<IoLoop> {
        let poll = mio::Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = mio::Waker::new(&registry, turn::INBOX)?;
        let (id, inbox) = handle::register(waker)?;
        let timers = RefCell::new(Timers::new());
        let core = Core {
            id,
            clock,
            poll: RefCell::new(poll),
            registry,
            events: Cell::new(Some(mio::Events::with_capacity(turn::EVENTS))),
            ready: Ready::default(),
            callbacks: RefCell::default(),
            timers,
            sources: RefCell::default(),
            handlers: RefCell::default(),
            inbox,
            replies: RefCell::default(),
            signals: RefCell::default(),
            error_hook: RefCell::default(),
            executor: RefCell::default(),
            running: Cell::new(false),
            stopping: Cell::new(false),
            closed: Cell::new(false),
            root_woken: Cell::new(false),
            background_sources: Cell::new(0),
            deadlock: Deadlock::default(),
            resumes: Cell::new(0),
            is_observed: Cell::new(false),
            profiler: Profiler::default(),
            turn_start: Cell::new(None),
            watch: Watch::default(),
            simulation: OnceCell::new(),
            network: RefCell::default(),
        };
        let core = Rc::new(core);
        let roll: Rc<dyn Roll> = core.clone();
        frames::enroll(Rc::downgrade(&roll));
        Ok(IoLoop { core })
    }

    /// Runs turns until [`stop`](Self::stop) is called.
    ///
    /// The loop is the thread's current one while it runs. If `stop` was called before, it returns
    /// at once; the next start is normal.
    ///
    /// # Errors
    ///
    /// If the loop runs already (called from a callback or coroutine of it), is closed or gets closed
    /// meanwhile; if the system's poll fails.
    pub fn start(&self) -> Result<()> {
        let _running = Running::enter(self)?;
        while !self.core.stopping.get() {
            self.turn()?;
            if self.core.closed.get() {
                return Err(Error::loop_closed());
            }
        }
        self.core.stopping.set(false);
        Ok(())
    }

    /// True while it runs: inside its callbacks and coroutines.
    pub fn is_running(&self) -> bool {
        self.core.running.get()
    }

    /// Makes [`start`](Self::start) return after the current turn's callbacks.
    ///
    /// Callbacks that are added later stay queued for the next start, and so does what comes from
    /// other threads meanwhile.
    pub fn stop(&self) {
        self.core.stopping.set(true);
    }

    /// Queues a callback for the next turn.
    ///
    /// It runs from the loop, never inside this call; a panic in it is logged (or goes to the
    /// [hook](Self::set_callback_error_hook)), and the loop goes on. On a closed loop the callback is
    /// dropped; [`Handle::add_callback`] tells of it. There is no bound but memory, which is given
    /// back when a crowd has run.
    pub fn add_callback(&self, callback: impl FnOnce() + 'static) {
        if self.core.closed.get() {
            return;
        }
        (self.core.callbacks.borrow_mut()).push_back(Box::new(callback));
    }

    /// Queues a call whose result nobody waits for: the way to start a coroutine and forget it.
    ///
    /// An error or panic of the coroutine is logged with its traceback.
    ///
    /// # Examples
    ///
    /// ```
    /// # use squall::{IoLoop, yield_};
    /// # use std::time::Duration;
    /// #[squall::coroutine]
    /// fn minute_loop() {
    ///     loop {
    ///         println!("a minute has passed");
    ///         yield_!(squall::sleep(Duration::from_secs(60)));
    ///     }
    /// }
    ///
    /// IoLoop::current().spawn_callback(minute_loop);
    /// # IoLoop::clear_current();
    /// ```
    pub fn spawn_callback<R: CallbackResult>(&self, callback: impl FnOnce() -> R + 'static) {
        self.add_callback(move || callback().detach());
    }

    /// Returns the loop's time. Deadlines are points of it.
    pub fn time(&self) -> Instant {
        self.core.clock.now()
    }

    /// Returns the time that the current turn began with, without asking the clock.
    ///
    /// [`turn_time`](crate::turn_time) is the same of the current loop, for fewer instructions.
    pub fn turn_time(&self) -> Instant {
        self.turn_times().instant
    }

    pub(crate) fn turn_tick(&self) -> Tick {
        self.turn_times().tick
    }

    fn turn_times(&self) -> TurnTime {
        // The context's time is that of the loop that runs.
        let turn = context::with(|context| context.now.get()).filter(|_| self.core.running.get());
        turn.unwrap_or_else(|| self.time().into())
    }

    /// Calls `callback` at `deadline`, from the loop.
    ///
    /// Equal deadlines run in the order in which they were set; one that has passed is due in the
    /// next turn. On a closed loop the callback is dropped, and the answer names no timeout.
    pub fn call_at(&self, deadline: Instant, callback: impl FnOnce() + 'static) -> Timeout {
        if self.core.closed.get() {
            return Timeout::NONE;
        }
        self.insert_timer(deadline.into(), Action::Call(Box::new(callback)))
    }

    /// Calls `callback` after `delay`, from the loop; as [`call_at`](Self::call_at) otherwise.
    ///
    /// A delay that no clock can hold, such as `Duration::MAX`, counts as 30 years.
    pub fn call_later(&self, delay: Duration, callback: impl FnOnce() + 'static) -> Timeout {
        self.call_at(self.deadline_after(delay), callback)
    }

    /// Cancels a timeout. Harmless for one that ran or was removed, and for one of another loop.
    pub fn remove_timeout(&self, timeout: Timeout) {
        // The callback may own what calls back into the loop when it is dropped.
        let removed = self.core.timers.borrow_mut().remove(timeout);
        drop(removed);
    }

    /// Logs the tree of the thread's living coroutines, at the level of information.
    ///
    /// What [`dump`](crate::dump) returns.
    pub fn log_dump(&self) {
        tracing::info!(target: "squall", "{}", inspect::dump());
    }

    /// Returns a handle that other threads reach the loop with.
    pub fn handle(&self) -> Handle {
        Handle::new(self.core.inbox.clone())
    }

    /// Returns the point that lies `delay` from now; one that a clock can hold.
    pub(crate) fn deadline_after(&self, delay: Duration) -> Instant {
        let now = self.time();
        let far = Duration::from_secs(60 * 60 * 24 * 365 * 30);
        now.checked_add(delay).unwrap_or_else(|| now + far)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.core.closed.get()
    }

    pub(crate) fn insert_timer(&self, deadline: Tick, action: Action) -> Timeout {
        self.core.timers.borrow_mut().insert(deadline, action)
    }

    /// Makes a timer wake `waker`. False if it has run.
    pub(crate) fn rewake_timer(&self, timeout: Timeout, waker: &Waker) -> bool {
        // Dropped when nothing is borrowed: with a foreign one anything may go.
        let old = self.core.timers.borrow_mut().rewake(timeout, waker);
        old.is_some()
    }

    pub(crate) fn downgrade(&self) -> WeakLoop {
        WeakLoop {
            core: Rc::downgrade(&self.core),
        }
    }

    /// What [`set_executor`](Self::set_executor) keeps.
    pub(crate) fn executor(&self) -> Option<Rc<dyn Any>> {
        self.core.executor.borrow().clone()
    }

    /// Keeps what the layer above has as this loop's executor.
    pub(crate) fn set_executor(&self, executor: Rc<dyn Any>) {
        let old = self.core.executor.replace(Some(executor));
        drop(old);
    }

    /// What [`set_network`](Self::set_network) keeps.
    pub(crate) fn network(&self) -> Option<Rc<dyn Any>> {
        self.core.network.borrow().clone()
    }

    /// Keeps the network that connections of this loop go over instead of the system's.
    pub(crate) fn set_network(&self, network: Rc<dyn Any>) {
        let old = self.core.network.replace(Some(network));
        drop(old);
    }

    pub(crate) fn registry(&self) -> &mio::Registry {
        &self.core.registry
    }

    pub(crate) fn sources(&self) -> &RefCell<Sources> {
        &self.core.sources
    }

    /// Gives a runnable a slot; its waker is [`ready::waker`] of this loop and the slot.
    pub(crate) fn insert_runnable(&self, runnable: Rc<dyn Resume>) -> ready::SlotKey {
        self.core.ready.insert(runnable)
    }

    pub(crate) fn ready(&self) -> &Ready {
        &self.core.ready
    }

    /// True if the waker queues something of this loop, which so polls what it wakes.
    pub(crate) fn is_woken_by(&self, waker: &Waker) -> bool {
        waker::loop_of(waker) == Some(self.core.id)
    }

    /// A waker for the slot, and for one child of it.
    pub(crate) fn waker(&self, slot: ready::SlotKey) -> Waker {
        ready::waker(self.core.id, slot)
    }

    pub(crate) fn child_waker(&self, slot: ready::SlotKey, child: usize) -> Waker {
        ready::child_waker(self.core.id, slot, child)
    }
}

impl fmt::Debug for IoLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoLoop")
            .field("running", &self.core.running.get())
            .field("timers", &self.core.timers.borrow().len())
            .finish_non_exhaustive()
    }
}

impl WeakLoop {
    pub(crate) fn upgrade(&self) -> Option<IoLoop> {
        self.core.upgrade().map(|core| IoLoop { core })
    }
}

impl fmt::Debug for WeakLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakLoop")
    }
}
