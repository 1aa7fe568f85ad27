//! The rest of Tornado's coroutine interface: callbacks as futures, conversions.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::{IntoFuture, ready};
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;
use std::thread;

use squall::{
    Callback, CallbackDropped, Cancelled, Deferred, IoLoop, Promise, Return, catch_panic,
    convert_yielded, maybe_future, moment, multi_future, sleep, task, task_send, yield_,
};

use crate::support::{OnDrop, SECOND, Trace, after, capture_logs, fail_after, ok_after, run};

// Callbacks.

/// A function of the old kind: calls `callback` in a turn of the loop.
fn later<A: 'static>(value: A, callback: impl FnOnce(A) + 'static) {
    IoLoop::current().add_callback(move || callback(value));
}

// tornado: gen_test.py test_inline_cb (G87)
#[squall::test]
fn g87_a_callback_that_is_called_at_once_does_not_make_the_yield_wait() {
    let waits = task(|callback| callback.call(()));
    assert!(waits.done());
    assert_eq!(yield_!(waits), Ok(()));
}

// tornado: gen_test.py test_ioloop_cb (G88), test_with_arg (G89)
#[squall::test]
fn g88_g89_a_task_gives_what_its_callback_is_called_with() {
    let waits = task(|callback| later(42, callback.into_fn()));
    assert!(!waits.done());
    assert_eq!(yield_!(waits), Ok(42));
}

// tornado: gen_test.py test_with_arg_tuple (G90), test_arguments (G100)
#[squall::test]
fn g90_g100_c20_callbacks_have_no_argument_one_or_a_tuple_of_them() {
    fn with_two(callback: impl FnOnce(u32, &str)) {
        callback(1, "b");
    }
    assert_eq!(yield_!(task(|callback| callback.call(()))), Ok(()));
    assert_eq!(yield_!(task(|callback| callback.call(1))), Ok(1));
    let arguments = task(|callback| with_two(|a, b| callback.call((a, b.to_owned()))));
    assert_eq!(yield_!(arguments), Ok((1, "b".to_owned())));
}

// tornado: gen_test.py test_parallel_callback (G96), test_wait_all (G98), test_multi,
// test_multi_dict (G99), test_reuse (G97)
#[squall::test]
fn g96_g97_g98_g99_tasks_stand_in_lists_and_maps_and_may_be_made_again() {
    for _ in 0..2 {
        let list = yield_!([
            task(|callback| later(1, callback.into_fn())),
            task(|callback| later(2, callback.into_fn())),
        ]);
        assert_eq!(list, Ok([1, 2]));
        let map = BTreeMap::from([
            ("b", task(|callback| callback.call(2))),
            ("a", task(|callback| later(1, callback.into_fn()))),
        ]);
        assert_eq!(yield_!(map), Ok(BTreeMap::from([("a", 1), ("b", 2)])));
        let (first, second) = (task(|c| later("first", c.into_fn())), task(|c| c.call(2)));
        assert_eq!(yield_!(second), Ok(2));
        assert_eq!(yield_!(first), Ok("first"));
    }
}

// tornado: gen_test.py test_exception_in_task_phase1 (G101)
#[squall::test]
fn g101_c16_a_panic_of_the_function_comes_at_the_yield() {
    let fails = |_: Callback<u32>| panic!("no such host");
    let waits = task(fails);
    let caught = yield_!(catch_panic(waits)).unwrap_err();
    assert_eq!(caught.message(), "no such host");
    let waits = task_send(|_: squall::SendCallback<u32>| panic!("no thread"));
    let caught = yield_!(catch_panic(waits)).unwrap_err();
    assert_eq!(caught.message(), "no thread");
}

// tornado: gen_test.py test_exception_in_task_phase2 (G102): there the error of the later callback
// itself comes at the yield. Here the loop logs it, and the yield gets to know that nothing will come.
#[test]
fn g102_c19_a_panic_in_a_later_callback_is_logged_and_makes_the_yield_fail() {
    let (result, log) = capture_logs(|| {
        run(|| {
            task(|callback: Callback<u32>| {
                IoLoop::current().add_callback(move || {
                    let _held = callback;
                    panic!("later");
                });
            })
        })
    });
    assert!(result.is_err());
    assert_eq!(log, ["ERROR squall: panic in callback: later"]);
}

// tornado: src, Task (G103)
#[squall::test]
fn g103_the_second_call_of_a_repeatable_callback_is_ignored() {
    let waits = task(|callback| {
        let call = callback.repeatable();
        let again = call.clone();
        IoLoop::current().add_callback(move || {
            call(1);
            call(2);
        });
        IoLoop::current().add_callback(move || again(3));
    });
    assert_eq!(yield_!(waits), Ok(1));
    yield_!(sleep(SECOND));
}

// tornado: gen_test.py test_leaked_callback (G93)
#[squall::test]
fn g93_a_callback_that_is_dropped_is_an_error_that_names_its_site() {
    let line = line!() + 1;
    let waits = task(|callback: Callback<u32>| drop(callback));
    let dropped: CallbackDropped = yield_!(waits).unwrap_err();
    assert_eq!(
        (dropped.site().file(), dropped.site().line()),
        (file!(), line)
    );
    let message = squall::Error::from(dropped).to_string();
    let start = format!("the callback of the task at {}:{line}:", file!());
    assert!(message.starts_with(&start), "{message}");
    assert!(message.ends_with(" was dropped without being called"));

    // Late, from a repeatable one, and on another thread.
    let late =
        task(|callback: Callback<u32>| IoLoop::current().add_callback(move || drop(callback)));
    assert!(yield_!(late).is_err());
    let repeatable = task(|callback: Callback<u32>| drop(callback.repeatable()));
    assert!(yield_!(repeatable).is_err());
    let line = line!() + 1;
    let elsewhere = task_send(|callback: squall::SendCallback<u32>| {
        thread::spawn(move || drop(callback));
    });
    assert_eq!(yield_!(elsewhere).unwrap_err().site().line(), line);
}

// tornado: gen_test.py test_orphaned_callback (G95)
#[squall::test]
fn g95_a_callback_that_is_called_when_nobody_waits_does_nothing() {
    let kept = Rc::new(RefCell::new(None));
    let keep = kept.clone();
    let waits = task(move |callback: Callback<u32>| *keep.borrow_mut() = Some(callback));
    drop(waits);
    let callback = kept.take().expect("it was kept");
    assert!(callback.is_abandoned());
    callback.call(1);
    yield_!(moment());
}

#[squall::test]
fn callback_may_be_called_on_another_thread() {
    let answers: Vec<_> = (0..10)
        .map(|n| {
            task_send(move |callback| {
                let call = callback.into_fn();
                thread::spawn(move || call(n));
            })
        })
        .collect();
    assert_eq!(yield_!(answers), Ok((0..10).collect()));
}

#[squall::test]
fn coroutine_never_resumes_inside_the_call_of_its_callback() {
    #[squall::coroutine]
    fn waits(trace: Trace) {
        let done = trace.clone();
        let result = task(move |callback| {
            IoLoop::current().add_callback(move || {
                done.add("calling");
                callback.call(());
                done.add("called");
            });
        });
        assert_eq!(yield_!(result), Ok(()));
        trace.add("resumed");
    }
    let trace = Trace::new();
    yield_!(waits(trace.clone()));
    assert_eq!(trace.take(), ["calling", "called", "resumed"]);
}

// tornado: gen_test.py test_pass_callback (G28); the failure (G29): a coroutine's result is handed to
// a callback by a coroutine that waits for both.
#[squall::test]
fn g28_g29_a_coroutines_result_is_handed_to_a_callback_unless_it_fails() {
    #[squall::coroutine]
    fn hand_over<T, E>(call: Deferred<Result<T, E>>, callback: impl FnOnce(T)) -> Result<(), E> {
        callback(yield_!(call)?);
        Ok(())
    }
    let trace = Trace::new();
    let (good, bad) = (trace.clone(), trace.clone());
    let good = hand_over(ok_after(1, 42), move |n| good.add(n.to_string()));
    let bad = hand_over(fail_after(1, "odd"), move |n| bad.add(n.to_string()));
    assert_eq!(yield_!(good), Ok(()));
    assert_eq!(yield_!(bad), Err("odd".to_owned()));
    assert_eq!(trace.take(), ["42"]);
}

// Conversions.

// tornado: checked by running it (G74)
#[squall::test]
fn g74_maybe_future_makes_a_value_a_future_that_is_done() {
    let done: Deferred<u32> = maybe_future!(42);
    assert!(done.done());
    assert_eq!(yield_!(done), 42);
    struct Own;
    let own: Deferred<Own> = maybe_future!(Own);
    let Own = yield_!(own);
    // A list is a value, whatever is in it.
    let list: Deferred<Vec<std::future::Ready<u32>>> = maybe_future!(vec![ready(1)]);
    assert_eq!(yield_!(list).len(), 1);
}

// tornado: src (G75)
#[squall::test]
fn g75_maybe_future_leaves_a_future_as_it_is() {
    let call: Deferred<u32> = maybe_future!(after(1, 7));
    assert!(!call.done());
    assert_eq!(yield_!(call), 7);
}

// tornado: src, convert_yielded (G52)
#[squall::test]
fn g52_convert_yielded_takes_whatever_a_yield_takes() {
    assert_eq!(convert_yielded(after(1, 1)).await, 1);
    let tree = convert_yielded((vec![after(1, 1)], Some([after(2, 2)]), ()));
    assert_eq!(tree.await, (vec![1], Some([2]), ()));
    // In generic code there is no telling whether leaves are results: they stay as they are.
    let results = convert_yielded([ok_after(1, 1), fail_after(1, "odd")]).await;
    assert_eq!(results, [Ok(1), Err("odd".to_owned())]);
}

// tornado: checked by running it (G50)
#[test]
fn g50_multi_future_waits_by_itself_for_all_of_its_children() {
    let (result, log) = capture_logs(|| {
        run(|| async {
            let all = multi_future(vec![
                ok_after(3, 1),
                fail_after(1, "early"),
                fail_after(4, "late"),
            ]);
            sleep(SECOND * 7 / 2).await;
            assert!(!all.done());
            sleep(SECOND).await;
            assert!(all.done());
            all.await
        })
    });
    assert_eq!(result, Err("early".to_owned()));
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].contains("\"late\""), "{log:?}");
}

// tornado: src, of 6 (G56)
#[squall::test]
fn g56_the_children_of_a_cancelled_multi_future_go_on() {
    #[squall::coroutine]
    fn child(trace: Trace) -> Result<u32, String> {
        yield_!(sleep(SECOND));
        trace.add("goes on");
        Ok(1)
    }
    let trace = Trace::new();
    let all = multi_future([child(trace.clone()), child(trace.clone())]);
    yield_!(moment());
    assert!(all.cancel());
    yield_!(sleep(2 * SECOND));
    assert!(all.cancelled());
    assert_eq!(trace.take(), ["goes on"; 2]);
}

// tornado: gen_test.py test_multi_future_duplicate (G46)
#[squall::test]
fn g46_the_same_future_twice_gives_its_result_twice() {
    let shared = after(1, 7).shared();
    assert_eq!(yield_!([shared.clone(), shared.clone(), shared]), [7; 3]);
}

// Trees.

#[squall::test]
fn none_gives_none_at_once_and_some_is_waited_for() {
    let nothing: Option<Deferred<u32>> = None;
    assert_eq!(yield_!(nothing), None);
    assert_eq!(yield_!(Some(after(1, 7))), Some(7));
    let nothing: Option<Deferred<Result<u32, String>>> = None;
    assert_eq!(yield_!(nothing), Ok(None));
    assert_eq!(yield_!(Some(ok_after(1, 7))), Ok(Some(7)));
    assert_eq!(yield_!(Some(fail_after(1, "odd"))), Err("odd".to_owned()));
}

#[squall::test]
fn queues_keep_their_order() {
    let queue = VecDeque::from([after(2, 1), after(1, 2)]);
    assert_eq!(yield_!(queue), VecDeque::from([1, 2]));
    let queue = VecDeque::from([ok_after(2, 1), fail_after(1, "odd")]);
    assert_eq!(yield_!(queue), Err("odd".to_owned()));
}

/// A hasher that is no good, but another one than the standard library's.
#[derive(Clone, Default)]
struct Sum(u64);

impl Hasher for Sum {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.0 += u64::from(*b));
    }
}

// tornado: src, convert_yielded (G52)
#[squall::test]
fn g52_trees_nest_lists_maps_tuples_and_options() {
    type Map<V> = HashMap<&'static str, V, BuildHasherDefault<Sum>>;
    let mut map = Map::default();
    map.insert("a", vec![Some((after(1, 1), [after(2, 2)]))]);
    map.insert("b", vec![None, None]);
    let tree: Map<Vec<_>> = yield_!(map);
    assert_eq!(tree["a"], [Some((1, [2]))]);
    assert_eq!(tree["b"], [None, None]);

    let mut map = Map::default();
    map.insert("a", (Some(ok_after(1, 1)), vec![ok_after(1, 2)]));
    let tree = yield_!(map).expect("all leaves are fine");
    assert_eq!(tree["a"], (Some(1), vec![2]));

    let mut map = Map::default();
    map.insert(
        "a",
        (
            Some(fail_after(2, "deep")),
            VecDeque::from([ok_after(1, 2)]),
        ),
    );
    assert_eq!(yield_!(map).unwrap_err(), "deep");
}

#[squall::test]
fn a_users_own_type_is_yielded_alone_and_in_trees() {
    struct Query(u32);
    impl IntoFuture for Query {
        type Output = Result<u32, String>;
        type IntoFuture = Deferred<Result<u32, String>>;

        fn into_future(self) -> Self::IntoFuture {
            ok_after(1, self.0)
        }
    }
    assert_eq!(yield_!(Query(1)), Ok(1));
    assert_eq!(yield_!(vec![Some(Query(1)), None]), Ok(vec![Some(1), None]));
}

// Return.

/// A plain function that may end the coroutine which calls it.
fn positive(n: i32) -> i32 {
    if n < 0 {
        Return(format!("{n} is negative")).raise();
    }
    n
}

// tornado: gen_test.py test_sync_gen_return (G1), test_async_gen_return (G2)
#[squall::test]
fn g1_g2_return_raised_from_a_plain_function_ends_the_coroutine() {
    #[squall::coroutine]
    fn double(n: i32, wait: bool, trace: Trace) -> String {
        let _local = OnDrop(trace, "dropped");
        if wait {
            yield_!(moment());
        }
        (2 * positive(n)).to_string()
    }
    let trace = Trace::new();
    for wait in [false, true] {
        let call = double(-1, wait, trace.clone());
        assert_eq!(call.done(), !wait);
        assert_eq!(yield_!(call), "-1 is negative");
        assert_eq!(yield_!(double(2, wait, trace.clone())), "4");
    }
    assert_eq!(trace.take(), ["dropped"; 4]);
}

#[squall::test]
fn return_takes_any_type_of_a_started_coroutine() {
    #[squall::coroutine]
    fn shared() -> Rc<Cell<u32>> {
        Return(Rc::new(Cell::new(7_u32))).raise()
    }
    #[squall::coroutine]
    fn nothing() {
        yield_!(async {
            if true {
                Return(()).raise()
            }
        })
    }
    #[squall::coroutine]
    fn word() -> &'static str {
        Return("word").raise()
    }
    assert_eq!(yield_!(shared()).get(), 7);
    yield_!(nothing());
    assert_eq!(yield_!(word()), "word");
}

#[squall::test]
fn return_ends_only_the_coroutine_that_runs() {
    #[squall::coroutine]
    fn inner() -> u32 {
        yield_!(moment());
        Return(1_u32).raise()
    }
    #[squall::coroutine]
    fn outer() -> u32 {
        yield_!(inner()) + 1
    }
    assert_eq!(yield_!(outer()), 2);
}

#[squall::test]
fn return_passes_catch_panic_and_the_function_of_a_task() {
    #[squall::coroutine]
    fn caught() -> u32 {
        let result = yield_!(catch_panic(async { Return(1_u32).raise() }));
        let _: Result<(), _> = result;
        2
    }
    #[squall::coroutine]
    fn in_task() -> u32 {
        let _ = yield_!(task(|_: Callback<()>| Return(1_u32).raise()));
        2
    }
    assert_eq!(yield_!([caught(), in_task()]), [1, 1]);
}

#[test]
fn return_of_an_error_is_an_error_with_a_traceback_and_of_a_value_is_not_logged() {
    #[squall::coroutine]
    fn fails() -> Result<u32, String> {
        yield_!(moment());
        Return(Err::<u32, _>("odd".to_owned())).raise()
    }
    #[squall::coroutine]
    fn succeeds() -> Result<u32, String> {
        yield_!(moment());
        Return(Ok::<u32, String>(1)).raise()
    }
    let ((), log) = capture_logs(|| {
        run(|| async {
            drop((fails(), succeeds()));
            sleep(SECOND).await;
        })
    });
    assert_eq!(log.len(), 1, "{log:?}");
    let start = "ERROR squall: error in coroutine `fails` was never retrieved: odd\n";
    assert!(log[0].starts_with(start), "{log:?}");
    assert!(log[0].contains("after yield at"), "{log:?}");
}

#[squall::test]
fn return_of_another_type_is_a_panic_that_names_both() {
    #[squall::coroutine]
    fn wrong() -> u32 {
        yield_!(moment());
        Return("text").raise()
    }
    let caught = yield_!(catch_panic(wrong())).unwrap_err();
    let message = caught.message();
    for part in [
        "Return of a `&str` was raised at ",
        file!(),
        "in coroutine `wrong`, which returns `u32`",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn return_outside_of_a_coroutine_is_a_panic() {
    let panic = std::panic::catch_unwind(|| Return(1).raise()).unwrap_err();
    let message = panic.downcast_ref::<&str>().expect("it has a message");
    assert!(message.contains("outside of a coroutine"), "{message}");
}

#[squall::test]
fn return_ends_a_scoped_coroutine_of_a_type_that_cannot_borrow() {
    #[squall::coroutine]
    fn length(word: &str, trace: &Trace) -> Result<usize, String> {
        let _local = OnDrop(trace.clone(), "dropped");
        yield_!(moment());
        if word.is_empty() {
            Return(Err::<usize, _>("empty".to_owned())).raise();
        }
        Ok(word.len())
    }
    #[squall::coroutine]
    fn both(trace: &Trace) -> Result<usize, String> {
        let first = yield_!(length("abc", trace))?;
        let second = yield_!(length("", trace));
        assert_eq!(second, Err("empty".to_owned()));
        Ok(first)
    }
    let trace = Trace::new();
    assert_eq!(yield_!(both(&trace)), Ok(3));
    assert_eq!(trace.take(), ["dropped"; 2]);
}

// It must not end the next coroutine outwards, whose result may happen to be of its type.
#[squall::test]
fn return_in_a_scoped_coroutine_that_may_borrow_is_a_panic() {
    struct Text<'a>(#[allow(dead_code)] &'a str);
    #[squall::coroutine]
    fn borrows(word: &str) -> Text<'_> {
        yield_!(moment());
        if word.len() == 1 {
            Return(1_u32).raise();
        }
        Text(word)
    }
    #[squall::coroutine]
    fn outer(catches: bool) -> u32 {
        if catches {
            let caught = yield_!(catch_panic(borrows("x"))).err().expect("a panic");
            assert!(caught.message().contains("`borrows`, which cannot take it"));
            return 2;
        }
        yield_!(borrows("x"));
        3
    }
    assert_eq!(yield_!(outer(true)), 2);
    let caught = yield_!(catch_panic(outer(false))).unwrap_err();
    let message = caught.message();
    assert!(message.contains("scoped coroutine `borrows`"), "{message}");
    assert!(message.contains("squall::Returnable"), "{message}");
}

#[squall::test]
fn return_that_is_thrown_away_drops_its_value() {
    let trace = Trace::new();
    let value = OnDrop(trace.clone(), "dropped");
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Return(value).raise()));
    assert!(trace.take().is_empty());
    drop(caught);
    assert_eq!(trace.take(), ["dropped"]);
}

// Engine.

#[squall::engine]
fn add_later(a: u32, b: u32, callback: impl FnOnce(u32)) {
    yield_!(sleep(SECOND));
    callback(a + b);
}

// tornado: gen_test.py GenEngineTest.test_no_yield (G86)
#[squall::test]
fn g86_an_engine_function_runs_when_it_is_called_and_returns_nothing() {
    #[squall::engine]
    fn at_once(callback: impl FnOnce(u32)) {
        callback(42);
    }
    let got = Rc::new(Cell::new(0));
    let sets = got.clone();
    let nothing: () = at_once(move |n| sets.set(n));
    assert_eq!((nothing, got.get()), ((), 42));
    // One that waits goes on by itself.
    let sets = got.clone();
    add_later(1, 2, move |n| sets.set(n));
    assert_eq!(got.get(), 42);
    yield_!(sleep(2 * SECOND));
    assert_eq!(got.get(), 3);
    assert_eq!(yield_!(task(|done| add_later(3, 4, done.into_fn()))), Ok(7));
}

// tornado: gen_test.py test_exception_phase1, phase2 (G104): there is no caller to tell, so it is
// logged; a task whose callback it held is told.
#[test]
fn g104_a_panic_of_an_engine_function_is_logged_and_ends_the_task_that_waits_for_it() {
    #[squall::engine]
    fn fails(wait: bool, callback: impl FnOnce(u32)) {
        let _held = callback;
        if wait {
            yield_!(moment());
        }
        panic!("oh");
    }
    for wait in [false, true] {
        let (result, log) =
            capture_logs(|| run(|| task(|callback| fails(wait, callback.into_fn()))));
        assert!(result.is_err());
        assert_eq!(log.len(), 1, "{log:?}");
        let start = "ERROR squall: panic in coroutine `fails` was never retrieved: oh\n";
        assert!(log[0].starts_with(start), "{log:?}");
    }
}

// tornado: gen_test.py test_sync_raise_return (G105); a value does not compile: tests/ui
#[squall::test]
fn g105_an_engine_function_may_raise_a_return_without_a_value() {
    #[squall::engine]
    fn returns(trace: Trace) {
        yield_!(moment());
        trace.add("returns");
        if trace.take().len() == 1 {
            Return(()).raise();
        }
        trace.add("not reached");
    }
    let trace = Trace::new();
    returns(trace.clone());
    yield_!(sleep(SECOND));
    assert!(trace.take().is_empty());
}

squall::coroutines! {
    #[squall::engine]
    fn keyword(callback: impl FnOnce(u32)) {
        let n = yield after(1, 1);
        callback(n);
    }
}

#[squall::test]
fn engine_function_may_yield_by_the_keyword() {
    assert_eq!(yield_!(task(|done| keyword(done.into_fn()))), Ok(1));
}

// What else has a number in the list of Tornado's assertions.

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

// tornado: gen_test.py test_asyncio_gather, of 6 (G42)
#[squall::test]
fn g42_a_deferred_is_accepted_by_another_librarys_gather() {
    let all = futures_util::future::join_all([after(2, 1), after(1, 2)]);
    assert_eq!(yield_!(all), [1, 2]);
}

// tornado: checked by running it (C5)
#[squall::test]
fn c5_there_is_no_result_to_be_taken_before_the_end() {
    let mut call = after(1, 7);
    assert_eq!(call.try_take(), None);
    yield_!(sleep(2 * SECOND));
    assert_eq!(call.try_take(), Some(7));
    assert_eq!(call.try_take(), None);
}

// tornado: ChainFutureTest.test_asyncio_futures, of 6 (C8), src (C9), test_concurrent_futures (C10):
// a coroutine that waits for one future and settles another is the chain
#[squall::test]
fn c8_c9_c10_a_coroutine_chains_futures_of_any_kind() {
    #[squall::coroutine]
    fn chain<T>(from: Deferred<T>, to: Promise<T>) {
        to.set_result(yield_!(from));
    }
    let (promise, settled) = Promise::new();
    drop(chain(fail_after(1, "odd"), promise));
    assert_eq!(yield_!(settled), Err("odd".to_owned()));
    // From a thread, and to one that nobody waits for any more.
    let (promise, settled) = Promise::new();
    drop(chain(squall::run_in_executor(|| 42), promise));
    assert!(matches!(yield_!(settled), Ok(42)));
    let (promise, settled) = Promise::new();
    drop(chain(after(1, 1), promise));
    drop(settled);
    yield_!(sleep(2 * SECOND));
}

// tornado: test_multi_cancelled, of 6 (G54)
#[squall::test]
fn g54_a_list_with_a_cancelled_child_fails_with_the_cancellation() {
    #[squall::coroutine]
    fn waits(list: Vec<Deferred<u32>>) -> Result<Vec<u32>, Cancelled> {
        Ok(yield_!(list))
    }
    let (first, second) = (after(1, 1), after(2, 2));
    yield_!(moment());
    first.cancel();
    let all = waits(vec![first, second]);
    assert_eq!(yield_!(all), Err(Cancelled));
}
