//! A loop that nothing can wake says so, once; one that anything else could wake says nothing.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use squall::sync::{Lock, Queue};
use squall::{Deferred, IoLoop, Promise, moment, run_in_executor, sleep, yield_};

use crate::support::{capture_logs, on_warning, run};

/// Starts what `f` starts on a loop that nothing ends but a warning, and returns that.
#[track_caller]
fn warning_of<T: 'static>(io_loop: &IoLoop, f: impl FnOnce() -> T + 'static) -> String {
    let ((), log) = capture_logs(|| {
        io_loop.make_current();
        let kept = f();
        // The log is a place where something can be done about it.
        on_warning(|_| {
            let io_loop = IoLoop::current();
            let stopper = io_loop.clone();
            io_loop.add_callback(move || stopper.stop());
        });
        io_loop.start().unwrap();
        io_loop.close();
        IoLoop::clear_current();
        drop(kept);
    });
    let [warning] = &log[..] else {
        panic!("one warning is logged: {log:?}");
    };
    warning.clone()
}

/// What is logged while a coroutine is got to its end on a loop with a virtual clock, which looks
/// for deadlocks as soon as it has nothing to do.
fn log_of<T: 'static>(f: impl FnOnce() -> Deferred<T>) -> Vec<String> {
    capture_logs(|| drop(run(f))).1
}

#[squall::coroutine]
fn forgotten(promised: Deferred<u32>) -> u32 {
    yield_!(promised)
}

const BEGIN: &str = "WARN squall: deadlock: nothing can run, and every coroutine waits for what only \
    another one could do; there is no timer, descriptor, signal or handle that could wake them\n\
    1 coroutine is alive\n  forgotten at tests/it/deadlock.rs:";

#[test]
fn promise_that_nobody_settles_is_told_of() {
    let waits = || {
        let (promise, promised) = Promise::new();
        (promise, forgotten(promised))
    };
    let io_loop = IoLoop::with_virtual_clock().unwrap();
    let warning = warning_of(&io_loop, waits);
    assert!(warning.starts_with(BEGIN), "{warning}");
    assert!(warning.contains("waits for a promise"), "{warning}");
    // By a real clock it takes a moment, so that whoever is often idle looks seldom.
    let io_loop = IoLoop::new().unwrap();
    let warning = warning_of(&io_loop, waits);
    assert!(warning.starts_with(BEGIN), "{warning}");
}

#[test]
fn locks_taken_crosswise_are_told_of_with_who_holds_them() {
    #[squall::coroutine]
    fn takes(first: Lock, second: Lock) {
        let _first = yield_!(first.acquire());
        yield_!(moment());
        let _second = yield_!(second.acquire());
    }
    let io_loop = IoLoop::with_virtual_clock().unwrap();
    let warning = warning_of(&io_loop, || {
        let (left, right) = (Lock::new(), Lock::new());
        (takes(left.clone(), right.clone()), takes(right, left))
    });
    let held = "waits for a lock, held by takes at tests/it/deadlock.rs:";
    assert_eq!(warning.matches(held).count(), 2, "{warning}");
}

#[test]
fn coroutines_that_wait_for_each_other_in_collections_and_queues_are_told_of() {
    #[squall::coroutine]
    fn gets(queue: Queue<u32>) -> u32 {
        yield_!(queue.get())
    }
    #[squall::coroutine]
    fn list(queue: Queue<u32>) {
        yield_!((
            vec![gets(queue.clone()), gets(queue.clone())],
            [gets(queue)]
        ));
    }
    let io_loop = IoLoop::with_virtual_clock().unwrap();
    let warning = warning_of(&io_loop, || list(Queue::new()));
    assert!(warning.contains("list at "), "{warning}");
    assert!(
        warning.contains("waits for children, 0 of 2 are done"),
        "{warning}"
    );
    assert!(warning.contains("gets × 3 at "), "{warning}");
}

#[test]
fn it_is_told_once() {
    let io_loop = IoLoop::with_virtual_clock().unwrap();
    let again = Rc::new(RefCell::new(None));
    let kept = again.clone();
    let warning = warning_of(&io_loop, move || {
        let (promise, promised) = Promise::new();
        let call = forgotten(promised);
        // Idle once more before it stops.
        IoLoop::current().spawn_callback(|| sleep_then_wait(kept));
        (promise, call)
    });
    assert!(warning.contains("2 coroutines are alive"), "{warning}");
    assert!(again.borrow().is_some());
}

#[squall::coroutine]
fn sleep_then_wait(kept: Rc<RefCell<Option<Promise<()>>>>) {
    yield_!(sleep(Duration::from_secs(1)));
    let (promise, never) = Promise::new();
    *kept.borrow_mut() = Some(promise);
    yield_!(never);
}

// What may be woken from elsewhere.

/// A future as other runtimes have them: another thread wakes it, and it does not say so.
fn foreign() -> impl Future<Output = u32> {
    let shared: Arc<Mutex<(bool, Option<Waker>)>> = Arc::default();
    let (setter, mut begun) = (shared.clone(), false);
    poll_fn(move |cx| {
        let mut state = shared.lock().unwrap();
        if state.0 {
            return Poll::Ready(1);
        }
        state.1 = Some(cx.waker().clone());
        if !std::mem::replace(&mut begun, true) {
            let setter = setter.clone();
            thread::spawn(move || {
                // Long enough for the loop to have nothing to do; were it shorter, nothing would fail.
                thread::sleep(Duration::from_millis(20));
                let mut state = setter.lock().unwrap();
                state.0 = true;
                state.1.take().unwrap().wake();
            });
        }
        Poll::Pending
    })
}

#[squall::coroutine]
fn settles(promise: Promise<u32>, future: impl Future<Output = u32> + 'static) {
    promise.set_result(yield_!(future));
}

#[test]
fn foreign_futures_may_be_woken_by_anyone() {
    #[squall::coroutine]
    fn plain() -> u32 {
        yield_!(foreign())
    }
    #[squall::coroutine]
    fn behind_a_promise() -> u32 {
        let (promise, promised) = Promise::new();
        settles(promise, foreign());
        yield_!(promised)
    }
    #[squall::coroutine]
    fn in_a_list_with_others() -> u32 {
        let (promise, promised) = Promise::new();
        settles(promise, foreign());
        yield_!((0..20).map(|_| foreign()).collect::<Vec<_>>());
        yield_!(promised)
    }
    #[squall::coroutine]
    fn before_a_promise_in_a_tuple() -> u32 {
        let (promise, promised) = Promise::new();
        let promise = RefCell::new(Some(promise));
        let sets = async {
            let value = foreign().await;
            promise.take().unwrap().set_result(value);
        };
        yield_!((sets, promised)).1
    }
    #[squall::coroutine]
    fn in_a_list_in_a_list() -> u32 {
        let (promise, promised) = Promise::<u32>::new();
        let list = vec![(vec![foreign()], forgotten(promised))];
        promise.set_result(1);
        yield_!(list)[0].1
    }
    #[squall::coroutine]
    fn after_a_start() -> u32 {
        let (promise, promised) = Promise::new();
        yield_!(async {
            // It waits for a promise; this one does not.
            let call = forgotten(promised);
            promise.set_result(foreign().await);
            call.await
        })
    }
    for case in [
        plain,
        behind_a_promise,
        in_a_list_with_others,
        before_a_promise_in_a_tuple,
        in_a_list_in_a_list,
        after_a_start,
    ] {
        assert_eq!(log_of(case), [""; 0]);
    }
}

#[test]
fn answers_of_other_threads_are_waited_for() {
    #[squall::coroutine]
    fn of_the_executor() {
        let call = run_in_executor(|| thread::sleep(Duration::from_millis(20)));
        yield_!(call).unwrap();
    }
    thread_local! {
        static KEPT: Cell<Option<Promise<u32>>> = const { Cell::new(None) };
    }
    #[squall::coroutine]
    fn of_a_handle() -> u32 {
        let (promise, promised) = Promise::new();
        KEPT.set(Some(promise));
        let handle = IoLoop::current().handle();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            let settle = || KEPT.take().unwrap().set_result(1);
            handle.add_callback(settle).unwrap();
        });
        yield_!(promised)
    }
    assert_eq!(log_of(of_the_executor), [""; 0]);
    assert_eq!(log_of(of_a_handle), [""; 0]);
}

#[test]
fn futures_that_are_no_coroutines_may_be_woken_by_anyone() {
    #[squall::coroutine]
    fn by_a_callback() -> u32 {
        let (promise, promised) = Promise::new();
        IoLoop::current().add_future(foreign(), move |value| promise.set_result(value));
        yield_!(promised)
    }
    assert_eq!(log_of(by_a_callback), [""; 0]);
    let (value, log) = capture_logs(|| {
        run(|| async {
            let (promise, promised) = Promise::new();
            let call = forgotten(promised);
            // The future of `run_sync` itself.
            promise.set_result(foreign().await);
            call.await
        })
    });
    assert_eq!((value, log), (1, Vec::new()));
}
