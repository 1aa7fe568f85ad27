//! Waits that have an end: Tornado's assertions G59 to G73.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use squall::{
    Deferred, IoLoop, Promise, TimeoutError, moment, sleep, sleep_until, with_timeout, yield_,
};

use crate::support::{OnDrop, Trace, capture_logs, run};

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
    assert_eq!(error.to_string(), "timed out after 1 s");
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
fn g63_a_limit_in_the_past_leaves_a_turn_for_what_is_nearly_done() {
    let past = IoLoop::current().time() - SECOND;
    let (promise, soon) = Promise::new();
    IoLoop::current().add_callback(move || promise.set_result(7));
    assert_eq!(yield_!(with_timeout(past, soon)), Ok(7));
    let (promise, soon) = Promise::new();
    IoLoop::current().add_callback(move || promise.set_result(8));
    assert_eq!(yield_!(with_timeout(Duration::ZERO, soon)), Ok(8));
    let two_turns = async {
        yield_!(moment());
        yield_!(sleep(Duration::ZERO));
        yield_!(sleep(Duration::ZERO));
    };
    assert!(yield_!(with_timeout(past, two_turns)).is_err());
}

#[squall::test]
fn g64_a_thread_that_is_late_is_not_waited_for() {
    let work = squall::run_in_executor(|| std::thread::sleep(Duration::from_millis(50)));
    assert!(yield_!(with_timeout(Duration::ZERO, work)).is_err());
}

#[squall::test]
fn g65_a_thread_that_is_in_time_gives_its_result() {
    let work = squall::run_in_executor(|| 7);
    assert_eq!(
        yield_!(with_timeout(3600 * SECOND, work).or_fail()).unwrap(),
        7
    );
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

#[test]
fn g66_a_quiet_wait_logs_no_error_but_a_panic() {
    #[squall::coroutine]
    fn panics_later() -> Result<(), String> {
        yield_!(sleep(2 * SECOND));
        panic!("a mistake");
    }
    let ((), logs) = capture_logs(|| {
        run(|| async {
            assert!(yield_!(with_timeout(SECOND, fails_after(2)).quiet()).is_err());
            assert!(yield_!(with_timeout(SECOND, panics_later()).quiet()).is_err());
            drop(with_timeout(SECOND, fails_after(2)).quiet()); // not late: given up otherwise
            yield_!(sleep(3 * SECOND));
        });
    });
    assert_eq!(logs.len(), 2, "{logs:?}");
    assert!(logs[0].contains("a mistake"), "{logs:?}");
    assert!(logs[1].contains("after 2 s"), "{logs:?}");
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
fn g69_a_plain_future_is_dropped_at_the_limit() {
    let trace = Trace::new();
    let held = OnDrop(trace.clone(), "dropped");
    let mut wait = std::pin::pin!(with_timeout(SECOND, async move {
        let _held = held;
        std::future::pending::<()>().await;
    }));
    assert!(yield_!(&mut wait).is_err());
    assert_eq!(trace.take(), ["dropped"], "with the wait still there");
}

#[squall::test]
fn g70_a_text_that_is_made_is_made_for_an_error_alone() {
    let made = Rc::new(Cell::new(0));
    let make = |text: &'static str| {
        let made = made.clone();
        move || {
            made.set(made.get() + 1);
            format!("{text} came too late")
        }
    };
    let in_time = with_timeout(SECOND, moment()).message_with(make("the moment"));
    assert_eq!((yield_!(in_time), made.get()), (Ok(()), 0));
    let late = with_timeout(SECOND, sleep(2 * SECOND)).message_with(make("the sleep"));
    let error = yield_!(late).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), made.get()),
        ("the sleep came too late", 1)
    );
}

#[squall::test]
fn no_limit_is_no_limit() {
    let none: Option<Duration> = None;
    assert_eq!(yield_!(with_timeout(none, sleep(3600 * SECOND))), Ok(()));
    assert!(yield_!(with_timeout(Some(SECOND), sleep(3600 * SECOND))).is_err());
    assert_eq!(yield_!(with_timeout(Duration::MAX, moment())), Ok(()));
}

#[squall::test]
fn timeout_can_be_one_of_the_errors_of_what_is_waited_for() {
    #[derive(Debug, PartialEq)]
    enum Failed {
        Late(String),
        Other,
    }
    impl From<TimeoutError> for Failed {
        fn from(error: TimeoutError) -> Failed {
            Failed::Late(error.to_string())
        }
    }
    #[squall::coroutine]
    fn work(seconds: u64) -> Result<u64, Failed> {
        yield_!(sleep(Duration::from_secs(seconds)));
        if seconds == 0 {
            Err(Failed::Other)
        } else {
            Ok(seconds)
        }
    }
    let limited = |seconds| with_timeout(3 * SECOND, work(seconds)).or_fail();
    assert_eq!(yield_!([1, 2].map(limited)), Ok([1, 2]));
    assert_eq!(yield_!(limited(0)), Err(Failed::Other));
    let late = Failed::Late("timed out after 3 s".into());
    assert_eq!(yield_!(limited(4)), Err(late));
}

#[squall::test]
fn limits_are_shown_with_their_units() {
    for (limit, want) in [
        (Duration::from_millis(1500), "timed out after 1.5 s"),
        (Duration::from_millis(5), "timed out after 5 ms"),
        (Duration::from_micros(20), "timed out after 20 µs"),
    ] {
        let error = yield_!(with_timeout(limit, sleep(2 * SECOND))).unwrap_err();
        assert_eq!(error.to_string(), want);
    }
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
