//! Waits that have an end: Tornado's assertions G59 to G73.

use std::time::Duration;

use squall::{Deferred, IoLoop, Promise, moment, sleep, sleep_until, with_timeout, yield_};

use crate::support::{capture_logs, run};

const SECOND: Duration = Duration::from_secs(1);

#[squall::coroutine]
fn fails_after(seconds: u64) -> Result<u32, String> {
    yield_!(sleep(Duration::from_secs(seconds)));
    Err(format!("after {seconds} s"))
}

#[squall::test]
fn g59_what_never_ends_is_an_error_at_the_limit() {
    let began = IoLoop::current().time();
    let (_promise, never) = Promise::<()>::new();
    let error = yield_!(with_timeout(SECOND, never)).unwrap_err();
    assert_eq!(error.to_string(), "timed out after 1s");
    assert_eq!(IoLoop::current().time() - began, SECOND);
}

#[squall::test]
fn g60_what_ends_in_time_gives_its_value() {
    let work = async {
        yield_!(sleep(SECOND / 2));
        7
    };
    assert_eq!(yield_!(with_timeout(SECOND, work)), Ok(7));
}

#[squall::test]
fn g61_what_fails_in_time_gives_its_error() {
    let result = yield_!(with_timeout(2 * SECOND, fails_after(1)));
    assert_eq!(result.unwrap(), Err("after 1 s".to_owned()));
}

#[squall::test]
fn g62_what_is_done_wins_even_if_the_limit_is_past() {
    let past = IoLoop::current().time() - SECOND;
    assert_eq!(yield_!(with_timeout(past, Deferred::ready(7))), Ok(7));
}

#[squall::test]
fn g63_a_limit_in_the_past_ends_what_is_pending() {
    let past = IoLoop::current().time() - SECOND;
    let (_promise, never) = Promise::<()>::new();
    let error = yield_!(with_timeout(past, never)).unwrap_err();
    assert_eq!(error.to_string(), "timed out");
}

#[squall::test]
fn g64_a_thread_that_is_late_is_not_waited_for() {
    let work = squall::run_in_executor(|| std::thread::sleep(Duration::from_millis(50)));
    assert!(yield_!(with_timeout(Duration::ZERO, work)).is_err());
}

#[test]
fn g66_a_failure_after_the_limit_is_logged_once() {
    let ((), logs) = capture_logs(|| {
        run(|| async {
            assert!(yield_!(with_timeout(SECOND, fails_after(2))).is_err());
            yield_!(sleep(3 * SECOND));
        });
    });
    assert_eq!(logs.len(), 1, "{logs:?}");
    assert!(logs[0].contains("never retrieved: after 2 s"), "{logs:?}");
}

#[squall::test]
fn g67_what_was_late_can_be_waited_for_again() {
    let mut late = fails_after(2);
    assert!(yield_!(with_timeout(SECOND, &mut late)).is_err());
    assert_eq!(yield_!(late), Err("after 2 s".to_owned()));
}

#[squall::test]
fn g68_success_removes_the_timer() {
    assert!(yield_!(with_timeout(3600 * SECOND, moment())).is_ok());
    let timers = format!("{:?}", IoLoop::current());
    assert!(timers.contains("timers: 0"), "{timers}");
}

#[squall::test]
fn g70_the_error_has_the_text_it_was_given() {
    let (_promise, never) = Promise::<()>::new();
    let error = yield_!(with_timeout(SECOND, never).message("custom")).unwrap_err();
    assert_eq!(error.to_string(), "custom");
    let error = squall::Error::from(error);
    assert!(error.is_timeout());
    assert_eq!(error.to_string(), "custom");
}

#[squall::test]
fn g72_a_sleep_counts_from_its_creation() {
    let began = IoLoop::current().time();
    let (first, second) = (sleep(2 * SECOND), sleep_until(began + SECOND));
    yield_!(sleep(SECOND));
    yield_!((first, second));
    assert_eq!(IoLoop::current().time() - began, 2 * SECOND);
}
