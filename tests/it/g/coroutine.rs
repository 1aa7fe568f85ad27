//! One coroutine: when it starts, in which order it runs among others, and how it ends.

use std::collections::HashMap;
use std::future::ready;

use squall::{Deferred, IoLoop, Promise, moment, sleep, yield_};

use crate::support::{OnDrop, SECOND, Trace};

use super::{answer, answer_after, done, fail_after, five_times};

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

// tornado: gen_test.py test_attributes (G17)
#[squall::test]
fn g17_a_coroutine_has_the_name_and_the_module_of_its_function() {
    #[squall::coroutine]
    fn named_here() {
        yield_!(sleep(SECOND));
    }
    let call = named_here();
    let all = squall::live();
    let site = (all.iter().map(|live| live.coroutine()))
        .find(|site| site.name == "named_here")
        .expect("it is alive");
    assert_eq!((site.module, site.file), (module_path!(), file!()));
    yield_!(call);
}
