//! Lists, arrays, maps and tuples of futures: their results, their errors, their number.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::future::{Future, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use squall::{Deferred, IoLoop, Promise, catch_panic, moment, multi, sleep, yield_};

use crate::support::{SECOND, Trace, after, capture_logs, fail_after, ok_after, run};

/// Runs a coroutine and returns its result, the seconds it took, and what was logged.
fn timed<T: 'static>(f: impl FnOnce() -> Deferred<T> + 'static) -> (T, u64, Vec<String>) {
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
fn tuples_hold_futures_of_different_types() {
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
fn check_losers(log: &[String], errors: &[&str]) {
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

// Many.

/// What another thread may ring: wakes the future that waits for it.
#[derive(Default)]
struct Bell(Mutex<(bool, Option<Waker>)>);

impl Bell {
    fn ring(&self) {
        let waker = {
            let mut bell = self.0.lock().unwrap();
            bell.0 = true;
            bell.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn waker(&self) -> Option<Waker> {
        self.0.lock().unwrap().1.clone()
    }
}

/// Waits for a bell, and counts how often it is polled.
struct Rung {
    bell: Arc<Bell>,
    polls: Rc<Cell<usize>>,
}

impl Future for Rung {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.polls.set(self.polls.get() + 1);
        let mut bell = self.bell.0.lock().unwrap();
        if bell.0 {
            return Poll::Ready(());
        }
        bell.1 = Some(cx.waker().clone());
        Poll::Pending
    }
}

fn bells(n: usize) -> (Vec<Arc<Bell>>, Rc<Cell<usize>>, Vec<Rung>) {
    let bells: Vec<_> = (0..n).map(|_| Arc::new(Bell::default())).collect();
    let polls = Rc::new(Cell::new(0));
    let waits = (bells.iter())
        .map(|bell| Rung {
            bell: bell.clone(),
            polls: polls.clone(),
        })
        .collect();
    (bells, polls, waits)
}

#[squall::coroutine]
fn wait_all(waits: Vec<Rung>) -> usize {
    yield_!(waits).len()
}

// tornado: gen_test.py test_multi_performance (G33): no quadratic cost
#[squall::test]
fn g33_thousands_of_children_woken_one_a_turn_are_polled_twice_each() {
    let (bells, polls, waits) = bells(2000);
    let call = wait_all(waits);
    assert_eq!(polls.get(), 2000, "one poll each to begin with");
    for (rung, bell) in bells.iter().rev().enumerate() {
        bell.ring();
        yield_!(moment());
        assert_eq!(polls.get(), 2000 + rung + 1, "only the woken one is polled");
    }
    assert_eq!(yield_!(call), 2000);
    assert_eq!(polls.get(), 4000);
}

#[squall::test]
fn thousands_of_children_woken_by_another_thread_are_polled_twice_each() {
    let (bells, polls, waits) = bells(2000);
    let call = wait_all(waits);
    let ringer = thread::spawn(move || bells.iter().for_each(|bell| bell.ring()));
    assert_eq!(yield_!(call), 2000);
    assert_eq!(polls.get(), 4000);
    ringer.join().unwrap();
}

#[squall::test]
fn children_of_nested_lists_are_polled_one_by_one() {
    let (bells, polls, mut waits) = bells(40 * 40);
    let mut lists = Vec::new();
    while !waits.is_empty() {
        lists.push(waits.split_off(waits.len() - 40));
    }
    #[squall::coroutine]
    fn wait_lists(lists: Vec<Vec<Rung>>) -> usize {
        yield_!(lists).iter().map(Vec::len).sum()
    }
    let call = wait_lists(lists);
    for bell in &bells {
        bell.ring();
        yield_!(moment());
    }
    assert_eq!(yield_!(call), 1600);
    assert_eq!(polls.get(), 3200);
}

#[squall::test]
fn children_woken_several_times_before_the_turn_are_done_once() {
    let (bells, polls, waits) = bells(100);
    let call = wait_all(waits);
    let spurious: Vec<Waker> = bells.iter().filter_map(|bell| bell.waker()).collect();
    spurious.iter().for_each(Waker::wake_by_ref);
    yield_!(moment());
    assert_eq!(polls.get(), 200, "a spurious wake is a poll");
    bells.iter().for_each(|bell| bell.ring());
    // Those that are done, and the list that is gone, are woken once more.
    spurious.iter().for_each(Waker::wake_by_ref);
    assert_eq!(yield_!(call), 100);
    assert_eq!(polls.get(), 300);
    spurious.iter().for_each(Waker::wake_by_ref);
    yield_!(moment());
    assert_eq!(polls.get(), 300);
}

#[squall::test]
fn stale_wakers_of_a_list_do_no_harm_to_the_next_one() {
    let (bells, polls, waits) = bells(50);
    let call = wait_all(waits);
    let stale: Vec<Waker> = bells.iter().filter_map(|bell| bell.waker()).collect();
    bells.iter().for_each(|bell| bell.ring());
    assert_eq!(yield_!(call), 50);
    assert_eq!(polls.get(), 100);

    // A shorter list, in the slot that the first one had.
    let (bells, polls, waits) = self::bells(20);
    let call = wait_all(waits);
    stale.iter().for_each(Waker::wake_by_ref);
    yield_!(moment());
    assert!(!call.done() && polls.get() <= 40, "{} polls", polls.get());
    bells.iter().for_each(|bell| bell.ring());
    assert_eq!(yield_!(call), 20);
}

#[squall::test]
fn thousands_of_children_of_all_kinds_give_their_results_in_order() {
    type Child = Pin<Box<dyn Future<Output = usize>>>;
    let (bells, polls, waits) = bells(500);
    let mut rung = waits.into_iter().enumerate();
    let promises = Rc::new(RefCell::new(Vec::new()));
    let children: Vec<Child> = (0..2000)
        .map(|n| -> Child {
            match n % 4 {
                0 => Box::pin(after(n as u32 % 7, n)),
                1 => {
                    let (promise, value) = Promise::new();
                    promises.borrow_mut().push((promise, n));
                    Box::pin(value)
                }
                2 => Box::pin(async move {
                    sleep(Duration::from_millis(n as u64)).await;
                    moment().await;
                    n
                }),
                _ => {
                    let (_, wait) = rung.next().unwrap();
                    Box::pin(async move {
                        wait.await;
                        n
                    })
                }
            }
        })
        .collect();
    let setter = promises.clone();
    IoLoop::current().call_later(3 * SECOND, move || {
        for (promise, n) in setter.take().into_iter().rev() {
            promise.set_result(n);
        }
    });
    #[squall::coroutine]
    fn wait(children: Vec<Child>) -> Vec<usize> {
        yield_!(children)
    }
    let call = wait(children);
    let ringer = thread::spawn(move || bells.iter().for_each(|bell| bell.ring()));
    assert_eq!(yield_!(call), (0..2000).collect::<Vec<_>>());
    let polls = polls.get();
    assert!(polls <= 1000, "{polls} polls of 500 children");
    ringer.join().unwrap();
}

#[test]
fn errors_among_thousands_of_children_keep_to_the_order_of_the_input() {
    #[squall::coroutine]
    fn many() -> Result<Vec<u32>, String> {
        let child = |n| match n {
            700 => fail_after(9, "first"),
            1300 => fail_after(1, "second"),
            n => ok_after(n % 10, n),
        };
        yield_!((0..2000).map(child).collect::<Vec<_>>())
    }
    let (result, seconds, log) = timed(many);
    assert_eq!((result, seconds), (Err("first".to_owned()), 9));
    check_losers(&log, &["second"]);
}

#[squall::test]
fn large_arrays_and_maps_are_polled_one_by_one_too() {
    let (bells, polls, waits) = bells(64);
    let Ok(array) = <[Rung; 64]>::try_from(waits) else {
        unreachable!("there are 64 bells");
    };
    #[squall::coroutine]
    fn wait_array(waits: [Rung; 64]) -> usize {
        yield_!(waits).len()
    }
    let call = wait_array(array);
    for bell in &bells {
        bell.ring();
        yield_!(moment());
    }
    assert_eq!((yield_!(call), polls.get()), (64, 128));

    let (bells, polls, waits) = self::bells(64);
    #[squall::coroutine]
    fn wait_map(waits: HashMap<usize, Rung>) -> usize {
        yield_!(waits).len()
    }
    let call = wait_map(waits.into_iter().enumerate().collect());
    for bell in &bells {
        bell.ring();
        yield_!(moment());
    }
    assert_eq!((yield_!(call), polls.get()), (64, 128));
}

#[test]
fn list_that_waits_when_its_loop_is_closed_is_dropped_with_its_children() {
    let trace = Trace::new();
    run(|| {
        let children = (0..100).map(|_| after(60, crate::support::OnDrop(trace.clone(), "x")));
        #[squall::coroutine]
        fn wait<T>(children: Vec<Deferred<T>>) {
            yield_!(children);
        }
        drop(wait(children.collect()));
        moment()
    });
    assert_eq!(trace.take(), ["x"; 100]);
    assert!(crate::support::live_names().is_empty());
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
