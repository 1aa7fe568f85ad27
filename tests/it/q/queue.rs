//! The queue between coroutines: order, waiting, hand-over, what a drop gives back, `join`.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use squall::sync::{Get, Queue};
use squall::{sleep, with_timeout, yield_};

use crate::support::{OnDrop, Trace};

const MS: Duration = Duration::from_millis(1);

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Waits for `future` until `limit` has passed; then it is dropped.
async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut limit = sleep(limit);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Pin::new(&mut limit).poll(cx).map(|()| None),
    })
    .await
}

/// How many wait in the queue, by the name of the field that it shows.
fn count<T>(queue: &Queue<T>, field: &str) -> usize {
    let shown = format!("{queue:?}");
    let (_, rest) = shown.split_once(&format!("{field}: ")).expect(field);
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("it is a number")
}

/// Gets until `stop`, and adds each item to a trace under a name.
#[squall::coroutine]
fn consume(name: &'static str, queue: Queue<u32>, times: u32, trace: Trace) {
    for _ in 0..times {
        let item = yield_!(queue.get());
        trace.add(format!("{name} {item}"));
    }
}

// Putting and getting.

// tornado: queues_test.py QueuePutTest.test_maxsize (Q2)
#[squall::test]
fn put_to_a_full_queue_waits_for_a_get() {
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
fn items_come_out_in_the_order_in_which_they_were_put() {
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
fn nowait_tells_empty_from_full() {
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
fn bound_of_zero_is_none() {
    let queue = Queue::bounded(0);
    for n in 0..10_000 {
        queue.put_nowait(n).unwrap();
    }
    assert_eq!((queue.len(), queue.is_full()), (10_000, false));
}

// tornado: queues_test.py QueueGetTest.test_get_with_putters (Q5)
#[squall::test]
fn get_takes_the_oldest_item_and_lets_the_first_putter_in() {
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
fn getters_are_served_in_the_order_in_which_they_came() {
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
fn put_hands_the_item_over_and_the_getter_resumes_later() {
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
fn putters_are_let_in_in_the_order_in_which_they_came() {
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

// Giving up.

// tornado: queues_test.py QueueGetTest.test_get_timeout (Q7)
#[squall::test]
fn item_goes_to_the_next_getter_that_still_waits() {
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
fn get_that_is_served_in_time_gives_its_item() {
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
fn put_that_is_dropped_is_withdrawn() {
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
fn put_that_finds_room_in_time_stays() {
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
fn get_clears_getters_that_gave_up() {
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
fn put_clears_getters_that_gave_up() {
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
fn put_clears_putters_that_gave_up() {
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
fn get_clears_putters_that_gave_up() {
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

// join and task_done.

// tornado: queues_test.py QueueJoinTest.test_task_done_underflow (Q16)
#[squall::test]
fn task_done_without_a_put_panics_and_leaves_the_queue_usable() {
    let queue = Queue::new();
    let done = catch_unwind(AssertUnwindSafe(|| queue.task_done()));
    let panic = done.expect_err("nothing was put");
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    assert_eq!(text.unwrap(), "task_done was called more often than put");
    queue.put_nowait(1).unwrap();
    assert_eq!(yield_!(queue.get()), 1);
}

// tornado: queues_test.py QueueJoinTest.test_task_done (Q17)
#[squall::test]
fn join_waits_until_all_workers_reported_all_items() {
    #[squall::coroutine]
    fn work(queue: Queue<u32>, sum: Rc<std::cell::Cell<u32>>) {
        loop {
            let item = yield_!(queue.get());
            sum.set(sum.get() + item);
            yield_!(sleep(item % 3 * MS));
            queue.task_done();
        }
    }

    let (queue, sum) = (Queue::new(), Rc::default());
    for n in 0..100 {
        queue.put_nowait(n).unwrap();
    }
    for _ in 0..2 {
        drop(work(queue.clone(), Rc::clone(&sum)));
    }
    yield_!(queue.join());
    assert_eq!(sum.get(), (0..100).sum::<u32>());
    assert_eq!(count(&queue, "unfinished"), 0);
}

// tornado: queues_test.py QueueJoinTest.test_task_done_delay (Q18)
#[squall::test]
fn join_waits_for_task_done_and_not_for_the_get() {
    let queue = Queue::new();
    queue.put_nowait(1).unwrap();
    let joins = [queue.join(), queue.join()];
    assert_eq!(yield_!(queue.get()), 1);
    yield_!(sleep(MS));
    assert!(joins.iter().all(|join| !join.done()));
    queue.task_done();
    assert!(joins.iter().all(|join| join.done()));
    yield_!(joins);
}

// tornado: queues_test.py QueueJoinTest.test_join_empty_queue (Q19)
#[squall::test]
fn join_of_a_queue_without_work_is_done() {
    let queue = Queue::new();
    yield_!(queue.join());
    yield_!(queue.join());
    queue.put_nowait(()).unwrap();
    yield_!(queue.get());
    queue.task_done();
    yield_!(queue.join());
}

// tornado: queues_test.py QueueJoinTest.test_join_timeout (Q20)
#[squall::test]
fn join_can_be_given_up() {
    let queue = Queue::new();
    queue.put_nowait(1).unwrap();
    assert_eq!(yield_!(within(MS, queue.join())), None);
    let later = queue.join();
    queue.task_done();
    yield_!(later);
}

// tornado: queues.py Queue._put_internal (Q27)
#[squall::test]
fn put_that_waits_counts_as_work_when_it_enters() {
    let queue = Queue::bounded(1);
    queue.put_nowait(0).unwrap();
    let waiting = queue.put(1);
    assert_eq!(count(&queue, "unfinished"), 1);
    assert_eq!(yield_!(queue.get()), 0);
    assert_eq!(count(&queue, "unfinished"), 2);
    yield_!(waiting);
    // Handed over without lying in the queue: counts as well, and once, whoever gets it in the end.
    assert_eq!(yield_!(queue.get()), 1);
    let getter = queue.get();
    queue.put_nowait(2).unwrap();
    drop(getter);
    assert_eq!(count(&queue, "unfinished"), 3);
    assert_eq!(yield_!(queue.get()), 2);
    let join = queue.join();
    for _ in 0..3 {
        assert!(!join.done());
        queue.task_done();
    }
    assert!(join.done());
}

// tornado: queues_test.py ProducerConsumerTest.test_producer_consumer (Q23)
#[squall::test]
fn producer_and_consumer_take_turns_in_order() {
    #[squall::coroutine]
    fn consumer(queue: Queue<u32>, trace: Trace) {
        loop {
            // No yield between get and task_done, as in Tornado's test.
            trace.add(yield_!(queue.get()).to_string());
            queue.task_done();
        }
    }

    #[squall::coroutine]
    fn producer(queue: Queue<u32>) {
        for n in 0..10 {
            yield_!(queue.put(n));
        }
    }

    let (queue, trace) = (Queue::bounded(3), Trace::new());
    drop(consumer(queue.clone(), trace.clone()));
    yield_!(producer(queue.clone()));
    yield_!(queue.join());
    trace.add("joined");
    assert_eq!(
        trace.take(),
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "joined"]
    );
}

// tornado: queues_test.py QueueBasicTest.test_repr_and_str, as Debug (Q26)
#[squall::test]
fn debug_shows_the_counts() {
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

// tornado: queues_test.py PriorityQueueJoinTest.test_order
#[squall::test]
fn q21_a_priority_queue_takes_who_waits_in_first_and_then_the_smallest() {
    let queue = squall::sync::PriorityQueue::bounded(2);
    queue.put_nowait((1, 'a')).unwrap();
    queue.put_nowait((0, 'b')).unwrap();
    assert!(queue.is_full());
    let blocked = [queue.put((3, 'c')), queue.put((2, 'd'))];
    for want in [(0, 'b'), (1, 'a'), (2, 'd'), (3, 'c')] {
        assert_eq!(yield_!(queue.get()), want);
    }
    assert!(queue.is_empty());
    yield_!(blocked);
}

// tornado: queues_test.py LifoQueueJoinTest.test_order
#[squall::test]
fn q22_a_lifo_queue_takes_who_waits_in_first_and_then_the_newest() {
    let queue = squall::sync::LifoQueue::bounded(2);
    queue.put_nowait(1).unwrap();
    queue.put_nowait(0).unwrap();
    let blocked = [queue.put(3), queue.put(2)];
    for want in [3, 2, 0, 1] {
        assert_eq!(yield_!(queue.get()), want);
    }
    yield_!(blocked);
}

#[squall::test]
fn an_item_that_is_given_back_keeps_its_place_in_every_kind() {
    let smallest = squall::sync::PriorityQueue::new();
    let newest = squall::sync::LifoQueue::new();
    for n in [2, 1, 3] {
        smallest.put_nowait(n).unwrap();
        newest.put_nowait(n).unwrap();
    }
    drop((smallest.get(), newest.get()));
    assert_eq!(yield_!((smallest.get(), newest.get())), (1, 3));
    assert_eq!(yield_!((smallest.get(), newest.get())), (2, 1));
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
fn q7_and_q13_a_wait_that_timed_out_has_no_effect() {
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

// tornado: queues_test.py, str(q) of the other kinds
#[squall::test]
fn q26_every_kind_shows_its_name_and_counts() {
    let (smallest, newest) = (
        squall::sync::PriorityQueue::bounded(3),
        squall::sync::LifoQueue::<u8>::new(),
    );
    smallest.put_nowait(1).unwrap();
    let get = newest.get();
    assert_eq!(
        format!("{smallest:?} {newest:?} {get:?}"),
        "PriorityQueue { max: 3, len: 1, getters: 0, putters: 0, unfinished: 1 } \
        LifoQueue { max: 0, len: 0, getters: 1, putters: 0, unfinished: 0 } Get { done: false }"
    );
}
