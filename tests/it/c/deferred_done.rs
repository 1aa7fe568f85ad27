//! Callbacks at the end of a deferred.

use std::cell::Cell;
use std::rc::Rc;

use squall::{Cancelled, Deferred, IoLoop, Promise, moment, sleep, yield_};

use crate::support::{SECOND, Trace, after, capture_logs, run};

fn tell(deferred: &mut Deferred<u32>, trace: &Trace, text: &'static str) {
    let trace = trace.clone();
    deferred.add_done_callback(move || trace.add(text));
}

#[squall::test]
fn callbacks_come_in_order_after_the_end_and_leave_the_result() {
    let trace = Trace::new();
    let mut deferred = after(1, 7);
    tell(&mut deferred, &trace, "first");
    tell(&mut deferred, &trace, "second");
    yield_!(moment());
    assert_eq!(trace.take(), [""; 0]);
    assert_eq!(yield_!(deferred), 7);
    yield_!(moment());
    assert_eq!(trace.take(), ["first", "second"]);
}

#[squall::test]
fn callback_of_what_is_done_comes_in_a_later_turn() {
    let trace = Trace::new();
    let mut deferred = Deferred::ready(1);
    tell(&mut deferred, &trace, "told");
    assert_eq!(trace.take(), [""; 0]);
    yield_!(moment());
    assert_eq!(
        (trace.take(), deferred.try_take()),
        (vec!["told".to_owned()], Some(1))
    );
}

#[squall::test]
fn callback_comes_for_promises_panics_cancellations_and_what_was_dropped() {
    #[squall::coroutine]
    fn panics() -> u32 {
        yield_!(moment());
        panic!("oh");
    }
    let trace = Trace::new();
    let (promise, mut promised) = Promise::new();
    tell(&mut promised, &trace, "promise");
    promise.set_result(3);
    let mut cancelled = after(100, 1);
    tell(&mut cancelled, &trace, "cancelled");
    assert!(cancelled.cancel());
    let mut dropped = after(1, 1);
    tell(&mut dropped, &trace, "dropped");
    drop(dropped);
    let mut panicking = panics();
    tell(&mut panicking, &trace, "panic");
    yield_!(sleep(2 * SECOND));
    let mut told = trace.take();
    told.sort();
    assert_eq!(told, ["cancelled", "dropped", "panic", "promise"]);
    assert_eq!(yield_!(promised), 3);
    assert_eq!(yield_!(cancelled.or_cancelled()), Err(Cancelled));
    assert!(
        yield_!(async { (squall::catch_panic(panicking).await,) })
            .0
            .is_err()
    );
}

#[test]
fn watched_failure_that_nobody_takes_is_logged_as_ever() {
    #[squall::coroutine]
    fn fails() -> Result<(), String> {
        yield_!(moment());
        Err("bad".to_owned())
    }
    let ((), log) = capture_logs(|| {
        run(|| async {
            let mut failing = fails();
            failing.add_done_callback(|| {});
            drop(failing);
            sleep(SECOND).await;
        });
    });
    assert!(
        log.len() == 1 && log[0].contains("was never retrieved: bad"),
        "{log:?}"
    );
}

#[test]
fn callback_is_dropped_with_its_loop() {
    let io_loop = IoLoop::new().unwrap();
    io_loop.make_current();
    let (_promise, mut deferred) = Promise::<u32>::new();
    let called = Rc::new(Cell::new(false));
    let kept = called.clone();
    deferred.add_done_callback(move || kept.set(true));
    io_loop.close();
    assert_eq!((Rc::strong_count(&called), called.get()), (1, false));
    IoLoop::clear_current();
}
