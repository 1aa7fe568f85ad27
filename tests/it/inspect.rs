//! The tree of the living: what it says, and that looking disturbs nobody.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use squall::net::IoStream;
use squall::sync::{Lock, Queue};
use squall::{Deferred, IoLoop, Promise, WaitsFor, dump, live, sleep, yield_};

use crate::support::capture_logs;

#[squall::coroutine]
fn sleeps(seconds: u64) {
    yield_!(sleep(Duration::from_secs(seconds)));
}

fn waits_of(name: &str) -> WaitsFor {
    let live = live();
    let found = live.iter().find(|one| one.coroutine().name == name);
    found
        .unwrap_or_else(|| panic!("{name} is alive"))
        .waits_for()
}

#[squall::test]
fn each_kind_of_wait_is_named() {
    #[squall::coroutine]
    fn on_promise(promised: Deferred<u32>) {
        yield_!(promised);
    }
    #[squall::coroutine]
    fn on_queue(queue: Queue<u32>) {
        yield_!(queue.get());
    }
    #[squall::coroutine]
    fn on_lock(lock: Lock) {
        let _held = yield_!(lock.acquire());
    }
    #[squall::coroutine]
    fn on_stream(stream: IoStream) {
        let _ = yield_!(stream.read_bytes(1));
    }
    #[squall::coroutine]
    fn on_turn() {
        yield_!(());
    }
    #[squall::coroutine]
    fn on_children() {
        yield_!(vec![sleeps(1), sleeps(10), sleeps(20)]);
    }
    #[squall::coroutine]
    fn on_coroutine() {
        yield_!(sleeps(10));
    }
    #[squall::coroutine]
    fn on_unknown() {
        yield_!(std::future::pending::<()>());
    }
    #[squall::coroutine]
    fn with_limit(promised: Deferred<u32>) {
        let _ = yield_!(squall::with_timeout(Duration::from_secs(60), promised));
    }
    let (_other_promise, other_promised) = Promise::new();
    let _limited = with_limit(other_promised);
    let (_promise, promised) = Promise::new();
    let lock = Lock::new();
    let held = yield_!(lock.acquire());
    let (stream, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let _all = (
        (on_promise(promised), on_queue(Queue::new()), on_lock(lock)),
        (on_stream(IoStream::from_unix(stream).unwrap()), on_turn()),
        (on_children(), on_coroutine(), on_unknown(), sleeps(5)),
    );
    assert_eq!(waits_of("on_promise"), WaitsFor::Promise);
    assert_eq!(waits_of("on_queue"), WaitsFor::QueueItem);
    assert_eq!(waits_of("on_lock"), WaitsFor::Permit);
    assert!(matches!(waits_of("on_stream"), WaitsFor::Readable(fd) if fd > 0));
    assert_eq!(waits_of("on_turn"), WaitsFor::Turn);
    assert_eq!(waits_of("with_limit"), WaitsFor::Promise, "not the limit");
    assert_eq!(waits_of("on_unknown"), WaitsFor::Unknown);
    assert!(matches!(waits_of("sleeps"), WaitsFor::Time(_)));
    assert!(matches!(waits_of("on_coroutine"), WaitsFor::Coroutine(_)));
    assert_eq!(
        waits_of("on_children"),
        WaitsFor::Children { done: 0, total: 3 }
    );
    yield_!(sleep(Duration::from_secs(2)));
    assert_eq!(
        waits_of("on_children"),
        WaitsFor::Children { done: 1, total: 3 }
    );
    drop(held);
}

#[squall::test]
fn the_dump_is_a_tree_with_alike_siblings_counted() {
    #[squall::coroutine]
    fn parent() {
        yield_!((0..5).map(|_| sleeps(60)).collect::<Vec<_>>());
    }
    let _parent = parent();
    yield_!(sleep(Duration::from_secs(10)));
    let text = dump().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].ends_with("coroutines are alive"), "{text}");
    let parent = lines
        .iter()
        .position(|line| line.contains("parent at"))
        .expect("the parent");
    assert!(
        lines[parent].contains("waits for children, 0 of 5 are done; for 10.0s"),
        "{text}"
    );
    assert!(lines[parent].ends_with("suspended once"), "{text}");
    let children = lines[parent + 1];
    assert!(
        children
            .trim_start()
            .starts_with("sleeps × 5 at tests/it/inspect.rs"),
        "{text}"
    );
    assert!(
        children.ends_with("sleep(Duration::from_secs(seconds)); waits for a time"),
        "{text}"
    );
    let indent = |line: &str| line.len() - line.trim_start().len();
    assert_eq!(indent(children), indent(lines[parent]) + 2);
}

#[squall::test]
fn a_dump_of_ten_thousand_polls_nobody() {
    let polls = Rc::new(Cell::new(0));
    #[squall::coroutine]
    fn counts(polls: Rc<Cell<u32>>) {
        yield_!(poll_fn(|_| {
            polls.set(polls.get() + 1);
            Poll::<()>::Pending
        }));
    }
    let _all: Vec<_> = (0..10_000).map(|_| counts(polls.clone())).collect();
    assert_eq!(polls.get(), 10_000);
    let dump = dump();
    assert!(dump.len() > 10_000 && !dump.is_empty());
    let text = dump.to_string();
    assert!(text.contains("counts × 10000 at"), "{text}");
    assert!(text.lines().count() < 10, "{text}");
    yield_!(());
    assert_eq!(polls.get(), 10_000);
}

#[test]
fn a_deadlock_is_logged_once_with_who_waits() {
    #[squall::coroutine]
    fn forgotten(promised: Deferred<u32>) -> u32 {
        yield_!(promised)
    }
    let ((), logs) = capture_logs(|| {
        let io_loop = IoLoop::new().unwrap();
        io_loop.make_current();
        let (promise, promised) = Promise::new();
        let _waits = forgotten(promised);
        let handle = io_loop.handle();
        // What ends it comes from outside, as the log says.
        let other = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            handle.add_callback(|| IoLoop::current().stop()).unwrap();
        });
        io_loop.start().unwrap();
        other.join().unwrap();
        drop(promise);
        io_loop.close();
        IoLoop::clear_current();
    });
    let warnings: Vec<_> = logs.iter().filter(|log| log.starts_with("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{logs:?}");
    assert!(
        warnings[0].contains("only another thread can wake"),
        "{warnings:?}"
    );
    assert!(
        warnings[0].contains("forgotten at tests/it/inspect.rs"),
        "{warnings:?}"
    );
    assert!(warnings[0].contains("waits for a promise"), "{warnings:?}");
}
