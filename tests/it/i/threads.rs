//! Callbacks and wakes of other threads.

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::thread;

use squall::{IoLoop, sleep, yield_};

use crate::support::{ends, run};

use super::{DAY, virtual_loop};

// tornado: ioloop_test.py test_add_callback_wakeup_other_thread (I3)
#[test]
fn i3_callback_of_another_thread_wakes_a_sleeping_loop() {
    // Each round the loop goes to sleep, with no timer, while the thread wakes it: many rounds meet
    // every moment of falling asleep.
    const ROUNDS: u32 = 2000;
    let rounds = ends(|| {
        let io_loop = virtual_loop();
        let handle = io_loop.handle();
        let (ran, wait) = mpsc::channel();
        let thread = thread::spawn(move || {
            for round in 1..=ROUNDS {
                let ran = ran.clone();
                let sent = handle.add_callback(move || {
                    ran.send(round).expect("the thread waits");
                    if round == ROUNDS {
                        IoLoop::current().stop();
                    }
                });
                sent.expect("the loop is open");
                assert_eq!(wait.recv(), Ok(round));
            }
            ROUNDS
        });
        io_loop.start().unwrap();
        IoLoop::clear_current();
        thread.join().unwrap()
    });
    assert_eq!(rounds, ROUNDS);
}

#[test]
fn callbacks_of_one_thread_run_in_their_order() {
    thread_local! {
        static SEEN: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    }

    let seen = ends(|| {
        let io_loop = virtual_loop();
        let handle = io_loop.handle();
        let thread = thread::spawn(move || {
            for n in 0..1000 {
                let sent = handle.add_callback(move || SEEN.with_borrow_mut(|seen| seen.push(n)));
                sent.expect("the loop is open");
            }
            handle.add_callback(|| IoLoop::current().stop())
        });
        io_loop.start().unwrap();
        IoLoop::clear_current();
        thread.join().unwrap().unwrap();
        SEEN.take()
    });
    assert_eq!(seen, (0..1000).collect::<Vec<_>>());
}

// tornado: ioloop_test.py test_add_callback_while_closing (I29)
#[test]
fn bad_i29_handle_of_a_closed_loop_gives_an_error_and_drops_the_callback() {
    struct Tells(mpsc::Sender<thread::ThreadId>);
    impl Drop for Tells {
        fn drop(&mut self) {
            let _ = self.0.send(thread::current().id());
        }
    }

    let io_loop = virtual_loop();
    let handle = io_loop.handle();
    io_loop.close();
    let (dropped, wait) = mpsc::channel();
    let (here, there) = (Tells(dropped.clone()), Tells(dropped));
    let error = handle.add_callback(move || drop(here)).unwrap_err();
    assert_eq!(error.to_string(), "the loop is closed; make a new one");
    assert_eq!(wait.recv(), Ok(thread::current().id()));

    let thread = thread::spawn(move || handle.add_callback(move || drop(there)).is_err());
    let id = thread.thread().id();
    assert!(thread.join().unwrap());
    assert_eq!(wait.recv(), Ok(id));
}

// tornado: ioloop_test.py test_add_callback_while_closing, 6: test_init_close_race (I29)
#[test]
fn i29_callbacks_of_another_thread_may_race_with_close() {
    for _ in 0..100 {
        ends(|| {
            let io_loop = virtual_loop();
            let handle = io_loop.handle();
            let (begun, wait) = mpsc::channel();
            let thread = thread::spawn(move || {
                let mut sent = 0;
                while handle.add_callback(|| {}).is_ok() {
                    sent += 1;
                    let _ = begun.send(());
                }
                sent
            });
            wait.recv().unwrap();
            io_loop.run_sync(|| async { yield_!(()) });
            io_loop.close();
            IoLoop::clear_current();
            assert!(thread.join().unwrap() > 0);
        });
    }
}

/// Asks another thread for a wake, and is done when that thread has counted up to `round`.
async fn woken_by(thread: &mpsc::Sender<Waker>, count: &AtomicU32, round: u32) {
    poll_fn(|cx| {
        if count.load(Ordering::SeqCst) >= round {
            return Poll::Ready(());
        }
        thread.send(cx.waker().clone()).expect("the thread waits");
        Poll::Pending
    })
    .await;
}

#[test]
fn waker_that_another_thread_wakes_resumes_its_coroutine() {
    #[squall::coroutine]
    fn ask(rounds: u32) -> u32 {
        let count = Arc::new(AtomicU32::new(0));
        let (ask, asked) = mpsc::channel::<Waker>();
        let counter = count.clone();
        let thread = thread::spawn(move || {
            for waker in asked {
                counter.fetch_add(1, Ordering::SeqCst);
                waker.wake();
            }
        });
        for round in 1..=rounds {
            yield_!(woken_by(&ask, &count, round));
        }
        drop(ask);
        thread.join().unwrap();
        count.load(Ordering::SeqCst)
    }

    assert_eq!(ends(|| run(|| ask(2000))), 2000);
}

#[test]
fn wakers_in_lists_are_woken_by_many_threads() {
    #[squall::coroutine]
    fn one() {
        let count = Arc::new(AtomicU32::new(0));
        let (ask, asked) = mpsc::channel::<Waker>();
        let counter = count.clone();
        let thread = thread::spawn(move || {
            for waker in asked {
                counter.fetch_add(1, Ordering::SeqCst);
                // A waker may be woken often, and by reference.
                let clone = waker.clone();
                waker.wake_by_ref();
                waker.wake();
                clone.wake();
            }
        });
        yield_!([woken_by(&ask, &count, 1), woken_by(&ask, &count, 2)]);
        drop(ask);
        thread.join().unwrap();
    }

    ends(|| run(|| async { yield_!((0..16).map(|_| one()).collect::<Vec<_>>()).len() }));
}

#[test]
fn waker_outlives_its_coroutine_and_its_loop() {
    let waker = run(|| {
        let mut taken = None;
        poll_fn(move |cx| match taken.take() {
            Some(waker) => Poll::Ready(waker),
            None => {
                taken = Some(cx.waker().clone());
                cx.waker().wake_by_ref();
                Poll::<Waker>::Pending
            }
        })
    });
    // The loop is closed, and its number may belong to the next one.
    waker.wake_by_ref();
    run(|| async move {
        waker.wake_by_ref();
        yield_!(());
        thread::spawn(move || waker.wake()).join().unwrap();
        yield_!(sleep(DAY));
    });
}
