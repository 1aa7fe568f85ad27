//! The loop of a thread, and that of the process.

use std::future::pending;
use std::thread;

use squall::{Deferred, IoLoop, Promise, yield_};

use crate::support::{Trace, ends};

use super::{step, virtual_loop};

// tornado: ioloop_test.py test_default_current (I30)
#[test]
fn i30_first_current_loop_of_a_thread_stays_current() {
    IoLoop::clear_current();
    assert!(IoLoop::try_current().is_none());
    let first = IoLoop::current();
    let trace = Trace::new();
    let second = IoLoop::new().unwrap();
    let stopper = first.clone();
    first.add_callback(step(&trace, "first"));
    first.add_callback(move || stopper.stop());
    second.add_callback(step(&trace, "second"));
    IoLoop::current().start().unwrap();
    assert_eq!(trace.take(), ["first"]);
    assert!(IoLoop::try_current().is_some());
    IoLoop::clear_current();
}

// tornado: ioloop_test.py test_non_current (I31)
#[test]
fn i31_loop_that_is_not_current_is_so_only_while_it_runs() {
    IoLoop::clear_current();
    let io_loop = virtual_loop();
    assert!(IoLoop::try_current().is_none(), "made, not made current");
    for _ in 0..3 {
        let inside = io_loop.run_sync(|| async { IoLoop::try_current().is_some() });
        assert!(inside);
        let after = IoLoop::try_current().is_some();
        IoLoop::clear_current();
        assert!(!after, "it has run, and is not current any more");
    }
}

// tornado: ioloop_test.py test_force_current, without its error (I32)
#[test]
fn i32_make_current_takes_the_place_of_another_loop() {
    let trace = Trace::new();
    let (one, two) = (virtual_loop(), virtual_loop());
    one.make_current();
    two.make_current();
    IoLoop::current().add_callback(step(&trace, "two"));
    let stopper = two.clone();
    two.add_callback(move || stopper.stop());
    two.start().unwrap();
    assert_eq!(trace.take(), ["two"]);
    drop(one);
    IoLoop::clear_current();
}

// tornado: ioloop_test.py 6: test_clear_without_current (I62)
#[test]
fn i62_clear_current_without_a_current_loop_is_harmless() {
    IoLoop::clear_current();
    IoLoop::clear_current();
    assert!(IoLoop::try_current().is_none());
}

// tornado: ioloop_test.py TestIOLoopRunSync.test_current (I43)
#[test]
fn i43_loop_is_current_inside_run_sync() {
    let other = virtual_loop();
    other.make_current();
    let trace = Trace::new();
    let io_loop = virtual_loop();
    io_loop.run_sync(|| {
        IoLoop::current().add_callback(step(&trace, "on it"));
        async { yield_!(()) }
    });
    assert_eq!(trace.take(), ["on it"]);
    IoLoop::clear_current();
}

#[test]
fn main_loop_is_reached_from_every_thread_and_belongs_to_one() {
    // One test for all of it, as there is one main loop a process.
    ends(|| {
        IoLoop::clear_instance();
        assert!(!IoLoop::initialized());
        assert!(IoLoop::instance().is_none());
        let (first, second) = (virtual_loop(), virtual_loop());
        first.install();
        second.install();
        let trace = Trace::new();
        let here = IoLoop::instance().expect("the thread has it");
        here.add_callback(step(&trace, "second"));
        let elsewhere = thread::spawn(|| {
            assert!(IoLoop::instance().is_none(), "it is not this thread's");
            let main = IoLoop::main_handle().expect("it is installed");
            main.add_callback(|| IoLoop::current().stop()).is_ok()
        });
        assert!(elsewhere.join().unwrap());
        second.start().unwrap();
        assert_eq!(trace.take(), ["second"]);
        second.close();
        assert!(!IoLoop::initialized(), "a closed loop is none");
        assert!(IoLoop::instance().is_none());
        first.install();
        assert!(IoLoop::instance().is_some());
        IoLoop::clear_instance();
        IoLoop::clear_instance();
        assert!(IoLoop::main_handle().is_none());
    });
}

// The old loop's coroutines wake each other as they are dropped.
#[test]
fn a_loop_that_another_replaces_is_dropped_outside_of_any_borrow() {
    #[squall::coroutine]
    fn holds(_first: Promise<()>, _second: Promise<()>) {
        yield_!(pending::<()>());
    }
    #[squall::coroutine]
    fn waits(first: Deferred<()>, second: Deferred<()>) {
        yield_!((first, second));
    }
    ends(|| {
        IoLoop::with_virtual_clock().unwrap().make_current();
        let ((first, one), (second, two)) = (Promise::new(), Promise::new());
        waits(one, two);
        holds(first, second);
        IoLoop::with_virtual_clock().unwrap().make_current();
        IoLoop::clear_current();
    });
}
