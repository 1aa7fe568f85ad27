//! What the benches share: how contenders are timed, the peers, an allocator that counts.
//!
//! A *group* is one operation, its *contenders* do it on different runtimes. The contenders of a
//! group take their samples in turn (A B C A B C …), so that a change in the machine's mood meets
//! all of them; what is reported is the median of the process's CPU time. See `README.md` for the
//! command line.

// Each bench is a crate of its own and uses a part of this.
#![allow(dead_code, unused_imports, unused_macros)]

#[macro_use]
mod peers;
mod memory;
mod verdict;

use std::cell::RefCell;
use std::process::Command;
use std::time::Duration;

use squall::{Deferred, IoLoop};

pub(crate) use memory::{Counting, Memory};
pub(crate) use peers::{Peer, Smol, TimedPeer, Tokio, wake_by_ref};
pub(crate) use verdict::{Verdict, Verdicts};

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
    /// Rather than a row a contender, print one a group, and collect the verdicts here.
    pub(crate) verdicts: Option<RefCell<Verdicts>>,
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
            verdicts: None,
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

/// Keeps this thread, and those that it starts, on the last core that it may use: no sample is
/// moved from core to core, and the first core has most of the machine's interrupts.
pub(crate) fn pin_to_one_core() {
    #[cfg(target_os = "linux")]
    {
        let size = size_of::<libc::cpu_set_t>();
        // SAFETY: a `cpu_set_t` is an array of integers, for which zeros are a value.
        let mut cores: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: `cores` has the size that is given, and lives until the call returns.
        let failed = unsafe { libc::sched_getaffinity(0, size, &mut cores) };
        assert_eq!(failed, 0, "a thread may ask for its cores");
        let count = libc::CPU_SETSIZE as usize;
        // SAFETY: `core` is below the number of cores in a set.
        let is_allowed = |core: &usize| unsafe { libc::CPU_ISSET(*core, &cores) };
        let last = (0..count).rev().find(is_allowed).expect("it runs on one");
        // SAFETY: as above.
        let mut only: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        unsafe { libc::CPU_SET(last, &mut only) };
        // SAFETY: `only` has the size that is given, and lives until the call returns.
        let failed = unsafe { libc::sched_setaffinity(0, size, &only) };
        assert_eq!(failed, 0, "a thread may give up cores");
    }
}

/// Does about `n` operations, asserts their result, and says how long they took.
type Contender = Box<dyn FnMut(u64) -> Sample>;

/// One operation, done by several contenders; the first is what the others are compared with.
pub(crate) struct Group {
    name: String,
    contenders: Vec<(String, Contender)>,
    /// What the first may take of the time of the fastest of the others.
    bar: f64,
}

impl Group {
    pub(crate) fn new(name: impl Into<String>) -> Group {
        Group {
            name: name.into(),
            contenders: Vec::new(),
            bar: 1.0,
        }
    }

    /// Asks for half the time of the fastest peer.
    pub(crate) fn half(mut self) -> Group {
        self.bar = 0.5;
        self
    }

    pub(crate) fn with(
        mut self,
        contender: impl Into<String>,
        run: impl FnMut(u64) -> Sample + 'static,
    ) -> Group {
        self.contenders.push((contender.into(), Box::new(run)));
        self
    }

    /// Adds a runtime, unless this machine lacks what it needs.
    pub(crate) fn with_peer<P: Peer>(
        self,
        named: &str,
        run: impl FnMut(u64) -> Sample + 'static,
    ) -> Group {
        match P::missing() {
            None => self.with(format!("{} {named}", P::NAME).trim_end(), run),
            Some(_) => self,
        }
    }

    /// Prints the head of the table that `run` prints rows of.
    pub(crate) fn head(options: &Options) {
        if options.only.is_some() || options.quick {
            return;
        }
        if options.verdicts.is_some() {
            return Verdict::head();
        }
        println!("| operation | contender | CPU ns | min | max | to the first |");
        println!("|---|---|---:|---:|---:|---:|");
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
        let samples = self.samples();
        match &options.verdicts {
            Some(verdicts) => verdicts.borrow_mut().add(self.verdict(&samples)),
            None => self.print(samples),
        }
    }

    /// Nanoseconds an operation, by contender and round.
    fn samples(&mut self) -> Vec<Vec<f64>> {
        let counts: Vec<u64> = (self.contenders.iter_mut())
            .map(|(_, run)| calibrate(run))
            .collect();
        let mut samples = vec![Vec::new(); counts.len()];
        for _ in 0..SAMPLES {
            for (index, (_, run)) in self.contenders.iter_mut().enumerate() {
                samples[index].push(run(counts[index]).ns_each());
            }
        }
        samples
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

    fn verdict(&self, samples: &[Vec<f64>]) -> Verdict {
        let names = self.contenders.iter().map(|(name, _)| name.clone());
        Verdict::of_rounds(&self.name, self.bar, names, samples)
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

/// Runs a coroutine on the thread's loop.
pub(crate) fn run<T>(coroutine: impl FnOnce() -> Deferred<T>) -> T {
    IoLoop::current().run_sync(coroutine)
}
