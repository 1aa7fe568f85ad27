//! Tornado's assertions about coroutines, G1 to G115, but for those of the traceback, of
//! cancellation and of the web, which stand beside their subjects.

/// One coroutine: its start, its order among others, its end, its shapes.
mod coroutine;

/// Lists, arrays, maps and tuples that are yielded: their results, their errors, their number.
mod multi;

/// Callbacks as futures, conversions, nested trees: the rest of Tornado's `gen`.
mod task;

/// Results one after the other, as they come.
mod wait_iterator;

/// Variables that follow a coroutine.
mod context;

/// Waits that have an end.
mod timeout;

/// What keeps one coroutine from harming the rest: the budget of yields, the depth of calls.
mod budget;
