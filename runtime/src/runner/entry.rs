//! Where a program or a test begins: what `#[squall::main]` and `#[squall::test]` call.

use crate::coro::deferred::Deferred;
use crate::coro::frames;
use crate::ioloop::IoLoop;

/// Runs `main` on a loop of its own that is the thread's current one, and the process's main one if
/// there is none.
pub fn run_main<T>(main: fn() -> Deferred<T>) -> T {
    let io_loop = IoLoop::current();
    if !IoLoop::initialized() {
        io_loop.install();
    }
    io_loop.dump_on_signal();
    let result = io_loop.run_sync(main);
    io_loop.close();
    IoLoop::clear_current();
    result
}

/// Runs a test on a loop of its own with a virtual clock.
pub fn run_test<T>(name: &'static str, test: fn() -> Deferred<T>) -> T {
    let io_loop = match IoLoop::with_virtual_clock() {
        Ok(io_loop) => io_loop,
        Err(error) => panic!("the test {name} has no loop to run on: {error}"),
    };
    io_loop.make_current();
    let before = frames::count();
    let result = io_loop.run_sync(test);
    io_loop.close();
    IoLoop::clear_current();
    drop(io_loop);
    let after = frames::count();
    assert!(
        after <= before,
        "the test {name} left {} coroutines alive after its loop was closed",
        after - before
    );
    result
}
