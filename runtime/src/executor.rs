//! Threads for what blocks.
//!
//! One pool a process. A thread is made when there is work and none is free, up to `MAX_THREADS`,
//! and ends after `IDLE` without work. A result goes back as a message to the loop that asked.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use slab::Slab;

use crate::coro::deferred::Deferred;
use crate::error::Result;
use crate::future::Promise;
use crate::ioloop::{Handle, IoLoop};

const MAX_THREADS: usize = 32;
const IDLE: Duration = Duration::from_secs(10);

/// Runs a function that blocks on another thread: Tornado's `IOLoop.run_in_executor`.
///
/// The deferred is done when the function has returned; its panic is resumed at the yield. The
/// process has 32 such threads at most; more calls wait for their turn. Dropping the deferred does
/// not stop the function.
///
/// # Examples
///
/// ```
/// # use squall::yield_;
/// #[squall::main]
/// fn main() -> squall::Result<()> {
///     let text = yield_!(squall::run_in_executor(|| std::fs::read_to_string("Cargo.toml")))??;
///     assert!(text.contains("squall"));
///     Ok(())
/// }
/// ```
///
/// # Errors
///
/// If no thread can be started and none is running.
pub fn run_in_executor<T: Send + 'static>(
    f: impl FnOnce() -> T + Send + 'static,
) -> Deferred<Result<T>> {
    let io_loop = IoLoop::current();
    let (promise, deferred) = Promise::new();
    let id = Waiting::insert(Box::new(move |result: Box<dyn std::any::Any>| {
        if let Ok(result) = result.downcast::<std::thread::Result<T>>() {
            promise.set_result(Ok(*result));
        }
    }));
    let reply = Reply {
        handle: io_loop.handle(),
        id,
    };
    let job = move || {
        let result = catch_unwind(AssertUnwindSafe(f));
        reply.send(move |take| take(Box::new(result)));
    };
    if let Err(error) = POOL.submit(Box::new(job)) {
        Waiting::remove(id);
        return Deferred::ready(Err(error.into()));
    }
    finish(deferred)
}

/// Resumes a panic of the function in the coroutine that waits.
#[crate::coroutine]
fn finish<T: 'static>(result: Deferred<Result<std::thread::Result<T>>>) -> Result<T> {
    match crate::yield_!(result)? {
        Ok(value) => Ok(value),
        Err(panic) => resume_unwind(panic),
    }
}

/// True while this thread waits for a call on another one.
pub(crate) fn is_busy() -> bool {
    Waiting::with(|waiting| !waiting.is_empty()).unwrap_or(false)
}

type Take = Box<dyn FnOnce(Box<dyn std::any::Any>)>;

thread_local! {
    /// What to do with the results that this thread waits for.
    static WAITING: Cell<Option<Rc<std::cell::RefCell<Slab<Take>>>>> = const { Cell::new(None) };
}

struct Waiting;

impl Waiting {
    fn with<R>(f: impl FnOnce(&mut Slab<Take>) -> R) -> Option<R> {
        let slab = WAITING.try_with(|cell| {
            let slab = cell.take().unwrap_or_default();
            cell.set(Some(slab.clone()));
            slab
        });
        slab.ok().map(|slab| f(&mut slab.borrow_mut()))
    }

    fn insert(take: Take) -> usize {
        Self::with(|waiting| waiting.insert(take)).unwrap_or(usize::MAX)
    }

    fn remove(id: usize) -> Option<Take> {
        Self::with(|waiting| waiting.try_remove(id)).flatten()
    }
}

/// The way of a result back to its thread.
struct Reply {
    handle: Handle,
    id: usize,
}

impl Reply {
    fn send(self, deliver: impl FnOnce(Take) + Send + 'static) {
        let id = self.id;
        // If the loop is closed nobody waits any more.
        let _ = self.handle.add_callback(move || {
            if let Some(take) = Waiting::remove(id) {
                deliver(take);
            }
        });
    }
}

type Job = Box<dyn FnOnce() + Send>;

struct Pool {
    state: Mutex<State>,
    has_work: Condvar,
}

struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

static POOL: Pool = Pool {
    state: Mutex::new(State {
        jobs: VecDeque::new(),
        threads: 0,
        idle: 0,
    }),
    has_work: Condvar::new(),
};

impl Pool {
    fn submit(&'static self, job: Job) -> std::io::Result<()> {
        let mut state = self.lock();
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() || state.threads >= MAX_THREADS {
            self.has_work.notify_one();
            return Ok(());
        }
        let builder = std::thread::Builder::new().name("squall-executor".to_owned());
        match builder.spawn(|| self.work()) {
            Ok(_) => {
                state.threads += 1;
                Ok(())
            }
            // The threads that there are will come to it.
            Err(_) if state.threads > 0 => Ok(()),
            Err(error) => {
                state.jobs.pop_back();
                Err(error)
            }
        }
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = self.lock();
                continue;
            }
            state.idle += 1;
            let waited = self.has_work.wait_timeout(state, IDLE);
            let (guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = guard;
            state.idle -= 1;
            if timeout.timed_out() && state.jobs.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Jobs run outside of the lock, so nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
