//! What several areas need: a trace of what happened in which order, the log of one call, the heap
//! allocations of one call, and a run on a loop with a virtual clock.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::fmt::{self, Write};
use std::future::IntoFuture;
use std::rc::Rc;
use std::sync::{Once, mpsc};
use std::thread;
use std::time::Duration;

use squall::{IoLoop, sleep, yield_};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

/// What happened, in order. Every clone adds to the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace(Rc<RefCell<Vec<String>>>);

impl Trace {
    pub(crate) fn new() -> Trace {
        Trace::default()
    }

    pub(crate) fn add(&self, step: impl Into<String>) {
        self.0.borrow_mut().push(step.into());
    }

    /// Returns what was added since the last take.
    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// Adds to a trace when it is dropped.
#[derive(Debug)]
pub(crate) struct OnDrop(pub(crate) Trace, pub(crate) &'static str);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.add(self.1);
    }
}

/// Runs a coroutine on a loop of its own with a virtual clock, and closes the loop.
///
/// For tests that look at what is around a run: the log, the registry after the end.
pub(crate) fn run<F: IntoFuture>(f: impl FnOnce() -> F) -> F::Output {
    let io_loop = IoLoop::with_virtual_clock().expect("the system has descriptors for a loop");
    io_loop.make_current();
    let result = io_loop.run_sync(f);
    io_loop.close();
    IoLoop::clear_current();
    result
}

/// Runs a coroutine on a loop with a real clock, for servers on other threads.
pub(crate) fn run_real<F: IntoFuture>(f: impl FnOnce() -> F) -> F::Output {
    let io_loop = IoLoop::new().expect("the system has descriptors for a loop");
    let result = io_loop.run_sync(f);
    io_loop.close();
    result
}

/// The names of the coroutines of this thread that are alive, sorted.
pub(crate) fn live_names() -> Vec<&'static str> {
    let mut names: Vec<_> = (squall::live().iter().map(|c| c.coroutine().name)).collect();
    names.sort_unstable();
    names
}

/// Runs `f` and returns what was logged on this thread meanwhile, each as `LEVEL target: message`;
/// without what is for debugging, such as whom a loop abandons when it is closed.
pub(crate) fn capture_logs<R>(f: impl FnOnce() -> R) -> (R, Vec<String>) {
    let (result, mut log) = capture_all_logs(f);
    log.retain(|line| !line.starts_with("DEBUG ") && !line.starts_with("TRACE "));
    (result, log)
}

/// As `capture_logs`, with what is for debugging.
pub(crate) fn capture_all_logs<R>(f: impl FnOnce() -> R) -> (R, Vec<String>) {
    // One subscriber for the process: one that came and went with each call would leave call sites
    // disabled that another thread meets first.
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        tracing::subscriber::set_global_default(ThreadLog).expect("no other subscriber is set");
    });
    let outer = LOG.replace(Some(Vec::new()));
    let restore = Restore(outer);
    let result = f();
    let log = LOG.take().unwrap_or_default();
    drop(restore);
    (result, log)
}

thread_local! {
    /// What this thread logged, while it captures.
    static LOG: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Calls `f` with the next warning that this thread logs while it captures, once.
pub(crate) fn on_warning(f: impl FnOnce(&str) + 'static) {
    ON_WARNING.set(Some(Box::new(f)));
}

type OnWarning = Box<dyn FnOnce(&str)>;

thread_local! {
    static ON_WARNING: Cell<Option<OnWarning>> = const { Cell::new(None) };
}

/// Puts the outer capture back, also after a panic.
struct Restore(Option<Vec<String>>);

impl Drop for Restore {
    fn drop(&mut self) {
        LOG.set(self.0.take());
    }
}

/// Writes events into their thread's `LOG`.
struct ThreadLog;

impl Subscriber for ThreadLog {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> tracing::subscriber::Interest {
        tracing::subscriber::Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        LOG.try_with(|log| log.try_borrow().is_ok_and(|log| log.is_some()))
            .unwrap_or(false)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut text = format!("{} {}: ", metadata.level(), metadata.target());
        event.record(&mut Fields(&mut text));
        LOG.with_borrow_mut(|log| log.get_or_insert_default().push(text.clone()));
        if *metadata.level() == tracing::Level::WARN
            && let Some(f) = ON_WARNING.take()
        {
            f(&text);
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Writes an event's message, then its other fields.
struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
        written.expect("a string takes everything");
    }
}

/// Runs `f` and returns how often this thread took memory from the heap meanwhile.
pub(crate) fn count_allocations<R>(f: impl FnOnce() -> R) -> (R, u64) {
    let before = allocations();
    let result = f();
    (result, allocations() - before)
}

/// How often this thread has taken memory from the heap.
pub(crate) fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

/// How many bytes this thread has taken from the heap and not given back; those that it gave back
/// for another thread count as well.
pub(crate) fn held_bytes() -> i64 {
    HELD_BYTES.with(Cell::get)
}

thread_local! {
    // Without a destructor and made at compile time: the allocator can use it at any time.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static HELD_BYTES: Cell<i64> = const { Cell::new(0) };
}

/// The system's allocator, with a count of what each thread takes: allocations and growths.
struct Counting;

#[global_allocator]
static HEAP: Counting = Counting;

fn count() {
    ALLOCATIONS.with(|count| count.set(count.get() + 1));
}

fn hold(bytes: usize) {
    HELD_BYTES.with(|held| held.set(held.get() + bytes as i64));
}

fn give_back(bytes: usize) {
    HELD_BYTES.with(|held| held.set(held.get() - bytes as i64));
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        hold(layout.size());
        // SAFETY: the caller keeps to the contract of `alloc`, which is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        hold(layout.size());
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        hold(size);
        give_back(layout.size());
        // SAFETY: as for `alloc`.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        give_back(layout.size());
        // SAFETY: as for `alloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Runs `f` on a thread of its own, so that what hangs is a failure.
#[track_caller]
pub(crate) fn ends<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, wait) = mpsc::channel();
    thread::spawn(move || done.send(f()));
    let ended = wait.recv_timeout(Duration::from_secs(60));
    ended.expect("it ends, and without a panic")
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A value after some seconds.
#[squall::coroutine]
pub(crate) fn after<T>(seconds: u32, value: T) -> T {
    yield_!(sleep(seconds * SECOND));
    value
}

/// An error after some seconds.
#[squall::coroutine]
pub(crate) fn fail_after(seconds: u32, error: &'static str) -> Result<u32, String> {
    yield_!(sleep(seconds * SECOND));
    Err(error.to_owned())
}

/// A fallible value after some seconds.
#[squall::coroutine]
pub(crate) fn ok_after(seconds: u32, value: u32) -> Result<u32, String> {
    yield_!(sleep(seconds * SECOND));
    Ok(value)
}
