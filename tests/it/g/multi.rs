//! Lists, arrays, maps and tuples of futures: their results, their errors.

use std::collections::{BTreeMap, HashMap};
use std::future::ready;

use squall::{Cancelled, Deferred, IoLoop, catch_panic, moment, multi, sleep, yield_};

use crate::support::{SECOND, Trace, after, capture_logs, fail_after, ok_after, run};

/// Runs a coroutine and returns its result, the seconds it took, and what was logged.
pub(super) fn timed<T: 'static>(
    f: impl FnOnce() -> Deferred<T> + 'static,
) -> (T, u64, Vec<String>) {
    let ((value, seconds), log) = capture_logs(|| {
        run(|| async {
            let started = IoLoop::current().time();
            let value = f().await;
            (value, (IoLoop::current().time() - started).as_secs())
        })
    });
    (value, seconds, log)
}

// Results.

// tornado: gen_test.py test_multi_empty (G43)
#[squall::test]
fn g43_empty_trees_give_empty_trees() {
    let list: Vec<u8> = yield_!(Vec::<Deferred<u8>>::new());
    let array: [u8; 0] = yield_!([] as [Deferred<u8>; 0]);
    let map: HashMap<&str, u8> = yield_!(HashMap::<&str, Deferred<u8>>::new());
    let ordered: BTreeMap<&str, u8> = yield_!(BTreeMap::<&str, Deferred<u8>>::new());
    assert!(list.is_empty() && array.is_empty() && map.is_empty() && ordered.is_empty());
}

#[squall::test]
fn empty_trees_of_fallible_futures_give_ok() {
    type Fallible = Deferred<Result<u32, String>>;
    assert_eq!(yield_!(Vec::<Fallible>::new()), Ok(vec![]));
    assert_eq!(yield_!([] as [Fallible; 0]), Ok([]));
    assert_eq!(yield_!(HashMap::<u8, Fallible>::new()), Ok(HashMap::new()));
    assert_eq!(
        yield_!(BTreeMap::<u8, Fallible>::new()),
        Ok(BTreeMap::new())
    );
    assert_eq!(yield_!(vec![Vec::<Fallible>::new()]), Ok(vec![vec![]]));
}

// tornado: gen_test.py test_multi_future_delayed (G44)
#[squall::test]
fn g44_results_keep_the_order_of_the_input() {
    let started = IoLoop::current().time();
    let list = yield_!(vec![after(3, "a"), after(1, "b"), after(2, "c")]);
    assert_eq!(list, ["a", "b", "c"]);
    assert_eq!(
        IoLoop::current().time() - started,
        3 * SECOND,
        "all at the same time"
    );
    assert_eq!(
        yield_!([after(2, 1), after(0, 2), Deferred::ready(3), after(1, 4)]),
        [1, 2, 3, 4]
    );
}

// tornado: gen_test.py test_multi_future_dict_delayed (G45)
#[squall::test]
fn g45_maps_keep_their_keys() {
    let map = yield_!(HashMap::from([
        ("slow", after(2, 1)),
        ("fast", after(1, 2))
    ]));
    assert_eq!(map, HashMap::from([("slow", 1), ("fast", 2)]));
    let ordered = yield_!(BTreeMap::from([(9, after(2, 'a')), (3, after(1, 'b'))]));
    assert_eq!(ordered, BTreeMap::from([(9, 'a'), (3, 'b')]));
}

#[squall::test]
fn hash_map_keeps_its_hasher() {
    use std::hash::{BuildHasherDefault, DefaultHasher};
    let mut map = HashMap::<u8, Deferred<u8>, BuildHasherDefault<DefaultHasher>>::default();
    map.insert(1, after(1, 2));
    let results: HashMap<u8, u8, BuildHasherDefault<DefaultHasher>> = yield_!(map);
    assert_eq!(results.get(&1), Some(&2));
}

#[squall::test]
fn g21_tuples_hold_futures_of_different_types() {
    let all = yield_!((after(2, "a"), sleep(SECOND), ready(3), async { 'd' }));
    assert_eq!(all, ("a", (), 3, 'd'));
    assert_eq!(yield_!((after(1, 1),)), (1,));
    let r = ready::<u8>;
    assert_eq!(
        yield_!((r(1), r(2), r(3), r(4), r(5), r(6), r(7), r(8))),
        (1, 2, 3, 4, 5, 6, 7, 8)
    );
}

// tornado: gen_test.py test_async_await_mixed_multi_native_future (G41)
#[squall::test]
fn g41_async_function_and_coroutine_are_waited_for_together() {
    async fn native() -> u32 {
        sleep(SECOND).await;
        1
    }
    assert_eq!(yield_!((native(), after(1, 2))), (1, 2));
}

// tornado: gen_test.py test_multi_moment, of 6 (G53)
#[squall::test]
fn g53_moments_may_stand_in_trees() {
    assert_eq!(yield_!([(), ()]), [(), ()]);
    assert_eq!(yield_!((after(1, 1), (), moment())), (1, (), ()));
}

// tornado: src, convert_yielded (G52)
#[squall::test]
fn g52_trees_nest() {
    let tree = yield_!(HashMap::from([
        ("a", vec![[after(2, 1), after(1, 2)]]),
        ("b", vec![]),
    ]));
    assert_eq!(tree, HashMap::from([("a", vec![[1, 2]]), ("b", vec![])]));
    let pair = yield_!((
        vec![after(1, 'x')],
        BTreeMap::from([(1, [after(1, 'y')])]),
        ((ready(1), ()), after(1, 2)),
    ));
    assert_eq!(
        pair,
        (vec!['x'], BTreeMap::from([(1, ['y'])]), ((1, ()), 2))
    );
}

#[squall::test]
fn fallible_trees_nest_and_give_one_result() {
    let tree = yield_!(BTreeMap::from([
        (1, vec![ok_after(2, 1), ok_after(1, 2)]),
        (2, vec![]),
    ]));
    assert_eq!(tree, Ok(BTreeMap::from([(1, vec![1, 2]), (2, vec![])])));
    let tuple = yield_!((vec![ok_after(1, 3)], [ok_after(1, 4)], ok_after(2, 5)));
    assert_eq!(tuple, Ok((vec![3], [4], 5)));
}

#[squall::test]
fn tree_with_a_leaf_that_cannot_fail_keeps_its_results_apart() {
    let (failed, fine) = yield_!((fail_after(1, "odd"), after(2, 1)));
    assert_eq!((failed, fine), (Err("odd".to_owned()), 1));
}

#[squall::test]
fn tree_of_different_errors_keeps_its_results_apart() {
    let (a, b) = yield_!((fail_after(1, "odd"), async { "1".parse::<u32>() }));
    assert_eq!((a, b), (Err("odd".to_owned()), Ok(1)));
}

#[squall::test]
fn scoped_children_may_borrow() {
    #[squall::coroutine]
    fn length(word: &str) -> Result<usize, String> {
        yield_!(sleep(SECOND));
        match word.len() {
            0 => Err("empty".to_owned()),
            n => Ok(n),
        }
    }
    let words = [String::from("a"), String::from("bc")];
    let lengths = yield_!(words.iter().map(|word| length(word)).collect::<Vec<_>>());
    assert_eq!(lengths, Ok(vec![1, 2]));
    assert_eq!(yield_!([length("a"), length("")]), Err("empty".to_owned()));
}

// Errors.

const MULTIPLE: &str =
    "ERROR squall: multiple errors in one yield; this one is not given to the coroutine: ";

/// Asserts that exactly these errors were logged as those that were not given.
#[track_caller]
pub(super) fn check_losers(log: &[String], errors: &[&str]) {
    let firsts: Vec<_> = log.iter().map(|l| l.lines().next().unwrap()).collect();
    let want: Vec<_> = (errors.iter().map(|e| format!("{MULTIPLE}{e:?}"))).collect();
    assert_eq!(firsts, want);
}

// tornado: gen_test.py test_multi_future_exceptions (G47)
#[test]
fn g47_first_error_is_given_and_the_other_logged() {
    #[squall::coroutine]
    fn list() -> Result<Vec<u32>, String> {
        yield_!(vec![
            fail_after(1, "first"),
            ok_after(1, 1),
            fail_after(2, "second")
        ])
    }
    let (result, seconds, log) = timed(list);
    assert_eq!((result, seconds), (Err("first".to_owned()), 2));
    check_losers(&log, &["second"]);
}

// tornado: gen_test.py test_multi_future_exceptions (G48)
#[test]
fn g48_single_error_is_given_and_nothing_logged() {
    #[squall::coroutine]
    fn list() -> Result<Vec<u32>, String> {
        yield_!(vec![ok_after(1, 1), fail_after(2, "only"), ok_after(3, 1)])
    }
    let (result, seconds, log) = timed(list);
    assert_eq!((result, seconds), (Err("only".to_owned()), 3));
    check_losers(&log, &[]);
}

// tornado: checked by running it (G50)
#[squall::test]
fn g50_all_are_waited_for_though_one_has_failed() {
    #[squall::coroutine]
    fn list(trace: Trace) -> Result<[u32; 3], String> {
        let result = yield_!([ok_after(3, 1), fail_after(1, "early"), ok_after(2, 1)]);
        trace.add("all are done");
        result
    }
    let trace = Trace::new();
    let call = list(trace.clone());
    yield_!(sleep(SECOND * 5 / 2));
    assert!(trace.take().is_empty() && !call.done());
    assert_eq!(yield_!(call), Err("early".to_owned()));
    assert_eq!(trace.take(), ["all are done"]);
}

// tornado: checked by running it (G51)
#[test]
fn g51_first_error_in_the_input_wins_over_an_earlier_one_in_time() {
    #[squall::coroutine]
    fn list() -> Result<Vec<u32>, String> {
        yield_!(vec![
            ok_after(1, 1),
            fail_after(3, "late"),
            fail_after(1, "early")
        ])
    }
    #[squall::coroutine]
    fn array() -> Result<[u32; 2], String> {
        yield_!([fail_after(3, "late"), fail_after(1, "early")])
    }
    #[squall::coroutine]
    fn map() -> Result<BTreeMap<u8, u32>, String> {
        yield_!(BTreeMap::from([
            (2, fail_after(1, "early")),
            (1, fail_after(3, "late"))
        ]))
    }
    #[squall::coroutine]
    fn tuple() -> Result<(u32, u32), String> {
        yield_!((fail_after(3, "late"), fail_after(1, "early")))
    }
    #[squall::coroutine]
    fn nested() -> Result<Vec<[u32; 1]>, String> {
        yield_!(vec![[fail_after(3, "late")], [fail_after(1, "early")]])
    }
    #[track_caller]
    fn check<T: 'static>(call: fn() -> Deferred<Result<T, String>>) {
        let (result, seconds, log) = timed(call);
        assert_eq!((result.err().as_deref(), seconds), (Some("late"), 3));
        check_losers(&log, &["early"]);
    }
    check(list);
    check(array);
    check(map);
    check(tuple);
    check(nested);
}

#[test]
fn every_error_but_the_first_is_logged_once() {
    #[squall::coroutine]
    fn list() -> Result<Vec<u32>, String> {
        yield_!(vec![
            fail_after(4, "a"),
            fail_after(3, "b"),
            fail_after(1, "c"),
            fail_after(2, "d")
        ])
    }
    let (result, _, log) = timed(list);
    assert_eq!(result, Err("a".to_owned()));
    // Each is logged as soon as it is known that it is not the first: "c" gives way to none before
    // "b" comes, "b" to "a".
    check_losers(&log, &["d", "c", "b"]);
}

#[test]
fn error_of_a_hash_map_is_given_and_the_other_logged() {
    #[squall::coroutine]
    fn map() -> Result<HashMap<&'static str, u32>, String> {
        yield_!(HashMap::from([
            ("a", fail_after(1, "x")),
            ("b", fail_after(2, "y"))
        ]))
    }
    let (result, seconds, log) = timed(map);
    assert_eq!(seconds, 2);
    // The order of a hash map is not known.
    let loser = match result.unwrap_err().as_str() {
        "x" => "y",
        "y" => "x",
        other => panic!("neither child failed with {other}"),
    };
    check_losers(&log, &[loser]);
}

#[test]
fn errors_of_done_children_are_given_and_logged_as_well() {
    #[squall::coroutine]
    fn list() -> Result<[u32; 2], String> {
        let fail = |error: &str| Deferred::ready(Err(error.to_owned()));
        yield_!([fail("first"), fail("second")])
    }
    let (result, _, log) = timed(list);
    assert_eq!(result, Err("first".to_owned()));
    assert_eq!(log, [format!("{MULTIPLE}\"second\"")]);
}

// tornado: gen_test.py test_multi_future_exceptions (G49)
#[test]
fn g49_quiet_logs_no_error() {
    #[squall::coroutine]
    fn quiet() {
        let pair = || [fail_after(2, "first"), fail_after(1, "second")];
        let first = Some("first".to_owned());
        assert_eq!(yield_!(multi(pair()).quiet()).err(), first);
        assert_eq!(yield_!(multi(Vec::from(pair())).quiet()).err(), first);
        assert_eq!(yield_!(multi(vec![pair(), pair()]).quiet()).err(), first);
        assert_eq!(yield_!(multi(<(_, _)>::from(pair())).quiet()).err(), first);
        let [one, two] = pair();
        let map = BTreeMap::from([(1, one), (2, two)]);
        assert_eq!(yield_!(multi(map).quiet()).err(), first);
        let [one, two] = pair();
        let map = HashMap::from([(1, one), (2, two)]);
        assert!(yield_!(multi(map).quiet()).is_err());
    }
    let (_, _, log) = timed(quiet);
    assert_eq!(log, [""; 0]);
}

#[test]
fn multi_that_is_not_quiet_is_as_the_bare_tree() {
    #[squall::coroutine]
    fn loud() -> Result<[u32; 2], String> {
        let waits = multi([fail_after(2, "first"), fail_after(1, "second")]);
        waits.await
    }
    let (result, seconds, log) = timed(loud);
    assert_eq!((result, seconds), (Err("first".to_owned()), 2));
    check_losers(&log, &["second"]);
}

// tornado: src, of 6 (G56), for a tree that is dropped
#[squall::test]
fn g56_children_go_on_though_nobody_waits_for_the_tree() {
    #[squall::coroutine]
    fn child(trace: Trace, name: &'static str, seconds: u32) {
        yield_!(sleep(seconds * SECOND));
        trace.add(name);
    }
    #[squall::coroutine]
    fn panics() {
        yield_!(sleep(SECOND));
        panic!("oh");
    }
    // A panic is not an error of a child: it is resumed at once, and the siblings are detached.
    let trace = Trace::new();
    let started = IoLoop::current().time();
    let list = vec![
        child(trace.clone(), "a", 2),
        panics(),
        child(trace.clone(), "c", 3),
    ];
    let caught = yield_!(catch_panic(async { yield_!(list) })).unwrap_err();
    assert_eq!(caught.message(), "oh");
    assert_eq!(IoLoop::current().time() - started, SECOND);
    assert!(trace.take().is_empty());
    yield_!(sleep(5 * SECOND));
    assert_eq!(trace.take(), ["a", "c"]);
}

// tornado: gen_test.py test_multi_future_duplicate (G46)
#[squall::test]
fn g46_the_same_future_twice_in_a_list_gives_its_result_twice() {
    let (promise, answer) = squall::Promise::new();
    let shared = answer.shared();
    assert!(!shared.done());
    squall::IoLoop::current().add_callback(move || promise.set_result("one".to_owned()));
    let both = yield_!(vec![shared.clone(), shared.clone()]);
    assert_eq!(both, ["one", "one"]);
    assert!(shared.done());
    assert_eq!(yield_!(shared), "one");
}

#[squall::test]
fn a_shared_panic_comes_to_everyone_who_waits() {
    #[squall::coroutine]
    fn panics() -> u32 {
        yield_!(());
        panic!("oh no");
    }
    let shared = panics().shared();
    for _ in 0..2 {
        let caught = yield_!(squall::catch_panic(shared.clone())).unwrap_err();
        assert_eq!(caught.message(), "oh no");
    }
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

#[test]
fn the_error_of_a_list_that_is_given_up_is_logged() {
    #[squall::coroutine]
    fn waits(list: Vec<Deferred<Result<u32, String>>>) -> Result<Vec<u32>, String> {
        yield_!(list)
    }
    #[squall::coroutine]
    fn gives_up() {
        let waiting = waits(vec![fail_after(1, "bad"), ok_after(5, 5)]);
        yield_!(sleep(2 * SECOND));
        waiting.cancel();
        assert_eq!(yield_!(waiting.or_cancelled()), Err(Cancelled));
    }
    let ((), log) = capture_logs(|| run(gives_up));
    let begins = "ERROR squall: an error among the children of a yield that was given up: ";
    assert!(log.len() == 1 && log[0].starts_with(begins), "{log:?}");
}
