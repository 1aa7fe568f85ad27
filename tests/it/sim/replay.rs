use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use squall::sync::Queue;
use squall::testing::Simulation;
use squall::{IoLoop, PeriodicCallback, moment, sleep, with_timeout, yield_};

use crate::support::{SECOND, Trace};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn a_day_of_timeouts_passes_to_the_nanosecond() {
    #[squall::coroutine]
    fn day() -> u32 {
        let mut late = 0;
        for _ in 0..24 * 60 * 60 {
            let slow = with_timeout(SECOND, sleep(2 * SECOND));
            late += u32::from(yield_!(slow).is_err());
        }
        late
    }
    for simulation in [Simulation::new(), Simulation::new().seed(3)] {
        let run = simulation.log_limit(0).run(day);
        assert_eq!(run.elapsed(), DAY);
        assert_eq!(run.into_value(), 24 * 60 * 60);
    }
}

/// Some coroutines that sleep, hand work over, and yield moments.
#[squall::coroutine]
fn bustle() -> Vec<u32> {
    let (queue, done) = (Rc::new(Queue::new()), Rc::default());
    let workers = (0..4).map(|n| worker(queue.clone(), Rc::clone(&done), n));
    let mut workers = Vec::from_iter(workers);
    for n in 0..20 {
        yield_!(queue.put(n));
        if n % 5 == 0 {
            yield_!(sleep(SECOND / 3));
        }
    }
    yield_!(queue.join());
    workers.iter_mut().for_each(|worker| {
        worker.cancel();
    });
    done.take()
}

#[squall::coroutine]
fn worker(queue: Rc<Queue<u32>>, done: Rc<RefCell<Vec<u32>>>, number: u32) {
    loop {
        let item = yield_!(queue.get());
        for _ in 0..item % 3 {
            yield_!(moment());
        }
        if item % 7 == number {
            yield_!(sleep(SECOND));
        }
        done.borrow_mut().push(item);
        queue.task_done();
    }
}

#[test]
fn the_same_seed_is_the_same_run_to_the_byte() {
    for seed in 0..10 {
        let [first, second] = [(); 2].map(|()| Simulation::new().seed(seed).run(bustle));
        assert!(first.log().lines().count() > 100, "{}", first.log());
        assert_eq!(first.log(), second.log());
        assert_eq!(first.elapsed(), second.elapsed());
        assert_eq!(first.into_value(), second.into_value());
    }
}

#[test]
fn other_seeds_are_other_orders() {
    let runs = (0..20).map(|seed| Simulation::new().seed(seed).run(bustle));
    let (mut logs, mut orders) = (BTreeSet::new(), BTreeSet::new());
    for run in runs {
        logs.insert(run.log().to_owned());
        orders.insert(run.into_value());
    }
    assert_eq!(logs.len(), 20);
    assert!(orders.len() > 10, "{orders:?}");
}

#[test]
fn without_a_seed_all_comes_in_the_order_of_arrival() {
    let [first, second] = [(); 2].map(|()| Simulation::new().run(bustle));
    assert_eq!(first.log(), second.log());
    let trace = Trace::new();
    let inside = trace.clone();
    let steps = move || steps(inside, 3);
    Simulation::new().run(steps).into_value();
    assert_eq!(trace.take().concat(), "012012012");
}

/// So many coroutines that take three steps each.
#[squall::coroutine]
fn steps(trace: Trace, count: u32) {
    #[squall::coroutine]
    fn step(trace: Trace, n: u32) {
        for _ in 0..3 {
            trace.add(n.to_string());
            yield_!(moment());
        }
    }
    yield_!(
        (0..count)
            .map(|n| step(trace.clone(), n))
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_shuffled_turn_runs_each_coroutine_that_was_ready_once() {
    for seed in 0..50 {
        let trace = Trace::new();
        let inside = trace.clone();
        Simulation::new()
            .seed(seed)
            .run(move || steps(inside, 5))
            .into_value();
        let steps = trace.take();
        for turn in steps.chunks(5) {
            let all: BTreeSet<&String> = turn.iter().collect();
            assert_eq!(all.len(), 5, "seed {seed}: {steps:?}");
        }
    }
}

#[test]
fn a_seed_leaves_callbacks_and_timers_in_their_order() {
    #[squall::coroutine]
    fn body(trace: Trace) {
        let io_loop = IoLoop::current();
        for n in 0..10 {
            let inside = trace.clone();
            io_loop.call_later(SECOND, move || inside.add(format!("t{n}")));
            let inside = trace.clone();
            io_loop.add_callback(move || inside.add(format!("c{n}")));
        }
        yield_!(sleep(2 * SECOND));
    }
    let want: Vec<String> = (0..10)
        .map(|n| format!("c{n}"))
        .chain((0..10).map(|n| format!("t{n}")))
        .collect();
    for seed in 0..10 {
        let trace = Trace::new();
        let inside = trace.clone();
        Simulation::new()
            .seed(seed)
            .run(move || body(inside))
            .into_value();
        assert_eq!(trace.take(), want);
    }
}

#[test]
fn the_log_says_who_ran_where_and_when() {
    #[squall::coroutine]
    fn naps() {
        yield_!(sleep(SECOND));
    }
    let run = Simulation::new().seed(1).run(naps);
    let line = line!() - 4;
    let file = file!();
    assert_eq!(
        run.log(),
        format!(
            "0 0.000000000 start naps #1 ({file}:{line})\n\
             0 0.000000000 suspend naps #1 at {file}:{}: sleep(SECOND)\n\
             1 1.000000000 timer wakes\n\
             1 1.000000000 resume naps #1\n\
             1 1.000000000 finish naps #1\n",
            line + 1
        )
    );
}

#[test]
fn the_oldest_events_of_a_bounded_log_go() {
    #[squall::coroutine]
    fn long() {
        for _ in 0..1000 {
            yield_!(sleep(SECOND));
        }
    }
    let run = Simulation::new().log_limit(1000).run(long);
    assert!(run.log().starts_with("… "), "{}", run.log());
    assert!(run.log().ends_with(" finish long #1\n"), "{}", run.log());
    assert!(run.log().len() < 2500, "{}", run.log().len());
    assert_eq!(Simulation::new().log_limit(0).run(long).log(), "");
}

#[test]
fn jitter_comes_from_the_seed() {
    #[squall::coroutine]
    fn body() -> Vec<Duration> {
        let io_loop = IoLoop::current();
        let (start, times) = (io_loop.time(), Rc::new(RefCell::new(Vec::new())));
        let noted = times.clone();
        let call = move || noted.borrow_mut().push(IoLoop::current().time() - start);
        let periodic = PeriodicCallback::new(SECOND, call).unwrap().jitter(0.5);
        periodic.start();
        yield_!(sleep(20 * SECOND));
        periodic.stop();
        times.take()
    }
    let times = [7, 7, 8].map(|seed| Simulation::new().seed(seed).run(body).into_value());
    assert_eq!(times[0], times[1]);
    assert_ne!(times[0], times[2]);
}

#[test]
fn a_yield_of_what_is_done_waits_for_a_turn_under_some_seed() {
    #[squall::coroutine]
    fn done() -> u32 {
        7
    }
    /// Passes many yields that are done, and looks whether the other ran meanwhile.
    #[squall::coroutine]
    fn busy(other: Rc<Cell<bool>>) -> bool {
        yield_!(moment());
        let before = other.get();
        for _ in 0..10 {
            yield_!(done());
        }
        other.get() != before
    }
    #[squall::coroutine]
    fn flips(other: Rc<Cell<bool>>) {
        yield_!(moment());
        yield_!(moment());
        other.set(true);
    }
    #[squall::coroutine]
    fn both() -> bool {
        let other = Rc::new(Cell::new(false));
        let (seen, ()) = yield_!((busy(other.clone()), flips(other.clone())));
        seen
    }
    assert!(!Simulation::new().run(both).into_value());
    let found = (0..100).find(|seed| Simulation::new().seed(*seed).run(both).into_value());
    assert!(found.is_some());
}

#[test]
fn a_hang_and_a_time_out_are_failures() {
    let hang = Simulation::new().patience(Duration::from_millis(1));
    let run = hang.seed(1).run(std::future::pending::<()>);
    assert!(run.outcome().unwrap_err().is_deadlock());

    #[squall::coroutine]
    fn waits_for_nobody() {
        yield_!(std::future::pending::<()>());
    }
    let run = hang_of(waits_for_nobody);
    assert!(run.contains("nothing can run any more"), "{run}");
    assert!(run.contains("waits_for_nobody"), "{run}");

    let slow = Simulation::new().timeout(SECOND).run(|| sleep(2 * SECOND));
    assert!(slow.outcome().unwrap_err().is_timeout());
    assert_eq!(slow.elapsed(), SECOND);
}

fn hang_of<T: 'static>(f: fn() -> squall::Deferred<T>) -> String {
    let run = Simulation::new().patience(Duration::from_millis(1)).run(f);
    run.outcome().err().expect("it hangs").to_string()
}

#[test]
fn another_thread_that_takes_its_time_is_no_hang() {
    let simulation = Simulation::new().patience(10 * SECOND);
    let run = simulation.run(|| {
        let (promise, deferred) = squall::Promise::new();
        let handle = IoLoop::current().handle();
        PROMISE.set(Some(promise));
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(5));
            handle.add_callback(|| {
                let promise = PROMISE.take();
                promise.expect("it was put there").set_result(7);
            })
        });
        deferred
    });
    assert_eq!(run.into_value(), 7);
}

thread_local! {
    static PROMISE: Cell<Option<squall::Promise<u32>>> = const { Cell::new(None) };
}

#[test]
fn a_panic_is_a_failure_with_its_message_and_the_loop_is_gone() {
    #[squall::coroutine]
    fn fails() {
        yield_!(moment());
        panic!("on purpose");
    }
    let run = Simulation::new().seed(5).run(fails);
    let failure = run.outcome().unwrap_err();
    assert!(failure.is_panic());
    assert_eq!(failure.to_string(), "on purpose");
    assert!(IoLoop::try_current().is_none());
    assert_eq!(squall::live().len(), 0);
    let caught = catch_unwind(AssertUnwindSafe(|| run.into_value())).unwrap_err();
    assert_eq!(
        caught.downcast_ref::<String>().expect("it is a text"),
        "with the seed 5: on purpose"
    );
}

#[test]
fn a_loop_that_was_current_is_current_again() {
    let io_loop = IoLoop::with_virtual_clock().unwrap();
    io_loop.make_current();
    Simulation::new().run(moment).into_value();
    let (called, after) = (Rc::new(Cell::new(false)), IoLoop::current());
    let inside = called.clone();
    after.add_callback(move || inside.set(true));
    io_loop.run_sync(moment);
    assert!(called.get());
    IoLoop::clear_current();
}
