//! Timers: their order, their removal, deadlines that are out of the ordinary.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use squall::{IoLoop, PeriodicCallback, sleep, sleep_until, with_timeout, yield_};

use crate::support::Trace;

use super::{DAY, MS, poll_once, start, step, timers, virtual_loop};

// tornado: ioloop_test.py test_timeout_with_arguments (I4, I19)
#[squall::test]
fn i4_i19_timers_fire_by_deadline_and_not_by_the_order_of_setting() {
    let io_loop = IoLoop::current();
    let trace = Trace::new();
    let begin = io_loop.time();
    let note = |name: &'static str| {
        let (trace, io_loop) = (trace.clone(), io_loop.clone());
        move || trace.add(format!("{name} at {:?}", io_loop.time() - begin))
    };
    io_loop.call_later(30 * MS, note("third"));
    io_loop.call_at(begin + 20 * MS, note("second"));
    io_loop.call_later(Duration::from_micros(1), note("first"));
    io_loop.call_at(begin - MS, note("past"));
    yield_!(sleep(DAY));
    assert_eq!(
        trace.take(),
        [
            "past at 0ns",
            "first at 1µs",
            "second at 20ms",
            "third at 30ms"
        ]
    );
}

// tornado: ioloop_test.py test_timeout_with_arguments, and 4.5's heap (I19, I20)
#[squall::test]
fn i19_i20_equal_deadlines_fire_in_the_order_in_which_they_were_set() {
    let io_loop = IoLoop::current();
    let trace = Trace::new();
    let deadline = io_loop.time() + MS;
    for n in 0..20 {
        let trace = trace.clone();
        io_loop.call_at(deadline, move || trace.add(n.to_string()));
    }
    yield_!(sleep_until(deadline));
    assert_eq!(
        trace.take(),
        (0..20).map(|n: u32| n.to_string()).collect::<Vec<_>>()
    );
}

// tornado: ioloop_test.py test_remove_timeout_after_fire (I15)
#[squall::test]
fn i15_timeout_that_fired_or_was_removed_can_be_removed_again() {
    let io_loop = IoLoop::current();
    let trace = Trace::new();
    let fired = io_loop.call_later(MS, step(&trace, "fired"));
    yield_!(sleep(2 * MS));
    // Has the slot of the first, and must not be removed by its key.
    let live = io_loop.call_later(MS, step(&trace, "live"));
    io_loop.remove_timeout(fired);
    let removed = io_loop.call_later(MS, step(&trace, "removed"));
    io_loop.remove_timeout(removed);
    io_loop.remove_timeout(removed);
    yield_!(sleep(2 * MS));
    io_loop.remove_timeout(live);
    assert_eq!(trace.take(), ["fired", "live"]);
}

// tornado: ioloop_test.py test_remove_timeout_from_timeout (I17)
#[squall::test]
fn i17_timer_that_another_due_timer_removes_does_not_run() {
    let io_loop = IoLoop::current();
    let trace = Trace::new();
    let deadline = io_loop.time() + MS;
    let second = Rc::new(Cell::new(None));
    let (remover, key, first) = (io_loop.clone(), second.clone(), trace.clone());
    io_loop.call_at(deadline, move || {
        first.add("first");
        remover.remove_timeout(key.get().expect("it was set"));
    });
    second.set(Some(io_loop.call_at(deadline, step(&trace, "second"))));
    io_loop.call_at(deadline, step(&trace, "third"));
    yield_!(sleep(2 * MS));
    assert_eq!(trace.take(), ["first", "third"]);
}

// tornado: ioloop_test.py test_remove_timeout_cleanup (I16)
#[squall::test]
fn i16_hundred_thousand_timers_are_set_and_removed() {
    let io_loop = IoLoop::current();
    let trace = Trace::new();
    let dropped = Rc::new(());
    let mut kept = Vec::new();
    for n in 0..100_000 {
        let (trace, held) = (trace.clone(), dropped.clone());
        let timeout = io_loop.call_later(n % 1000 * MS, move || {
            drop(held);
            trace.add(n.to_string());
        });
        kept.push(timeout);
    }
    for (n, timeout) in kept.into_iter().enumerate() {
        if n != 77_777 {
            io_loop.remove_timeout(timeout);
        }
    }
    assert_eq!(timers(&io_loop), "1");
    assert_eq!(Rc::strong_count(&dropped), 2, "their callbacks are dropped");
    yield_!(sleep(DAY));
    assert_eq!(trace.take(), ["77777"]);
}

// tornado: ioloop.py PollIOLoop.start (I23)
#[squall::test]
fn i23_timer_that_sets_itself_anew_lets_others_run() {
    #[squall::coroutine]
    fn moments(trace: Trace) {
        for n in 0..3 {
            yield_!(sleep(Duration::from_nanos(1)));
            trace.add(format!("moment {n}"));
        }
    }

    fn again(io_loop: IoLoop, left: u32, trace: Trace) {
        trace.add(format!("timer, {left} left"));
        if left > 0 {
            let due = io_loop.time();
            let next = io_loop.clone();
            io_loop.call_at(due, move || again(next, left - 1, trace));
        }
    }

    let trace = Trace::new();
    let io_loop = IoLoop::current();
    let (first, steps) = (io_loop.clone(), trace.clone());
    io_loop.call_later(MS, move || again(first, 3, steps));
    io_loop.call_later(MS, step(&trace, "other"));
    yield_!(moments(trace.clone()));
    yield_!(sleep(2 * MS));
    assert_eq!(
        trace.take(),
        [
            "moment 0",
            "moment 1",
            "moment 2",
            "timer, 3 left",
            "other",
            "timer, 2 left",
            "timer, 1 left",
            "timer, 0 left"
        ]
    );
}

fn nobody_lives_to_see() {
    panic!("not in our time");
}

#[squall::test]
fn bad_delay_that_no_clock_can_hold_is_a_delay_all_the_same() {
    let io_loop = IoLoop::current();
    let timeout = io_loop.call_later(Duration::MAX, nobody_lives_to_see);
    let far = sleep(Duration::MAX);
    let never = std::future::pending::<()>();
    let mut limited = Box::pin(with_timeout(Duration::MAX, never));
    let periodic = PeriodicCallback::new(Duration::MAX, nobody_lives_to_see).unwrap();
    periodic.start();
    yield_!(std::future::poll_fn(|cx| {
        assert!(limited.as_mut().poll(cx).is_pending());
        std::task::Poll::Ready(())
    }));
    yield_!(sleep(365 * DAY));
    assert!(poll_once(&mut limited).is_pending());
    periodic.stop();
    io_loop.remove_timeout(timeout);
    assert!(far.deadline() > io_loop.time());
    drop(limited);
    assert_eq!(timers(&io_loop), "0");
}

#[test]
fn bad_limit_of_a_run_that_no_clock_can_hold_is_a_limit_all_the_same() {
    let io_loop = virtual_loop();
    let done = io_loop.run_sync_timeout(Duration::MAX, || sleep(365 * DAY));
    assert!(done.is_ok());
}

// A deadline that lies behind counts like that of a duration of zero: a turn, and it is over.
#[squall::test]
fn bad_deadline_in_the_past_is_over_and_waits_for_nothing() {
    let io_loop = IoLoop::current();
    let (begin, past) = (io_loop.time(), io_loop.time() - DAY);
    yield_!(sleep_until(past));
    assert!(yield_!(with_timeout(past, sleep(MS))).is_err());
    let trace = Trace::new();
    io_loop.call_at(past, step(&trace, "called"));
    yield_!(sleep_until(begin + MS));
    assert_eq!(trace.take(), ["called"]);
    assert_eq!(
        (timers(&io_loop).as_str(), io_loop.time() - begin),
        ("0", MS)
    );
}

// tornado: ioloop_test.py test_add_timeout_return, test_call_at_return, test_call_later_return (I21)
#[squall::test]
fn i21_every_timer_has_a_handle_of_its_own_that_removes_it() {
    let io_loop = IoLoop::current();
    let trace = Trace::new();
    let handles = [
        io_loop.call_at(io_loop.time() + MS, step(&trace, "at")),
        io_loop.call_later(MS, step(&trace, "later")),
        io_loop.call_later(MS, step(&trace, "kept")),
    ];
    assert!(handles[0] != handles[1] && handles[1] != handles[2]);
    io_loop.remove_timeout(handles[0]);
    io_loop.remove_timeout(handles[1]);
    yield_!(sleep(DAY));
    assert_eq!(trace.take(), ["kept"]);
}

#[test]
fn bad_deadline_long_past_is_due_at_once_and_in_order() {
    let trace = Trace::new();
    start(|io_loop| {
        let now = io_loop.time();
        io_loop.call_at(now, step(&trace, "now"));
        io_loop.call_at(now - MS, step(&trace, "past"));
        io_loop.call_at(now - 1000 * MS, step(&trace, "long past"));
        io_loop.call_later(Duration::ZERO, step(&trace, "zero"));
        let stopper = io_loop.clone();
        io_loop.call_later(MS, move || stopper.stop());
    });
    assert_eq!(trace.take(), ["long past", "past", "now", "zero"]);
}

// A loop's timers are numbered from one: those of two loops look alike but for their owner.
#[test]
fn bad_timeout_of_another_loop_is_not_removed() {
    let trace = Trace::new();
    let other = virtual_loop();
    let foreign = other.call_later(MS, || {});
    start(|io_loop| {
        let own = io_loop.call_later(MS, step(&trace, "own"));
        assert_ne!(own, foreign);
        io_loop.remove_timeout(foreign);
        let stopper = io_loop.clone();
        io_loop.call_later(2 * MS, move || stopper.stop());
    });
    assert_eq!(trace.take(), ["own"]);
    assert_eq!(timers(&other), "1");
}
