//! Callbacks on the loop, without coroutines: `cargo run --example timers`
//!
//! Callbacks run in a turn of the loop, one at a time, never inside the call that queues them. It
//! prints in which order, and when:
//!
//! ```text
//!   0 ms: main has set everything up
//!   0 ms: a callback
//!   0 ms: a callback that a callback queued
//!  50 ms: another thread calls
//! 100 ms: a timeout
//! 300 ms: stop
//! ```

use std::thread;
use std::time::{Duration, Instant};

use squall::IoLoop;

fn main() -> squall::Result<()> {
    let began = Instant::now();
    let say = move |what: &str| println!("{:3} ms: {what}", began.elapsed().as_millis());
    let io_loop = IoLoop::current();

    // For the next turn. A callback may queue more; they wait for the turn after.
    io_loop.add_callback(move || {
        say("a callback");
        IoLoop::current().add_callback(move || say("a callback that a callback queued"));
    });

    // For later. The order is that of the deadlines, whichever was set first.
    let late = io_loop.call_later(Duration::from_millis(200), move || say("never printed"));
    io_loop.call_later(Duration::from_millis(100), move || {
        say("a timeout");
        IoLoop::current().remove_timeout(late);
    });

    // From elsewhere. A loop belongs to its thread; a handle reaches it from any, and wakes it.
    let handle = io_loop.handle();
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        handle.add_callback(move || say("another thread calls"))
    });

    // `start` runs turns until someone says `stop`.
    let stopper = io_loop.clone();
    io_loop.call_later(Duration::from_millis(300), move || {
        say("stop");
        stopper.stop();
    });
    say("main has set everything up");
    io_loop.start()?;
    thread.join().expect("the thread does not panic")
}
