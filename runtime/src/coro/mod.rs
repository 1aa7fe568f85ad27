//! The mechanism of coroutines: start, suspend, resume, finish.
//!
//! A *task* is one started coroutine: the compiler's state machine, its result and a small header
//! in one heap block. A *deferred* is the caller's end of it. A *scoped* coroutine borrows from its
//! caller and lives inside the caller's state machine instead. Both kinds have a *frame* in the
//! thread's registry while they live, and suspend at *yield points* that know their place in the
//! source.
//!
//! Nothing here knows of a loop, a socket or a clock: a task is resumed by whoever holds it, with a
//! waker that says whom to tell. The crate's `unsafe` of the coroutine mechanism is in
//! [`task`] alone.

pub(crate) mod beacon;
pub(crate) mod cancel;
pub(crate) mod catch;
pub(crate) mod context;
pub(crate) mod deferred;
pub(crate) mod frame_key;
pub(crate) mod frames;
pub(crate) mod grace;
pub(crate) mod holders;
pub(crate) mod lineage;
pub(crate) mod local;
pub(crate) mod many_waits;
pub(crate) mod outcome;
pub(crate) mod panic;
pub(crate) mod return_value;
pub(crate) mod scoped;
pub(crate) mod shown;
pub(crate) mod site;
pub(crate) mod task;
pub(crate) mod tick;
pub(crate) mod traceback;
pub(crate) mod waits;
pub(crate) mod yield_point;
