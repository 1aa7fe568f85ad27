//! One turn of the loop: what runs in it, in which order, and what waits for the next.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use squall::{Interest, IoLoop, yield_};

use crate::support::{Trace, run};

use super::{DAY, pair, start, step};

// tornado: ioloop_test.py test_add_callback_wakeup (I1, I2)
#[test]
fn i1_i2_callback_added_by_a_callback_waits_for_the_next_turn_without_a_sleep() {
    let trace = Trace::new();
    start(|io_loop| {
        let (inner, outer) = (trace.clone(), trace.clone());
        let adder = io_loop.clone();
        io_loop.add_callback(move || {
            outer.add("first");
            let stopper = adder.clone();
            adder.add_callback(move || {
                inner.add("added");
                stopper.stop();
            });
            outer.add("first ends");
        });
        io_loop.add_callback(step(&trace, "second"));
        // Due in the first turn, after its callbacks.
        io_loop.call_later(Duration::ZERO, step(&trace, "timer"));
        io_loop.call_later(DAY, step(&trace, "never"));
    });
    assert_eq!(
        trace.take(),
        ["first", "first ends", "second", "timer", "added"]
    );
}

// tornado: ioloop.py PollIOLoop.start (I24)
#[test]
fn i24_turn_runs_callbacks_then_timers_then_coroutines_then_handlers() {
    #[squall::coroutine]
    fn resumed(trace: Trace) {
        yield_!(());
        trace.add("coroutine");
    }

    let trace = Trace::new();
    let (ready, mut peer) = pair();
    peer.write_all(b"x").unwrap();
    start(|io_loop| {
        let (handled, stopper) = (trace.clone(), io_loop.clone());
        let handler = move |_, _| {
            handled.add("handler");
            stopper.stop();
        };
        (io_loop.add_handler(&ready, Interest::READ, handler)).unwrap();
        drop(resumed(trace.clone()));
        io_loop.call_later(Duration::ZERO, step(&trace, "timer"));
        io_loop.add_callback(step(&trace, "callback"));
    });
    assert_eq!(trace.take(), ["callback", "timer", "coroutine", "handler"]);
}

// tornado: ioloop.py PollIOLoop.start (I1, I23)
#[test]
fn i1_i23_what_a_phase_adds_to_itself_waits_for_the_next_turn() {
    #[squall::coroutine]
    fn child(trace: Trace) {
        yield_!(());
        trace.add("coroutine 2");
    }

    #[squall::coroutine]
    fn parent(trace: Trace) {
        yield_!(());
        trace.add("coroutine 1");
        drop(child(trace));
    }

    let trace = Trace::new();
    start(|io_loop| {
        let (adder, again) = (io_loop.clone(), trace.clone());
        io_loop.add_callback(move || {
            again.add("callback 1");
            adder.add_callback(step(&again, "callback 2"));
        });
        let (adder, again) = (io_loop.clone(), trace.clone());
        io_loop.call_later(Duration::ZERO, move || {
            again.add("timer 1");
            adder.call_later(Duration::ZERO, step(&again, "timer 2"));
        });
        drop(parent(trace.clone()));
        let stopper = io_loop.clone();
        io_loop.call_later(DAY, move || stopper.stop());
    });
    let got = trace.take();
    assert_eq!(got[..3], ["callback 1", "timer 1", "coroutine 1"]);
    assert_eq!(got[3], "callback 2");
    // Turns with runnable coroutines leave out timers, for a while: which of the two is first is
    // not promised.
    let mut last = [got[4].as_str(), got[5].as_str()];
    last.sort_unstable();
    assert_eq!((last, got.len()), (["coroutine 2", "timer 2"], 6));
}

#[test]
fn coroutine_that_never_waits_for_long_starves_nobody() {
    #[squall::coroutine]
    fn spin(seen: Rc<Cell<u32>>, wanted: u32) -> bool {
        for _ in 0..10_000 {
            if seen.get() == wanted {
                return true;
            }
            yield_!(());
        }
        false
    }

    let (ready, mut peer) = pair();
    peer.write_all(b"x").unwrap();
    let all_ran = run(|| {
        let io_loop = IoLoop::current();
        let seen = Rc::new(Cell::new(0));
        let note = |bit: u32| {
            let seen = seen.clone();
            move || seen.set(seen.get() | bit)
        };
        io_loop.add_callback(note(1));
        io_loop.call_later(Duration::ZERO, note(2));
        let handled = note(4);
        let handler = move |_, _| handled();
        (io_loop.add_handler(&ready, Interest::READ, handler)).unwrap();
        let remote = io_loop.handle();
        let (mail, bit) = (Rc::new(RefCell::new(Some(note(8)))), seen.clone());
        MAIL.set(Some(Box::new(move || {
            drop(bit);
            (mail.take().expect("mail comes once"))();
        })));
        let sent = thread::spawn(move || {
            remote
                .add_callback(|| (MAIL.take().expect("it was set"))())
                .is_ok()
        });
        assert!(sent.join().unwrap());
        spin(seen, 15)
    });
    assert!(all_ran);
}

thread_local! {
    /// What a callback of another thread calls, as it cannot carry what belongs to this one.
    static MAIL: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
}

#[test]
fn callbacks_run_in_the_order_in_which_they_were_added() {
    let trace = Trace::new();
    start(|io_loop| {
        for n in 0..1000 {
            let trace = trace.clone();
            io_loop.add_callback(move || trace.add(n.to_string()));
        }
        let stopper = io_loop.clone();
        io_loop.add_callback(move || stopper.stop());
    });
    assert_eq!(
        trace.take(),
        (0..1000).map(|n: u32| n.to_string()).collect::<Vec<_>>()
    );
}
