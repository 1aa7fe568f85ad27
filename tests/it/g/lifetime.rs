//! How long coroutines live, and what is dropped when: detached, ended, closed.

use std::cell::RefCell;
use std::rc::Rc;

use squall::{Deferred, IoLoop, Promise, moment, sleep, yield_};

use crate::support::{OnDrop, SECOND, Trace, capture_logs, live_names, run};

use super::{done, five_times};

// tornado: src (G32)
#[squall::test]
fn g32_detached_coroutine_goes_on_to_its_end() {
    let trace = Trace::new();
    drop(five_times(trace.clone(), "a", moment));
    assert_eq!(trace.take(), ["a"]);
    yield_!(sleep(SECOND));
    assert_eq!(trace.take(), ["a"; 4]);
}

// tornado: gen_test.py RunnerGCTest.test_gc (G25)
#[squall::test]
fn g25_coroutine_that_only_its_loop_refers_to_is_kept_alive() {
    #[squall::coroutine]
    fn lonely(trace: Trace) {
        let _dropped = OnDrop(trace.clone(), "dropped");
        let (promise, value) = Promise::new();
        IoLoop::current().call_later(60 * SECOND, move || promise.set_result(()));
        yield_!(value);
        trace.add("ends");
    }
    let trace = Trace::new();
    drop(lonely(trace.clone()));
    yield_!(sleep(30 * SECOND));
    assert!(trace.take().is_empty());
    yield_!(sleep(31 * SECOND));
    assert_eq!(trace.take(), ["ends", "dropped"]);
}

// tornado: gen_test.py test_coroutine_refcounting (G24)
#[squall::test]
fn g24_locals_and_arguments_are_dropped_at_the_end_while_the_result_is_kept() {
    #[squall::coroutine]
    fn holds(argument: Rc<()>, local: &'static str, trace: Trace) -> usize {
        let _local = OnDrop(trace, local);
        yield_!(moment());
        Rc::strong_count(&argument)
    }
    let (trace, shared) = (Trace::new(), Rc::new(()));
    let call = holds(shared.clone(), "dropped", trace.clone());
    assert_eq!(Rc::strong_count(&shared), 2);
    while !call.done() {
        yield_!(moment());
    }
    assert_eq!(Rc::strong_count(&shared), 1);
    assert_eq!(trace.take(), ["dropped"]);
    assert_eq!(yield_!(call), 2);
}

// The argument that the body does not name belongs to the coroutine as well (G24).
#[squall::test]
fn g24_unused_arguments_live_until_the_end_and_no_longer() {
    #[squall::coroutine]
    fn ignores(_: OnDrop, _unused: OnDrop, trace: Trace) {
        yield_!(moment());
        trace.add("ends");
    }
    let trace = Trace::new();
    let (first, second) = (
        OnDrop(trace.clone(), "first"),
        OnDrop(trace.clone(), "second"),
    );
    let call = ignores(first, second, trace.clone());
    assert!(trace.take().is_empty());
    yield_!(call);
    assert_eq!(trace.take(), ["ends", "second", "first"]);
}

// A state machine is pinned: what its locals borrow of each other must be there when they are
// dropped. (It was moved first once, and this read overwritten memory.)
#[test]
fn locals_that_borrow_each_other_are_dropped_where_they_are() {
    struct Guard<'a>(&'a RefCell<Vec<u64>>, Trace);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            self.0.borrow_mut().push(1000);
            self.1.add(format!("{:?}", self.0.borrow()));
        }
    }
    #[squall::coroutine]
    fn holds(trace: Trace) {
        let log = RefCell::new(vec![1]);
        let _guard = Guard(&log, trace);
        yield_!(std::future::pending::<()>());
    }
    let trace = Trace::default();
    let io_loop = IoLoop::with_virtual_clock().unwrap();
    io_loop.make_current();
    let held = holds(trace.clone());
    io_loop.close();
    IoLoop::clear_current();
    drop(held);
    assert_eq!(trace.take(), ["[1, 1000]"]);
}

// tornado: gen_test.py test_gc_infinite_coro, of 6 (G26)
#[test]
fn g26_destructor_of_an_endless_coroutine_runs_when_its_loop_is_closed() {
    #[squall::coroutine]
    fn endless(trace: Trace) {
        let _dropped = OnDrop(trace.clone(), "dropped");
        loop {
            trace.add("tick");
            yield_!(sleep(SECOND));
        }
    }
    let trace = Trace::new();
    let io_loop = IoLoop::with_virtual_clock().unwrap();
    io_loop.make_current();
    let waits_for_ever = endless(trace.clone());
    let watcher = trace.clone();
    io_loop.run_sync(move || async move {
        sleep(SECOND * 3 / 2).await;
        watcher.add("end of run_sync");
    });
    assert_eq!(live_names(), ["endless"]);
    io_loop.close();
    trace.add("closed");
    assert!(live_names().is_empty());
    IoLoop::clear_current();
    drop(waits_for_ever);
    assert_eq!(
        trace.take(),
        ["tick", "tick", "end of run_sync", "dropped", "closed"]
    );
}

#[test]
fn loop_that_is_only_dropped_runs_destructors_too() {
    let trace = Trace::new();
    let io_loop = IoLoop::with_virtual_clock().unwrap();
    io_loop.make_current();
    #[squall::coroutine]
    fn waits(trace: Trace) {
        let _dropped = OnDrop(trace, "dropped");
        yield_!(std::future::pending::<()>());
    }
    drop(waits(trace.clone()));
    IoLoop::clear_current();
    assert!(trace.take().is_empty());
    drop(io_loop);
    assert_eq!(trace.take(), ["dropped"]);
    assert!(live_names().is_empty());
}

#[test]
fn destructor_that_runs_at_the_close_may_start_coroutines_and_settle_promises() {
    #[squall::coroutine]
    fn last_will(trace: Trace) {
        let _dropped = OnDrop(trace.clone(), "last will dropped");
        trace.add("last will starts");
        yield_!(moment());
        trace.add("not reached");
    }
    struct Heir(Trace, Option<Promise<()>>);
    impl Drop for Heir {
        fn drop(&mut self) {
            drop(last_will(self.0.clone()));
            self.1.take().unwrap().set_result(());
        }
    }
    #[squall::coroutine]
    fn holds(heir: Heir) {
        yield_!(std::future::pending::<()>());
        drop(heir);
    }
    #[squall::coroutine]
    fn waits(value: Deferred<()>, trace: Trace) {
        yield_!(value);
        trace.add("not reached either");
    }
    let trace = Trace::new();
    run(|| {
        let (promise, value) = Promise::new();
        drop(holds(Heir(trace.clone(), Some(promise))));
        drop(waits(value, trace.clone()));
        done()
    });
    assert_eq!(trace.take(), ["last will starts", "last will dropped"]);
    assert!(live_names().is_empty());
}

#[test]
fn destructor_that_panics_at_the_close_is_logged_and_the_others_run() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("in the destructor");
        }
    }
    #[squall::coroutine]
    fn bad() {
        let _local = Panics;
        yield_!(std::future::pending::<()>());
    }
    #[squall::coroutine]
    fn good(trace: Trace) {
        let _local = OnDrop(trace, "dropped");
        yield_!(std::future::pending::<()>());
    }
    let trace = Trace::new();
    let ((), log) = capture_logs(|| {
        run(|| {
            drop((bad(), good(trace.clone())));
            done()
        });
    });
    assert_eq!(
        log,
        ["ERROR squall: panic while coroutine `bad` was dropped: in the destructor"]
    );
    assert_eq!(trace.take(), ["dropped"]);
    assert!(live_names().is_empty());
}

#[test]
fn loop_goes_on_without_run_sync_and_takes_up_where_it_was() {
    let trace = Trace::new();
    let io_loop = IoLoop::with_virtual_clock().unwrap();
    io_loop.make_current();
    let call = five_times(trace.clone(), "a", || sleep(SECOND));
    io_loop.run_sync(|| sleep(SECOND * 3 / 2));
    assert_eq!(trace.take(), ["a"; 2]);
    io_loop.run_sync(|| call);
    assert_eq!(trace.take(), ["a"; 3]);
    io_loop.close();
    IoLoop::clear_current();
}
