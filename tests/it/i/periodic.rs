//! Periodic callbacks: when they come, and that they never overlap.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use squall::{Deferred, IoLoop, PeriodicCallback, sleep, yield_};

use crate::support::{Trace, capture_logs, run};

const SECOND: Duration = Duration::from_secs(1);

/// Notes the seconds since it was made.
#[derive(Clone)]
struct Times {
    begin: std::time::Instant,
    seen: Rc<RefCell<Vec<f64>>>,
}

impl Times {
    fn new() -> Times {
        Times {
            begin: IoLoop::current().time(),
            seen: Rc::default(),
        }
    }

    fn note(&self) {
        let now = IoLoop::current().time() - self.begin;
        self.seen.borrow_mut().push(now.as_secs_f64());
    }

    fn take(&self) -> Vec<f64> {
        self.seen.take()
    }
}

fn every(seconds: u64, callback: impl FnMut() + 'static) -> PeriodicCallback {
    PeriodicCallback::new(SECOND * seconds as u32, callback).expect("it has a period")
}

// tornado: ioloop_test.py TestPeriodicCallback.test_basic (I51)
#[squall::test]
fn i51_a_periodic_callback_is_first_called_after_one_period() {
    let times = Times::new();
    let seen = times.clone();
    let periodic = every(10, move || seen.note());
    assert!(!periodic.is_running());
    periodic.start();
    periodic.start();
    yield_!(sleep(55 * SECOND));
    periodic.stop();
    assert_eq!(times.take(), [10.0, 20.0, 30.0, 40.0, 50.0]);
}

// tornado: ioloop_test.py TestPeriodicCallback.test_overrun (I52)
#[squall::test]
fn i52_a_late_periodic_callback_keeps_its_phase() {
    #[squall::coroutine]
    fn busy(seconds: u64) {
        yield_!(sleep(SECOND * seconds as u32));
    }

    let times = Times::new();
    let (seen, durations) = (times.clone(), [9, 9, 10, 11, 20, 20, 35, 35, 0, 0, 0]);
    let mut durations = durations.into_iter();
    let periodic = PeriodicCallback::new(10 * SECOND, move || {
        seen.note();
        busy(durations.next().unwrap_or_default())
    });
    let periodic = periodic.unwrap();
    periodic.start();
    yield_!(sleep(235 * SECOND));
    periodic.stop();
    let want = [
        10.0, 20.0, 30.0, 50.0, 70.0, 100.0, 130.0, 170.0, 210.0, 220.0, 230.0,
    ];
    assert_eq!(times.take(), want);
}

// tornado: ioloop.py PeriodicCallback.__init__ (I53)
#[test]
fn bad_i53_period_of_zero_is_an_error() {
    let error = PeriodicCallback::new(Duration::ZERO, || {}).unwrap_err();
    let want = "a periodic callback's period is longer than zero";
    assert_eq!(error.to_string(), want);
}

// tornado: ioloop.py PeriodicCallback._run (I54)
#[test]
fn i54_a_periodic_callback_that_fails_is_logged_and_called_again() {
    #[squall::coroutine]
    fn work(n: u32) -> Result<(), String> {
        match n {
            1 => panic!("at once"),
            2 => Err("an error at once".to_owned()),
            3 => {
                yield_!(sleep(SECOND));
                Err("an error later".to_owned())
            }
            4 => {
                yield_!(sleep(SECOND));
                panic!("later")
            }
            _ => Ok(()),
        }
    }

    let (calls, log) = capture_logs(|| {
        run(|| async {
            let calls = Rc::new(Cell::new(0));
            let seen = calls.clone();
            let periodic = PeriodicCallback::new(10 * SECOND, move || {
                seen.set(seen.get() + 1);
                assert_ne!(seen.get(), 5, "in the callback");
                work(seen.get())
            });
            periodic.unwrap().start();
            yield_!(sleep(65 * SECOND));
            calls.get()
        })
    });
    assert_eq!(calls, 6);
    let messages = [
        "at once",
        "an error at once",
        "an error later",
        "later",
        "in the callback",
    ];
    assert_eq!(log.len(), messages.len(), "{log:#?}");
    for (line, message) in log.iter().zip(messages) {
        assert!(
            line.starts_with("ERROR squall: ") && line.contains(message),
            "{line}"
        );
    }
}

// tornado: ioloop.py PeriodicCallback.stop (I55)
#[squall::test]
fn i55_a_stopped_periodic_callback_is_not_called() {
    let trace = Trace::new();
    let seen = trace.clone();
    let outside = every(10, move || seen.add("outside"));
    outside.start();
    assert!(outside.is_running());
    let itself: Rc<RefCell<Option<PeriodicCallback>>> = Rc::default();
    let (seen, me) = (trace.clone(), itself.clone());
    let inside = every(7, move || {
        seen.add("inside");
        me.borrow().as_ref().expect("it is there").stop();
    });
    inside.start();
    *itself.borrow_mut() = Some(inside);
    yield_!(sleep(15 * SECOND));
    outside.stop();
    outside.stop();
    yield_!(sleep(100 * SECOND));
    assert_eq!(trace.take(), ["inside", "outside"]);
    assert!(!outside.is_running());
    let inside = itself.take().unwrap();
    assert!(!inside.is_running());
    // It may be started again, with a new phase.
    outside.start();
    yield_!(sleep(11 * SECOND));
    assert_eq!(trace.take(), ["outside"]);
    outside.stop();
}

// tornado: ioloop_test.py 6: test_periodic_coro, test_periodic_async (I56)
#[squall::test]
fn i56_calls_of_a_periodic_coroutine_never_overlap() {
    #[squall::coroutine]
    fn work(running: Rc<Cell<u32>>, most: Rc<Cell<u32>>, times: Times) {
        times.note();
        running.set(running.get() + 1);
        most.set(most.get().max(running.get()));
        yield_!(sleep(25 * SECOND));
        running.set(running.get() - 1);
    }

    let (running, most, times) = (Rc::default(), Rc::new(Cell::new(0)), Times::new());
    let (seen, noted) = (most.clone(), times.clone());
    let call = move || work(Rc::clone(&running), seen.clone(), noted.clone());
    let periodic = PeriodicCallback::new(10 * SECOND, call).unwrap();
    periodic.start();
    yield_!(sleep(105 * SECOND));
    // Also not when it is started again while its coroutine goes on.
    periodic.stop();
    periodic.start();
    yield_!(sleep(95 * SECOND));
    periodic.stop();
    assert_eq!(most.get(), 1);
    let times = times.take();
    assert_eq!(times[..4], [10.0, 40.0, 70.0, 100.0]);
    // Started again at 105, the coroutine of 100 ends at 125.
    assert_eq!(times[4], 135.0);
}

// tornado: ioloop_test.py 6: test_periodic_plain (I57)
#[squall::test]
fn i57_plain_and_finished_callbacks_are_counted_alike() {
    let counts = [Rc::new(Cell::new(0)), Rc::new(Cell::new(0))];
    let [plain, done] = counts.clone();
    every(10, move || plain.set(plain.get() + 1)).start();
    let call = move || {
        done.set(done.get() + 1);
        Deferred::ready(())
    };
    PeriodicCallback::new(10 * SECOND, call).unwrap().start();
    yield_!(sleep(95 * SECOND));
    assert_eq!(counts.map(|count| count.get()), [9, 9]);
}

// tornado: ioloop_test.py 6: test_jitter (I58)
#[squall::test]
fn i58_jitter_widens_a_period_around_its_length() {
    let times = Times::new();
    let (seen, numbers) = (times.clone(), [0.5, 1.0, 0.0, 0.75, 0.5]);
    let mut numbers = numbers.into_iter().cycle();
    let periodic = every(10, move || seen.note());
    let periodic = periodic.jitter(0.5).random(move || numbers.next().unwrap());
    periodic.start();
    yield_!(sleep(45 * SECOND));
    periodic.stop();
    assert_eq!(times.take(), [10.0, 22.5, 30.0, 41.25]);
}

#[squall::test]
fn jitter_out_of_its_range_counts_as_the_nearer_end() {
    for (jitter, want) in [
        (-1.0, 10.0),
        (f64::NAN, 10.0),
        (7.0, 5.0),
        (f64::INFINITY, 5.0),
    ] {
        let times = Times::new();
        let seen = times.clone();
        let periodic = every(10, move || seen.note())
            .jitter(jitter)
            .random(|| -3.0);
        periodic.start();
        yield_!(sleep(13 * SECOND));
        periodic.stop();
        assert_eq!(times.take()[0], want, "{jitter}");
    }
}

// tornado: ioloop_test.py 6: test_timedelta (I60)
#[squall::test]
fn i60_a_period_is_a_duration() {
    let times = Times::new();
    let seen = times.clone();
    let periodic = every(83, move || seen.note());
    assert!(format!("{periodic:?}").contains("period: 83s"));
    periodic.start();
    yield_!(sleep(84 * SECOND));
    assert_eq!(times.take(), [83.0]);
}

#[test]
fn bad_start_on_a_closed_loop_leaves_a_periodic_callback_at_rest() {
    let io_loop = IoLoop::with_virtual_clock().unwrap();
    io_loop.make_current();
    io_loop.close();
    let periodic = every(1, || {});
    periodic.start();
    assert!(!periodic.is_running());
    // It runs on the next one.
    run(|| async move {
        periodic.start();
        assert!(periodic.is_running());
        periodic.stop();
    });
    IoLoop::clear_current();
}

#[test]
fn periodic_callback_goes_on_without_its_owner_and_ends_with_its_loop() {
    let held = Rc::new(());
    let calls = Rc::new(Cell::new(0));
    let (inside, seen) = (held.clone(), calls.clone());
    run(|| async move {
        every(1, move || {
            let _ = &inside;
            seen.set(seen.get() + 1);
        })
        .start();
        yield_!(sleep(3 * SECOND + SECOND / 2));
    });
    assert_eq!(calls.get(), 3);
    assert_eq!(Rc::strong_count(&held), 1, "dropped with the loop");
}
