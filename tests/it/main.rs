//! The one test binary: Squall through its public API, as users call it.
//!
//! A behaviour of Tornado's cites the test that it comes from, and carries its number in the list of
//! them, `tests/assertions.txt`, in its name. The letter of the number is the folder.

/// What the areas share: traces, captured logs, counted allocations, a run on a virtual clock.
mod support;

/// Programs that tests start, and what those need.
mod programs;

/// Coroutines, and what they yield.
mod g;

/// Futures and promises.
mod c;

/// The loop.
mod i;

/// Locks, semaphores, events, conditions: Tornado's L1 to L33.
mod locks;

/// Locks under bad input, and the guard in its scope.
mod l;

/// Queues.
mod q;

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

/// Coroutines that are cancelled: what they are told, and who else is.
mod cancel;

/// Cancelled coroutines that have a time to end in.
mod grace;

/// How often coroutines take memory from the heap.
mod allocations;

/// What becomes of those who wait when a loop is closed, or run inside its own coroutine.
mod closing;

/// Wakers and executors of somebody else.
mod foreign;

/// Other programs, and pipes.
mod process;

/// Streams, servers and clients over real sockets.
mod net;

/// Tests that can be replayed: the harness behind `#[squall::test]` itself.
mod sim;

/// The HTTP client, against servers good and bad.
mod client;

/// WebSocket, of servers and clients.
mod websocket;

/// The HTTP server over TLS.
mod https;

/// HTTP/2, both sides.
mod http2;

/// The HTTP server and the framework, over real sockets with bytes written by hand.
mod web;

/// The showcase, started as a program, asked by curl and shown in a browser.
mod showcase;

/// `examples/probe`, started as a program and asked from outside.
mod probe;
