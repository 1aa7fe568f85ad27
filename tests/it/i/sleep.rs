//! Sleeping: whence it counts, what resets it, whom it wakes.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use squall::{IoLoop, Sleep, sleep, sleep_until, yield_};

use crate::support::Trace;

use super::{DAY, MS, poll_once, step, timers};

// tornado: gen_test.py test_sleep (G71)
#[squall::test]
fn day_of_sleeping_passes_at_once_on_the_virtual_clock() {
    let io_loop = IoLoop::current();
    let begin = io_loop.time();
    for _ in 0..24 {
        yield_!(sleep(DAY / 24));
    }
    assert_eq!(io_loop.time() - begin, DAY);
    assert_eq!(io_loop.turn_time(), io_loop.time());
}

// tornado: gen.py sleep (G72)
#[squall::test]
fn sleep_counts_from_the_call() {
    let io_loop = IoLoop::current();
    let begin = io_loop.time();
    let [first, second] = [sleep(10 * MS), sleep(12 * MS)];
    yield_!(sleep(8 * MS));
    yield_!(first);
    assert_eq!(io_loop.time() - begin, 10 * MS);
    yield_!(sleep(5 * MS));
    yield_!(second); // over before it is yielded
    assert_eq!(io_loop.time() - begin, 15 * MS);
}

#[squall::test]
fn sleep_that_is_over_goes_on_at_once() {
    let io_loop = IoLoop::current();
    let trace = Trace::new();
    io_loop.add_callback(step(&trace, "callback"));
    yield_!(sleep_until(io_loop.time() - DAY));
    yield_!(sleep_until(io_loop.time()));
    trace.add("slept");
    yield_!(());
    assert_eq!(trace.take(), ["slept", "callback"]);
    assert_eq!(timers(&io_loop), "0");
}

#[squall::test]
fn sleep_that_is_reset_forwards_ends_at_the_new_deadline() {
    let io_loop = IoLoop::current();
    let begin = io_loop.time();
    let mut wait = sleep(MS);
    assert!(poll_once(&mut wait).is_pending());
    for n in 2..=50 {
        wait.reset(begin + n * MS);
        assert_eq!(timers(&io_loop), "1", "the timer that is set stays");
    }
    assert_eq!(wait.deadline(), begin + 50 * MS);
    yield_!(&mut wait);
    assert_eq!(io_loop.time() - begin, 50 * MS);
    // And once more, after its end.
    wait.reset(begin + 60 * MS);
    yield_!(wait);
    assert_eq!(io_loop.time() - begin, 60 * MS);
}

#[squall::test]
fn sleep_that_is_reset_backwards_ends_at_the_new_deadline() {
    let io_loop = IoLoop::current();
    let begin = io_loop.time();
    let mut wait = sleep(DAY);
    assert!(poll_once(&mut wait).is_pending());
    wait.reset(begin + MS);
    yield_!(&mut wait);
    assert_eq!(io_loop.time() - begin, MS);
    wait.reset(begin + DAY);
    assert!(poll_once(&mut wait).is_pending());
    wait.reset(begin);
    yield_!(wait);
    assert_eq!(io_loop.time() - begin, MS, "a past deadline is over");
    assert_eq!(timers(&io_loop), "0");
}

#[squall::test]
fn sleep_that_is_reset_while_its_timer_has_run_ends_at_the_new_deadline() {
    let io_loop = IoLoop::current();
    let begin = io_loop.time();
    let mut wait = sleep(MS);
    assert!(poll_once(&mut wait).is_pending());
    yield_!(sleep(2 * MS)); // its timer wakes nobody
    wait.reset(begin + 5 * MS);
    yield_!(wait);
    assert_eq!(io_loop.time() - begin, 5 * MS);
}

#[squall::test]
fn sleep_wakes_the_coroutine_that_polled_it_last() {
    #[squall::coroutine]
    fn finish(wait: Sleep) {
        yield_!(wait);
    }

    let io_loop = IoLoop::current();
    let begin = io_loop.time();
    let mut wait = sleep(3 * MS);
    // Sets the timer, for this coroutine.
    poll_fn(|cx| {
        assert!(Pin::new(&mut wait).poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    let finish = finish(wait);
    yield_!(sleep(5 * MS));
    assert!(finish.done());
    assert_eq!(io_loop.time() - begin, 5 * MS);
}

// tornado: gen.py with_timeout (G68), for sleep
#[squall::test]
fn dropped_sleep_removes_its_timer() {
    let io_loop = IoLoop::current();
    let mut polled = sleep(DAY);
    let unpolled = sleep(DAY);
    assert!(poll_once(&mut polled).is_pending());
    assert_eq!(timers(&io_loop), "1");
    drop((polled, unpolled));
    assert_eq!(timers(&io_loop), "0");
    let mut over = sleep(MS);
    assert!(poll_once(&mut over).is_pending());
    yield_!(sleep(2 * MS));
    drop(over);
    assert_eq!(timers(&io_loop), "0");
}

#[squall::test]
fn hundred_thousand_coroutines_sleep_and_wake_in_the_order_of_their_deadlines() {
    #[squall::coroutine]
    fn nap(n: u32, woken: Rc<RefCell<Vec<u32>>>) {
        // Every millisecond wakes a hundred of them.
        yield_!(sleep(n % 1000 * MS));
        woken.borrow_mut().push(n);
    }

    let woken = Rc::new(RefCell::new(Vec::new()));
    let naps: Vec<_> = (0..100_000).map(|n| nap(n, woken.clone())).collect();
    yield_!(naps);
    let mut want: Vec<u32> = (0..100_000).collect();
    want.sort_by_key(|n| n % 1000); // stable: equal deadlines in order
    assert!(*woken.borrow() == want);
}
