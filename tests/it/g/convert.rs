//! What can be yielded: conversions, trees, types of users.

use std::collections::{HashMap, VecDeque};
use std::future::{IntoFuture, ready};
use std::hash::{BuildHasherDefault, Hasher};

use squall::{Deferred, convert_yielded, maybe_future, moment, multi_future, sleep, yield_};

use crate::support::{SECOND, Trace, after, capture_logs, fail_after, ok_after, run};

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
