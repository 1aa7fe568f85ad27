//! Coroutines on a loop: started, yielded, waited for in lists and maps.
//!
//! `start` puts a coroutine in a slot of the current loop and runs it up to its first unfinished
//! yield, inside the call. From then on a wake queues the slot, and the loop's turn resumes it:
//! never the code that woke it. `yieldable` says what may be yielded, `multi` waits for the children
//! of lists, maps and arrays, `tuple` for those of tuples.

pub(crate) mod entry;
pub(crate) mod multi;
pub(crate) mod policy;
pub(crate) mod tuple;
pub(crate) mod yieldable;

use std::future::Future;
use std::rc::Rc;

use crate::coro::context;
use crate::coro::deferred::Deferred;
use crate::coro::outcome::OutcomeView;
use crate::coro::site::CoroutineSite;
use crate::coro::task::{Resume, Task};
use crate::ioloop::{self, IoLoop};

/// How many coroutines may be started inside one another before the next waits for the loop.
///
/// Keeps a recursion of coroutines from overflowing the stack: 64 starts take some ten kilobytes of
/// it, and what is deeper runs from the queue with a stack of its own.
const MAX_DEPTH: u32 = 64;

/// Starts a coroutine on the thread's current loop.
pub(crate) fn start<F, V>(
    coroutine: &'static CoroutineSite,
    view: V,
    future: F,
) -> Deferred<F::Output>
where
    F: Future + 'static,
    V: OutcomeView<F::Output> + 'static,
{
    let parent = context::with(|context| context.frame.get());
    let task = Task::new(coroutine, view, parent, future);
    ioloop::with_current(|io_loop| launch(io_loop, task.clone()));
    Deferred::settling(task)
}

/// Gives a runnable its slot and its first run: at once, or from the queue if the stack is deep.
fn launch(io_loop: &IoLoop, runnable: Rc<dyn Resume>) {
    let slot = io_loop.insert_runnable(runnable.clone());
    let depth = context::with(|context| context.depth.get());
    if depth >= MAX_DEPTH {
        io_loop.ready().wake(slot, 0);
        return;
    }
    context::with(|context| context.depth.set(depth + 1));
    let finished = runnable.resume(&io_loop.waker(slot));
    context::with(|context| context.depth.set(depth));
    if finished {
        io_loop.ready().remove(slot);
    }
}
