//! Starting and stopping.

use std::cell::RefCell;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use squall::{IoLoop, sleep};

use crate::support::{Trace, ends};

use super::{DAY, start, step, virtual_loop};

// tornado: ioloop.py PollIOLoop.stop (I25)
#[test]
fn i25_stop_lets_the_turns_callbacks_run_and_keeps_those_added_later() {
    let trace = Trace::new();
    let io_loop = virtual_loop();
    let (stopper, steps) = (io_loop.clone(), trace.clone());
    io_loop.add_callback(move || {
        steps.add("stop");
        stopper.stop();
        let (stopper, later) = (stopper.clone(), steps.clone());
        stopper.clone().add_callback(move || {
            later.add("added");
            stopper.stop();
        });
    });
    io_loop.add_callback(step(&trace, "second"));
    io_loop.start().unwrap();
    assert_eq!(trace.take(), ["stop", "second"]);
    io_loop.start().unwrap();
    assert_eq!(trace.take(), ["added"]);
}

// tornado: ioloop.py PollIOLoop.start, 4.5 (I26)
#[test]
fn i26_stop_before_start_makes_the_next_start_return_at_once() {
    let trace = Trace::new();
    let io_loop = virtual_loop();
    io_loop.add_callback(step(&trace, "callback"));
    let stopper = io_loop.clone();
    io_loop.add_callback(move || stopper.stop());
    io_loop.stop();
    io_loop.start().unwrap();
    assert_eq!(trace.take(), [""; 0]);
    io_loop.start().unwrap();
    assert_eq!(trace.take(), ["callback"]);
}

#[test]
fn bad_callbacks_for_a_stopped_loop_wait_for_its_next_start() {
    let trace = Trace::new();
    let io_loop = virtual_loop();
    let handle = io_loop.handle();
    io_loop.stop();
    io_loop.stop();
    io_loop.start().unwrap();
    // Nobody runs it now: what comes is kept, also from other threads.
    io_loop.add_callback(step(&trace, "callback"));
    io_loop.call_later(Duration::ZERO, step(&trace, "timer"));
    let there = thread::spawn(move || handle.add_callback(|| IoLoop::current().stop()));
    there.join().unwrap().unwrap();
    assert_eq!(trace.take(), [""; 0]);
    io_loop.start().unwrap();
    assert_eq!(trace.take(), ["callback", "timer"]);
    IoLoop::clear_current();
}

#[test]
fn stop_from_another_thread_ends_a_sleeping_loop() {
    ends(|| {
        let io_loop = IoLoop::new().unwrap();
        let handle = io_loop.handle();
        let stopper =
            thread::spawn(move || handle.add_callback(|| IoLoop::current().stop()).is_ok());
        io_loop.start().unwrap();
        assert!(stopper.join().unwrap());
        IoLoop::clear_current();
    });
}

// tornado: ioloop_test.py test_reentrant (I27)
#[test]
fn bad_i27_start_inside_a_callback_is_an_error() {
    let error = Rc::new(RefCell::new(None));
    let seen = error.clone();
    start(|io_loop| {
        let inner = io_loop.clone();
        io_loop.add_callback(move || {
            *seen.borrow_mut() = inner.start().err().map(|error| error.to_string());
            inner.stop();
        });
    });
    let error = error.take().expect("it was refused");
    assert!(error.starts_with("the loop is running already"), "{error}");
}

#[test]
fn two_loops_on_one_thread_keep_their_work_apart() {
    let trace = Trace::new();
    let (one, two) = (virtual_loop(), virtual_loop());
    for (io_loop, name) in [(&one, "one"), (&two, "two")] {
        io_loop.add_callback(step(&trace, name));
        let stopper = io_loop.clone();
        io_loop.call_later(DAY, move || stopper.stop());
    }
    two.start().unwrap();
    assert_eq!(trace.take(), ["two"]);
    one.start().unwrap();
    assert_eq!(trace.take(), ["one"]);
}

#[test]
fn loop_that_runs_inside_another_ones_callback_is_current_meanwhile() {
    let trace = Trace::new();
    start(|outer| {
        let (inner, seen, stopper) = (virtual_loop(), trace.clone(), outer.clone());
        let begin = outer.time();
        outer.call_later(DAY, move || {
            let from_inner = seen.clone();
            inner.run_sync(|| async move {
                sleep(DAY).await;
                from_inner.add("inner");
            });
            // A callback of the current loop, which is the outer one again.
            let (elapsed, stop) = (stopper.time() - begin, stopper.clone());
            IoLoop::current().add_callback(move || {
                seen.add(format!("outer, {} day", elapsed.as_secs() / DAY.as_secs()));
                stop.stop();
            });
        });
    });
    assert_eq!(trace.take(), ["inner", "outer, 1 day"]);
}
