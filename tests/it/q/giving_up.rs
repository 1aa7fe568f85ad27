//! Waits that are given up: what is withdrawn, what is given back, who is not kept.

use std::time::Duration;

use squall::sync::{Get, Queue};
use squall::{sleep, with_timeout, yield_};

use crate::support::{OnDrop, Trace};

use super::{MS, consume, count, poll_once, within};

// tornado: queues_test.py QueueGetTest.test_get_timeout (Q7)
#[squall::test]
fn q7_item_goes_to_the_next_getter_that_still_waits() {
    let queue = Queue::new();
    let timed_out = queue.get();
    let mut live = queue.get();
    assert!(poll_once(&mut live).is_pending());
    assert_eq!(yield_!(within(MS, timed_out)), None);
    queue.put_nowait(1).unwrap();
    assert_eq!(yield_!(live), 1);
}

// tornado: queues_test.py QueueGetTest.test_get_timeout_preempted (Q8)
#[squall::test]
fn q8_get_that_is_served_in_time_gives_its_item() {
    let (queue, trace) = (Queue::new(), Trace::new());
    let putter = queue.clone();
    squall::IoLoop::current().call_later(MS, move || putter.put_nowait(1).unwrap());
    assert_eq!(yield_!(within(2 * MS, queue.get())), Some(1));
    yield_!(sleep(5 * MS));
    queue.put_nowait(2).unwrap();
    yield_!(consume("got", queue, 1, trace.clone()));
    assert_eq!(trace.take(), ["got 2"]);
}

#[squall::test]
fn get_that_is_dropped_with_its_item_gives_it_back() {
    let queue = Queue::new();
    for n in 1..=2 {
        queue.put_nowait(n).unwrap();
    }
    drop(queue.get()); // took 1, and was never yielded
    assert_eq!(yield_!([queue.get(), queue.get()]), [1, 2]);

    let waiting = queue.get();
    queue.put_nowait(3).unwrap();
    assert!(queue.is_empty(), "it was handed over");
    drop(waiting);
    assert_eq!(queue.get_nowait().unwrap(), 3);
}

#[squall::test]
fn item_that_is_given_back_goes_to_who_waits() {
    let queue = Queue::new();
    let (first, mut second) = (queue.get(), queue.get());
    queue.put_nowait(1).unwrap();
    assert!(poll_once(&mut second).is_pending());
    drop(first);
    assert_eq!(yield_!(second), 1);
}

#[squall::test]
fn items_that_are_given_back_keep_their_order() {
    let queue = Queue::new();
    let waiting: Vec<Get<u32>> = (0..3).map(|_| queue.get()).collect();
    for n in 1..=4 {
        queue.put_nowait(n).unwrap();
    }
    drop(waiting); // a Vec drops its first item first
    let got: Vec<u32> = std::iter::from_fn(|| queue.get_nowait().ok()).collect();
    assert_eq!(got, [1, 2, 3, 4]);
}

// tornado: queues_test.py QueuePutTest.test_put_timeout (Q13)
#[squall::test]
fn q13_put_that_is_dropped_is_withdrawn() {
    let queue = Queue::bounded(1);
    queue.put_nowait(0).unwrap();
    let timed_out = queue.put(1);
    let live = queue.put(2);
    assert_eq!(yield_!(within(MS, timed_out)), None);
    assert_eq!(yield_!(queue.get()), 0);
    assert!(live.done());
    assert_eq!(yield_!(queue.get()), 2);
    assert!(queue.is_empty());
}

// tornado: queues_test.py QueuePutTest.test_put_timeout_preempted (Q14)
#[squall::test]
fn q14_put_that_finds_room_in_time_stays() {
    let queue = Queue::bounded(1);
    queue.put_nowait(0).unwrap();
    let getter = queue.clone();
    squall::IoLoop::current().call_later(MS, move || drop(getter.get_nowait()));
    assert_eq!(yield_!(within(2 * MS, queue.put(1))), Some(()));
    drop(queue.put(2)); // full again: withdrawn
    yield_!(sleep(5 * MS));
    assert_eq!(queue.get_nowait().unwrap(), 1);
    drop(queue.put(3)); // there is room: queued when the call returns
    assert_eq!(queue.get_nowait().unwrap(), 3);
    assert!(queue.is_empty());
}

// tornado: queues_test.py test_get_clears_timed_out_getters (Q9)
#[squall::test]
fn q9_get_clears_getters_that_gave_up() {
    let queue = Queue::<u32>::new();
    let gave_up: Vec<_> = (0..10).map(|_| queue.get()).collect();
    let live = queue.get();
    assert_eq!(count(&queue, "getters"), 11);
    drop(gave_up);
    let late = queue.get();
    assert_eq!(count(&queue, "getters"), 2);
    queue.put_nowait(1).unwrap();
    queue.put_nowait(2).unwrap();
    assert_eq!(yield_!([live, late]), [1, 2]);
}

// tornado: queues_test.py test_put_clears_timed_out_getters (Q9)
#[squall::test]
fn q9_put_clears_getters_that_gave_up() {
    let queue = Queue::new();
    let gave_up: Vec<_> = (0..10).map(|_| queue.get()).collect();
    let [live, last] = [queue.get(), queue.get()];
    drop(gave_up);
    queue.put_nowait(1).unwrap();
    assert_eq!(count(&queue, "getters"), 1);
    queue.put_nowait(2).unwrap();
    assert_eq!(yield_!([live, last]), [1, 2]);
}

// tornado: queues_test.py test_put_clears_timed_out_putters (Q9)
#[squall::test]
fn q9_put_clears_putters_that_gave_up() {
    let (queue, trace) = (Queue::bounded(1), Trace::new());
    queue.put_nowait(None).unwrap();
    let item = || Some(OnDrop(trace.clone(), "dropped"));
    let gave_up: Vec<_> = (0..10).map(|_| queue.put(item())).collect();
    let live = queue.put(None);
    assert_eq!(count(&queue, "putters"), 11);
    drop(gave_up);
    let late = queue.put(None);
    assert_eq!(count(&queue, "putters"), 2);
    assert_eq!(trace.take(), ["dropped"; 10]);
    drop((live, late));
}

// tornado: queues_test.py test_get_clears_timed_out_putters (Q9)
#[squall::test]
fn q9_get_clears_putters_that_gave_up() {
    let (queue, trace) = (Queue::bounded(1), Trace::new());
    queue.put_nowait(None).unwrap();
    let item = || Some(OnDrop(trace.clone(), "dropped"));
    let gave_up: Vec<_> = (0..10).map(|_| queue.put(item())).collect();
    let live = queue.put(None);
    drop(gave_up);
    drop(yield_!(queue.get()));
    assert!(live.done());
    assert_eq!(count(&queue, "putters"), 0);
    assert_eq!(trace.take(), ["dropped"; 10]);
}

#[squall::test]
fn destructor_of_an_item_may_use_the_queue() {
    struct Item(Queue<Item>);
    impl Drop for Item {
        fn drop(&mut self) {
            drop(self.0.get_nowait());
            drop(self.0.get());
        }
    }

    let queue = Queue::bounded(1);
    queue.put_nowait(Item(queue.clone())).ok().unwrap();
    assert!(queue.put_nowait(Item(queue.clone())).is_err());
    queue.put_nowait(Item(queue.clone())).ok().unwrap();
    let [withdrawn, live] = [(); 2].map(|()| queue.put(Item(queue.clone())));
    drop(withdrawn);
    drop(yield_!(queue.get()));
    drop(live);
    while queue.get_nowait().is_ok() {}
}

// tornado 6.6: queues_test.py test_get_zero_timeout, test_put_zero_timeout; earlier 0 was no limit
#[squall::test]
fn q25_no_time_at_all_is_over_at_once() {
    let queue = Queue::bounded(1);
    let began = squall::IoLoop::current().time();
    let none = Duration::ZERO;
    assert!(yield_!(with_timeout(none, queue.get())).is_err());
    assert!(yield_!(with_timeout(none, queue.put(1))).is_ok());
    assert!(yield_!(with_timeout(none, queue.put(2))).is_err());
    assert!(yield_!(with_timeout(none, queue.join())).is_err());
    assert_eq!(squall::IoLoop::current().time(), began);
    assert_eq!((yield_!(queue.get()), queue.len()), (1, 0));
}

// tornado: queues_test.py QueueGetTest.test_get_timeout, QueuePutTest.test_put_timeout, by their name
#[squall::test]
fn q7_q13_a_wait_that_timed_out_has_no_effect() {
    let queue = Queue::bounded(1);
    let error = yield_!(with_timeout(MS, queue.get())).unwrap_err();
    assert_eq!(error.to_string(), "timed out after 1 ms");
    queue.put_nowait(1).unwrap();
    assert!(yield_!(with_timeout(MS, queue.put(2))).is_err());
    assert_eq!(yield_!(with_timeout(MS, queue.get())), Ok(1));
    assert!(queue.is_empty());
}

#[squall::test]
fn q9_those_who_gave_up_behind_one_who_waits_are_not_kept() {
    let queue = Queue::bounded(1);
    let patient = queue.get();
    for _ in 0..1000 {
        drop(queue.get());
    }
    assert!(count(&queue, "getters") < 20, "{queue:?}");
    queue.put_nowait(None).unwrap();
    assert!(yield_!(patient).is_none());

    queue.put_nowait(None).unwrap();
    let (patient, trace) = (queue.put(None), Trace::new());
    for _ in 0..1000 {
        drop(queue.put(Some(OnDrop(trace.clone(), "dropped"))));
    }
    assert!(count(&queue, "putters") < 20, "{queue:?}");
    assert!(trace.take().len() > 980);
    drop(yield_!(queue.get()));
    yield_!(patient);
}
