//! Putting and getting: order, bound, waiting, hand-over.

use squall::sync::Queue;
use squall::{sleep, yield_};

use crate::support::Trace;

use super::{MS, consume};

// tornado: queues_test.py QueuePutTest.test_maxsize (Q2)
#[squall::test]
fn q2_put_to_a_full_queue_waits_for_a_get() {
    let queue = Queue::bounded(2);
    let [first, second] = [queue.put(1), queue.put(2)];
    let third = queue.put(3);
    assert!(first.done() && second.done() && !third.done());
    assert!(queue.is_full());
    assert_eq!(yield_!(queue.get()), 1);
    assert!(third.done() && queue.is_full());
    yield_!(third);
    assert_eq!((queue.len(), yield_!(queue.get())), (2, 2));
    assert_eq!(yield_!(queue.get()), 3);
    assert!(queue.is_empty() && !queue.is_full());
}

// tornado: queues_test.py QueueBasicTest.test_order (Q3)
#[squall::test]
fn q3_items_come_out_in_the_order_in_which_they_were_put() {
    let queue = Queue::new();
    for n in [1, 3, 2] {
        queue.put_nowait(n).unwrap();
    }
    assert_eq!(queue.len(), 3);
    assert_eq!(yield_!(queue.put(4)), ());
    let got = [yield_!(queue.get()), queue.get_nowait().unwrap()];
    assert_eq!(got, [1, 3]);
    assert_eq!(yield_!([queue.get(), queue.get()]), [2, 4]);
}

#[squall::test]
fn clones_are_the_same_queue() {
    let queue = Queue::default();
    let clone = queue.clone();
    clone.put_nowait(1).unwrap();
    assert_eq!((queue.len(), yield_!(queue.get())), (1, 1));
    assert!(clone.is_empty());
}

// tornado: queues_test.py test_nonblocking_get_exception, test_nonblocking_put_exception (Q4)
#[squall::test]
fn q4_nowait_tells_empty_from_full() {
    let queue = Queue::bounded(1);
    let empty = queue.get_nowait().unwrap_err();
    assert!(empty.is_queue_empty() && !empty.is_queue_full());
    queue.put_nowait(1).unwrap();
    let full = queue.put_nowait(2).unwrap_err();
    assert!(full.is_queue_full() && !full.is_queue_empty());
    let texts = (empty.to_string(), full.to_string());
    assert_eq!(
        texts,
        ("the queue is empty".into(), "the queue is full".into())
    );
    assert_eq!(queue.get_nowait().unwrap(), 1, "the other was not queued");
    assert!(queue.is_empty());
}

// tornado: queues_test.py QueuePutTest.test_float_maxsize has no like; 0 has (Q1, Q15)
#[squall::test]
fn bad_bound_of_zero_is_none() {
    let queue = Queue::bounded(0);
    for n in 0..10_000 {
        queue.put_nowait(n).unwrap();
    }
    assert_eq!((queue.len(), queue.is_full()), (10_000, false));
}

// tornado: queues_test.py QueueGetTest.test_get_with_putters (Q5)
#[squall::test]
fn q5_get_takes_the_oldest_item_and_lets_the_first_putter_in() {
    let queue = Queue::bounded(1);
    queue.put_nowait(0).unwrap();
    let [first, second] = [queue.put(1), queue.put(2)];
    assert_eq!(queue.get_nowait().unwrap(), 0);
    assert!(first.done() && !second.done());
    assert_eq!(yield_!(queue.get()), 1);
    yield_!([first, second]);
    assert_eq!(queue.get_nowait().unwrap(), 2);
}

// tornado: queues_test.py test_blocking_get_wait, test_put_with_getters (Q6, Q10)
#[squall::test]
fn q6_q10_getters_are_served_in_the_order_in_which_they_came() {
    let (queue, trace) = (Queue::new(), Trace::new());
    let consumers: Vec<_> = (["a", "b", "c"].into_iter())
        .map(|name| consume(name, queue.clone(), 1, trace.clone()))
        .collect();
    yield_!(sleep(MS));
    for n in 1..=3 {
        queue.put_nowait(n).unwrap();
    }
    yield_!(consumers);
    assert_eq!(trace.take(), ["a 1", "b 2", "c 3"]);
}

// tornado: queues_test.py test_nonblocking_put_with_getters (Q11)
#[squall::test]
fn q11_put_hands_the_item_over_and_the_getter_resumes_later() {
    let (queue, trace) = (Queue::bounded(1), Trace::new());
    let consumer = consume("got", queue.clone(), 1, trace.clone());
    queue.put_nowait(1).unwrap();
    trace.add(format!("put, {} in the queue", queue.len()));
    // Nobody who comes later gets what was handed over.
    assert!(queue.get_nowait().unwrap_err().is_queue_empty());
    queue.put_nowait(2).unwrap();
    trace.add(format!("put, {} in the queue", queue.len()));
    yield_!(consumer);
    assert_eq!(
        trace.take(),
        ["put, 0 in the queue", "put, 1 in the queue", "got 1"]
    );
}

// tornado: queues_test.py QueuePutTest.test_blocking_put_wait (Q12)
#[squall::test]
fn q12_putters_are_let_in_in_the_order_in_which_they_came() {
    #[squall::coroutine]
    fn produce(name: &'static str, item: u32, queue: Queue<u32>, trace: Trace) {
        yield_!(queue.put(item));
        trace.add(format!("{name} put"));
    }

    let (queue, trace) = (Queue::bounded(1), Trace::new());
    queue.put_nowait(0).unwrap();
    let producers: Vec<_> = (["a", "b", "c"].into_iter().zip(1..))
        .map(|(name, item)| produce(name, item, queue.clone(), trace.clone()))
        .collect();
    let mut got = Vec::new();
    for _ in 0..4 {
        yield_!(sleep(MS));
        got.push(yield_!(queue.get()));
    }
    yield_!(producers);
    assert_eq!(got, [0, 1, 2, 3]);
    assert_eq!(trace.take(), ["a put", "b put", "c put"]);
}

#[squall::test]
fn place_of_a_putter_is_not_taken_by_one_who_comes_later() {
    let queue = Queue::bounded(1);
    queue.put_nowait(0).unwrap();
    let waiting = queue.put(1);
    assert_eq!(queue.get_nowait().unwrap(), 0);
    assert!(queue.put_nowait(2).unwrap_err().is_queue_full());
    let late = queue.put(3);
    assert!(waiting.done() && !late.done());
    assert_eq!(yield_!([queue.get(), queue.get()]), [1, 3]);
}

// tornado: queues_test.py QueueGetTest.test_async_for
#[squall::test]
fn q24_items_come_in_order_until_the_loop_breaks() {
    let queue = Queue::new();
    for n in 0..5 {
        queue.put_nowait(n).unwrap();
    }
    let mut got = Vec::new();
    loop {
        let n = yield_!(queue.get());
        got.push(n);
        if n == 3 {
            break;
        }
    }
    assert_eq!((got, queue.len()), (vec![0, 1, 2, 3], 1));
}

// tornado: queues_test.py QueueBasicTest.test_repr_and_str, as Debug (Q26)
#[squall::test]
fn q26_debug_shows_the_counts() {
    let queue = Queue::bounded(1);
    queue.put_nowait(1).unwrap();
    let put = queue.put(2);
    assert_eq!(
        format!("{queue:?}"),
        "Queue { max: 1, len: 1, getters: 0, putters: 1, unfinished: 1 }"
    );
    drop(put);
}

#[squall::test]
#[should_panic(expected = "a get gives its item once")]
fn get_that_is_waited_for_again_panics() {
    let queue = Queue::new();
    queue.put_nowait(1).unwrap();
    let mut get = queue.get();
    assert_eq!(yield_!(&mut get), 1);
    yield_!(&mut get);
}
