use std::cell::RefCell;
use std::future::{Future, IntoFuture};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use squall::sync::{Lock, LockGuard};
use squall::{Deferred, IoLoop, Promise, convert_yielded, moment, sleep, yield_};

use crate::support::{capture_logs, run};

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a foreign waker panics");
    }
}

fn panicking() -> Waker {
    Waker::from(Arc::new(Panics))
}

const STRAY: &str =
    "ERROR squall: panic in a waker or a destructor that the loop ran: a foreign waker panics";

#[squall::coroutine]
fn after_turns(turns: u32) -> u32 {
    for _ in 0..turns {
        yield_!(moment());
    }
    turns
}

#[test]
fn a_foreign_waker_that_panics_is_logged_and_harms_nobody_else() {
    for one in [at_an_end, at_a_deadline] {
        let ((), log) = capture_logs(|| run(one));
        assert_eq!(log, [STRAY]);
    }
}

#[squall::coroutine]
fn at_an_end() {
    let mut polled = after_turns(1);
    let polls = Pin::new(&mut polled).poll(&mut Context::from_waker(&panicking()));
    assert!(polls.is_pending());
    assert_eq!(yield_!([after_turns(1), after_turns(2)]), [1, 2]);
    assert_eq!(polled.try_take(), Some(1));
}

#[squall::coroutine]
fn at_a_deadline() {
    let mut first = pin!(sleep(Duration::from_secs(1)));
    let polls = first.as_mut().poll(&mut Context::from_waker(&panicking()));
    assert!(polls.is_pending());
    yield_!([sleep(Duration::from_secs(1)), sleep(Duration::from_secs(1))]);
}

#[test]
fn a_long_list_is_waited_for_by_any_executor() {
    let senders: Vec<_> = (0..100)
        .map(|_| Arc::new(Mutex::new(Flag::default())))
        .collect();
    let flags: Vec<_> = senders.iter().cloned().map(Flagged).collect();
    let setter = thread::spawn(move || {
        for sender in senders.iter().rev() {
            thread::yield_now();
            let waker = {
                let mut flag = sender.lock().unwrap();
                flag.set = true;
                flag.waker.take()
            };
            waker.into_iter().for_each(Waker::wake);
        }
    });
    let done = futures_lite::future::block_on(convert_yielded(flags).into_future());
    setter.join().unwrap();
    assert_eq!(done.len(), 100);
    IoLoop::clear_current();
}

#[derive(Default)]
struct Flag {
    set: bool,
    waker: Option<Waker>,
}

struct Flagged(Arc<Mutex<Flag>>);

impl Future for Flagged {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut flag = self.0.lock().unwrap();
        if flag.set {
            return Poll::Ready(());
        }
        flag.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

thread_local! {
    static HELD: RefCell<Option<LockGuard>> = const { RefCell::new(None) };
}

/// A waker whose end releases a lock, as that of a task may which holds a guard.
struct Releases;

impl Wake for Releases {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Releases {
    fn drop(&mut self) {
        drop(HELD.take());
    }
}

#[squall::test]
fn a_foreign_waker_may_release_the_lock_that_it_was_kept_by() {
    let lock = Lock::new();
    HELD.set(Some(yield_!(lock.acquire())));
    let mut second = pin!(lock.acquire());
    let releasing = Waker::from(Arc::new(Releases));
    assert!(
        second
            .as_mut()
            .poll(&mut Context::from_waker(&releasing))
            .is_pending()
    );
    drop(releasing);
    // The kept one goes when another takes its place, and the lock with it.
    let polled = second
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(
        polled.is_pending(),
        "it was given after it had been looked for"
    );
    assert!(
        second
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    );
}

#[squall::test]
fn a_clone_of_a_shared_result_may_look_at_it() {
    struct Value(squall::Shared<Value>);
    // A result whose clone polls the very future that it comes from.
    impl Clone for Value {
        fn clone(&self) -> Value {
            assert!(self.0.done());
            Value(self.0.clone())
        }
    }
    let (promise, deferred) = Promise::new();
    let shared = deferred.shared();
    promise.set_result(Value(shared.clone()));
    let value: Value = yield_!(shared);
    assert!(value.0.done());
}

#[squall::test]
fn a_promise_is_set_though_who_waits_panics_when_woken() {
    let (promise, mut deferred): (_, Deferred<u32>) = Promise::new();
    let polls = Pin::new(&mut deferred).poll(&mut Context::from_waker(&panicking()));
    assert!(polls.is_pending());
    let (set, log) = capture_logs(|| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| promise.set_result(3)))
    });
    assert!(set.is_err(), "the panic is the setter's, who can see it");
    assert_eq!(log, [""; 0]);
    assert_eq!(deferred.try_take(), Some(3));
}
