//! The one test binary: Squall through its public API, as users call it.
//!
//! A behaviour of Tornado's cites the test that it comes from, and its number in the list of them.

/// What the areas share: traces, captured logs, counted allocations, a run on a virtual clock.
mod support;

/// One coroutine: its start, its order among others, its end, its shapes.
mod coroutine;

/// Lists, arrays, maps and tuples that are yielded: their results, their errors, their number.
mod multi;

/// Callbacks as futures, conversions, nested trees: the rest of Tornado's `gen`.
mod gen_api;

/// Results one after the other, as they come.
mod wait_iterator;

/// Variables that follow a coroutine.
mod context;

/// The way of errors and panics through coroutines, logged and taken; the living coroutines.
mod traceback;

/// Whole traces, compared with files.
mod trace;

/// The tree of the living.
mod inspect;

/// Loops that nothing can wake, and those that only look so.
mod deadlock;

/// What blocks a loop, and how long coroutines run.
mod watchdog;

/// What keeps one coroutine from harming the rest: the budget of yields, the depth of calls.
mod budget;

/// Coroutines that are cancelled: what they are told, and who else is.
mod cancel;

/// Cancelled coroutines that have a time to end in.
mod grace;

/// How often coroutines take memory from the heap.
mod allocations;

/// The loop itself: callbacks, timers, handlers of descriptors, its start, stop and close.
mod ioloop;

/// Queues between coroutines.
/// Periodic callbacks.
mod periodic;

/// Signals of the process.
mod signals;

/// Other programs, and pipes.
mod process;

/// The queue between coroutines.
mod queue;

/// Locks, semaphores, events, conditions.
mod locks;

/// Waits that have an end.
mod timeout;

/// Streams, servers and clients over real sockets.
mod net;

/// Wakes from other threads, in numbers.
mod wakes;

/// Functions that block, on other threads.
mod executor;

/// The HTTP server and the framework, over real sockets with bytes written by hand.
mod web;
