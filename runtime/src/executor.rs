//! Threads for what blocks.
//!
//! A pool makes a thread when there is work and none is free, up to its limit; a thread ends after
//! `IDLE` without work. A result goes back as a message to the loop that asked. The process has one
//! pool for all loops that are not given another.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::coro::catch::Plain;
use crate::coro::deferred::Deferred;
use crate::error::{Error, Result};
use crate::ioloop::IoLoop;

/// Of the pool that all loops share.
const SHARED_THREADS: usize = 32;

const IDLE: Duration = Duration::from_secs(10);

/// Runs a function that blocks on another thread: Tornado's `IOLoop.run_in_executor`.
///
/// It runs on the current loop's default pool: the process's own with 32 threads, unless
/// [`IoLoop::set_default_executor`] gave the loop another. The deferred is done when the function has
/// returned; its panic is resumed at the yield. Calls that find no thread free wait for their turn.
/// Dropping the deferred does not stop the function.
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
/// If no thread can be started and none is running, or if the loop's pool was shut down.
pub fn run_in_executor<T: Send + 'static>(
    f: impl FnOnce() -> T + Send + 'static,
) -> Deferred<Result<T>> {
    let chosen = IoLoop::current().executor();
    match chosen.as_ref().and_then(|pool| pool.downcast_ref()) {
        Some(ThreadPool { owner }) => submit(&owner.0, f),
        None => submit(&SHARED, f),
    }
}

/// Threads for functions that block: Tornado's use of `ThreadPoolExecutor`.
///
/// Cheap to clone; every clone is the same pool. [`run_in_executor`] needs none: make one to bound
/// how many calls run at the same time, to a database for one, or to keep slow ones apart.
///
/// The pool is shut down by [`shutdown`](Self::shutdown), and when its last clone is dropped: what
/// was submitted before is still run, then the threads end. Nobody waits for them: when `main`
/// returns, what still runs is cut off with the process. Yield the deferreds of what has to be done.
///
/// # Examples
///
/// ```
/// use squall::{ThreadPool, yield_};
///
/// #[squall::main]
/// fn main() -> squall::Result<()> {
///     let pool = ThreadPool::new(2)?;
///     let squares: Vec<_> = (1..4).map(|n| pool.submit(move || n * n)).collect();
///     assert_eq!(yield_!(squares)?, [1, 4, 9]);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct ThreadPool {
    owner: Arc<Owner>,
}

impl ThreadPool {
    /// Makes a pool of `threads` threads at most; they are started when there is work.
    ///
    /// # Errors
    ///
    /// If `threads` is zero.
    pub fn new(threads: usize) -> Result<ThreadPool> {
        if threads == 0 {
            return Err(Error::no_threads());
        }
        let owner = Arc::new(Owner(Arc::new(Pool::new(threads))));
        Ok(ThreadPool { owner })
    }

    /// Runs a function on one of the pool's threads; see [`run_in_executor`].
    ///
    /// # Errors
    ///
    /// If the pool was shut down, or if no thread can be started and none is running. The function
    /// is dropped then.
    pub fn submit<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Deferred<Result<T>> {
        submit(&self.owner.0, f)
    }

    /// Takes no more work; what was submitted is still run, and gives its results. Harmless if it was
    /// called before.
    pub fn shutdown(&self) {
        self.owner.0.shut_down();
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.owner.0.lock();
        f.debug_struct("ThreadPool")
            .field("threads", &state.threads)
            .field("waiting", &state.jobs.len())
            .finish_non_exhaustive()
    }
}

/// Shuts a pool down with the last of its clones; the threads hold the pool as well.
struct Owner(Arc<Pool>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.shut_down();
    }
}

impl IoLoop {
    /// Makes [`run_in_executor`] on this loop use `pool`: Tornado's `set_default_executor`.
    pub fn set_default_executor(&self, pool: ThreadPool) {
        self.set_executor(Rc::new(pool));
    }
}

fn submit<T: Send + 'static>(
    pool: &Arc<Pool>,
    f: impl FnOnce() -> T + Send + 'static,
) -> Deferred<Result<T>> {
    let (reply, deferred) = IoLoop::current().expect_reply();
    let job = move || reply.send(catch_unwind(AssertUnwindSafe(f)));
    match pool.submit(Box::new(job)) {
        Ok(()) => finish(deferred),
        Err(error) => Deferred::ready(Err(error)),
    }
}

/// Resumes a panic of the function in the coroutine that waits.
#[crate::coroutine]
fn finish<T: 'static>(result: Deferred<std::thread::Result<T>>) -> Result<T> {
    match crate::yield_!(async { Plain(result.await) }).0 {
        Ok(value) => Ok(value),
        Err(panic) => resume_unwind(panic),
    }
}

type Job = Box<dyn FnOnce() + Send>;

static SHARED: LazyLock<Arc<Pool>> = LazyLock::new(|| Arc::new(Pool::new(SHARED_THREADS)));

struct Pool {
    max_threads: usize,
    state: Mutex<State>,
    has_work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    is_shut_down: bool,
}

impl Pool {
    fn new(max_threads: usize) -> Pool {
        Pool {
            max_threads,
            state: Mutex::default(),
            has_work: Condvar::new(),
        }
    }

    fn submit(self: &Arc<Self>, job: Job) -> Result<()> {
        let mut state = self.lock();
        if state.is_shut_down {
            // Its drop tells the loop, so it comes after the lock.
            drop(state);
            drop(job);
            return Err(Error::pool_shut_down());
        }
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() || state.threads >= self.max_threads {
            self.has_work.notify_one();
            return Ok(());
        }
        let builder = std::thread::Builder::new().name("squall-executor".to_owned());
        let pool = self.clone();
        match builder.spawn(move || pool.work()) {
            Ok(_) => {
                state.threads += 1;
                Ok(())
            }
            // The threads that there are will come to it.
            Err(_) if state.threads > 0 => Ok(()),
            Err(error) => {
                let job = state.jobs.pop_back();
                drop(state);
                drop(job);
                Err(error.into())
            }
        }
    }

    fn shut_down(&self) {
        self.lock().is_shut_down = true;
        self.has_work.notify_all();
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
            if state.is_shut_down {
                state.threads -= 1;
                return;
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
