//! Threads for what blocks: results, panics, parallel calls, calls that nobody waits for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use squall::{Deferred, IoLoop, ThreadPool, catch_panic, run_in_executor, sleep, yield_};

use crate::support::{Trace, capture_logs, ends, run};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How many threads there are at most, as `run_in_executor` documents it.
const MAX_THREADS: usize = 32;

/// A call that runs until the sender is dropped.
fn held() -> (mpsc::Sender<()>, Deferred<squall::Result<()>>) {
    let (release, wait) = mpsc::channel::<()>();
    let call = run_in_executor(move || wait.recv().unwrap_or_default());
    (release, call)
}

#[squall::test]
fn c14_c15_result_comes_from_another_thread() {
    let (value, thread) = yield_!(run_in_executor(|| (42, thread::current().id()))).unwrap();
    assert_eq!(value, 42);
    assert_ne!(thread, thread::current().id());
    // An `Err` of the function is its result.
    let error = yield_!(run_in_executor(|| "x".parse::<u32>())).unwrap();
    assert!(error.is_err());
}

#[squall::test]
fn call_starts_at_once_and_never_blocks_the_loop() {
    let (release, call) = held();
    let trace = Trace::new();
    for n in 0..3 {
        yield_!(());
        trace.add(format!("turn {n}"));
    }
    assert!(!call.done());
    drop(release);
    yield_!(call).unwrap();
    trace.add("called");
    assert_eq!(trace.take(), ["turn 0", "turn 1", "turn 2", "called"]);
}

#[squall::test]
fn panic_of_the_function_is_resumed_at_the_yield() {
    let payload = yield_!(catch_panic(run_in_executor(|| panic!("on a thread")))).unwrap_err();
    assert_eq!(payload.message(), "on a thread");
    // The thread is not lost.
    assert_eq!(yield_!(run_in_executor(|| 1)).unwrap(), 1);

    let panic = yield_!(catch_panic(run_in_executor(|| {
        std::panic::panic_any(7_u8);
    })));
    let payload = panic.unwrap_err().into_payload();
    assert_eq!(payload.downcast_ref::<u8>(), Some(&7));
}

// tornado: ioloop_test.py 6: test_run_in_executor_gen, test_run_in_executor_native (I48)
#[test]
fn i48_two_calls_that_need_each_other_run_in_parallel() {
    let got = ends(|| {
        run(|| {
            let (to_second, from_first) = mpsc::channel();
            let (to_first, from_second) = mpsc::channel();
            let first = run_in_executor(move || {
                to_second.send("from the first").expect("it waits");
                from_second.recv()
            });
            let second = run_in_executor(move || {
                to_first.send("from the second").expect("it waits");
                from_first.recv()
            });
            async { yield_!([first, second]).unwrap().map(Result::unwrap) }
        })
    });
    assert_eq!(got, ["from the second", "from the first"]);
}

#[test]
fn many_calls_come_back_each_to_its_own_yield() {
    let got = ends(|| {
        run(|| async {
            let calls: Vec<_> = (0..500).map(|n| run_in_executor(move || n)).collect();
            yield_!(calls).unwrap()
        })
    });
    assert_eq!(got, (0..500).collect::<Vec<_>>());
}

#[test]
fn call_past_the_last_thread_waits_for_one_to_be_free() {
    ends(|| {
        run(|| async {
            let (senders, calls): (Vec<_>, Vec<_>) = (0..MAX_THREADS).map(|_| held()).unzip();
            let late = run_in_executor(|| "late");
            for _ in 0..10 {
                yield_!(());
            }
            assert!(!late.done(), "all threads are held by calls before it");
            drop(senders);
            yield_!(calls).unwrap();
            assert_eq!(yield_!(late).unwrap(), "late");
        });
    });
}

#[test]
fn function_whose_deferred_is_dropped_runs_to_its_end() {
    ends(|| {
        run(|| async {
            let (release, wait) = mpsc::channel::<()>();
            let (ended, wait_end) = mpsc::channel();
            drop(run_in_executor(move || {
                let _ = wait.recv();
                let _ = ended.send("ended");
            }));
            yield_!(());
            drop(release);
            // Another call looks for the end, as the loop's thread is not to block.
            let seen = yield_!(run_in_executor(move || wait_end.recv())).unwrap();
            assert_eq!(seen, Ok("ended"));
            yield_!(sleep(DAY)); // its result comes, and nobody minds
        });
    });
}

#[test]
fn panic_of_a_call_that_nobody_waits_for_is_logged() {
    let ((), log) = capture_logs(|| {
        run(|| async {
            drop(run_in_executor(|| panic!("unseen")));
            // Time stands still while a thread works, so the panic has come when this is over.
            yield_!(sleep(DAY));
        });
    });
    assert_eq!(log.len(), 1, "{log:?}");
    let head = log[0].lines().next().unwrap();
    assert!(
        head.starts_with("ERROR squall: panic in coroutine"),
        "{head}"
    );
    assert!(head.ends_with("was never retrieved: unseen"), "{head}");
}

#[test]
fn virtual_clock_does_not_jump_while_a_thread_works() {
    ends(|| {
        run(|| async {
            let begin = IoLoop::current().time();
            let (release, call) = held();
            let sleeper = sleep(DAY);
            // Many chances to jump, in real time.
            for _ in 0..100 {
                yield_!(sleep(Duration::from_micros(100)));
            }
            assert!(IoLoop::current().time() - begin < DAY);
            drop(release);
            yield_!(call).unwrap();
            yield_!(sleeper);
            assert!(IoLoop::current().time() - begin >= DAY);
        });
    });
}

#[test]
fn loop_may_close_while_a_call_runs() {
    ends(|| {
        let release = run(|| async { held().0 });
        // Its result has nowhere to go, which is nobody's trouble.
        drop(release);
        assert_eq!(run(|| run_in_executor(|| 1)).unwrap(), 1);
    });
}

#[test]
fn call_of_a_closed_loop_does_not_stop_the_time_of_the_next_one() {
    ends(|| {
        let release = run(|| async { held().0 });
        drop(release);
        // The next loop of the thread has no call out: a day passes at once.
        run(|| sleep(DAY));
    });
}

#[test]
fn result_goes_to_the_loop_that_asked() {
    ends(|| {
        let (one, two) = (
            IoLoop::with_virtual_clock().unwrap(),
            IoLoop::with_virtual_clock().unwrap(),
        );
        let both_wait = Arc::new(Barrier::new(2));
        let call = |name: &'static str| {
            let both_wait = both_wait.clone();
            move || {
                both_wait.wait();
                name
            }
        };
        let [first] = one.run_sync(|| async { [run_in_executor(call("one"))] });
        let [second] = two.run_sync(|| async { [run_in_executor(call("two"))] });
        assert_eq!(two.run_sync(|| second).unwrap(), "two");
        assert_eq!(one.run_sync(|| first).unwrap(), "one");
    });
}

#[test]
fn result_that_is_not_sent_back_as_the_loop_is_gone_is_dropped() {
    struct Tells(mpsc::Sender<&'static str>);
    impl Drop for Tells {
        fn drop(&mut self) {
            let _ = self.0.send("dropped");
        }
    }

    ends(|| {
        let (dropped, wait) = mpsc::channel();
        let (release, held) = mpsc::channel::<()>();
        run(|| async {
            drop(run_in_executor(move || {
                let _ = held.recv();
                Tells(dropped)
            }));
        });
        drop(release);
        assert_eq!(wait.recv(), Ok("dropped"));
    });
}

#[test]
fn panic_that_goes_through_run_sync_leaves_the_loop_at_rest() {
    ends(|| {
        let io_loop = IoLoop::with_virtual_clock().unwrap();
        let call = || run_in_executor(|| -> u32 { panic!("on a thread") });
        assert!(catch_unwind(AssertUnwindSafe(|| io_loop.run_sync(call))).is_err());
        assert_eq!(io_loop.run_sync(|| run_in_executor(|| 2)).unwrap(), 2);
        IoLoop::clear_current();
    });
}

// Pools.

// tornado: ioloop_test.py 6: test_set_default_executor (I49)
#[squall::test]
fn i49_run_in_executor_uses_the_loops_default_pool() {
    let name = || thread::current().id();
    let pool = ThreadPool::new(1).unwrap();
    let own = yield_!(pool.submit(name)).unwrap();
    assert_ne!(yield_!(run_in_executor(name)).unwrap(), own);
    IoLoop::current().set_default_executor(pool.clone());
    assert_eq!(yield_!(run_in_executor(name)).unwrap(), own);
    // Another one takes its place.
    IoLoop::current().set_default_executor(ThreadPool::new(1).unwrap());
    assert_ne!(yield_!(run_in_executor(name)).unwrap(), own);
}

#[squall::test]
fn pool_runs_no_more_calls_at_a_time_than_it_has_threads() {
    let pool = ThreadPool::new(2).unwrap();
    let running = Arc::new(Mutex::new((0, 0)));
    let calls: Vec<_> = (0..20)
        .map(|n| {
            let running = running.clone();
            pool.submit(move || {
                {
                    let mut running = running.lock().unwrap();
                    running.0 += 1;
                    running.1 = running.0.max(running.1);
                }
                thread::sleep(Duration::from_millis(2));
                running.lock().unwrap().0 -= 1;
                n
            })
        })
        .collect();
    assert_eq!(yield_!(calls).unwrap(), (0..20).collect::<Vec<_>>());
    assert_eq!(running.lock().unwrap().1, 2);
}

#[squall::test]
fn pool_that_is_shut_down_ends_what_it_has_and_takes_no_more() {
    let pool = ThreadPool::new(1).unwrap();
    let (release, wait) = mpsc::channel::<()>();
    let first = pool.submit(move || wait.recv().is_err());
    let queued = pool.clone().submit(|| 2);
    pool.shutdown();
    pool.shutdown();
    let refused = yield_!(pool.submit(|| 3)).unwrap_err();
    assert_eq!(refused.to_string(), "the thread pool was shut down");
    drop(release);
    assert!(yield_!(first).unwrap());
    assert_eq!(yield_!(queued).unwrap(), 2);
    // A pool that nobody has any more does the same.
    let pool = ThreadPool::new(1).unwrap();
    let calls = [pool.submit(|| 4), pool.submit(|| 5)];
    drop(pool);
    assert_eq!(yield_!(calls).unwrap(), [4, 5]);
}

#[squall::test]
fn panic_in_a_pool_goes_to_the_yield_and_its_thread_goes_on() {
    let pool = ThreadPool::new(1).unwrap();
    let panicked = yield_!(catch_panic(pool.submit(|| panic!("on it")))).unwrap_err();
    assert_eq!(panicked.message(), "on it");
    assert_eq!(yield_!(pool.submit(|| 1)).unwrap(), 1);
}

#[test]
fn bad_pool_of_no_threads_is_an_error() {
    let error = ThreadPool::new(0).unwrap_err();
    assert_eq!(error.to_string(), "a thread pool has one thread at least");
}
