//! Tornado's assertions about the loop, I1 to I62.

/// One turn: what runs in it, in which order, and what waits for the next.
mod turn;

/// Callbacks: their panics, the hook for them, coroutines that are spawned, a great many.
mod callbacks;

/// Starting and stopping.
mod start_stop;

/// The loop of a thread, and that of the process.
mod current;

/// Running a loop for one future, with and without a limit.
mod run_sync;

/// Closing a loop, and a loop that is closed.
mod close;

/// Callbacks and wakes of other threads.
mod threads;

/// Wakes from other threads, in numbers.
mod wakes;

/// Timers: their order, their removal, deadlines that are out of the ordinary.
mod timers;

/// Sleeping: whence it counts, what resets it, whom it wakes.
mod sleep;

/// Handlers of descriptors.
mod handlers;

/// Callbacks of futures.
mod add_future;

/// Periodic callbacks.
mod periodic;

/// Signals of the process.
mod signals;

/// Functions that block, on other threads.
mod executor;

use std::future::pending;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use squall::IoLoop;

use crate::support::{OnDrop, Trace};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn virtual_loop() -> IoLoop {
    IoLoop::with_virtual_clock().expect("the system has descriptors for a loop")
}

/// Starts a loop that `prepare` gave work to, and closes it after somebody stopped it.
pub(crate) fn start(prepare: impl FnOnce(&IoLoop)) {
    let io_loop = virtual_loop();
    io_loop.make_current();
    prepare(&io_loop);
    io_loop.start().unwrap();
    io_loop.close();
    IoLoop::clear_current();
}

/// A callback that adds a step to a trace.
pub(crate) fn step(trace: &Trace, step: &'static str) -> impl FnOnce() + use<> {
    let trace = trace.clone();
    move || trace.add(step)
}

/// The text that a panic of `f` carries.
#[track_caller]
pub(crate) fn panic_of(f: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("it panics");
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => (*panic.downcast::<&str>().expect("it carries a text")).to_owned(),
    }
}

pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// How many timers are set, as the loop shows it.
pub(crate) fn timers(io_loop: &IoLoop) -> String {
    let shown = format!("{io_loop:?}");
    let (_, rest) = shown.split_once("timers: ").expect("timers are shown");
    rest.chars().take_while(char::is_ascii_digit).collect()
}

pub(crate) fn pair() -> (UnixStream, UnixStream) {
    let (a, b) = UnixStream::pair().unwrap();
    a.set_nonblocking(true).unwrap();
    b.set_nonblocking(true).unwrap();
    (a, b)
}

pub(crate) async fn pending_with(guard: OnDrop) {
    pending::<()>().await;
    drop(guard);
}
