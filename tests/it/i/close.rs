//! Closing a loop, and a loop that is closed.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};

use squall::{Interest, IoLoop, yield_};

use crate::support::{OnDrop, Trace, ends};

use super::{DAY, pair, panic_of, timers, virtual_loop};

#[test]
fn bad_closed_loop_does_not_run() {
    let io_loop = virtual_loop();
    io_loop.close();
    io_loop.close();
    let error = io_loop.start().unwrap_err();
    assert_eq!(error.to_string(), "the loop is closed; make a new one");
    let message = panic_of(|| io_loop.run_sync(|| async {}));
    assert!(message.contains("run_sync is called"), "{message}");
}

#[test]
fn close_inside_a_callback_ends_the_run() {
    ends(|| {
        let io_loop = virtual_loop();
        let closer = io_loop.clone();
        io_loop.add_callback(move || closer.close());
        // With an error or without: what counts is that it does not sleep for ever.
        let _ = io_loop.start();
    });
}

#[test]
fn close_inside_a_coroutine_ends_run_sync() {
    ends(|| {
        let io_loop = virtual_loop();
        let closer = io_loop.clone();
        let ended = catch_unwind(AssertUnwindSafe(|| {
            io_loop.run_sync(|| async move {
                closer.close();
                pending::<()>().await;
            });
        }));
        assert!(ended.is_err(), "its future was not done, so it panics");
    });
}

#[test]
fn close_drops_what_waits_on_the_loop() {
    #[squall::coroutine]
    fn wait(guard: OnDrop) {
        yield_!(pending::<()>());
        drop(guard);
    }

    let trace = Trace::new();
    let guard = |name| OnDrop(trace.clone(), name);
    let io_loop = virtual_loop();
    let (fd, _peer) = pair();
    io_loop.run_sync(|| {
        drop(wait(guard("coroutine")));
        async {}
    });
    let (callback, timer, handler) = (guard("callback"), guard("timer"), guard("handler"));
    io_loop.add_callback(move || drop(callback));
    io_loop.call_later(DAY, move || drop(timer));
    (io_loop.add_handler(&fd, Interest::READ, move |_, _| {
        let _ = &handler;
    }))
    .unwrap();
    assert_eq!(trace.take(), [""; 0]);
    io_loop.close();
    assert_eq!(trace.take(), ["coroutine", "callback", "timer", "handler"]);
    IoLoop::clear_current();
}

#[test]
fn destructor_may_use_the_loop_while_it_closes() {
    struct Adds(IoLoop, Trace);
    impl Drop for Adds {
        fn drop(&mut self) {
            self.1.add("dropped");
            let timeout = self.0.call_later(DAY, || {});
            self.0.remove_timeout(timeout);
            self.0.add_callback(|| {});
            self.0.stop();
        }
    }

    let trace = Trace::new();
    let io_loop = virtual_loop();
    let adds = || Adds(io_loop.clone(), trace.clone());
    let (one, two) = (adds(), adds());
    io_loop.add_callback(move || drop(one));
    io_loop.call_later(DAY, move || drop(two));
    io_loop.close();
    assert_eq!(trace.take(), ["dropped", "dropped"]);
}

#[test]
fn bad_closed_loop_drops_callbacks_and_timers_and_refuses_handlers() {
    let trace = Trace::new();
    let io_loop = virtual_loop();
    let before = io_loop.call_later(DAY, || {});
    io_loop.close();
    let (callback, timer) = (
        OnDrop(trace.clone(), "callback"),
        OnDrop(trace.clone(), "timer"),
    );
    io_loop.add_callback(move || drop(callback));
    let after = io_loop.call_later(DAY, move || drop(timer));
    assert_eq!(trace.take(), ["callback", "timer"]);
    io_loop.remove_timeout(before);
    io_loop.remove_timeout(after);
    assert_eq!(timers(&io_loop), "0");
    let (a, _b) = pair();
    let error = io_loop.add_handler(&a, Interest::READ, |_, _| {});
    assert_eq!(
        error.unwrap_err().to_string(),
        "the loop is closed; make a new one"
    );
}
