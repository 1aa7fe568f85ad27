//! What blocks a loop is told while it blocks; how long turns and coroutines run is measured.
//!
//! Who blocks waits until the watchdog has spoken, so that no test depends on how fast the machine is.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use squall::{Blocked, BlockingAction, IoLoop, Result, dump, live, moment, sleep, yield_};

use crate::support::{capture_all_logs, capture_logs, run};

const FILE: &str = file!();
const THRESHOLD: Option<Duration> = Some(Duration::from_millis(20));

/// Blocks the thread until somebody speaks. A watchdog that is silent fails the test.
fn block(spoken: &Receiver<Blocked>) -> Blocked {
    let long = Duration::from_secs(60);
    spoken
        .recv_timeout(long)
        .expect("the watchdog speaks while the loop is blocked")
}

fn tell(to: Sender<Blocked>) -> BlockingAction {
    BlockingAction::call(move |blocked| {
        let _ = to.send(blocked.clone());
    })
}

/// Runs `f` on a loop with a real clock that is watched.
fn watched<R>(f: impl FnOnce(Receiver<Blocked>) -> R) -> R {
    let (sender, spoken) = channel();
    let io_loop = IoLoop::new().unwrap();
    io_loop.make_current();
    io_loop
        .set_blocking_signal_threshold(THRESHOLD, tell(sender))
        .unwrap();
    let result = f(spoken);
    io_loop.close();
    IoLoop::clear_current();
    result
}

const BLOCKS: u32 = line!() + 2;
#[squall::coroutine]
fn blocks(spoken: Receiver<Blocked>) -> Blocked {
    yield_!(sleep(Duration::from_millis(1)));
    yield_!(std::future::ready(())); // Does not wait, so it is not resumed from here.
    block(&spoken)
}

#[test]
fn coroutine_that_blocks_is_told_while_it_blocks() {
    let blocked = watched(|spoken| IoLoop::current().run_sync(|| blocks(spoken)));
    let coroutine = blocked.coroutine().unwrap();
    assert_eq!((coroutine.name, coroutine.line), ("blocks", BLOCKS));
    assert_eq!(blocked.resumed_from().unwrap().line, BLOCKS + 1);
    assert!(blocked.duration() >= THRESHOLD.unwrap());
    let thread = std::thread::current();
    assert_eq!(blocked.thread(), thread.name().unwrap());
    let text = blocked.to_string();
    let (begin, end) = text.split_once(" already, by ").unwrap();
    let thread = blocked.thread();
    assert!(
        begin.starts_with(&format!("the loop of thread `{thread}` is blocked, for ")),
        "{text}"
    );
    let (end, _stack) = end.split_once("\n  n").unwrap();
    assert_eq!(
        end,
        format!(
            "coroutine it::watchdog::blocks ({FILE}:{BLOCKS})\n    \
            resumed from the yield at {FILE}:{}:5: sleep(Duration::from_millis(1))",
            BLOCKS + 1
        )
    );
    let ((), log) = capture_logs(|| blocked.log());
    assert_eq!(log, [format!("WARN squall: {text}")]);
}

#[test]
fn coroutine_that_blocks_in_its_first_run_and_a_callback_are_told_apart() {
    #[squall::coroutine]
    fn at_once(spoken: Arc<Mutex<Receiver<Blocked>>>) -> Blocked {
        block(&spoken.lock().unwrap())
    }
    let (first, callback) = watched(|spoken| {
        let io_loop = IoLoop::current();
        let spoken = Arc::new(Mutex::new(spoken));
        let first = io_loop.run_sync(|| at_once(spoken.clone()));
        let (sender, result) = channel();
        let stopper = io_loop.clone();
        io_loop.add_callback(move || {
            sender.send(block(&spoken.lock().unwrap())).unwrap();
            stopper.stop();
        });
        io_loop.start().unwrap();
        (first, result.recv().unwrap())
    });
    assert_eq!(first.coroutine().unwrap().name, "at_once");
    assert!(first.resumed_from().is_none());
    let text = first.to_string();
    assert!(text.contains(")\n    in its first run\n  n"), "{text}");
    assert!(callback.coroutine().is_none());
    let text = callback.to_string();
    assert!(text.contains("by a callback or handler\n  n"), "{text}");
}

// What an inner coroutine did must not hide the outer one, which goes on after it.
#[test]
fn innermost_coroutine_is_told_and_its_caller_after_it() {
    #[squall::coroutine]
    fn inner(spoken: &Receiver<Blocked>) -> Blocked {
        yield_!(moment());
        block(spoken)
    }
    #[squall::coroutine]
    fn started() {}
    #[squall::coroutine]
    fn outer(spoken: Receiver<Blocked>) -> (Blocked, Blocked) {
        let first = yield_!(inner(&spoken));
        yield_!(sleep(Duration::from_millis(1)));
        drop(started());
        (first, block(&spoken))
    }
    let (first, second) = watched(|spoken| IoLoop::current().run_sync(|| outer(spoken)));
    assert_eq!(first.coroutine().unwrap().name, "inner");
    assert_eq!(second.coroutine().unwrap().name, "outer");
    assert_eq!(
        second.resumed_from().unwrap().expression,
        "sleep(Duration::from_millis(1))"
    );
}

// Who started it: the whole message, without the stack.

#[test]
fn message_names_the_coroutines_that_started_the_one_that_blocks() {
    const INNER: u32 = line!() + 2;
    #[squall::coroutine]
    fn inner(spoken: Receiver<Blocked>) -> Blocked {
        yield_!(moment());
        block(&spoken)
    }
    const MIDDLE: u32 = line!() + 2;
    #[squall::coroutine]
    fn middle(spoken: Receiver<Blocked>) -> Blocked {
        yield_!(inner(spoken))
    }
    const OUTER: u32 = line!() + 2;
    #[squall::coroutine]
    fn outer(spoken: Receiver<Blocked>) -> Blocked {
        yield_!(moment());
        yield_!(middle(spoken))
    }
    let blocked = watched(|spoken| IoLoop::current().run_sync(|| outer(spoken)));
    let names: Vec<_> = (blocked.started_by())
        .map(|place| (place.coroutine.name, place.at.unwrap().line))
        .collect();
    assert_eq!(names, [("middle", MIDDLE + 1), ("outer", OUTER + 2)]);
    let text = blocked.to_string();
    let (text, _stack) = text.split_once("\n  native stack").unwrap_or((&text, ""));
    let (_, text) = text.split_once(" already, by ").unwrap();
    assert_eq!(
        text,
        format!(
            "coroutine it::watchdog::inner ({FILE}:{INNER})\n    \
            resumed from the yield at {FILE}:{}:9: moment()\n  \
            started by it::watchdog::middle ({FILE}:{MIDDLE})\n    \
            last suspended at {FILE}:{}:9: inner(spoken)\n  \
            started by it::watchdog::outer ({FILE}:{OUTER})\n    \
            last suspended at {FILE}:{}:9: middle(spoken)",
            INNER + 1,
            MIDDLE + 1,
            OUTER + 2
        )
    );
}

#[test]
fn message_says_that_who_started_it_is_gone_or_that_there_are_more() {
    #[squall::coroutine]
    fn orphan(spoken: Receiver<Blocked>, told: Sender<Blocked>) {
        yield_!(moment());
        told.send(block(&spoken)).unwrap();
    }
    #[squall::coroutine]
    fn parent(spoken: Receiver<Blocked>, told: Sender<Blocked>) {
        drop(orphan(spoken, told));
    }
    #[squall::coroutine]
    fn deep(depth: u32, spoken: Receiver<Blocked>) -> Blocked {
        if depth == 0 {
            return block(&spoken);
        }
        yield_!(deep(depth - 1, spoken))
    }
    let (told, orphan) = channel();
    watched(|spoken| {
        IoLoop::current().run_sync(|| async {
            drop(parent(spoken, told));
            sleep(Duration::from_millis(1)).await;
        });
    });
    let text = orphan.recv().unwrap().to_string();
    let end = "\n  started by a coroutine that has ended\n  n";
    assert!(text.contains(end), "{text}");

    let blocked = watched(|spoken| IoLoop::current().run_sync(|| deep(10, spoken)));
    assert_eq!(blocked.started_by().count(), 7);
    let text = blocked.to_string();
    assert!(text.contains("\n  and so on\n  n"), "{text}");
}

// The native stack. Other systems than these say why they have none, which is tested on none.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod native {
    use super::*;

    /// What blocks; its caller must not be its frame.
    #[inline(never)]
    fn holds_up_the_loop(spoken: &Receiver<Blocked>) -> Blocked {
        std::hint::black_box(block(spoken))
    }

    /// The functions of a stack; it begins with what waits and does not show how it was walked.
    #[track_caller]
    fn functions(blocked: &Blocked) -> Vec<&str> {
        let stack = blocked.stack().unwrap_or_else(|reason| panic!("{reason}"));
        let names: Vec<&str> = stack.iter().filter_map(|frame| frame.function()).collect();
        for name in &names {
            let own = ["native_stack", "backtrace", "restore_rt"];
            let is_own = own.iter().any(|own| name.contains(own));
            assert!(!is_own && !name.ends_with("::turn"), "{blocked}");
        }
        names
    }

    #[test]
    fn it_names_the_function_that_blocks_a_coroutine() {
        #[squall::coroutine]
        fn calls(spoken: Receiver<Blocked>) -> Blocked {
            yield_!(sleep(Duration::from_millis(1)));
            holds_up_the_loop(&spoken)
        }
        let blocked = watched(|spoken| IoLoop::current().run_sync(|| calls(spoken)));
        let functions = functions(&blocked);
        let position = |name: &str| {
            let found = functions
                .iter()
                .position(|function| function.contains(name));
            found.unwrap_or_else(|| panic!("no {name} in {blocked}"))
        };
        let blocks = position("watchdog::native::holds_up_the_loop");
        let coroutine = position("it_names_the_function_that_blocks_a_coroutine");
        assert!(position("watchdog::block") < blocks && blocks < coroutine);
        assert!(functions.len() < 64, "it ends at the turn: {blocked}");
        let frames = blocked.stack().unwrap();
        let frame = (frames.iter()).find(|frame| {
            let function = frame.function();
            function.is_some_and(|function| function.ends_with("native::holds_up_the_loop"))
        });
        let frame = frame.unwrap();
        assert!(frame.file().unwrap().ends_with("tests/it/watchdog.rs"));
        assert!(frame.line().is_some() && frame.address() != 0);
        let text = blocked.to_string();
        assert!(
            text.contains("\n  native stack (innermost first):\n    "),
            "{text}"
        );
        let line = format!(
            "\n    it::watchdog::native::holds_up_the_loop ({}:{})",
            frame.file().unwrap(),
            frame.line().unwrap()
        );
        assert!(text.contains(&line), "{text}");
    }

    #[test]
    fn it_names_the_function_that_blocks_a_callback() {
        let blocked = watched(|spoken| {
            let io_loop = IoLoop::current();
            let (sender, result) = channel();
            let stopper = io_loop.clone();
            io_loop.add_callback(move || {
                sender.send(holds_up_the_loop(&spoken)).unwrap();
                stopper.stop();
            });
            io_loop.start().unwrap();
            result.recv().unwrap()
        });
        let functions = functions(&blocked);
        assert!(
            (functions.iter()).any(|name| name.contains("holds_up_the_loop")),
            "{blocked}"
        );
    }

    // A computation that never enters the system is interrupted anywhere.
    #[test]
    fn it_is_known_of_a_function_that_computes() {
        #[inline(never)]
        fn computes(spoken: &Receiver<Blocked>) -> Blocked {
            let mut n = 1_u64;
            loop {
                for _ in 0..100_000 {
                    n = std::hint::black_box(n.wrapping_mul(6_364_136_223_846_793_005) + 1);
                }
                if let Ok(blocked) = spoken.try_recv() {
                    return blocked;
                }
            }
        }
        #[squall::coroutine]
        fn calls(spoken: Receiver<Blocked>) -> Blocked {
            computes(&spoken)
        }
        let blocked = watched(|spoken| IoLoop::current().run_sync(|| calls(spoken)));
        let functions = functions(&blocked);
        assert!(
            (functions.iter()).any(|name| name.ends_with("computes")),
            "{blocked}"
        );
    }

    #[test]
    fn it_is_cut_if_it_is_deep() {
        #[inline(never)]
        fn recurses(depth: u32, spoken: &Receiver<Blocked>) -> Blocked {
            match depth {
                0 => block(spoken),
                _ => std::hint::black_box(recurses(depth - 1, spoken)),
            }
        }
        #[squall::coroutine]
        fn calls(spoken: Receiver<Blocked>) -> Blocked {
            recurses(1000, &spoken)
        }
        let blocked = watched(|spoken| IoLoop::current().run_sync(|| calls(spoken)));
        let names = functions(&blocked);
        let depth = names.iter().filter(|name| name.ends_with("recurses"));
        assert!(depth.count() > 32, "{blocked}");
        let mut addresses: Vec<_> = (blocked.stack().unwrap().iter())
            .map(squall::StackFrame::address)
            .collect();
        // Functions that were inlined share an address.
        addresses.dedup();
        assert!(addresses.len() <= 64);
    }

    #[test]
    fn signal_that_nobody_asked_for_does_nothing() {
        #[squall::coroutine]
        fn calls(spoken: Receiver<Blocked>) -> Blocked {
            for _ in 0..100 {
                let own = std::process::id() as libc::pid_t;
                // SAFETY: it takes numbers; the signal is handled or ignored.
                assert_eq!(unsafe { libc::kill(own, libc::SIGURG) }, 0);
                yield_!(moment());
            }
            holds_up_the_loop(&spoken)
        }
        let blocked = watched(|spoken| IoLoop::current().run_sync(|| calls(spoken)));
        assert!(!functions(&blocked).is_empty());
    }

    // The signal stays with the thread; it must not be waited for longer than is said.
    #[test]
    fn it_is_missed_if_the_thread_blocks_the_signal() {
        let blocked = std::thread::spawn(|| {
            // SAFETY: an all-zero set is made empty before it is used.
            let mut set = unsafe { std::mem::zeroed::<libc::sigset_t>() };
            // SAFETY: `set` is a set to be written.
            assert_eq!(unsafe { libc::sigemptyset(&mut set) }, 0);
            // SAFETY: `set` is a set, and the signal one of the system's.
            assert_eq!(unsafe { libc::sigaddset(&mut set, libc::SIGURG) }, 0);
            let old = std::ptr::null_mut();
            // SAFETY: `set` is a set, and the old one is not asked for.
            let masked = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, old) };
            assert_eq!(masked, 0);
            watched(|spoken| {
                IoLoop::current().run_sync(|| async move { holds_up_the_loop(&spoken) })
            })
        });
        let blocked = blocked.join().unwrap();
        assert_eq!(
            blocked.stack().unwrap_err(),
            "the thread did not answer within 500 ms"
        );
        let text = blocked.to_string();
        let end = "\n  no native stack: the thread did not answer within 500 ms";
        assert!(text.ends_with(end), "{text}");
    }
}

#[test]
fn loop_can_be_watched_from_inside_its_run() {
    #[squall::coroutine]
    fn begins() -> Result<Blocked> {
        let (sender, spoken) = channel();
        let io_loop = IoLoop::current();
        io_loop.set_blocking_signal_threshold(THRESHOLD, tell(sender))?;
        Ok(block(&spoken))
    }
    let io_loop = IoLoop::new().unwrap();
    io_loop.make_current();
    let blocked = io_loop.run_sync(begins).unwrap();
    assert_eq!(blocked.coroutine().unwrap().name, "begins");
    IoLoop::clear_current();
}

#[test]
fn action_that_panics_does_not_end_the_watch() {
    #[squall::coroutine]
    fn blocks_twice(spoken: Receiver<()>) -> usize {
        let mut told = 0;
        for _ in 0..2 {
            spoken
                .recv_timeout(Duration::from_secs(60))
                .expect("it speaks once a turn");
            told += 1;
            yield_!(sleep(Duration::from_millis(1)));
        }
        told
    }
    let (sender, spoken) = channel();
    let io_loop = IoLoop::new().unwrap();
    io_loop.make_current();
    let action = BlockingAction::call(move |_| {
        sender.send(()).unwrap();
        panic!("an action's mistake");
    });
    io_loop
        .set_blocking_signal_threshold(THRESHOLD, action)
        .unwrap();
    assert_eq!(io_loop.run_sync(|| blocks_twice(spoken)), 2);
    IoLoop::clear_current();
}

#[test]
fn threshold_of_zero_and_a_closed_loop_are_errors() {
    let io_loop = IoLoop::new().unwrap();
    let error = io_loop
        .set_blocking_log_threshold(Some(Duration::ZERO))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "a blocking threshold is longer than zero; `None` switches the watchdog off"
    );
    io_loop.set_blocking_log_threshold(None).unwrap();
    io_loop.close();
    assert!(io_loop.set_blocking_log_threshold(THRESHOLD).is_err());
}

#[squall::test]
fn nothing_is_measured_until_it_is_asked_for() {
    let call = sleeps();
    yield_!(moment());
    assert!(live().iter().all(|one| one.run_time().is_none()));
    let profile = IoLoop::current().profile();
    assert_eq!((profile.turns().count, profile.runs().len()), (0, 0));
    yield_!(call);
}

#[squall::coroutine]
fn sleeps() {
    for _ in 0..3 {
        yield_!(sleep(Duration::from_secs(1)));
    }
}

#[test]
fn runs_and_turns_are_counted_by_name() {
    let (profile, text) = run(|| async {
        let io_loop = IoLoop::current();
        io_loop.set_profiling(true);
        sleeps().await;
        let call = sleeps();
        sleep(Duration::from_millis(1500)).await;
        let one = live()
            .into_iter()
            .find(|one| one.coroutine().name == "sleeps")
            .unwrap();
        let (total, worst) = (one.run_time().unwrap(), one.worst_run_time().unwrap());
        assert!(total >= worst && worst > Duration::ZERO);
        let text = dump().to_string();
        call.await;
        (io_loop.profile(), text)
    });
    // The start and a resume for each sleep, of each of two.
    let runs = profile.runs()["it::watchdog::sleeps"];
    assert_eq!(runs.count, 8);
    assert!(runs.p50 <= runs.p99 && runs.p99 <= runs.max);
    assert!(profile.turns().count > 0);
    assert!(text.contains("; suspended 2 times; ran for "), "{text}");
    let text = profile.to_string();
    assert!(
        text.contains("\nruns of it::watchdog::sleeps: count 8, p50 "),
        "{text}"
    );
}

#[test]
fn closing_a_loop_logs_whom_it_abandons() {
    let ((), log) = capture_all_logs(|| {
        run(|| async {
            drop(sleeps());
        });
    });
    assert_eq!(log.len(), 1, "{log:?}");
    let text = "DEBUG squall: the loop is closed, and abandons 1 of its thread's coroutines\n\
        1 coroutine is alive\n  sleeps at tests/it/watchdog.rs:";
    assert!(log[0].starts_with(text), "{log:?}");
}

#[test]
fn log_dump_logs_the_tree() {
    let ((), log) = capture_logs(|| {
        run(|| async {
            let call = sleeps();
            IoLoop::current().log_dump();
            call.await;
        });
    });
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(
        log[0].starts_with("INFO squall: 1 coroutine is alive\n  sleeps at "),
        "{log:?}"
    );
}
