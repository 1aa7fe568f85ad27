//! One coroutine: when it starts, resumes and ends, in which order, and what it may look like.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::{self, Display};
use std::future::ready;
use std::rc::Rc;
use std::time::Duration;

use squall::{Deferred, IoLoop, Promise, catch_panic, moment, sleep, yield_};

use crate::support::{OnDrop, Trace, capture_logs, live_names, run};

const SECOND: Duration = Duration::from_secs(1);

/// Something that yields: `step` is called before each of five yields of `wait()`.
#[squall::coroutine]
fn five_times<W: IntoFuture>(trace: Trace, name: &'static str, wait: fn() -> W) {
    for _ in 0..5 {
        trace.add(name);
        yield_!(wait());
    }
}

fn done() -> Deferred<()> {
    Deferred::ready(())
}

#[squall::coroutine]
fn answer() -> u32 {
    42
}

#[squall::coroutine]
fn answer_after(wait: Duration) -> u32 {
    yield_!(sleep(wait));
    42
}

#[squall::coroutine]
fn fail_after(wait: Duration, error: &'static str) -> Result<u32, String> {
    yield_!(sleep(wait));
    Err(error.to_owned())
}

// The start.

// tornado: gen_test.py test_sync_gen_return, test_sync_return (G1, G3); G11
#[squall::test]
fn g1_g3_g11_coroutine_that_never_waits_is_done_when_the_call_returns() {
    let call = answer();
    assert!(call.done());
    assert_eq!(yield_!(call), 42);
}

// tornado: checked by running it (G12)
#[squall::test]
fn g12_coroutine_that_yields_done_futures_and_empty_trees_is_done_when_the_call_returns() {
    #[squall::coroutine]
    fn passes() -> usize {
        let mut seen = 0;
        for _ in 0..5 {
            yield_!(done());
            yield_!(ready(()));
            seen += yield_!(Vec::<Deferred<u8>>::new()).len();
            seen += yield_!(HashMap::<u8, Deferred<u8>>::new()).len();
            yield_!([answer(), answer()]);
        }
        seen
    }
    let call = passes();
    assert!(call.done());
    assert_eq!(yield_!(call), 0);
}

#[squall::test]
fn call_runs_up_to_the_first_unfinished_yield() {
    #[squall::coroutine]
    fn child(trace: Trace) {
        trace.add("child starts");
        yield_!(done());
        trace.add("child passed a done yield");
        yield_!(moment());
        trace.add("child ends");
    }
    let trace = Trace::new();
    trace.add("before the call");
    let call = child(trace.clone());
    trace.add("after the call");
    assert!(!call.done());
    yield_!(call);
    trace.add("after the yield");
    assert_eq!(
        trace.take(),
        [
            "before the call",
            "child starts",
            "child passed a done yield",
            "after the call",
            "child ends",
            "after the yield",
        ]
    );
}

#[test]
fn call_outside_of_the_loop_starts_the_coroutine_too() {
    let trace = Trace::new();
    let io_loop = IoLoop::with_virtual_clock().unwrap();
    io_loop.make_current();
    let call = five_times(trace.clone(), "a", moment);
    assert_eq!(trace.take(), ["a"]);
    io_loop.run_sync(|| call);
    assert_eq!(trace.take(), ["a"; 4]);
    io_loop.close();
    IoLoop::clear_current();
}

#[squall::test]
fn all_calls_start_before_the_first_is_waited_for() {
    let started = IoLoop::current().time();
    let (a, b) = (answer_after(SECOND), answer_after(2 * SECOND));
    assert_eq!((yield_!(a), yield_!(b)), (42, 42));
    assert_eq!(IoLoop::current().time() - started, 2 * SECOND);
}

// Order.

#[track_caller]
fn check_order(trace: &Trace, want: &str) {
    assert_eq!(trace.take().concat(), want);
}

// tornado: gen_test.py test_moment (G13)
#[squall::test]
fn g13_done_futures_do_not_let_others_run() {
    let trace = Trace::new();
    yield_!([
        five_times(trace.clone(), "a", done),
        five_times(trace.clone(), "b", done),
    ]);
    check_order(&trace, "aaaaabbbbb");
}

// tornado: gen_test.py test_moment (G14)
#[squall::test]
fn g14_moments_let_others_run_in_turn() {
    let trace = Trace::new();
    yield_!([
        five_times(trace.clone(), "a", moment),
        five_times(trace.clone(), "b", moment),
    ]);
    check_order(&trace, "ababababab");
}

// tornado: gen_test.py test_moment (G15)
#[squall::test]
fn g15_only_the_coroutine_that_yields_a_moment_gives_way() {
    let trace = Trace::new();
    yield_!([
        five_times(trace.clone(), "a", moment),
        five_times(trace.clone(), "b", done),
    ]);
    check_order(&trace, "abbbbbaaaa");
}

// tornado: gen_test.py test_none (G16)
#[squall::test]
fn g16_unit_is_a_moment() {
    #[squall::coroutine]
    fn units(trace: Trace, name: &'static str) {
        for _ in 0..5 {
            trace.add(name);
            let nothing: () = yield_!(());
            nothing
        }
    }
    let trace = Trace::new();
    yield_!([units(trace.clone(), "a"), units(trace.clone(), "b")]);
    check_order(&trace, "ababababab");
}

#[squall::test]
fn moments_of_many_coroutines_alternate() {
    let trace = Trace::new();
    let names = ["a", "b", "c", "d"];
    yield_!(names.map(|name| five_times(trace.clone(), name, moment)));
    check_order(&trace, "abcdabcdabcdabcdabcd");
}

// tornado: checked by running it (G19)
#[squall::test]
fn g19_coroutine_never_resumes_inside_the_setter() {
    #[squall::coroutine]
    fn waits(trace: Trace, value: Deferred<u32>) {
        let value = yield_!(value);
        trace.add(format!("resumed with {value}"));
    }
    let trace = Trace::new();
    let (promise, value) = Promise::new();
    let waiting = waits(trace.clone(), value);
    trace.add("setting");
    promise.set_result(7);
    trace.add("set");
    yield_!(moment());
    trace.add("setter after a moment");
    yield_!(waiting);
    assert_eq!(
        trace.take(),
        ["setting", "set", "resumed with 7", "setter after a moment"]
    );
}

// The same where a coroutine's end is what resumes another (G19).
#[squall::test]
fn g19_coroutine_never_resumes_inside_the_one_that_ends() {
    #[squall::coroutine]
    fn ends(trace: Trace) {
        let _ended = OnDrop(trace.clone(), "locals dropped");
        yield_!(moment());
        trace.add("ends");
    }
    #[squall::coroutine]
    fn waits(trace: Trace, other: Deferred<()>) {
        yield_!(other);
        trace.add("resumed");
    }
    let trace = Trace::new();
    yield_!(waits(trace.clone(), ends(trace.clone())));
    assert_eq!(trace.take(), ["ends", "locals dropped", "resumed"]);
}

#[squall::test]
fn coroutines_resume_in_the_order_in_which_they_were_woken() {
    #[squall::coroutine]
    fn waits(trace: Trace, value: Deferred<&'static str>) {
        trace.add(yield_!(value));
    }
    let trace = Trace::new();
    let (a, first) = Promise::new();
    let (b, second) = Promise::new();
    let (c, third) = Promise::new();
    let all = [first, second, third].map(|value| waits(trace.clone(), value));
    c.set_result("c");
    a.set_result("a");
    b.set_result("b");
    yield_!(all);
    assert_eq!(trace.take(), ["c", "a", "b"]);
}

#[squall::test]
fn sleeps_end_in_the_order_of_their_deadlines() {
    #[squall::coroutine]
    fn sleeps(trace: Trace, seconds: u32, name: &'static str) {
        yield_!(sleep(seconds * SECOND));
        trace.add(name);
    }
    let trace = Trace::new();
    yield_!([
        sleeps(trace.clone(), 3, "c"),
        sleeps(trace.clone(), 1, "a1"),
        sleeps(trace.clone(), 2, "b"),
        sleeps(trace.clone(), 1, "a2"),
    ]);
    assert_eq!(trace.take(), ["a1", "a2", "b", "c"]);
}

// tornado: checked by running it (G72), gen_test.py test_sleep (G73)
#[squall::test]
fn g72_g73_sleep_counts_from_its_creation() {
    let io_loop = IoLoop::current();
    let started = io_loop.time();
    let minute = sleep(60 * SECOND);
    yield_!(sleep(40 * SECOND));
    yield_!(minute);
    assert_eq!(io_loop.time() - started, 60 * SECOND);
}

// Ends.

// tornado: gen_test.py test_async_gen_return, test_async_return (G2, G4)
#[squall::test]
fn g2_g4_result_after_a_yield_is_delivered() {
    assert_eq!(yield_!(answer_after(SECOND)), 42);
}

// tornado: gen_test.py test_async_early_return (G5)
#[squall::test]
fn g5_early_return_skips_the_yield_below() {
    #[squall::coroutine]
    fn early(stop: bool) -> &'static str {
        if stop {
            return "early";
        }
        yield_!(moment());
        "late"
    }
    let call = early(true);
    assert!(call.done());
    assert_eq!(yield_!(call), "early");
    assert_eq!(yield_!(early(false)), "late");
}

// tornado: gen_test.py test_sync_return_no_value, test_async_return_no_value (G6)
#[squall::test]
fn g6_coroutine_without_a_result_gives_unit() {
    #[squall::coroutine]
    fn nothing(wait: bool) {
        if !wait {
            return;
        }
        yield_!(moment());
    }
    let results: [(); 2] = yield_!([nothing(false), nothing(true)]);
    assert_eq!(results, [(), ()]);
}

// tornado: gen_test.py test_sync_raise (G7)
#[squall::test]
fn g7_error_before_the_first_yield_comes_at_the_yield_of_the_call() {
    #[squall::coroutine]
    fn fails() -> Result<u32, String> {
        let number: u32 = "x".parse().map_err(|_| "not a number".to_owned())?;
        yield_!(moment());
        Ok(number)
    }
    let call = fails();
    assert!(call.done());
    assert_eq!(yield_!(call), Err("not a number".to_owned()));
}

// tornado: gen_test.py test_async_raise (G8)
#[squall::test]
fn g8_error_after_a_yield_comes_at_the_yield_of_the_call() {
    let call = fail_after(SECOND, "late");
    assert!(!call.done());
    assert_eq!(yield_!(call), Err("late".to_owned()));
}

#[squall::test]
fn question_mark_ends_every_coroutine_up_to_the_one_that_catches() {
    #[squall::coroutine]
    fn middle(trace: Trace) -> Result<u32, String> {
        let value = yield_!(fail_after(SECOND, "deep"))?;
        trace.add("not reached");
        Ok(value)
    }
    #[squall::coroutine]
    fn outer(trace: Trace) -> Result<u32, Box<dyn std::error::Error>> {
        Ok(yield_!(middle(trace))? + 1)
    }
    let trace = Trace::new();
    let error = yield_!(outer(trace.clone())).unwrap_err();
    assert_eq!(error.to_string(), "deep");
    assert!(trace.take().is_empty());
}

// tornado: gen_test.py test_replace_yieldpoint_exception (G9)
#[squall::test]
fn g9_caught_error_is_replaced_by_another() {
    #[squall::coroutine]
    fn replaces() -> Result<u32, String> {
        yield_!(fail_after(SECOND, "first")).map_err(|_| "second".to_owned())
    }
    assert_eq!(yield_!(replaces()), Err("second".to_owned()));
}

// tornado: gen_test.py test_swallow_yieldpoint_exception (G10),
// test_resume_after_exception_in_yield (G27)
#[squall::test]
fn g10_g27_caught_error_lets_the_coroutine_go_on_and_yield_again() {
    #[squall::coroutine]
    fn swallows() -> Result<u32, String> {
        let caught = yield_!(fail_after(SECOND, "caught"));
        assert!(caught.is_err());
        yield_!(moment());
        Ok(yield_!(answer_after(SECOND)))
    }
    assert_eq!(yield_!(swallows()), Ok(42));
}

// Panics.

#[squall::test]
fn panic_does_not_leave_the_call_and_is_resumed_at_the_yield_that_takes_it() {
    #[squall::coroutine]
    fn panics(wait: bool) -> u32 {
        if wait {
            yield_!(moment());
        }
        panic!("oh {}", u8::from(wait));
    }
    for wait in [false, true] {
        let call = panics(wait);
        assert_eq!(call.done(), !wait);
        let caught = yield_!(catch_panic(call)).unwrap_err();
        assert_eq!(caught.message(), format!("oh {}", u8::from(wait)));
    }
    assert_eq!(yield_!(answer()), 42, "the coroutine goes on and yields");
}

#[squall::test]
fn panic_unwinds_through_each_coroutine_and_runs_its_destructors() {
    #[squall::coroutine]
    fn inner(trace: Trace) {
        let _local = OnDrop(trace, "inner");
        yield_!(moment());
        panic!("deep");
    }
    #[squall::coroutine]
    fn middle(trace: Trace) {
        let _local = OnDrop(trace.clone(), "middle");
        yield_!(inner(trace.clone()));
        trace.add("not reached");
    }
    let trace = Trace::new();
    let caught = yield_!(catch_panic(middle(trace.clone()))).unwrap_err();
    assert_eq!(caught.message(), "deep");
    assert_eq!(trace.take(), ["inner", "middle"]);
}

#[squall::test]
fn panic_keeps_what_it_carries() {
    #[squall::coroutine]
    fn panics() {
        std::panic::panic_any(7_u8);
    }
    let caught = yield_!(catch_panic(panics())).unwrap_err();
    assert_eq!(caught.message(), "a panic without a message");
    assert_eq!(caught.into_payload().downcast_ref(), Some(&7_u8));
}

#[squall::test]
#[should_panic(expected = "oh")]
fn panic_that_nobody_catches_ends_the_test() {
    #[squall::coroutine]
    fn panics() {
        yield_!(moment());
        panic!("oh");
    }
    yield_!(panics());
}

#[squall::test]
fn waiting_for_a_taken_deferred_panics() {
    let mut call = answer();
    assert_eq!(yield_!(&mut call), 42);
    assert!(call.done());
    let caught = yield_!(catch_panic(call)).unwrap_err();
    assert!(caught.message().contains("waited for again"), "{caught:?}");
}

#[squall::test]
fn promise_dropped_without_a_result_panics_at_the_yield() {
    let (promise, value) = Promise::<u32>::new();
    IoLoop::current().add_callback(move || drop(promise));
    let caught = yield_!(catch_panic(value)).unwrap_err();
    assert_eq!(caught.message(), "a Promise was dropped without a result");
}

#[test]
fn promise_tells_that_nobody_waits_and_can_be_set_all_the_same() {
    let (promise, value) = Promise::new();
    assert!(!promise.is_abandoned());
    drop(value);
    assert!(promise.is_abandoned());
    promise.set_result(1);
}

// Detached, dropped, closed.

// tornado: src (G32)
#[squall::test]
fn g32_detached_coroutine_goes_on_to_its_end() {
    let trace = Trace::new();
    drop(five_times(trace.clone(), "a", moment));
    assert_eq!(trace.take(), ["a"]);
    yield_!(sleep(SECOND));
    assert_eq!(trace.take(), ["a"; 4]);
}

// tornado: gen_test.py RunnerGCTest.test_gc (G25)
#[squall::test]
fn g25_coroutine_that_only_its_loop_refers_to_is_kept_alive() {
    #[squall::coroutine]
    fn lonely(trace: Trace) {
        let _dropped = OnDrop(trace.clone(), "dropped");
        let (promise, value) = Promise::new();
        IoLoop::current().call_later(60 * SECOND, move || promise.set_result(()));
        yield_!(value);
        trace.add("ends");
    }
    let trace = Trace::new();
    drop(lonely(trace.clone()));
    yield_!(sleep(30 * SECOND));
    assert!(trace.take().is_empty());
    yield_!(sleep(31 * SECOND));
    assert_eq!(trace.take(), ["ends", "dropped"]);
}

// tornado: gen_test.py test_coroutine_refcounting (G24)
#[squall::test]
fn g24_locals_and_arguments_are_dropped_at_the_end_while_the_result_is_kept() {
    #[squall::coroutine]
    fn holds(argument: Rc<()>, local: &'static str, trace: Trace) -> usize {
        let _local = OnDrop(trace, local);
        yield_!(moment());
        Rc::strong_count(&argument)
    }
    let (trace, shared) = (Trace::new(), Rc::new(()));
    let call = holds(shared.clone(), "dropped", trace.clone());
    assert_eq!(Rc::strong_count(&shared), 2);
    while !call.done() {
        yield_!(moment());
    }
    assert_eq!(Rc::strong_count(&shared), 1);
    assert_eq!(trace.take(), ["dropped"]);
    assert_eq!(yield_!(call), 2);
}

// The argument that the body does not name belongs to the coroutine as well (G24).
#[squall::test]
fn g24_unused_arguments_live_until_the_end_and_no_longer() {
    #[squall::coroutine]
    fn ignores(_: OnDrop, _unused: OnDrop, trace: Trace) {
        yield_!(moment());
        trace.add("ends");
    }
    let trace = Trace::new();
    let (first, second) = (
        OnDrop(trace.clone(), "first"),
        OnDrop(trace.clone(), "second"),
    );
    let call = ignores(first, second, trace.clone());
    assert!(trace.take().is_empty());
    yield_!(call);
    assert_eq!(trace.take(), ["ends", "second", "first"]);
}

// A state machine is pinned: what its locals borrow of each other must be there when they are
// dropped. (It was moved first once, and this read overwritten memory.)
#[test]
fn locals_that_borrow_each_other_are_dropped_where_they_are() {
    struct Guard<'a>(&'a RefCell<Vec<u64>>, Trace);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            self.0.borrow_mut().push(1000);
            self.1.add(format!("{:?}", self.0.borrow()));
        }
    }
    #[squall::coroutine]
    fn holds(trace: Trace) {
        let log = RefCell::new(vec![1]);
        let _guard = Guard(&log, trace);
        yield_!(std::future::pending::<()>());
    }
    let trace = Trace::default();
    let io_loop = IoLoop::with_virtual_clock().unwrap();
    io_loop.make_current();
    let held = holds(trace.clone());
    io_loop.close();
    IoLoop::clear_current();
    drop(held);
    assert_eq!(trace.take(), ["[1, 1000]"]);
}

// tornado: gen_test.py test_gc_infinite_coro, of 6 (G26)
#[test]
fn g26_destructor_of_an_endless_coroutine_runs_when_its_loop_is_closed() {
    #[squall::coroutine]
    fn endless(trace: Trace) {
        let _dropped = OnDrop(trace.clone(), "dropped");
        loop {
            trace.add("tick");
            yield_!(sleep(SECOND));
        }
    }
    let trace = Trace::new();
    let io_loop = IoLoop::with_virtual_clock().unwrap();
    io_loop.make_current();
    let waits_for_ever = endless(trace.clone());
    let watcher = trace.clone();
    io_loop.run_sync(move || async move {
        sleep(SECOND * 3 / 2).await;
        watcher.add("end of run_sync");
    });
    assert_eq!(live_names(), ["endless"]);
    io_loop.close();
    trace.add("closed");
    assert!(live_names().is_empty());
    IoLoop::clear_current();
    drop(waits_for_ever);
    assert_eq!(
        trace.take(),
        ["tick", "tick", "end of run_sync", "dropped", "closed"]
    );
}

#[test]
fn loop_that_is_only_dropped_runs_destructors_too() {
    let trace = Trace::new();
    let io_loop = IoLoop::with_virtual_clock().unwrap();
    io_loop.make_current();
    #[squall::coroutine]
    fn waits(trace: Trace) {
        let _dropped = OnDrop(trace, "dropped");
        yield_!(std::future::pending::<()>());
    }
    drop(waits(trace.clone()));
    IoLoop::clear_current();
    assert!(trace.take().is_empty());
    drop(io_loop);
    assert_eq!(trace.take(), ["dropped"]);
    assert!(live_names().is_empty());
}

#[test]
fn destructor_that_runs_at_the_close_may_start_coroutines_and_settle_promises() {
    #[squall::coroutine]
    fn last_will(trace: Trace) {
        let _dropped = OnDrop(trace.clone(), "last will dropped");
        trace.add("last will starts");
        yield_!(moment());
        trace.add("not reached");
    }
    struct Heir(Trace, Option<Promise<()>>);
    impl Drop for Heir {
        fn drop(&mut self) {
            drop(last_will(self.0.clone()));
            self.1.take().unwrap().set_result(());
        }
    }
    #[squall::coroutine]
    fn holds(heir: Heir) {
        yield_!(std::future::pending::<()>());
        drop(heir);
    }
    #[squall::coroutine]
    fn waits(value: Deferred<()>, trace: Trace) {
        yield_!(value);
        trace.add("not reached either");
    }
    let trace = Trace::new();
    run(|| {
        let (promise, value) = Promise::new();
        drop(holds(Heir(trace.clone(), Some(promise))));
        drop(waits(value, trace.clone()));
        done()
    });
    assert_eq!(trace.take(), ["last will starts", "last will dropped"]);
    assert!(live_names().is_empty());
}

#[test]
fn destructor_that_panics_at_the_close_is_logged_and_the_others_run() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("in the destructor");
        }
    }
    #[squall::coroutine]
    fn bad() {
        let _local = Panics;
        yield_!(std::future::pending::<()>());
    }
    #[squall::coroutine]
    fn good(trace: Trace) {
        let _local = OnDrop(trace, "dropped");
        yield_!(std::future::pending::<()>());
    }
    let trace = Trace::new();
    let ((), log) = capture_logs(|| {
        run(|| {
            drop((bad(), good(trace.clone())));
            done()
        });
    });
    assert_eq!(
        log,
        ["ERROR squall: panic while coroutine `bad` was dropped: in the destructor"]
    );
    assert_eq!(trace.take(), ["dropped"]);
    assert!(live_names().is_empty());
}

#[test]
fn loop_goes_on_without_run_sync_and_takes_up_where_it_was() {
    let trace = Trace::new();
    let io_loop = IoLoop::with_virtual_clock().unwrap();
    io_loop.make_current();
    let call = five_times(trace.clone(), "a", || sleep(SECOND));
    io_loop.run_sync(|| sleep(SECOND * 3 / 2));
    assert_eq!(trace.take(), ["a"; 2]);
    io_loop.run_sync(|| call);
    assert_eq!(trace.take(), ["a"; 3]);
    io_loop.close();
    IoLoop::clear_current();
}

// Shapes.

#[squall::test]
fn methods_may_take_self_by_value_by_rc_and_not_at_all() {
    #[derive(Clone)]
    struct Counter(Rc<Cell<u32>>);
    impl Counter {
        #[squall::coroutine]
        fn shared(self: Rc<Self>, step: u32) -> u32 {
            self.0.set(self.0.get() + step);
            yield_!(moment());
            self.0.get()
        }

        #[squall::coroutine]
        fn whole(self) -> u32 {
            yield_!(moment());
            self.0.get()
        }

        #[squall::coroutine]
        fn from(start: u32) -> Counter {
            yield_!(moment());
            Counter(Rc::new(Cell::new(start)))
        }
    }
    let counter = Rc::new(yield_!(Counter::from(5)));
    let both = [counter.clone().shared(1), counter.clone().shared(2)];
    assert_eq!(yield_!(both), [8, 8], "both start before either goes on");
    assert_eq!(yield_!(counter.as_ref().clone().whole()), 8);
}

#[squall::test]
fn generics_and_impl_traits_are_taken() {
    #[squall::coroutine]
    fn both<A: Display, B>(a: A, b: B, how: impl Fn(&A, &B) -> String) -> (String, B)
    where
        B: fmt::Debug,
    {
        yield_!(moment());
        (how(&a, &b), b)
    }
    #[squall::coroutine]
    fn sized<const N: usize>(values: [u8; N]) -> usize {
        yield_!(moment());
        values.len()
    }
    let (text, b) = yield_!(both(1, "two", |a, b| format!("{a} {b:?}")));
    assert_eq!((text.as_str(), b), ("1 \"two\"", "two"));
    assert_eq!(yield_!(sized([0; 7])), 7);
}

#[squall::test]
fn parameters_may_be_patterns() {
    struct Point {
        x: u32,
        y: u32,
    }
    #[squall::coroutine]
    fn sum((a, mut b): (u32, u32), Point { x, y }: Point, [first, ..]: [u32; 3], _: u32) -> u32 {
        b += 1;
        yield_!(moment());
        a + b + x + y + first
    }
    assert_eq!(
        yield_!(sum((1, 2), Point { x: 10, y: 20 }, [100, 0, 0], 1000)),
        134
    );
}

#[squall::test]
fn scoped_coroutine_starts_when_it_is_first_yielded() {
    #[squall::coroutine]
    fn borrows(trace: &Trace) {
        trace.add("starts");
        yield_!(moment());
        trace.add("ends");
    }
    let trace = Trace::new();
    let call = borrows(&trace);
    trace.add("called");
    yield_!(moment());
    trace.add("yielding");
    yield_!(call);
    assert_eq!(trace.take(), ["called", "yielding", "starts", "ends"]);
}

#[squall::test]
fn scoped_coroutines_borrow_strings_and_self_and_return_borrows() {
    struct Words {
        kept: Vec<String>,
    }
    impl Words {
        #[squall::coroutine]
        fn keep(&mut self, word: &str) -> usize {
            yield_!(moment());
            self.kept.push(word.to_owned());
            self.kept.len()
        }

        #[squall::coroutine]
        fn longest(&self) -> Option<&str> {
            yield_!(moment());
            self.kept
                .iter()
                .map(String::as_str)
                .max_by_key(|word| word.len())
        }
    }
    #[squall::coroutine]
    fn fill<'w>(words: &'w mut Words, text: &str) -> Option<&'w str> {
        for word in text.split(' ') {
            yield_!(words.keep(word));
        }
        yield_!(words.longest())
    }
    let mut words = Words { kept: Vec::new() };
    let text = String::from("to be or not");
    assert_eq!(yield_!(fill(&mut words, &text)), Some("not"));
    assert_eq!(words.kept.len(), 4);
}

#[squall::test]
fn scoped_coroutines_run_at_the_same_time_in_a_list() {
    #[squall::coroutine]
    fn measure(word: &str) -> usize {
        yield_!(sleep(SECOND));
        word.len()
    }
    let started = IoLoop::current().time();
    let words = [String::from("a"), String::from("bcd")];
    let lengths = yield_!(words.iter().map(|word| measure(word)).collect::<Vec<_>>());
    assert_eq!(lengths, [1, 3]);
    assert_eq!(IoLoop::current().time() - started, SECOND);
}

#[squall::test]
fn hidden_borrow_is_taken_with_scoped() {
    struct Parser<'a>(&'a str);
    impl<'a> Parser<'a> {
        #[squall::coroutine(scoped)]
        fn first(self) -> &'a str {
            yield_!(moment());
            self.0.split(' ').next().unwrap_or_default()
        }
    }
    let text = String::from("one two");
    assert_eq!(yield_!(Parser(&text).first()), "one");
}

#[squall::test]
fn dropped_scoped_coroutine_runs_its_destructors_and_leaves_no_frame() {
    #[squall::coroutine]
    fn borrows(trace: &Trace) {
        let _local = OnDrop(trace.clone(), "dropped");
        yield_!(std::future::pending::<()>());
    }
    let trace = Trace::new();
    {
        let mut call = Box::pin(borrows(&trace));
        yield_!(std::future::poll_fn(|cx| {
            assert!(call.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        }));
        assert!(live_names().contains(&"borrows"));
    }
    assert_eq!(trace.take(), ["dropped"]);
    assert!(!live_names().contains(&"borrows"));
}

// Spellings.

#[squall::test]
fn await_spells_a_yield() {
    #[squall::coroutine]
    fn awaits(n: u32) -> Result<u32, String> {
        let sum = answer().await + answer_after(SECOND).await;
        (async { moment().await }).await;
        sleep(SECOND).await;
        fail_after(SECOND, "odd").await.or(Ok(sum + n))
    }
    assert_eq!(awaits(1).await, Ok(85));
}

// tornado: gen_test.py test_async_await (G40)
#[squall::test]
fn g40_async_functions_and_coroutines_wait_for_each_other() {
    async fn native(n: u32) -> u32 {
        moment().await;
        answer_after(SECOND).await + n
    }
    #[squall::coroutine]
    fn decorated(n: u32) -> u32 {
        yield_!(native(n)) + 1
    }
    async fn outer() -> u32 {
        decorated(1).await
    }
    assert_eq!(yield_!(outer()), 44);
}

#[squall::test]
fn yields_may_stand_in_arguments_of_other_macros() {
    let text = format!(
        "{} and {}",
        yield_!(answer()),
        yield_!(answer_after(SECOND))
    );
    assert_eq!(text, "42 and 42");
    println!("{}", yield_!(answer_after(SECOND)));
    assert_eq!(yield_!(answer()), yield_!(answer_after(SECOND)));
    let list: Vec<u32> = vec![yield_!(answer()), yield_!(answer_after(SECOND))];
    assert!(list.len() == 2 && matches!(yield_!(ready(Some(1))), Some(1)));
}

#[squall::test]
fn yields_may_stand_anywhere_in_an_expression() {
    #[squall::coroutine]
    fn is_small(n: u32) -> bool {
        yield_!(moment());
        n < 3
    }
    let mut n = 0;
    while yield_!(is_small(n)) {
        n += if yield_!(is_small(n + 1)) { 1 } else { 10 };
    }
    assert_eq!(n, 12);
    let label = match yield_!(is_small(n)) {
        true => "small",
        false if yield_!(is_small(n - 10)) => "was small",
        false => "large",
    };
    assert_eq!(label, "was small");
    assert_eq!(yield_!(answer()).pow(yield_!(ready(2))), 1764);
}

squall::coroutines! {
    #[coroutine]
    fn keyword(n: u32) -> Result<u32, String> {
        let sum = yield answer_after(SECOND);
        yield;
        let failed = (yield fail_after(SECOND, "odd")).unwrap_err();
        let both = yield [answer(), answer()];
        if n == 0 {
            (yield fail_after(SECOND, "zero"))?;
        }
        Ok(sum + both[1] + failed.len() as u32 + n)
    }

    struct Holder {
        word: String,
    }

    impl Holder {
        #[coroutine]
        fn grow(&mut self, by: &str) -> usize {
            yield moment();
            self.word.push_str(by);
            self.word.len()
        }
    }

    #[squall::test]
    fn keyword_yield_works_in_the_block_macro() {
        let result = yield keyword(1);
        assert_eq!(result, Ok(42 + 42 + 3 + 1));
        let failed = yield keyword(0);
        assert_eq!(failed, Err("zero".to_owned()));
        let mut holder = Holder { word: "a".to_owned() };
        let length = yield holder.grow("bc");
        assert_eq!(length, 3);
        // In another macro's arguments the keyword is not seen; the macro is.
        assert_eq!(yield_!(holder.grow("d")), 4);
    }
}
