//! What keeps one coroutine from harming the rest: the budget of yields, the depth of calls.

use std::cell::Cell;
use std::future::ready;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use squall::{Deferred, IoLoop, Promise, moment, sleep, yield_};

use crate::support::{OnDrop, Trace, live_names, run};

/// More yields than any budget; whoever passes so many has starved the others.
const MANY: u32 = 100_000;

/// Yields what is done until `stop` is set, and returns how often.
#[squall::coroutine]
fn busy(stop: Rc<Cell<bool>>) -> u32 {
    let mut yields = 0;
    while !stop.get() && yields < MANY {
        yield_!(ready(()));
        yields += 1;
    }
    yields
}

// tornado: pitfall 2 of the list, which Tornado has and Squall has not
#[squall::test]
fn coroutine_that_yields_done_futures_does_not_starve_another() {
    #[squall::coroutine]
    fn stops(stop: Rc<Cell<bool>>) {
        for _ in 0..3 {
            yield_!(moment());
        }
        stop.set(true);
    }
    let stop = Rc::new(Cell::new(false));
    let (yields, ()) = yield_!((busy(stop.clone()), stops(stop)));
    assert!(yields < 1000, "{yields} yields");
}

#[squall::test]
fn coroutine_that_yields_done_futures_does_not_starve_a_timer_and_a_callback() {
    for timer in [true, false] {
        let stop = Rc::new(Cell::new(false));
        let (io_loop, stops) = (IoLoop::current(), stop.clone());
        if timer {
            io_loop.call_later(Duration::ZERO, move || stops.set(true));
        } else {
            io_loop.add_callback(move || stops.set(true));
        }
        let yields = yield_!(busy(stop));
        assert!(yields < MANY, "timer: {timer}");
    }
}

#[test]
fn timer_fires_while_busy_coroutines_pass_a_moment_after_a_moment() {
    #[squall::coroutine]
    fn spins(stop: Rc<Cell<bool>>) -> u32 {
        let mut yields = 0;
        while !stop.get() && yields < MANY {
            yield_!(moment());
            yields += 1;
        }
        yields
    }
    run(|| async {
        let stop = Rc::new(Cell::new(false));
        let stops = stop.clone();
        IoLoop::current().call_later(Duration::ZERO, move || stops.set(true));
        let all: Vec<_> = (0..10).map(|_| spins(stop.clone())).collect();
        for call in all {
            assert!(call.await < MANY);
        }
    });
}

// The budget is that of the started coroutine: what it yields inside scoped ones counts.
#[squall::test]
fn scoped_coroutines_do_not_escape_the_budget() {
    #[squall::coroutine]
    fn pass(word: &str) -> usize {
        yield_!(ready(()));
        word.len()
    }
    #[squall::coroutine]
    fn busy_within(stop: Rc<Cell<bool>>) -> u32 {
        let (mut yields, word) = (0, String::from("x"));
        while !stop.get() && yields < MANY {
            yield_!([pass(&word), pass(&word)]);
            yields += 1;
        }
        yields
    }
    #[squall::coroutine]
    fn stops(stop: Rc<Cell<bool>>) {
        yield_!(moment());
        stop.set(true);
    }
    let stop = Rc::new(Cell::new(false));
    let (yields, ()) = yield_!((busy_within(stop.clone()), stops(stop)));
    assert!(yields < 1000, "{yields} yields");
}

// The children that it starts and that are done at once count no less.
#[squall::test]
fn children_that_are_done_at_once_do_not_escape_the_budget() {
    #[squall::coroutine]
    fn pass() -> u32 {
        yield_!(ready(1))
    }
    #[squall::coroutine]
    fn busy_with_children(stop: Rc<Cell<bool>>) -> u32 {
        let mut yields = 0;
        while !stop.get() && yields < MANY {
            yields += yield_!(pass());
        }
        yields
    }
    #[squall::coroutine]
    fn stops(stop: Rc<Cell<bool>>) {
        yield_!(moment());
        stop.set(true);
    }
    let stop = Rc::new(Cell::new(false));
    let (yields, ()) = yield_!((busy_with_children(stop.clone()), stops(stop)));
    assert!(yields < 1000, "{yields} yields");
}

// What was started on the thread before, outside of a run, must not decide how far a call gets (G12).
#[test]
fn g12_budget_is_full_when_a_run_begins() {
    #[squall::coroutine]
    fn pass() -> bool {
        yield_!(ready(true))
    }
    let io_loop = IoLoop::with_virtual_clock().unwrap();
    io_loop.make_current();
    for _ in 0..1000 {
        drop(pass());
    }
    io_loop.run_sync(|| {
        assert!(pass().done());
        ready(())
    });
    io_loop.close();
    IoLoop::clear_current();
}

#[squall::test]
fn results_are_right_past_the_budget() {
    #[squall::coroutine]
    fn sum(n: u32) -> u32 {
        let mut sum = 0;
        for i in 0..n {
            sum += yield_!(ready(i));
            let [a, b] = yield_!([ready(i), ready(1)]);
            sum += a * b;
        }
        sum
    }
    assert_eq!(yield_!([sum(1000), sum(10)]), [999_000, 90]);
}

// Depth.

/// Runs `f` in a thread whose stack has 512 KiB.
fn on_small_stack(f: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(512 * 1024).spawn(f);
    if let Err(panic) = thread.unwrap().join() {
        std::panic::resume_unwind(panic);
    }
}

const DEEP: u32 = 10_000;

// tornado: gen_test.py (G33), where the depth of the stack is the limit
#[test]
fn g33_deep_recursion_does_not_overflow_the_stack() {
    #[squall::coroutine]
    fn depth(n: u32) -> u32 {
        match n {
            0 => 0,
            n => yield_!(depth(n - 1)) + 1,
        }
    }
    on_small_stack(|| {
        assert_eq!(run(|| depth(DEEP)), DEEP);
        assert!(live_names().is_empty());
    });
}

#[test]
fn deep_recursion_that_waits_at_the_bottom_or_on_each_level_does_not_overflow_the_stack() {
    #[squall::coroutine]
    fn waits_below(n: u32) -> u32 {
        if n == 0 {
            yield_!(sleep(Duration::from_secs(1)));
            return 0;
        }
        yield_!(waits_below(n - 1)) + 1
    }
    #[squall::coroutine]
    fn waits_everywhere(n: u32) -> u32 {
        yield_!(moment());
        if n == 0 {
            return 0;
        }
        let below = yield_!(waits_everywhere(n - 1));
        yield_!(moment());
        below + 1
    }
    on_small_stack(|| {
        assert_eq!(run(|| waits_below(DEEP)), DEEP);
        assert_eq!(run(|| waits_everywhere(DEEP)), DEEP);
        assert!(live_names().is_empty());
    });
}

// The depth at which a start is put off has to go by the stack that is taken, not only by the
// number of calls: one start of a coroutine with 16 KiB of locals takes about 50 KiB of stack.
#[test]
fn deep_recursion_of_coroutines_with_large_locals_does_not_overflow_the_stack() {
    #[squall::coroutine]
    fn large(n: u32) -> u32 {
        let locals = [1_u8; 16 * 1024];
        let below = match n {
            0 => 0,
            n => yield_!(large(n - 1)),
        };
        below + u32::from(locals[below as usize])
    }
    in_a_process(
        "g::budget::deep_recursion_of_coroutines_with_large_locals_does_not_overflow_the_stack",
        || {
            let thread = thread::Builder::new().stack_size(2 * 1024 * 1024);
            let depth = thread.spawn(|| run(|| large(1000))).unwrap().join();
            assert_eq!(depth.unwrap(), 1001);
        },
    );
}

/// Runs `f` in a process of its own, as an overflow of the stack ends the whole process.
#[track_caller]
fn in_a_process(test: &str, f: impl FnOnce()) {
    const CHILD: &str = "SQUALL_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return f();
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("1 passed"), "{printed}");
}

#[test]
fn error_and_panic_from_far_below_do_not_overflow_the_stack() {
    #[squall::coroutine]
    fn fails_below(n: u32) -> Result<u32, String> {
        if n == 0 {
            return Err("bottom".to_owned());
        }
        yield_!(fails_below(n - 1))
    }
    #[squall::coroutine]
    fn panics_below(n: u32) -> u32 {
        assert!(n > 0, "bottom");
        yield_!(panics_below(n - 1))
    }
    on_small_stack(|| {
        let error = run(|| fails_below(DEEP));
        assert_eq!(error, Err("bottom".to_owned()));
        let taken = squall::take_traceback().unwrap();
        assert_eq!(taken.frames().len(), DEEP as usize + 1);
        let caught = run(|| squall::catch_panic(panics_below(1000))).unwrap_err();
        assert_eq!(caught.message(), "bottom");
        assert_eq!(caught.traceback().unwrap().frames().len(), 1001);
        assert!(live_names().is_empty());
    });
}

#[test]
fn closing_a_loop_with_a_deep_chain_does_not_overflow_the_stack() {
    #[squall::coroutine]
    fn chain(n: u32, trace: Trace) {
        let _dropped = OnDrop(trace.clone(), "dropped");
        match n {
            0 => yield_!(std::future::pending::<()>()),
            n => yield_!(chain(n - 1, trace)),
        }
    }
    on_small_stack(|| {
        let trace = Trace::new();
        run(|| {
            drop(chain(DEEP, trace.clone()));
            // Some turns, until the deepest has begun.
            async {
                while live_names().len() <= DEEP as usize {
                    moment().await;
                }
            }
        });
        assert_eq!(trace.take().len(), DEEP as usize + 1);
        assert!(live_names().is_empty());
    });
}

// The same from the other end: each holds the promise that the one before waits for.
#[test]
fn closing_a_loop_with_a_chain_of_promises_does_not_overflow_the_stack() {
    #[squall::coroutine]
    fn link(value: Deferred<u32>, next: Promise<u32>) {
        let value = yield_!(value);
        next.set_result(value + 1);
    }
    on_small_stack(|| {
        let last = run(|| {
            let (first, mut value) = Promise::new();
            for _ in 0..DEEP {
                let (promise, next) = Promise::new();
                drop(link(value, promise));
                value = next;
            }
            first.set_result(0);
            value
        });
        assert_eq!(last, DEEP);
        run(|| {
            let (first, mut value) = Promise::new();
            for _ in 0..DEEP {
                let (promise, next) = Promise::new();
                drop(link(value, promise));
                value = next;
            }
            drop(value);
            async move {
                moment().await;
                std::mem::forget(first);
            }
        });
        assert!(live_names().is_empty());
    });
}

#[test]
fn coroutines_beyond_the_depth_start_in_the_order_of_their_calls() {
    #[squall::coroutine]
    fn pair(trace: Trace, n: u32) {
        if n == 0 {
            trace.add("left starts");
            let left = leaf(trace.clone(), "left ends");
            trace.add("right starts");
            let right = leaf(trace, "right ends");
            yield_!((left, right));
        } else {
            yield_!(pair(trace, n - 1));
        }
    }
    #[squall::coroutine]
    fn leaf(trace: Trace, name: &'static str) {
        yield_!(moment());
        trace.add(name);
    }
    let trace = Trace::new();
    for n in [0, 1, 62, 63, 64, 65, 1000] {
        run(|| pair(trace.clone(), n));
        assert_eq!(
            trace.take(),
            ["left starts", "right starts", "left ends", "right ends"],
            "{n} deep"
        );
    }
}
