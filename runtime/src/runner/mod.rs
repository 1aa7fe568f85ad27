//! Coroutines on a loop: started, yielded, waited for in lists and maps.
//!
//! `start` puts a coroutine in a slot of the current loop and runs it up to its first unfinished
//! yield, inside the call. From then on a wake queues the slot, and the loop's turn resumes it:
//! never the code that woke it. `yieldable` says what may be yielded, `multi` waits for the children
//! of lists, maps and arrays, `tuple` for those of tuples, `wait_iterator` for one after the other.
//! `convert` has the same by the names that Tornado gives, `callback` makes futures of callbacks.

pub(crate) mod callback;
pub(crate) mod convert;
mod done;
pub(crate) mod entry;
mod grace;
pub(crate) mod multi;
pub(crate) mod policy;
pub(crate) mod shared;
pub(crate) mod timeout;
pub(crate) mod tuple;
pub(crate) mod wait_iterator;
pub(crate) mod yieldable;

use std::future::Future;
use std::rc::Rc;

use crate::coro::context;
use crate::coro::deferred::Deferred;
use crate::coro::outcome::OutcomeView;
use crate::coro::site::CoroutineSite;
use crate::coro::task::{Resume, Task};
use crate::coro::waits::WaitsFor;
use crate::ioloop::IoLoop;

/// How much stack coroutines that are started inside one another may take.
///
/// Keeps their recursion from overflowing it: what is deeper waits for the loop, and runs from the
/// queue, where the stack is as good as empty.
const MAX_STACK: usize = 64 * 1024;

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
    let io_loop = IoLoop::current();
    let task = Task::new(
        coroutine,
        view,
        io_loop.ready().next_slot().number(),
        future,
    );
    launch(&io_loop, task.clone());
    Deferred::settling(task)
}

/// Gives a runnable its slot and its first run: at once, or from the queue if the stack is deep.
fn launch(io_loop: &IoLoop, runnable: Rc<dyn Resume>) {
    let slot = io_loop.insert_runnable(runnable.clone());
    debug_assert!(
        runnable
            .frame()
            .is_none_or(|frame| frame.key.is_in(slot.number()))
    );
    let here = stack_address();
    let outermost = context::with(|context| context.stack.get());
    if outermost.is_some_and(|outermost| outermost.abs_diff(here) > MAX_STACK) {
        io_loop.ready().queue(slot);
        return;
    }
    context::with(|context| context.stack.set(Some(outermost.unwrap_or(here))));
    let finished = io_loop.resume(slot, &*runnable);
    context::with(|context| context.stack.set(outermost));
    if finished {
        io_loop.ready().remove(slot);
    } else {
        // What it waits for is not what the one that started it waits for.
        context::with(|context| context.waits.set(WaitsFor::Unknown));
    }
}

/// About where the stack is.
fn stack_address() -> usize {
    let here = 0_u8;
    (&raw const here).addr()
}
