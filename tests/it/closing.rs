use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use squall::net::IoStream;
use squall::{Deferred, IoLoop, catch_panic, moment, run_in_executor, sleep, yield_};

use crate::support::{OnDrop, Trace, capture_logs, live_names};

const HOUR: Duration = Duration::from_secs(3600);

fn current_loop() -> IoLoop {
    let io_loop = IoLoop::new().unwrap();
    io_loop.make_current();
    io_loop
}

#[test]
fn coroutine_that_closes_its_loop_is_abandoned_at_its_next_yield() {
    #[squall::coroutine]
    fn closes(trace: Trace) {
        let _guard = OnDrop(trace.clone(), "dropped");
        yield_!(moment());
        IoLoop::current().close();
        trace.add("closed");
        yield_!(moment());
        trace.add("never");
    }
    let (io_loop, trace) = (current_loop(), Trace::new());
    let started = closes(trace.clone());
    assert!(io_loop.start().is_err(), "it was closed");
    assert_eq!(trace.take(), ["closed", "dropped"]);
    assert!(started.done());
    assert_eq!(live_names(), [""; 0]);
    IoLoop::clear_current();
}

#[test]
fn what_a_destructor_starts_while_the_loop_closes_is_abandoned_as_well() {
    #[squall::coroutine]
    fn late(trace: Trace) {
        let _guard = OnDrop(trace.clone(), "late dropped");
        trace.add("late started");
        yield_!(moment());
        trace.add("never");
    }
    struct Starts(Trace);
    impl Drop for Starts {
        fn drop(&mut self) {
            drop(late(self.0.clone()));
        }
    }
    #[squall::coroutine]
    fn holds(trace: Trace) {
        let _starts = Starts(trace);
        yield_!(sleep(HOUR));
    }
    let (io_loop, trace) = (current_loop(), Trace::new());
    let held = holds(trace.clone());
    io_loop.close();
    assert_eq!(trace.take(), ["late started", "late dropped"]);
    assert!(held.done());
    assert_eq!(live_names(), [""; 0]);
    IoLoop::clear_current();
}

/// Runs `wait` on one loop while another one, which was current when it was made, is closed.
fn across_loops<T: 'static>(
    make: impl FnOnce() -> T,
    wait: impl FnOnce(T) -> Deferred<String>,
) -> String {
    let other = current_loop();
    let made = make();
    let own = current_loop();
    own.call_later(Duration::from_millis(1), move || other.close());
    let result = own.run_sync(|| wait(made));
    own.close();
    IoLoop::clear_current();
    result
}

#[test]
fn sleep_of_a_loop_that_is_closed_panics_in_who_waits_on_another_one() {
    #[squall::coroutine]
    fn wait(sleep: squall::Sleep) -> String {
        match yield_!(async { (catch_panic(sleep).await,) }).0 {
            Ok(()) => "done".to_owned(),
            Err(panic) => panic.message().to_owned(),
        }
    }
    let told = across_loops(|| sleep(HOUR), wait);
    assert!(told.contains("whose loop is closed"), "{told}");
}

#[test]
fn read_of_a_stream_whose_loop_is_closed_is_an_error_to_who_waits_on_another_one() {
    #[squall::coroutine]
    fn wait((ours, _theirs): (IoStream, IoStream)) -> String {
        match yield_!(ours.read_bytes(1)) {
            Ok(_) => "read".to_owned(),
            Err(error) => error.to_string(),
        }
    }
    let pair = || {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        (
            IoStream::from_unix(ours).unwrap(),
            IoStream::from_unix(theirs).unwrap(),
        )
    };
    let told = across_loops(pair, wait);
    assert!(told.contains("closed"), "{told}");
}

#[test]
fn a_call_on_another_thread_is_not_waited_for_on_a_closed_loop() {
    let io_loop = current_loop();
    io_loop.close();
    let (call, log) = capture_logs(|| {
        let call = run_in_executor(|| 1);
        assert!(call.done());
        call
    });
    assert_eq!(log, [""; 0]);
    drop(call);
    IoLoop::clear_current();
}

#[test]
fn coroutine_may_run_its_loop_in_its_own_first_run() {
    let (io_loop, trace) = (current_loop(), Trace::new());
    #[squall::coroutine]
    fn runs_the_loop(trace: Trace) -> u32 {
        let own = Rc::new(RefCell::new(None));
        let kept = own.clone();
        yield_!(std::future::poll_fn(move |cx| {
            *kept.borrow_mut() = Some(cx.waker().clone());
            std::task::Poll::Ready(())
        }));
        let io_loop = IoLoop::current();
        let waker = own.take().unwrap();
        let stopper = io_loop.clone();
        io_loop.add_callback(move || {
            waker.wake();
            stopper.call_later(Duration::from_millis(1), {
                let stopper = stopper.clone();
                move || stopper.stop()
            });
        });
        trace.add("inner run");
        io_loop.start().unwrap();
        trace.add("inner run over");
        yield_!(moment());
        trace.add("goes on");
        7
    }
    let running = runs_the_loop(trace.clone());
    assert_eq!(trace.take(), ["inner run", "inner run over"]);
    assert_eq!(io_loop.run_sync(|| running), 7);
    assert_eq!(trace.take(), ["goes on"]);
    io_loop.close();
    IoLoop::clear_current();
}
