use std::cell::RefCell;
use std::io::pipe;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use squall::net::{IoStream, TcpServer};
use squall::testing::{Leaks, Simulation};
use squall::{Deferred, Interest, IoLoop, PeriodicCallback, Sleep, moment, sleep, yield_};

use crate::support::{SECOND, after};

/// What is said of what the program leaves behind; and that it may, if it is allowed to.
#[track_caller]
fn check(program: fn() -> Deferred<()>) -> String {
    let allowed = Simulation::new().leaks(Leaks::Allow).run(program);
    assert!(allowed.outcome().is_ok());
    let run = Simulation::new().run(program);
    let failure = run.outcome().expect_err("it leaks");
    assert!(failure.is_leak());
    let text = failure.to_string();
    let (first, rest) = text.split_once('\n').expect("it says more");
    assert_eq!(first, "the test left behind:");
    rest.to_owned()
}

thread_local! {
    static KEPT: RefCell<Vec<Box<dyn std::any::Any>>> = const { RefCell::new(Vec::new()) };
}

/// Keeps something for longer than its loop.
fn keep(what: impl std::any::Any) {
    KEPT.with_borrow_mut(|kept| kept.push(Box::new(what)));
}

#[test]
fn a_timer_that_calls_back() {
    #[squall::coroutine]
    fn program() {
        IoLoop::current().call_later(90 * SECOND, || {});
        yield_!(sleep(SECOND));
    }
    let left = check(program);
    assert!(
        left.starts_with("  a timer that calls back in 89s"),
        "{left}"
    );
}

#[test]
fn a_periodic_callback_that_was_not_stopped() {
    #[squall::coroutine]
    fn program() {
        PeriodicCallback::new(SECOND, || {}).unwrap().start();
        yield_!(sleep(SECOND / 2));
    }
    let left = check(program);
    assert!(
        left.contains("500ms: remove its timeout, or stop its PeriodicCallback"),
        "{left}"
    );
}

#[test]
fn a_sleep_that_nobody_alive_waits_for() {
    #[squall::coroutine]
    fn program() {
        let mut kept: Box<Sleep> = Box::new(sleep(9 * SECOND));
        yield_!(std::future::poll_fn(|cx| {
            let _ = std::pin::Pin::new(&mut *kept).poll(cx);
            std::task::Poll::Ready(())
        }));
        keep(kept);
    }
    let left = check(program);
    assert_eq!(
        left,
        "  a sleep that ends in 9s, kept outside of the loop's coroutines"
    );
}

#[test]
fn a_descriptor_that_somebody_keeps() {
    #[squall::coroutine]
    fn program() {
        let server = TcpServer::bind("127.0.0.1:0").unwrap();
        keep(server);
        yield_!(moment());
    }
    let left = check(program);
    assert!(left.starts_with("  descriptor "), "{left}");
    assert_eq!(left.lines().count(), 1, "{left}");
}

#[test]
fn a_handler_that_was_not_removed() {
    #[squall::coroutine]
    fn program() {
        let (reader, writer) = pipe().unwrap();
        IoLoop::current()
            .add_handler(&reader, Interest::READ, |_, _| {})
            .unwrap();
        keep((reader, writer));
        yield_!(moment());
    }
    let left = check(program);
    assert!(left.starts_with("  a handler of descriptor "), "{left}");
}

#[test]
fn a_source_that_the_loop_still_has() {
    #[squall::coroutine]
    fn program() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        IoLoop::current()
            .add_source(Rc::new(ours), Interest::READ, |_, _| {})
            .unwrap();
        keep(theirs);
        yield_!(moment());
    }
    let left = check(program);
    assert!(left.starts_with("  a handler of descriptor "), "{left}");
}

#[test]
fn a_pair_in_memory_that_somebody_keeps() {
    #[squall::coroutine]
    fn program() {
        keep(IoStream::pair());
        yield_!(moment());
    }
    assert_eq!(check(program), "  2 streams or listeners in memory");
}

#[test]
fn a_callback_that_queues_itself_for_ever() {
    #[squall::coroutine]
    fn program() {
        fn again() {
            IoLoop::current().add_callback(again);
        }
        again();
        yield_!(moment());
    }
    assert_eq!(
        check(program),
        "  a callback that is queued turn after turn"
    );
}

#[test]
fn a_coroutine_that_somebody_else_holds() {
    /// Borrows, so it lives in whoever polls it: here in the kept box.
    #[squall::coroutine(scoped)]
    fn held() {
        yield_!(std::future::pending::<()>());
    }
    #[squall::coroutine]
    fn program() {
        let mut kept = Box::pin(held());
        yield_!(std::future::poll_fn(|cx| {
            let _ = kept.as_mut().poll(cx);
            std::task::Poll::Ready(())
        }));
        keep(kept);
    }
    let left = check(program);
    assert!(left.starts_with("  coroutine held at "), "{left}");
    assert!(left.contains("tests/it/sim/leaks.rs"), "{left}");
}

/// A server in the background, a coroutine that sleeps, a child whose result nobody took.
#[squall::coroutine]
fn background() {
    let server = TcpServer::bind("127.0.0.1:0").unwrap();
    drop(server.serve(|stream, _| drop(stream)));
    drop(after(1000, ()));
    yield_!(moment());
}

#[test]
fn work_in_the_background_goes_with_its_loop() {
    Simulation::new().run(background).into_value();
}

#[test]
fn strict_is_for_coroutines_too() {
    let run = Simulation::new().leaks(Leaks::Strict).run(background);
    let failure = run.outcome().unwrap_err();
    assert!(failure.is_leak());
    let text = failure.to_string();
    assert!(
        text.starts_with("coroutines were not done when the test was:\n"),
        "{text}"
    );
    assert!(
        text.contains("coroutine accept_loop at ") && text.contains("coroutine after at "),
        "{text}"
    );
    let done = || after(5, ());
    Simulation::new()
        .leaks(Leaks::Strict)
        .run(done)
        .into_value();
}

#[test]
fn what_is_under_way_at_the_end_comes_to_its_end() {
    /// Sees the end of its stream a turn after the test's, and is done some turns later.
    #[squall::coroutine]
    fn reads(stream: IoStream) {
        yield_!(stream.read_until_close(80)).unwrap();
        for _ in 0..5 {
            yield_!(moment());
        }
    }
    #[squall::coroutine]
    fn program() {
        let (near, far) = IoStream::pair();
        drop(reads(far));
        IoLoop::current().add_callback(|| {});
        yield_!(moment());
        drop(near);
    }
    Simulation::new()
        .leaks(Leaks::Strict)
        .run(program)
        .into_value();
}

#[test]
fn a_failure_is_told_before_what_it_left_behind() {
    #[squall::coroutine]
    fn program() {
        IoLoop::current().call_later(90 * SECOND, || {});
        yield_!(moment());
        panic!("first");
    }
    let run = Simulation::new().run(program);
    assert_eq!(run.outcome().unwrap_err().to_string(), "first");
}

#[test]
fn no_time_passes_while_what_is_under_way_ends() {
    #[squall::coroutine]
    fn lingers() {
        for _ in 0..5 {
            yield_!(moment());
        }
        IoLoop::current().call_later(7 * SECOND, || {});
    }
    #[squall::coroutine]
    fn program() {
        drop(lingers());
        yield_!(moment());
    }
    let left = check(program);
    assert!(left.contains("calls back in 7s"), "{left}");
}
