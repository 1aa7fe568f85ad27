//! Where a program begins: what `#[squall::main]` calls.

use crate::coro::deferred::Deferred;
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
