//! One run of a coroutine, on a loop of its own.

use std::fmt;
use std::future::IntoFuture;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::failure::Failure;
use super::leaks::Leaks;
use crate::error::Error;
use crate::ioloop::simulation::Plan;
use crate::ioloop::{IoLoop, leftovers};

/// How much of its log a run keeps: about as many bytes.
const LOG: usize = 16 * 1024 * 1024;

/// How long another thread is waited for, in real time, when nothing else can happen.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a coroutine on a loop of its own with a virtual clock: what
/// [`#[squall::test]`](macro@crate::test) does, as a function.
///
/// Without a seed all goes in the order in which it came, and a simulated network is calm. With one,
/// the coroutines of a turn run in an order that is shuffled, and a [`Network`](super::Network) is
/// as bad as it was told to be; all from the seed, so that the same seed is the same run.
///
/// # Examples
///
/// A race that hides, and the seeds that find it:
///
/// ```
/// use squall::testing::Simulation;
/// use squall::{moment, yield_};
/// use std::cell::Cell;
/// use std::rc::Rc;
///
/// /// Adds one, but reads before it yields, and writes after it.
/// #[squall::coroutine]
/// fn add(counter: Rc<Cell<u32>>, moments: u32) {
///     for _ in 0..moments {
///         yield_!(moment());
///     }
///     let read = counter.get();
///     yield_!(moment());
///     counter.set(read + 1);
/// }
///
/// #[squall::coroutine]
/// fn both() -> u32 {
///     let counter = Rc::default();
///     // The second reads when the first has just written.
///     yield_!([add(Rc::clone(&counter), 1), add(Rc::clone(&counter), 2)]);
///     counter.get()
/// }
///
/// assert_eq!(Simulation::new().run(both).into_value(), 2);
/// let lost = (0..100).find(|seed| Simulation::new().seed(*seed).run(both).into_value() == 1);
/// assert!(lost.is_some(), "some seed loses an update");
/// ```
#[derive(Clone, Debug)]
pub struct Simulation {
    seed: Option<u64>,
    log: Option<usize>,
    leaks: Leaks,
    timeout: Option<Duration>,
    patience: Duration,
}

impl Default for Simulation {
    fn default() -> Simulation {
        Simulation {
            seed: None,
            log: Some(LOG),
            leaks: Leaks::default(),
            timeout: None,
            patience: PATIENCE,
        }
    }
}

impl Simulation {
    /// A simulation without a seed, which writes a log and looks for leaks.
    pub fn new() -> Simulation {
        Simulation::default()
    }

    /// Has all that is left to chance come from `seed`.
    pub fn seed(mut self, seed: u64) -> Simulation {
        self.seed = Some(seed);
        self
    }

    /// Says what may be left over at the end.
    pub fn leaks(mut self, leaks: Leaks) -> Simulation {
        self.leaks = leaks;
        self
    }

    /// Fails the run when so much virtual time has passed; without, it may take any time.
    pub fn timeout(mut self, timeout: Duration) -> Simulation {
        self.timeout = Some(timeout);
        self
    }

    /// Keeps about the last `bytes` of the event log; 16 MiB if this is not called, and 0 writes none.
    pub fn log_limit(mut self, bytes: usize) -> Simulation {
        self.log = (bytes > 0).then_some(bytes);
        self
    }

    /// Sets for how long, in real time, another thread is waited for when nothing else can happen; 10
    /// seconds if this is not called. After it the run fails, and the message shows who waits for
    /// what.
    ///
    /// While descriptors are registered, or a call on an executor is under way, it waits for as long
    /// as they take.
    pub fn patience(mut self, patience: Duration) -> Simulation {
        self.patience = patience;
        self
    }

    /// Runs the loop until the future that `f` returns is done, and looks what is left.
    ///
    /// `f` is called with the loop current, so a coroutine that it calls starts on it. What panics in
    /// it is caught. What the value itself holds, such as a stream, counts as left over.
    ///
    /// # Panics
    ///
    /// If the system has no descriptors for a loop.
    pub fn run<F: IntoFuture>(&self, f: impl FnOnce() -> F) -> Run<F::Output> {
        let io_loop = match IoLoop::with_virtual_clock() {
            Ok(io_loop) => io_loop,
            Err(error) => panic!("there is no loop to run on: {error}"),
        };
        io_loop.simulate(Plan {
            seed: self.seed,
            log: self.log,
            patience: self.patience,
        });
        let previous = IoLoop::try_current();
        io_loop.make_current();
        let (mark, start) = (leftovers::mark(), io_loop.time());
        let outcome = catch_unwind(AssertUnwindSafe(|| self.run_on(&io_loop, f)));
        let elapsed = io_loop.time().saturating_duration_since(start);
        let log = io_loop.event_log();
        let outcome = match outcome {
            Ok(Ok(value)) => self.check(&io_loop, mark).map(|()| value),
            Ok(Err(error)) => Err(Failure::of_loop(error)),
            Err(panic) => Err(Failure::panic(panic)),
        };
        io_loop.close();
        match previous {
            Some(previous) => previous.make_current(),
            None => IoLoop::clear_current(),
        }
        Run {
            seed: self.seed,
            elapsed,
            log,
            outcome,
        }
    }

    fn run_on<F: IntoFuture>(
        &self,
        io_loop: &IoLoop,
        f: impl FnOnce() -> F,
    ) -> Result<F::Output, Error> {
        match self.timeout {
            Some(timeout) => io_loop.run_sync_timeout(timeout, f),
            None => io_loop.run_sync_result(f),
        }
    }

    /// Looks what is left on the loop. It can only be closed afterwards.
    fn check(&self, io_loop: &IoLoop, mark: leftovers::Mark) -> Result<(), Failure> {
        if self.leaks == Leaks::Allow {
            return Ok(());
        }
        io_loop.settle().map_err(Failure::of_loop)?;
        let unfinished = IoLoop::unfinished(mark);
        if self.leaks == Leaks::Strict && !unfinished.is_empty() {
            return Err(Failure::unfinished(unfinished));
        }
        let left = io_loop.abandon(mark);
        match left.is_empty() {
            true => Ok(()),
            false => Err(Failure::leak(left)),
        }
    }
}

/// What became of one run of a [`Simulation`].
#[must_use = "look at its outcome, or take its value"]
pub struct Run<T> {
    seed: Option<u64>,
    elapsed: Duration,
    log: String,
    outcome: Result<T, Failure>,
}

impl<T> Run<T> {
    /// Returns the value, or why there is none.
    pub fn outcome(&self) -> Result<&T, &Failure> {
        self.outcome.as_ref()
    }

    /// Takes the value, or why there is none.
    ///
    /// # Errors
    ///
    /// The failure of the run.
    pub fn into_outcome(self) -> Result<T, Failure> {
        self.outcome
    }

    /// Takes the value.
    ///
    /// # Panics
    ///
    /// With the seed, if the run failed.
    #[track_caller]
    pub fn into_value(self) -> T {
        match self.outcome {
            Ok(value) => value,
            Err(failure) => match self.seed {
                Some(seed) => panic!("with the seed {seed}: {failure}"),
                None => panic!("{failure}"),
            },
        }
    }

    /// Returns the seed that it had.
    pub fn seed(&self) -> Option<u64> {
        self.seed
    }

    /// Returns how much virtual time it took.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Returns what happened, a line an event: the turn's number, the virtual time in seconds since
    /// the start, and what it was. See [the chapter on it](crate::testing#the-event-log).
    ///
    /// The same seed gives the same text, to the byte, if the program itself is as repeatable.
    pub fn log(&self) -> &str {
        &self.log
    }
}

impl<T> fmt::Debug for Run<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("seed", &self.seed)
            .field("elapsed", &self.elapsed)
            .field("failure", &self.outcome.as_ref().err())
            .finish_non_exhaustive()
    }
}
