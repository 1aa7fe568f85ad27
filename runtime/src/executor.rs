//! Threads for what blocks.
//!
//! One pool a process. A thread is made when there is work and none is free, up to `MAX_THREADS`,
//! and ends after `IDLE` without work. A result goes back as a message to the loop that asked.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::coro::deferred::Deferred;
use crate::error::Result;
use crate::ioloop::IoLoop;

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
    let (reply, deferred) = IoLoop::current().expect_reply();
    let job = move || reply.send(catch_unwind(AssertUnwindSafe(f)));
    match POOL.submit(Box::new(job)) {
        Ok(()) => finish(deferred),
        Err(error) => Deferred::ready(Err(error.into())),
    }
}

/// Resumes a panic of the function in the coroutine that waits.
#[crate::coroutine]
fn finish<T: 'static>(result: Deferred<std::thread::Result<T>>) -> Result<T> {
    match crate::yield_!(async { Caught(result.await) }).0 {
        Ok(value) => Ok(value),
        Err(panic) => resume_unwind(panic),
    }
}

/// Not a `Result` as far as a yield can see: a panic is no error to be logged or shown.
struct Caught<T>(std::thread::Result<T>);

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
