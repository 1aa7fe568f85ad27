//! Signals: as a stream, as callbacks, and from handlers of one's own.
//!
//! A signal is for the whole process, so each test has one of its own.

use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use squall::{IoLoop, SignalCallback, on_signal, signal, yield_};

use crate::support::{Trace, ends};

/// Sends this process a signal, by a program that does nothing else.
fn raise(name: &str) {
    let pid = std::process::id().to_string();
    let status = Command::new("kill").args([name, &pid]).status().unwrap();
    assert!(status.success());
}

#[test]
fn signals_come_to_the_coroutine_that_waits() {
    ends(|| {
        IoLoop::new().unwrap().run_sync(|| async {
            let signals = on_signal(signal::SIGUSR1).unwrap();
            assert_eq!(signals.signal(), signal::SIGUSR1);
            for _ in 0..3 {
                // One that comes before anybody waits is kept.
                raise("-USR1");
                yield_!(signals.next()).unwrap();
            }
        });
    });
}

#[test]
fn callback_of_a_signal_is_called_until_the_loop_is_closed() {
    ends(|| {
        let io_loop = IoLoop::new().unwrap();
        let trace = Trace::new();
        let (seen, stopper, held) = (trace.clone(), io_loop.clone(), trace.clone());
        let on_close = crate::support::OnDrop(held, "dropped");
        let callback = move || {
            let _ = &on_close;
            seen.add("called");
            stopper.stop();
        };
        io_loop.on_signal(signal::SIGUSR2, callback).unwrap();
        for _ in 0..2 {
            raise("-USR2");
            io_loop.start().unwrap();
            assert_eq!(trace.take(), ["called"]);
        }
        io_loop.close();
        assert_eq!(trace.take(), ["dropped"]);
        let error = io_loop.on_signal(signal::SIGUSR2, || {}).unwrap_err();
        assert_eq!(error.to_string(), "the loop is closed; make a new one");
        // Nobody listens; it does not end the process any more.
        raise("-USR2");
    });
}

#[test]
fn every_loop_gets_a_signal() {
    ends(|| {
        let (one, two) = (IoLoop::new().unwrap(), IoLoop::new().unwrap());
        for io_loop in [&one, &two] {
            let stopper = io_loop.clone();
            (io_loop.on_signal(signal::SIGWINCH, move || stopper.stop())).unwrap();
        }
        raise("-WINCH");
        one.start().unwrap();
        two.start().unwrap();
        one.close();
        two.close();
    });
}

#[test]
fn signal_that_cannot_be_handled_is_an_error() {
    let io_loop = IoLoop::new().unwrap();
    io_loop.make_current();
    for number in [9, 19, 11, 0, -1, 12345] {
        let error = on_signal(number).unwrap_err().to_string();
        assert_eq!(error, format!("signal {number} cannot be handled"));
        assert!(io_loop.on_signal(number, || {}).is_err());
    }
    IoLoop::clear_current();
}

// tornado: ioloop_test.py test_add_callback_from_signal (I33)
#[test]
fn i33_a_signal_handler_triggers_a_callback() {
    static CALLBACK: OnceLock<SignalCallback> = OnceLock::new();

    extern "C" fn handler(_: i32) {
        if let Some(callback) = CALLBACK.get() {
            callback.trigger();
        }
    }

    ends(|| {
        let io_loop = IoLoop::new().unwrap();
        let trace = Trace::new();
        let (seen, stopper) = (trace.clone(), io_loop.clone());
        let callback = SignalCallback::new(&io_loop, move || {
            seen.add("called");
            stopper.stop();
        });
        assert!(CALLBACK.set(callback).is_ok());
        let handler: extern "C" fn(i32) = handler;
        // SAFETY: the handler is a function of the type that C expects, and calls only what is
        // async-signal-safe.
        unsafe { libc::signal(libc::SIGALRM, handler as libc::sighandler_t) };
        for _ in 0..2 {
            // SAFETY: the handler is installed.
            unsafe { libc::raise(libc::SIGALRM) };
            io_loop.start().unwrap();
            assert_eq!(trace.take(), ["called"]);
        }
    });
}

// tornado: ioloop_test.py test_add_callback_from_signal_other_thread (I33)
#[test]
fn i33_a_signal_callback_wakes_a_loop_of_another_thread() {
    ends(|| {
        let io_loop = IoLoop::new().unwrap();
        let (seen, stopper) = (Trace::new(), io_loop.clone());
        let trace = seen.clone();
        let callback = SignalCallback::new(&io_loop, move || {
            seen.add("called");
            stopper.stop();
        });
        for round in 0..200 {
            let trigger = callback.clone();
            let other = thread::spawn(move || {
                if round % 2 == 0 {
                    thread::sleep(Duration::from_micros(50 * round));
                }
                trigger.trigger();
            });
            io_loop.start().unwrap();
            other.join().unwrap();
            assert_eq!(trace.take(), ["called"]);
        }
    });
}

#[test]
fn triggers_before_the_turn_are_one_and_a_dropped_callback_is_forgotten() {
    let io_loop = IoLoop::new().unwrap();
    let trace = Trace::new();
    let (seen, stopper) = (trace.clone(), io_loop.clone());
    let callback = SignalCallback::new(&io_loop, move || {
        seen.add("called");
        stopper.stop();
    });
    callback.trigger();
    callback.trigger();
    io_loop.start().unwrap();
    assert_eq!(trace.take(), ["called"]);
    drop(callback);
    // The next one makes room.
    let guard = crate::support::OnDrop(trace.clone(), "second is dropped");
    let second = SignalCallback::new(&io_loop, move || {
        let _ = &guard;
    });
    io_loop.close();
    assert_eq!(trace.take(), ["second is dropped"]);
    second.trigger();
}
