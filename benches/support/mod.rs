//! What the benches share: how contenders are timed, the peers, an allocator that counts.
//!
//! A *group* is one operation, its *contenders* do it on different runtimes. The contenders of a
//! group take their samples in turn (A B C A B C …), so that a change in the machine's mood meets
//! all of them; what is reported is the median of the process's CPU time. See `README.md` for the
//! command line.

// Each bench is a crate of its own and uses a part of this.
#![allow(dead_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::Future;
use std::pin::Pin;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

/// How many samples each contender takes.
pub(crate) const SAMPLES: usize = 15;

/// About how long a sample takes.
const SAMPLE: Duration = Duration::from_millis(20);

/// How many operations a contender does when it is only tested.
const TEST_OPERATIONS: u64 = 10;

// ---------------------------------------------------------------- command line

/// What the command line asks for.
pub(crate) struct Options {
    /// Groups whose name holds this; all if empty.
    pub(crate) filter: String,
    /// Run each contender once, briefly.
    pub(crate) quick: bool,
    /// Run this contender and no other, once.
    pub(crate) only: Option<String>,
    /// How many operations `only` does.
    pub(crate) iterations: u64,
}

impl Options {
    /// Reads the command line.
    ///
    /// `cargo bench` passes `--bench`; without it (`cargo test --benches`) the benches are tests.
    pub(crate) fn parse() -> Options {
        let mut options = Options {
            filter: String::new(),
            quick: !std::env::args().any(|arg| arg == "--bench"),
            only: None,
            iterations: TEST_OPERATIONS,
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().unwrap_or_else(|| panic!("{arg} wants a value"));
            match arg.as_str() {
                "--test" | "--quick" => options.quick = true,
                "--only" => options.only = Some(value()),
                "--iterations" => {
                    options.iterations = value().parse().expect("--iterations wants a number");
                }
                // Other flags are those that cargo passes on to every test.
                flag if flag.starts_with('-') => {}
                filter => options.filter = filter.to_owned(),
            }
        }
        options
    }
}

// ---------------------------------------------------------------- timing

/// A sample that is being taken.
pub(crate) struct Lap(u64);

impl Lap {
    pub(crate) fn start() -> Lap {
        Lap(cpu_ns())
    }

    /// Ends a sample of so many operations.
    pub(crate) fn stop(self, operations: u64) -> Sample {
        Sample {
            cpu_ns: cpu_ns() - self.0,
            operations,
        }
    }
}

/// CPU time that operations took.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) cpu_ns: u64,
    pub(crate) operations: u64,
}

impl Sample {
    pub(crate) fn ns_each(self) -> f64 {
        self.cpu_ns as f64 / self.operations as f64
    }
}

/// The CPU time that this process has used.
fn cpu_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a `timespec` to write to, and lives until the call returns.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(
        failed, 0,
        "the system has a clock of the process's CPU time"
    );
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Does about `n` operations, asserts their result, and says how long they took.
type Contender = Box<dyn FnMut(u64) -> Sample>;

/// One operation, done by several contenders; the first is what the others are compared with.
pub(crate) struct Group {
    name: String,
    contenders: Vec<(&'static str, Contender)>,
}

impl Group {
    pub(crate) fn new(name: impl Into<String>) -> Group {
        Group {
            name: name.into(),
            contenders: Vec::new(),
        }
    }

    pub(crate) fn with(
        mut self,
        contender: &'static str,
        run: impl FnMut(u64) -> Sample + 'static,
    ) -> Group {
        self.contenders.push((contender, Box::new(run)));
        self
    }

    /// Prints the head of the table that `run` prints rows of.
    pub(crate) fn head(options: &Options) {
        if options.only.is_none() && !options.quick {
            println!("| operation | contender | CPU ns | min | max | to the first |");
            println!("|---|---|---:|---:|---:|---:|");
        }
    }

    /// Runs the contenders as the options say, if they ask for this group.
    pub(crate) fn run(mut self, options: &Options) {
        if !self.name.contains(&options.filter) {
            return;
        }
        if let Some(only) = &options.only {
            for (_, run) in self.contenders.iter_mut().filter(|(name, _)| name == only) {
                let sample = run(options.iterations);
                let (name, each) = (&self.name, sample.ns_each());
                println!(
                    "{name}: {only}: {} operations, {each:.1} ns each",
                    sample.operations
                );
            }
            return;
        }
        if options.quick {
            for (contender, run) in &mut self.contenders {
                run(TEST_OPERATIONS);
                println!("{}: {contender}: ok", self.name);
            }
            return;
        }
        let counts: Vec<u64> = (self.contenders.iter_mut())
            .map(|(_, run)| calibrate(run))
            .collect();
        let mut samples = vec![Vec::new(); counts.len()];
        for _ in 0..SAMPLES {
            for (index, (_, run)) in self.contenders.iter_mut().enumerate() {
                samples[index].push(run(counts[index]).ns_each());
            }
        }
        self.print(samples);
    }

    fn print(&self, samples: Vec<Vec<f64>>) {
        let mut first = None;
        for ((contender, _), samples) in self.contenders.iter().zip(samples) {
            let Spread { median, min, max } = Spread::of(samples);
            let ratio = median / *first.get_or_insert(median);
            let name = &self.name;
            println!("| {name} | {contender} | {median:.1} | {min:.1} | {max:.1} | {ratio:.2} |");
        }
    }
}

/// Finds how many operations take as long as a sample should.
fn calibrate(run: &mut Contender) -> u64 {
    let mut n = 1;
    loop {
        let sample = run(n);
        let long_enough = SAMPLE.as_nanos() as u64 / 4;
        if sample.cpu_ns > long_enough || n > 1 << 30 {
            return (SAMPLE.as_nanos() as f64 / sample.ns_each()).max(1.0) as u64;
        }
        n *= 2;
    }
}

/// Samples, summed up.
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(mut samples: Vec<f64>) -> Spread {
        samples.sort_by(f64::total_cmp);
        Spread {
            median: samples[samples.len() / 2],
            min: samples[0],
            max: samples[samples.len() - 1],
        }
    }
}

/// The sum of the numbers below `n`: what the contenders' results add up to.
pub(crate) fn sum_below(n: u64) -> u64 {
    n * n.saturating_sub(1) / 2
}

/// Runs this bench again in a process of its own, and returns the words that it prints.
///
/// For what a process can be measured for once: its heap, its resident set.
pub(crate) fn in_child(args: &[&str]) -> Vec<String> {
    let bench = std::env::current_exe().expect("a program knows its own path");
    let output = (Command::new(bench).args(args).output()).expect("a bench can run itself");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "with {args:?}: {errors}");
    let text = String::from_utf8(output.stdout).expect("a bench prints text");
    text.split_whitespace().map(str::to_owned).collect()
}

// ---------------------------------------------------------------- the peers

/// A runtime that Squall is compared with: single-threaded, tasks that need not be `Send`.
pub(crate) trait Peer: 'static {
    type Task<T: 'static>: Future<Output = T>;

    /// Runs a future on this thread's runtime.
    fn block_on<F: Future>(future: F) -> F::Output;

    fn spawn<F: Future + 'static>(future: F) -> Self::Task<F::Output>;

    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static;

    /// The runtime's own way to let others run.
    fn yield_now() -> impl Future<Output = ()> + 'static;
}

/// tokio's current-thread runtime with a `LocalSet`.
pub(crate) struct Tokio;

/// smol's parts: `async_executor::LocalExecutor` under `async_io::block_on`.
pub(crate) struct Smol;

pub(crate) struct TokioTask<T>(tokio::task::JoinHandle<T>);

impl<T> Future for TokioTask<T> {
    type Output = T;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let joined = Pin::new(&mut self.0).poll(cx);
        joined.map(|result| result.expect("no task here panics"))
    }
}

// Neither is ever dropped: tokio's own thread-locals would be gone by then.
thread_local! {
    static TOKIO: &'static (tokio::runtime::Runtime, tokio::task::LocalSet) = {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime can be made");
        Box::leak(Box::new((runtime, tokio::task::LocalSet::new())))
    };
    static SMOL: &'static async_executor::LocalExecutor<'static> =
        Box::leak(Box::new(async_executor::LocalExecutor::new()));
}

impl Peer for Tokio {
    type Task<T: 'static> = TokioTask<T>;

    fn block_on<F: Future>(future: F) -> F::Output {
        let (runtime, tasks) = TOKIO.with(|tokio| *tokio);
        tasks.block_on(runtime, future)
    }

    #[inline]
    fn spawn<F: Future + 'static>(future: F) -> TokioTask<F::Output> {
        TokioTask(tokio::task::spawn_local(future))
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        tokio::time::sleep(duration)
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        tokio::task::yield_now()
    }
}

impl Peer for Smol {
    type Task<T: 'static> = async_executor::Task<T>;

    fn block_on<F: Future>(future: F) -> F::Output {
        let executor = SMOL.with(|executor| *executor);
        async_io::block_on(executor.run(future))
    }

    #[inline]
    fn spawn<F: Future + 'static>(future: F) -> async_executor::Task<F::Output> {
        SMOL.with(|executor| executor.spawn(future))
    }

    async fn sleep(duration: Duration) {
        async_io::Timer::after(duration).await;
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        futures_lite::future::yield_now()
    }
}

/// The plainest yield: pending once, having woken itself.
pub(crate) fn wake_by_ref() -> WakeByRef {
    WakeByRef { woken: false }
}

/// See [`wake_by_ref`].
pub(crate) struct WakeByRef {
    woken: bool,
}

impl Future for WakeByRef {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.woken {
            return Poll::Ready(());
        }
        self.woken = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

// ---------------------------------------------------------------- memory

/// An allocator that counts: a bench makes it its `#[global_allocator]`.
pub(crate) struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static ALLOCATED: AtomicU64 = AtomicU64::new(0);
static FREED: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is forwarded to the system's allocator with what came in; `realloc` is the
// trait's own, made of these two.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        ALLOCATED.fetch_add(layout.size() as u64, Relaxed);
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        FREED.fetch_add(layout.size() as u64, Relaxed);
        // SAFETY: the caller keeps to the same contract, and `block` came from `System.alloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

/// What the process holds.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    /// Heap bytes that are in use.
    pub(crate) bytes: i64,
    /// Allocations that were made.
    pub(crate) allocations: i64,
    /// The resident set, in bytes; sees what the allocator does not.
    pub(crate) resident: i64,
}

impl Memory {
    /// Counts now. Needs [`Counting`] to be the allocator.
    pub(crate) fn now() -> Memory {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages = statm
            .split(' ')
            .nth(1)
            .and_then(|pages| pages.parse::<i64>().ok());
        Memory {
            resident: pages.unwrap_or(0) * 4096,
            bytes: ALLOCATED.load(Relaxed) as i64 - FREED.load(Relaxed) as i64,
            allocations: ALLOCATIONS.load(Relaxed) as i64,
        }
    }

    /// What was added since `before`.
    pub(crate) fn since(self, before: Memory) -> Memory {
        Memory {
            bytes: self.bytes - before.bytes,
            allocations: self.allocations - before.allocations,
            resident: self.resident - before.resident,
        }
    }
}
