//! What blocks a loop is told while it blocks; how long turns and coroutines run is measured.
//!
//! Who blocks waits until the watchdog has spoken, so that no test depends on how fast the machine is.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use squall::{Blocked, BlockingAction, IoLoop, Result, dump, live, moment, sleep, yield_};

use crate::support::{capture_all_logs, capture_logs, run};

const FILE: &str = file!();
const THRESHOLD: Option<Duration> = Some(Duration::from_millis(20));

/// Blocks the thread until somebody speaks. A watchdog that is silent fails the test.
fn block(spoken: &Receiver<Blocked>) -> Blocked {
    let long = Duration::from_secs(60);
    spoken
        .recv_timeout(long)
        .expect("the watchdog speaks while the loop is blocked")
}

fn tell(to: Sender<Blocked>) -> BlockingAction {
    BlockingAction::call(move |blocked| {
        let _ = to.send(blocked.clone());
    })
}

/// Runs `f` on a loop with a real clock that is watched.
fn watched<R>(f: impl FnOnce(Receiver<Blocked>) -> R) -> R {
    let (sender, spoken) = channel();
    let io_loop = IoLoop::new().unwrap();
    io_loop.make_current();
    io_loop
        .set_blocking_signal_threshold(THRESHOLD, tell(sender))
        .unwrap();
    let result = f(spoken);
    io_loop.close();
    IoLoop::clear_current();
    result
}

const BLOCKS: u32 = line!() + 2;
#[squall::coroutine]
fn blocks(spoken: Receiver<Blocked>) -> Blocked {
    yield_!(sleep(Duration::from_millis(1)));
    yield_!(std::future::ready(())); // Does not wait, so it is not resumed from here.
    block(&spoken)
}

#[test]
fn coroutine_that_blocks_is_told_while_it_blocks() {
    let blocked = watched(|spoken| IoLoop::current().run_sync(|| blocks(spoken)));
    let coroutine = blocked.coroutine().unwrap();
    assert_eq!((coroutine.name, coroutine.line), ("blocks", BLOCKS));
    assert_eq!(blocked.resumed_from().unwrap().line, BLOCKS + 1);
    assert!(blocked.duration() >= THRESHOLD.unwrap());
    let thread = std::thread::current();
    assert_eq!(blocked.thread(), thread.name().unwrap());
    let text = blocked.to_string();
    let (begin, end) = text.split_once(" already, by ").unwrap();
    let thread = blocked.thread();
    assert!(
        begin.starts_with(&format!("the loop of thread `{thread}` is blocked, for ")),
        "{text}"
    );
    assert_eq!(
        end,
        format!(
            "coroutine it::watchdog::blocks ({FILE}:{BLOCKS})\n    \
            resumed from the yield at {FILE}:{}:5: sleep(Duration::from_millis(1))",
            BLOCKS + 1
        )
    );
    let ((), log) = capture_logs(|| blocked.log());
    assert_eq!(log, [format!("WARN squall: {text}")]);
}

#[test]
fn coroutine_that_blocks_in_its_first_run_and_a_callback_are_told_apart() {
    #[squall::coroutine]
    fn at_once(spoken: Arc<Mutex<Receiver<Blocked>>>) -> Blocked {
        block(&spoken.lock().unwrap())
    }
    let (first, callback) = watched(|spoken| {
        let io_loop = IoLoop::current();
        let spoken = Arc::new(Mutex::new(spoken));
        let first = io_loop.run_sync(|| at_once(spoken.clone()));
        let (sender, result) = channel();
        let stopper = io_loop.clone();
        io_loop.add_callback(move || {
            sender.send(block(&spoken.lock().unwrap())).unwrap();
            stopper.stop();
        });
        io_loop.start().unwrap();
        (first, result.recv().unwrap())
    });
    assert_eq!(first.coroutine().unwrap().name, "at_once");
    assert!(first.resumed_from().is_none());
    assert!(
        first.to_string().ends_with("\n    in its first run"),
        "{first}"
    );
    assert!(callback.coroutine().is_none());
    assert!(
        callback.to_string().ends_with("by a callback or handler"),
        "{callback}"
    );
}

// What an inner coroutine did must not hide the outer one, which goes on after it.
#[test]
fn innermost_coroutine_is_told_and_its_caller_after_it() {
    #[squall::coroutine]
    fn inner(spoken: &Receiver<Blocked>) -> Blocked {
        yield_!(moment());
        block(spoken)
    }
    #[squall::coroutine]
    fn started() {}
    #[squall::coroutine]
    fn outer(spoken: Receiver<Blocked>) -> (Blocked, Blocked) {
        let first = yield_!(inner(&spoken));
        yield_!(sleep(Duration::from_millis(1)));
        drop(started());
        (first, block(&spoken))
    }
    let (first, second) = watched(|spoken| IoLoop::current().run_sync(|| outer(spoken)));
    assert_eq!(first.coroutine().unwrap().name, "inner");
    assert_eq!(second.coroutine().unwrap().name, "outer");
    assert_eq!(
        second.resumed_from().unwrap().expression,
        "sleep(Duration::from_millis(1))"
    );
}

#[test]
fn loop_can_be_watched_from_inside_its_run() {
    #[squall::coroutine]
    fn begins() -> Result<Blocked> {
        let (sender, spoken) = channel();
        let io_loop = IoLoop::current();
        io_loop.set_blocking_signal_threshold(THRESHOLD, tell(sender))?;
        Ok(block(&spoken))
    }
    let io_loop = IoLoop::new().unwrap();
    io_loop.make_current();
    let blocked = io_loop.run_sync(begins).unwrap();
    assert_eq!(blocked.coroutine().unwrap().name, "begins");
    IoLoop::clear_current();
}

#[test]
fn action_that_panics_does_not_end_the_watch() {
    #[squall::coroutine]
    fn blocks_twice(spoken: Receiver<()>) -> usize {
        let mut told = 0;
        for _ in 0..2 {
            spoken
                .recv_timeout(Duration::from_secs(60))
                .expect("it speaks once a turn");
            told += 1;
            yield_!(sleep(Duration::from_millis(1)));
        }
        told
    }
    let (sender, spoken) = channel();
    let io_loop = IoLoop::new().unwrap();
    io_loop.make_current();
    let action = BlockingAction::call(move |_| {
        sender.send(()).unwrap();
        panic!("an action's mistake");
    });
    io_loop
        .set_blocking_signal_threshold(THRESHOLD, action)
        .unwrap();
    assert_eq!(io_loop.run_sync(|| blocks_twice(spoken)), 2);
    IoLoop::clear_current();
}

#[test]
fn threshold_of_zero_and_a_closed_loop_are_errors() {
    let io_loop = IoLoop::new().unwrap();
    let error = io_loop
        .set_blocking_log_threshold(Some(Duration::ZERO))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "a blocking threshold is longer than zero; `None` switches the watchdog off"
    );
    io_loop.set_blocking_log_threshold(None).unwrap();
    io_loop.close();
    assert!(io_loop.set_blocking_log_threshold(THRESHOLD).is_err());
}

#[squall::test]
fn nothing_is_measured_until_it_is_asked_for() {
    let call = sleeps();
    yield_!(moment());
    assert!(live().iter().all(|one| one.run_time().is_none()));
    let profile = IoLoop::current().profile();
    assert_eq!((profile.turns().count, profile.runs().len()), (0, 0));
    yield_!(call);
}

#[squall::coroutine]
fn sleeps() {
    for _ in 0..3 {
        yield_!(sleep(Duration::from_secs(1)));
    }
}

#[test]
fn runs_and_turns_are_counted_by_name() {
    let (profile, text) = run(|| async {
        let io_loop = IoLoop::current();
        io_loop.set_profiling(true);
        sleeps().await;
        let call = sleeps();
        sleep(Duration::from_millis(1500)).await;
        let one = live()
            .into_iter()
            .find(|one| one.coroutine().name == "sleeps")
            .unwrap();
        let (total, worst) = (one.run_time().unwrap(), one.worst_run_time().unwrap());
        assert!(total >= worst && worst > Duration::ZERO);
        let text = dump().to_string();
        call.await;
        (io_loop.profile(), text)
    });
    // The start and a resume for each sleep, of each of two.
    let runs = profile.runs()["it::watchdog::sleeps"];
    assert_eq!(runs.count, 8);
    assert!(runs.p50 <= runs.p99 && runs.p99 <= runs.max);
    assert!(profile.turns().count > 0);
    assert!(text.contains("; suspended 2 times; ran for "), "{text}");
    let text = profile.to_string();
    assert!(
        text.contains("\nruns of it::watchdog::sleeps: count 8, p50 "),
        "{text}"
    );
}

#[test]
fn closing_a_loop_logs_whom_it_abandons() {
    let ((), log) = capture_all_logs(|| {
        run(|| async {
            drop(sleeps());
        });
    });
    assert_eq!(log.len(), 1, "{log:?}");
    let text = "DEBUG squall: the loop is closed, and abandons 1 of its thread's coroutines\n\
        1 coroutine is alive\n  sleeps at tests/it/watchdog.rs:";
    assert!(log[0].starts_with(text), "{log:?}");
}

#[test]
fn log_dump_logs_the_tree() {
    let ((), log) = capture_logs(|| {
        run(|| async {
            let call = sleeps();
            IoLoop::current().log_dump();
            call.await;
        });
    });
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(
        log[0].starts_with("INFO squall: 1 coroutine is alive\n  sleeps at "),
        "{log:?}"
    );
}
