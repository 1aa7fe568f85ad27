//! Queues of other orders: the smallest first, the newest first.

use squall::yield_;

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
