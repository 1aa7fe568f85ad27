//! What `#[squall::test]` calls.
//!
//! A test runs once without a seed, once with the seed that it is pinned to, or once with each of
//! several; `SQUALL_SEED` in the environment has any test run once, with that one. A failure under a
//! seed is told with the seed and the last events before it goes its way.

use std::env;
use std::ffi::OsString;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use super::leaks::Leaks;
use super::simulation::Simulation;
use crate::coro::deferred::Deferred;
use crate::coro::outcome::OutcomeView;

/// Names one seed for all tests of a process.
const SEED: &str = "SQUALL_SEED";

/// Names a folder that each run writes its event log to.
const LOG_FOLDER: &str = "SQUALL_LOG_EVENTS";

/// How many of the last events are told with a failure.
const LAST: usize = 40;

/// How many bytes of the log are kept if only the last events are told.
const SHORT_LOG: usize = 64 * 1024;

/// What stands in the parentheses of `#[squall::test]`.
#[derive(Clone, Copy, Debug)]
pub struct TestPlan {
    /// The test's module and name.
    pub name: &'static str,
    /// The seed that it is pinned to.
    pub seed: Option<u64>,
    /// How many seeds it is run with.
    pub seeds: Option<u64>,
    /// What it may leave behind.
    pub leaks: Leaks,
    /// How much virtual time it may take.
    pub timeout: Option<Duration>,
}

/// Runs a test, with each of its seeds.
pub fn run_test<T, V: OutcomeView<T>>(plan: &TestPlan, view: V, test: fn() -> Deferred<T>) -> T {
    let folder = env::var_os(LOG_FOLDER);
    let mut last = None;
    for seed in seeds(plan, env::var_os(SEED)) {
        // Destroyed before the next run: it may hold what belongs to its loop.
        drop(last.take());
        let value = run_once(plan, seed, folder.as_deref().map(Path::new), &view, test);
        if seed.is_some() && view.failure(&value).is_some() {
            return value;
        }
        last = Some(value);
    }
    last.expect("a test has one seed at least, as the macro sees to")
}

/// The seeds to run with; the one `None` if it is run without.
fn seeds(plan: &TestPlan, asked: Option<OsString>) -> Box<dyn Iterator<Item = Option<u64>>> {
    if let Some(asked) = asked {
        let seed = asked.to_str().and_then(|asked| asked.trim().parse().ok());
        let Some(seed) = seed else {
            panic!(
                "{SEED} is {asked:?}, which is no seed: set it to a whole number from 0 to {}, or unset it",
                u64::MAX
            );
        };
        return Box::new([Some(seed)].into_iter());
    }
    match plan.seeds {
        Some(count) => Box::new((0..count).map(Some)),
        None => Box::new([plan.seed].into_iter()),
    }
}

fn run_once<T>(
    plan: &TestPlan,
    seed: Option<u64>,
    folder: Option<&Path>,
    view: &impl OutcomeView<T>,
    test: fn() -> Deferred<T>,
) -> T {
    let mut simulation = Simulation::new().leaks(plan.leaks);
    if let Some(timeout) = plan.timeout {
        simulation = simulation.timeout(timeout);
    }
    simulation = match (seed, folder) {
        (Some(seed), Some(_)) => simulation.seed(seed),
        (Some(seed), None) => simulation.seed(seed).log_limit(SHORT_LOG),
        (None, Some(_)) => simulation,
        (None, None) => simulation.log_limit(0),
    };
    let run = simulation.run(test);
    if let Some(folder) = folder {
        write_log(folder, plan.name, seed, run.log());
    }
    let failed = run
        .outcome()
        .map_or(true, |value| view.failure(value).is_some());
    if let Some(seed) = seed.filter(|_| failed) {
        // To stderr, and before the failure goes its way: whatever it is, it is told beside it.
        eprintln!("{}", tell(plan.name, seed, run.log()));
    }
    match run.into_outcome() {
        Ok(value) => value,
        Err(failure) => failure.resume(),
    }
}

/// What is told of a failure under a seed.
fn tell(name: &str, seed: u64, log: &str) -> String {
    let short = name.split_once("::").map_or(name, |(_, rest)| rest);
    let mut text = format!(
        "the test {name} failed with the seed {seed}; to replay it: {SEED}={seed} cargo test {short}\n"
    );
    let events: Vec<&str> = log.lines().collect();
    let last = events.len().saturating_sub(LAST);
    let written = match last {
        0 => writeln!(text, "the events (turn, seconds, event):"),
        left_out => writeln!(
            text,
            "the last {LAST} events (turn, seconds, event); all, or {left_out} more, with {LOG_FOLDER}=<folder>:"
        ),
    };
    written.expect("a string takes everything");
    for event in &events[last..] {
        text.push_str("  ");
        text.push_str(event);
        text.push('\n');
    }
    text
}

/// Writes the log of one run into the folder. A test does not fail for it.
fn write_log(folder: &Path, name: &str, seed: Option<u64>, log: &str) {
    let seed = seed.map_or_else(|| "unseeded".to_owned(), |seed| format!("seed-{seed}"));
    let file = folder.join(format!("{}.{seed}.log", name.replace("::", ".")));
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&file, log));
    if let Err(error) = written {
        eprintln!(
            "the event log could not be written to {}: {error}",
            file.display()
        );
    }
}
