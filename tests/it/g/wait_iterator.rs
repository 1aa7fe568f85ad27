//! Results in the order in which they come.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::future::ready;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::FutureExt;
use squall::{Deferred, IoLoop, Promise, WaitIterator, catch_panic, moment, sleep, yield_};

use crate::support::count_allocations;

const SECOND: Duration = Duration::from_secs(1);

#[squall::coroutine]
fn after<T>(seconds: u32, value: T) -> T {
    yield_!(sleep(seconds * SECOND));
    value
}

/// Promises, and what they settle.
fn promises<T: 'static>(n: usize) -> (Vec<Option<Promise<T>>>, Vec<Deferred<T>>) {
    (0..n)
        .map(|_| Promise::new())
        .map(|(promise, value)| (Some(promise), value))
        .unzip()
}

// tornado: gen_test.py test_empty_iterator (G76); what is positional and by keyword at once (G77)
// cannot be written
#[squall::test]
fn g76_an_empty_iterator_is_done() {
    let mut results = WaitIterator::new(Vec::<Deferred<u8>>::new());
    assert!(results.done());
    assert_eq!(results.current_index(), None);
    assert_eq!(yield_!(results.next()), None);
    assert_eq!(yield_!(results.next()), None);
}

// tornado: gen_test.py test_already_done (G78, G79)
#[squall::test]
fn g78_g79_what_is_done_already_comes_in_the_order_of_the_input() {
    let mut results = WaitIterator::new(["a", "b", "c"].map(Deferred::ready));
    assert_eq!(results.current_index(), None);
    for (position, value) in ["a", "b", "c"].into_iter().enumerate() {
        assert!(!results.done());
        assert_eq!(yield_!(results.next()), Some((position, value)));
        assert_eq!(results.current_index(), Some(&position));
    }
    assert!(results.done());
    assert_eq!(yield_!(results.next()), None);
    assert_eq!(results.current_index(), None);
}

// tornado: gen_test.py test_already_done, with keywords (G80)
#[squall::test]
fn g80_the_results_of_a_map_come_with_their_keys() {
    let mut results = WaitIterator::new(HashMap::from([
        ("slow", after(3, 1)),
        ("fast", after(1, 2)),
        ("middle", after(2, 3)),
    ]));
    let mut order = Vec::new();
    while let Some((key, value)) = yield_!(results.next()) {
        assert_eq!(results.current_index(), Some(&key));
        order.push((key, value));
    }
    assert_eq!(order, [("fast", 2), ("middle", 3), ("slow", 1)]);

    let map = BTreeMap::from([(String::from("b"), ready(2)), (String::from("a"), ready(1))]);
    let mut results = WaitIterator::new(map);
    assert_eq!(yield_!(results.next()), Some(("a".to_owned(), 1)));
    assert_eq!(yield_!(results.next()), Some(("b".to_owned(), 2)));
}

// tornado: gen_test.py test_iterator (G81), test_iterator_async_await (G84)
#[squall::test]
fn g81_g84_results_come_in_the_order_of_their_completion_and_an_error_ends_nothing() {
    let (mut setters, values) = promises::<Result<u32, String>>(4);
    let mut set = move |n: usize, result| setters[n].take().expect("set once").set_result(result);
    let mut results = WaitIterator::new(values);
    set(2, Ok(24));
    set(0, Err("odd".to_owned()));
    set(1, Ok(84));
    assert_eq!(yield_!(results.next()), Some((2, Ok(24))));
    assert_eq!(yield_!(results.next()), Some((0, Err("odd".to_owned()))));
    IoLoop::current().call_later(SECOND, move || set(3, Ok(42)));
    let rest = async |results: &mut WaitIterator<usize, _>| {
        let mut rest = Vec::new();
        while let Some(result) = results.next().await {
            rest.push(result);
        }
        rest
    };
    assert_eq!(rest(&mut results).await, [(1, Ok(84)), (3, Ok(42))]);
    assert!(results.done());
}

// Before the first step as after it: what is set in one turn comes in the order of the setting.
#[squall::test]
fn g81_the_order_is_that_of_the_wakes_once_the_iterator_waits() {
    let (mut setters, values) = promises::<u32>(5);
    let mut results = WaitIterator::new(values);
    IoLoop::current().add_callback(move || {
        for n in [3, 1, 4, 0, 2] {
            setters[n].take().expect("set once").set_result(n as u32);
        }
    });
    let mut order = Vec::new();
    while let Some((position, _)) = yield_!(results.next()) {
        order.push(position);
    }
    assert_eq!(order, [3, 1, 4, 0, 2]);
}

// tornado: src (G82)
#[squall::test]
fn g82_the_current_index_is_set_when_the_result_is_given() {
    let mut results = WaitIterator::new([after(2, "b"), after(1, "a")]);
    {
        let mut next = Box::pin(results.next());
        yield_!(std::future::poll_fn(|cx| {
            assert!(next.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        }));
    }
    assert_eq!(results.current_index(), None);
    // The step that was given up has lost nothing.
    yield_!(sleep(5 * SECOND));
    assert_eq!(results.current_index(), None);
    assert_eq!(yield_!(results.next()), Some((1, "a")));
    assert_eq!(results.current_index(), Some(&1));
}

// tornado: gen_test.py test_no_ref (G83)
#[squall::test]
fn g83_the_iterator_lives_as_long_as_its_step() {
    let first = yield_!(WaitIterator::new([after(2, 'x'), after(1, 'y')]).next());
    assert_eq!(first, Some((1, 'y')));
}

// tornado: gen_test.py test_duplicate_futures, of 6 (G85)
#[squall::test]
fn g85_the_same_future_three_times_gives_three_results() {
    let shared = after(1, 7).shared();
    let mut results = WaitIterator::new([shared.clone(), shared.clone(), shared]);
    let mut all = Vec::new();
    while let Some(result) = yield_!(results.next()) {
        all.push(result);
    }
    all.sort_unstable();
    assert_eq!(all, [(0, 7), (1, 7), (2, 7)]);
}

#[squall::test]
fn panic_comes_at_its_step_and_the_iterator_goes_on() {
    #[squall::coroutine]
    fn panics() -> u32 {
        yield_!(sleep(SECOND));
        panic!("oh");
    }
    let mut results = WaitIterator::new([after(3, 1), panics(), after(2, 2)]);
    let caught = yield_!(catch_panic(results.next())).unwrap_err();
    assert_eq!(caught.message(), "oh");
    assert!(caught.traceback().is_some());
    assert_eq!(results.current_index(), Some(&1));
    assert_eq!(yield_!(results.next()), Some((2, 2)));
    assert_eq!(yield_!(results.next()), Some((0, 1)));
    assert!(results.done());
}

#[squall::test]
fn futures_that_are_not_started_run_while_the_iterator_is_yielded() {
    let native = |seconds: u32| async move {
        sleep(seconds * SECOND).await;
        seconds
    };
    let mut results = WaitIterator::new((1..=3).rev().map(native).collect::<Vec<_>>());
    let mut order = Vec::new();
    while let Some(result) = yield_!(results.next()) {
        order.push(result);
    }
    assert_eq!(order, [(2, 1), (1, 2), (0, 3)]);
}

#[squall::test]
fn step_over_ten_thousand_deferreds_costs_one_poll() {
    const N: usize = 10_000;
    let polls = Rc::new(RefCell::new(0_usize));
    let (setters, values) = promises::<usize>(N);
    let counted: Vec<_> = (values.into_iter())
        .map(|mut value| {
            let polls = polls.clone();
            std::future::poll_fn(move |cx| {
                *polls.borrow_mut() += 1;
                value.poll_unpin(cx)
            })
        })
        .collect();
    let mut results = WaitIterator::new(counted);
    IoLoop::current().add_callback(move || {
        for (n, setter) in setters.into_iter().enumerate().rev() {
            let set = move || setter.expect("set once").set_result(n);
            IoLoop::current().call_later(Duration::from_millis((N - n) as u64), set);
        }
    });
    let mut expected = N;
    while let Some((position, n)) = yield_!(results.next()) {
        expected -= 1;
        assert_eq!((position, n), (expected, expected));
    }
    assert_eq!(expected, 0);
    assert_eq!(
        *polls.borrow(),
        2 * N,
        "one to begin with, one when it is done"
    );
}

#[squall::test]
fn steps_take_no_memory_once_the_iterator_has_grown() {
    let (setters, values) = promises::<usize>(200);
    let mut results = WaitIterator::new(values);
    #[squall::coroutine]
    fn set(setters: Vec<Option<Promise<usize>>>) {
        for setter in setters {
            yield_!(moment());
            setter.expect("set once").set_result(1);
        }
    }
    drop(set(setters));
    for _ in 0..100 {
        yield_!(results.next());
    }
    let before = crate::support::allocations();
    for _ in 0..100 {
        yield_!(results.next());
    }
    assert_eq!(crate::support::allocations() - before, 0);
    let ((), none) = count_allocations(|| {});
    assert_eq!(none, 0);
}
