//! Locks, events, conditions and queues between coroutines: `cargo run --example locks`
//!
//! All coroutines run on one thread and are exchanged at yields only, so nothing here is needed
//! around code that does not yield. It prints:
//!
//! ```text
//! Lock: one at a time
//!   ann: takes the pen, writes, lays it down
//!   ben: takes the pen, writes, lays it down
//!   eve: takes the pen, writes, lays it down
//! Semaphore: five cars, two seats at the pump
//!   at most 2 at the same time
//! Event: a gate
//!   two wait
//!   the gate opens: ann, ben
//!   eve comes later, and need not wait
//! Condition: word to those who wait
//!   one is told: ann
//!   all are told: ben, eve
//!   nobody tells within 10 ms: given up
//! Queues: the same jobs by three orders
//!   Queue, oldest first:            pack, urgent, ship, label
//!   PriorityQueue, smallest first:  urgent, label, pack, ship
//!   LifoQueue, newest first:        label, ship, urgent, pack
//!   a bounded one lets a fast maker wait: at most 2 in it
//! ```

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use squall::sync::{Condition, Event, LifoQueue, Lock, PriorityQueue, Queue, Semaphore};
use squall::{sleep, yield_};

const WHILE: Duration = Duration::from_millis(10);

#[squall::main]
fn main() -> squall::Result<()> {
    println!("Lock: one at a time");
    let pen = Lock::new();
    let guests = ["ann", "ben", "eve"];
    yield_!(guests.map(|name| sign(pen.clone(), name)));

    println!("Semaphore: five cars, two seats at the pump");
    let pump = Pump {
        seats: Semaphore::new(2),
        now: Rc::default(),
        most: Rc::default(),
    };
    yield_!([(); 5].map(|()| fill_up(pump.clone())));
    println!("  at most {} at the same time", pump.most.get());
    assert_eq!(pump.most.get(), 2);

    println!("Event: a gate");
    let (gate, passed) = (Event::new(), Names::default());
    let early = ["ann", "ben"].map(|name| pass(gate.clone(), name, passed.clone()));
    println!("  two wait");
    gate.set(); // stays set
    yield_!(early);
    println!("  the gate opens: {}", passed.take());
    let late = pass(gate, "eve", passed.clone());
    assert!(late.done());
    println!("  {} comes later, and need not wait", passed.take());

    println!("Condition: word to those who wait");
    let (news, told) = (Condition::new(), Names::default());
    let listeners = guests.map(|name| listen(news.clone(), name, told.clone()));
    news.notify(1); // the one who has waited longest; nothing stays set
    yield_!(squall::moment());
    println!("  one is told: {}", told.take());
    news.notify_all();
    yield_!(listeners);
    println!("  all are told: {}", told.take());
    let in_time = yield_!(news.wait_timeout(WHILE));
    assert!(!in_time);
    println!("  nobody tells within 10 ms: given up");

    println!("Queues: the same jobs by three orders");
    let jobs = [(3, "pack"), (1, "urgent"), (4, "ship"), (2, "label")];
    let (oldest, smallest, newest) = (Queue::new(), PriorityQueue::new(), LifoQueue::new());
    for job in jobs {
        yield_!((oldest.put(job), smallest.put(job), newest.put(job)));
    }
    let [first, second, third] = [(); 3].map(|()| Names::default());
    for _ in jobs {
        // A tuple of futures is waited for as one.
        let (a, b, c) = yield_!((oldest.get(), smallest.get(), newest.get()));
        first.add(a.1);
        second.add(b.1);
        third.add(c.1);
    }
    println!("  Queue, oldest first:            {}", first.take());
    println!("  PriorityQueue, smallest first:  {}", second.take());
    println!("  LifoQueue, newest first:        {}", third.take());
    let most = yield_!(make_and_take())?;
    assert_eq!(most, 2);
    println!("  a bounded one lets a fast maker wait: at most {most} in it");
    Ok(())
}

/// Names in the order in which they came.
#[derive(Clone, Default)]
struct Names(Rc<RefCell<Vec<&'static str>>>);

impl Names {
    fn add(&self, name: &'static str) {
        self.0.borrow_mut().push(name);
    }

    fn take(&self) -> String {
        self.0.take().join(", ")
    }
}

/// Without the lock the others would take the pen at the yield in the middle.
#[squall::coroutine]
fn sign(pen: Lock, name: &'static str) {
    let held = yield_!(pen.acquire());
    print!("  {name}: takes the pen, ");
    yield_!(sleep(WHILE));
    println!("writes, lays it down");
    drop(held); // The end of the scope would do, too.
}

#[derive(Clone)]
struct Pump {
    seats: Semaphore,
    now: Rc<Cell<u32>>,
    most: Rc<Cell<u32>>,
}

#[squall::coroutine]
fn fill_up(pump: Pump) {
    let _seat = yield_!(pump.seats.acquire());
    pump.now.set(pump.now.get() + 1);
    pump.most.set(pump.most.get().max(pump.now.get()));
    yield_!(sleep(WHILE));
    pump.now.set(pump.now.get() - 1);
}

#[squall::coroutine]
fn pass(gate: Event, name: &'static str, passed: Names) {
    yield_!(gate.wait());
    passed.add(name);
}

#[squall::coroutine]
fn listen(news: Condition, name: &'static str, told: Names) {
    yield_!(news.wait());
    told.add(name);
}

/// Returns how many items were in the queue at most.
#[squall::coroutine]
fn make_and_take() -> squall::Result<usize> {
    let queue = Queue::bounded(2);
    let maker = make(queue.clone(), 10);
    let mut most = 0;
    for n in 0..10 {
        yield_!(sleep(Duration::from_millis(1)));
        most = most.max(queue.len());
        assert_eq!(queue.get_nowait()?, n);
        queue.task_done();
    }
    yield_!(queue.join()); // All that was made is done.
    yield_!(maker);
    Ok(most)
}

#[squall::coroutine]
fn make(queue: Queue<u32>, count: u32) {
    for n in 0..count {
        yield_!(queue.put(n)); // waits while two are in it
    }
}
