use std::cell::RefCell;
use std::env;
use std::fs;
use std::process::{Command, Output};

use squall::{IoLoop, moment, yield_};

use crate::programs::Folder;
use crate::support::SECOND;

/// Set in the processes that run the planted failures below; in others they pass.
const PLANTED: &str = "SQUALL_TEST_PLANTED";

fn is_planted() -> bool {
    env::var_os(PLANTED).is_some()
}

/// Runs a test of this file in a process of its own, with the failures that are planted in it.
fn run(test: &str, environment: &[(&str, &str)]) -> (Output, String) {
    let this = env::current_exe().expect("the system says what runs");
    let mut command = Command::new(this);
    command.args(["--exact", &format!("sim::attribute::{test}")]);
    command
        .env(PLANTED, "1")
        .env("RUST_BACKTRACE", "0")
        .env_remove("SQUALL_SEED");
    command.envs(environment.iter().copied());
    let output = command.output().expect("the test can be run again");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, text)
}

thread_local! {
    static RUNS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Two coroutines that append to a text, in the order in which they run.
#[squall::coroutine]
fn order() -> String {
    #[squall::coroutine]
    fn one(name: char) {
        yield_!(moment());
        RUNS.with_borrow_mut(|runs| runs.last_mut().expect("there is one").push(name));
    }
    RUNS.with_borrow_mut(|runs| runs.push(String::new()));
    yield_!(['a', 'b', 'c'].map(one));
    RUNS.with_borrow_mut(|runs| runs.last().expect("there is one").clone())
}

#[squall::test(seeds = 100)]
fn fails_under_some_seed() {
    let order = yield_!(order());
    assert!(!is_planted() || order != "cba", "c before a");
}

#[squall::test(seeds = 100)]
fn fails_with_an_error_under_some_seed() -> Result<(), String> {
    let order = yield_!(order());
    match is_planted() && order == "cba" {
        true => Err("an error of its own".to_owned()),
        false => Ok(()),
    }
}

#[squall::test(seeds = 3)]
fn leaks_a_timer() {
    if is_planted() {
        IoLoop::current().call_later(SECOND, || {});
    }
    yield_!(moment());
}

#[squall::test(leaks = "allow")]
fn leaks_a_timer_and_may() {
    IoLoop::current().call_later(SECOND, || {});
    yield_!(moment());
}

#[squall::test(leaks = "strict")]
fn leaves_a_coroutine() {
    if is_planted() {
        drop(crate::support::after(5, ()));
    }
    yield_!(moment());
}

#[squall::test(timeout_secs = 60, seed = 1)]
fn takes_two_minutes() {
    if is_planted() {
        yield_!(squall::sleep(120 * SECOND));
    }
}

/// The seed that a failure names.
fn seed_of(text: &str) -> String {
    let (_, rest) = text
        .split_once("to replay it: SQUALL_SEED=")
        .expect("it says how");
    rest.split_once(' ')
        .expect("a command follows")
        .0
        .to_owned()
}

#[test]
fn a_failure_says_its_seed_which_replays_it() {
    for test in [
        "fails_under_some_seed",
        "fails_with_an_error_under_some_seed",
    ] {
        let (output, text) = run(test, &[]);
        assert!(!output.status.success(), "{text}");
        let seed = seed_of(&text);
        let command = format!("SQUALL_SEED={seed} cargo test sim::attribute::{test}\n");
        assert!(text.contains(&command), "{text}");
        assert!(
            text.contains(&format!("failed with the seed {seed}")),
            "{text}"
        );
        assert!(
            text.contains("start one #3 (tests/it/sim/attribute.rs"),
            "{text}"
        );

        let (output, again) = run(test, &[("SQUALL_SEED", &seed)]);
        assert!(!output.status.success());
        let told = |text: &str| {
            let (_, rest) = text.split_once("to replay it").expect("it says how");
            rest.split_once("failures:")
                .expect("the list follows")
                .0
                .to_owned()
        };
        assert_eq!(told(&again), told(&text));
        // Another one runs that one only, and passes.
        let (output, text) = run(test, &[("SQUALL_SEED", " 0 ")]);
        assert!(output.status.success() || seed == "0", "{text}");
    }
}

#[test]
fn leaks_and_times_out_of_tests_are_failures() {
    let cases = [
        (
            "leaks_a_timer",
            "a timer that calls back in 1s",
            "SQUALL_SEED=0 ",
        ),
        (
            "leaves_a_coroutine",
            "coroutine after at tests/it/support.rs",
            "",
        ),
        (
            "takes_two_minutes",
            "operation timed out after 60 seconds",
            "SQUALL_SEED=1 ",
        ),
    ];
    for (test, message, seed) in cases {
        let (output, text) = run(test, &[]);
        assert!(!output.status.success(), "{test}: {text}");
        assert!(
            text.contains(message) && text.contains(seed),
            "{test}: {text}"
        );
    }
}

#[test]
fn a_seed_that_is_none_is_refused() {
    for seed in ["seventeen", "-1", "", "18446744073709551616"] {
        let (output, text) = run("leaks_a_timer_and_may", &[("SQUALL_SEED", seed)]);
        assert!(!output.status.success());
        let want = format!("SQUALL_SEED is {seed:?}, which is no seed: set it to a whole number");
        assert!(text.contains(&want), "{text}");
    }
}

#[test]
fn each_run_writes_its_log_where_the_environment_says() {
    let own = Folder::new("events");
    // It is made by the run.
    let folder = own.join("events");
    let path = folder.to_str().expect("the folder's name is text");
    let environment = [("SQUALL_LOG_EVENTS", path), (PLANTED, "1")];
    let (output, text) = run("leaks_a_timer_and_may", &environment);
    assert!(output.status.success(), "{text}");
    let (output, _) = run("fails_under_some_seed", &environment);
    assert!(!output.status.success());
    let read = |name: &str| {
        let file = folder.join(format!("it.sim.attribute.{name}.log"));
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    let first = "0 0.000000000 start leaks_a_timer_and_may #1 (tests/it/sim/attribute.rs:";
    assert!(read("leaks_a_timer_and_may.unseeded").starts_with(first));
    let log = read("fails_under_some_seed.seed-0");
    assert!(log.contains("start order #2"), "{log}");
}

#[test]
fn seeds_are_run_from_0_on_and_one_is_run_once() {
    fn runs_of(test: fn()) -> Vec<String> {
        RUNS.take();
        test();
        RUNS.take()
    }
    // The attribute leaves plain functions.
    if env::var_os("SQUALL_SEED").is_some() {
        return;
    }
    let many = runs_of(fails_under_some_seed);
    assert_eq!(many.len(), 100);
    assert!(many.contains(&"cba".to_owned()) && many.contains(&"abc".to_owned()));
    let pinned = [(); 2].map(|()| runs_of(pinned_to_17));
    assert_eq!(pinned[0], pinned[1]);
    assert_eq!(pinned[0][0], many[17]);
    assert_eq!(pinned[0].len(), 1);
    assert_eq!(runs_of(without_a_seed), ["abc"]);
}

#[squall::test(seed = 17)]
fn pinned_to_17() {
    yield_!(order());
}

#[squall::test]
fn without_a_seed() {
    yield_!(order());
}

#[squall::test(seeds = 5)]
#[should_panic(expected = "as it should")]
fn a_panic_under_a_seed_is_the_tests_own() {
    yield_!(moment());
    panic!("as it should");
}
