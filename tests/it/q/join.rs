//! Work that is counted: `task_done` and `join`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use squall::sync::Queue;
use squall::{sleep, yield_};

use crate::support::Trace;

use super::{MS, count, within};

// tornado: queues_test.py QueueJoinTest.test_task_done_underflow (Q16)
#[squall::test]
fn q16_task_done_without_a_put_panics_and_leaves_the_queue_usable() {
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
fn q17_join_waits_until_all_workers_reported_all_items() {
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
fn q18_join_waits_for_task_done_and_not_for_the_get() {
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
fn q19_join_of_a_queue_without_work_is_done() {
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
fn q20_join_can_be_given_up() {
    let queue = Queue::new();
    queue.put_nowait(1).unwrap();
    assert_eq!(yield_!(within(MS, queue.join())), None);
    let late = yield_!(squall::with_timeout(MS, queue.join())).unwrap_err();
    assert_eq!(late.to_string(), "timed out after 1 ms");
    let later = queue.join();
    queue.task_done();
    yield_!(later);
}

// tornado: queues.py Queue._put_internal (Q27)
#[squall::test]
fn q27_put_that_waits_counts_as_work_when_it_enters() {
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
fn q23_producer_and_consumer_take_turns_in_order() {
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
