//! Thousands of futures in one yield.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use squall::{Deferred, IoLoop, Promise, moment, sleep, yield_};

use crate::support::{SECOND, Trace, after, fail_after, held_bytes, ok_after, run};

use super::multi::{check_losers, timed};

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

#[squall::test]
fn a_child_that_is_woken_over_and_over_takes_no_more_memory() {
    let wakers = Rc::new(RefCell::new(Vec::new()));
    let kept = wakers.clone();
    let children: Vec<_> = (0..20)
        .map(|_| {
            let (kept, mut polls) = (kept.clone(), 0);
            std::future::poll_fn(move |cx| {
                polls += 1;
                kept.borrow_mut().push(cx.waker().clone());
                if polls == 1 {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            })
        })
        .collect();
    IoLoop::current().add_callback(move || {
        let wakers = wakers.take();
        let before = held_bytes();
        for round in 0..100_000 {
            wakers[round % 3].wake_by_ref();
        }
        assert!(held_bytes() - before < 4096, "{}", held_bytes() - before);
        wakers.into_iter().for_each(Waker::wake);
    });
    assert_eq!(yield_!(children).len(), 20);
}
