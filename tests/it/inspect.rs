//! The tree of the living: what it says, and that looking disturbs nobody.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use squall::net::IoStream;
use squall::sync::{Lock, LockGuard, Queue, Semaphore};
use squall::{Deferred, IoLoop, Promise, WaitsFor, dump, live, sleep, yield_};

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
    fn on_place(queue: Queue<u32>) {
        yield_!(queue.put(2));
    }
    #[squall::coroutine]
    fn on_work(queue: Queue<u32>) {
        yield_!(queue.join());
    }
    #[squall::coroutine]
    fn on_permit(permits: Semaphore) {
        let _held = yield_!(permits.acquire());
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
    let full = Queue::bounded(1);
    yield_!(full.put(1));
    let (stream, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let _all = (
        (on_promise(promised), on_queue(Queue::new()), on_lock(lock)),
        (on_place(full.clone()), on_work(full)),
        on_permit(Semaphore::new(0)),
        (on_stream(IoStream::from_unix(stream).unwrap()), on_turn()),
        (on_children(), on_coroutine(), on_unknown(), sleeps(5)),
    );
    assert_eq!(waits_of("on_promise"), WaitsFor::Promise);
    assert_eq!(waits_of("on_queue"), WaitsFor::QueueItem { bound: 0 });
    assert_eq!(waits_of("on_place"), WaitsFor::QueuePlace { bound: 1 });
    assert_eq!(waits_of("on_work"), WaitsFor::QueueWork);
    assert!(matches!(waits_of("on_lock"), WaitsFor::Lock(_)));
    assert_eq!(waits_of("on_permit"), WaitsFor::Permit);
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

/// The line of the dump that begins with a coroutine's name.
fn line_of(name: &str) -> String {
    let text = dump().to_string();
    let mut lines = text.lines().map(str::trim_start);
    let line = lines.find(|line| line.split(' ').next() == Some(name));
    line.unwrap_or_else(|| panic!("no line of {name} in {text}"))
        .to_owned()
}

const WORKS: u32 = line!() + 2;
#[squall::coroutine]
fn works(lock: Lock, seconds: u64) {
    let _held = yield_!(lock.acquire());
    yield_!(sleep(Duration::from_secs(seconds)));
}

#[squall::coroutine]
fn queues_up(lock: Lock) {
    let _held = yield_!(lock.acquire());
    yield_!(sleep(Duration::from_secs(100)));
}

#[squall::test]
fn who_waits_for_a_lock_is_shown_with_who_holds_it_now() {
    let lock = Lock::new();
    let _first = works(lock.clone(), 10);
    let _second = works(lock.clone(), 10);
    let _third = queues_up(lock.clone());
    let sleeps = format!("works at tests/it/inspect.rs:{}:5: sleep(", WORKS + 2);
    let held = format!(": lock.acquire(); waits for a lock, held by {sleeps}");
    let line = line_of("queues_up");
    assert!(line.contains(&held), "{line}");

    // Two waited for it, and the last of them was not polled when the second took it.
    yield_!(sleep(Duration::from_secs(11)));
    let line = line_of("queues_up");
    assert!(line.contains(&held), "{line}");
    assert!(line.ends_with("; for 11.0s; suspended once"), "{line}");
    let live = live();
    let named = |name: &str| {
        live.iter()
            .find(|one| one.coroutine().name == name)
            .unwrap()
    };
    assert_eq!(named("queues_up").holder_id(), Some(named("works").id()));
    assert_eq!(named("works").holder_id(), None, "it waits for no lock");

    yield_!(sleep(Duration::from_secs(10)));
    assert!(matches!(waits_of("queues_up"), WaitsFor::Time(_)));
}

#[squall::test]
fn a_holder_that_is_no_coroutine_or_has_ended_is_not_taken_for_another() {
    #[squall::coroutine]
    fn takes(lock: Lock) -> LockGuard {
        yield_!(lock.acquire())
    }
    let lock = Lock::new();
    let guard = yield_!(takes(lock.clone()));
    let waits = queues_up(lock.clone());
    let line = line_of("queues_up");
    let ended = "; waits for a lock, taken by a coroutine that has ended;";
    assert!(line.contains(ended), "{line}");
    drop(guard);
    // It is handed on already, but nobody has looked.
    let line = line_of("queues_up");
    assert!(line.contains("; waits for a lock; "), "{line}");
    drop(waits);

    let lock = Lock::new();
    let seen = Rc::new(Cell::new(None));
    let (sees, taken) = (seen.clone(), lock.clone());
    IoLoop::current().add_callback(move || sees.set(taken.try_acquire()));
    yield_!(());
    let _waits = works(lock, 1);
    let line = line_of("works");
    assert!(line.contains("; waits for a lock; "), "{line}");
    assert!(seen.take().is_some());
}

#[squall::test]
fn the_ends_of_a_queue_are_told_apart_with_its_bound() {
    #[squall::coroutine]
    fn gets(queue: Queue<u32>) {
        yield_!(queue.get());
    }
    #[squall::coroutine]
    fn puts(queue: Queue<u32>) {
        yield_!((queue.put(1), queue.put(2), queue.put(3)));
    }
    let _gets = gets(Queue::bounded(5));
    let line = line_of("gets");
    assert!(
        line.contains("; waits for an item of an empty queue that holds 5;"),
        "{line}"
    );
    let queue = Queue::bounded(2);
    let _puts = puts(queue.clone());
    let line = line_of("puts");
    assert!(
        line.contains("; waits for children, 2 of 3 are done;"),
        "{line}"
    );
    #[squall::coroutine]
    fn puts_one(queue: Queue<u32>) {
        yield_!(queue.put(4));
    }
    let _one = puts_one(queue);
    let line = line_of("puts_one");
    assert!(
        line.contains("; waits for a place in a full queue that holds 2;"),
        "{line}"
    );
}

#[squall::test]
fn a_chain_that_is_deeper_than_the_stack_is_shown() {
    const DEEP: u32 = 20_000;
    #[squall::coroutine]
    fn chain(depth: u32) {
        match depth {
            0 => yield_!(sleep(Duration::from_secs(3600))),
            _ => yield_!(chain(depth - 1)),
        }
    }
    let _chain = chain(DEEP);
    yield_!(sleep(Duration::from_secs(1)));
    let text = dump().to_string();
    let lines: Vec<&str> = text.lines().collect();
    // The line above, the test itself, and the chain with its end.
    assert_eq!(lines.len() as u32, 2 + DEEP + 1);
    let last = lines.last().unwrap();
    assert!(
        last.trim_start().starts_with("(20002 deep) chain at "),
        "{last}"
    );
    let longest = lines.iter().map(|line| line.len()).max().unwrap();
    assert!(longest < 300, "{longest}");
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
