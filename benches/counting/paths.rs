//! The paths whose instructions are counted.

use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use squall::{Deferred, IoLoop, yield_};
use squall_web::StatusCode;
use squall_web::http::{
    Limits, Parse, RequestHead, ResponseBody, Version, encode_response_head, parse_request,
};
use squall_web::{HeaderValue, header};

use crate::rows::children::{pending_once, pending_once_future, ready, ready_future};
use crate::rows::{lists, locks, promises, queues, starts, timers, yields};
use crate::support::{Lap, Sample, run};

/// Something that is done over and over.
pub(crate) struct Path {
    pub(crate) name: &'static str,
    /// Operations are done in multiples of this.
    pub(crate) batch: u64,
    /// Does so many operations.
    pub(crate) run: fn(u64) -> Sample,
}

const fn path(name: &'static str, batch: u64, run: fn(u64) -> Sample) -> Path {
    Path { name, batch, run }
}

pub(crate) const PATHS: [Path; 24] = [
    path("start and wait, ready", 1, |n| {
        run(|| starts::start_each(n, ready))
    }),
    path("start and wait, pending once", 1, |n| {
        run(|| starts::start_each(n, pending_once))
    }),
    path("start 1000, then wait, ready (each)", 1000, |n| {
        run(|| starts::start_batches(n, ready))
    }),
    path("start 1000, then wait, pending once (each)", 1000, |n| {
        run(|| starts::start_batches(n, pending_once))
    }),
    path("yield, 1 coroutine", 1, |n| {
        run(|| yields::yield_in_turn(n, 1))
    }),
    path("yield, 100 coroutines", 100, |n| {
        run(|| yields::yield_in_turn(n, 100))
    }),
    path("list of 10 futures, ready (each)", 10, |n| {
        run(|| lists::yield_futures(n, 10, ready_future))
    }),
    path("list of 100 futures, ready (each)", 100, |n| {
        run(|| lists::yield_futures(n, 100, ready_future))
    }),
    path("list of 10 futures, pending once (each)", 10, |n| {
        run(|| lists::yield_futures(n, 10, pending_once_future))
    }),
    path("list of 100 futures, pending once (each)", 100, |n| {
        run(|| lists::yield_futures(n, 100, pending_once_future))
    }),
    path("list of 100 coroutines, pending once (each)", 100, |n| {
        run(|| lists::yield_started(n, 100, pending_once))
    }),
    path("promise: make, set, yield", 1, |n| {
        run(|| promises::set_then_yield(n))
    }),
    path("promise: two coroutines answer each other", 1, |n| {
        run(|| promises::converse(n))
    }),
    path("queue: put and get in one coroutine", 1, |n| {
        run(|| queues::put_and_get(n))
    }),
    path("queue between two coroutines, bound 1", 2, |n| {
        run(|| queues::hand_over(n, 1))
    }),
    path("lock, uncontended", 1, |n| run(|| locks::lock_each(n))),
    path("semaphore, uncontended", 1, |n| {
        run(|| locks::permit_each(n))
    }),
    path("two coroutines wake each other", 1, |n| {
        run(|| locks::rounds(n))
    }),
    path("sleep: set 1, cancel", 1, |n| {
        run(|| timers::cancel_sleeps(n, 1))
    }),
    path("sleep: 1000 coroutines (each)", 1000, sleep_many),
    path("callback", 1, |n| run(|| call_back(n))),
    path("turn with a poll", 1, |n| run(|| turn(n))),
    path("HTTP request, parsed", 1, parse),
    path("HTTP answer, encoded", 1, encode),
];

/// On a clock that jumps, so that all of a millisecond wake in one turn, however slow this is.
fn sleep_many(n: u64) -> Sample {
    let ours = IoLoop::current();
    let io_loop = IoLoop::with_virtual_clock().expect("a loop can be made");
    io_loop.make_current();
    let sample = io_loop.run_sync(|| sleepers(n));
    io_loop.close();
    ours.make_current();
    sample
}

#[squall::coroutine]
fn sleeper(i: u64) {
    yield_!(squall::sleep(Duration::from_millis(1 + i * 7919 % 10)));
}

#[squall::coroutine]
fn sleepers(n: u64) -> Sample {
    let lap = Lap::start();
    for _ in 0..n / 1000 {
        let all: Vec<Deferred<()>> = (0..1000).map(sleeper).collect();
        yield_!(all);
    }
    lap.stop(n)
}

#[squall::coroutine]
fn call_back(n: u64) -> Sample {
    let (called, lap) = (Rc::new(Cell::new(0)), Lap::start());
    for _ in 0..n {
        let count = called.clone();
        IoLoop::current().add_callback(move || count.set(count.get() + 1));
        yield_!(squall::moment());
    }
    yield_!(squall::sleep(Duration::ZERO)); // Callbacks run once a turn.
    let sample = lap.stop(n);
    assert_eq!(called.get(), n);
    sample
}

#[squall::coroutine]
fn turn(n: u64) -> Sample {
    let lap = Lap::start();
    for _ in 0..n {
        yield_!(squall::sleep(Duration::ZERO));
    }
    lap.stop(n)
}

const REQUEST: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: wrk\r\n\
    Accept: text/plain,text/html;q=0.9,application/xhtml+xml;q=0.9,*/*;q=0.7\r\n\
    Connection: keep-alive\r\n\r\n";

fn parse(n: u64) -> Sample {
    let (limits, mut head, lap) = (Limits::default(), RequestHead::new(), Lap::start());
    for _ in 0..n {
        let parsed = parse_request(black_box(REQUEST), 0, &limits, &mut head);
        assert_eq!(parsed, Ok(Parse::Complete));
        assert_eq!(head.path(REQUEST), "/plaintext");
    }
    lap.stop(n)
}

fn encode(n: u64) -> Sample {
    let headers = [(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=UTF-8"),
    )];
    let date = b"Sun, 06 Nov 1994 08:49:37 GMT";
    let (mut out, lap) = (Vec::with_capacity(1024), Lap::start());
    for _ in 0..n {
        out.clear();
        let (version, body) = (Version::Http11, ResponseBody::Length(13));
        let headers = black_box(&headers);
        encode_response_head(&mut out, version, StatusCode::OK, headers, body, true, date);
        out.extend_from_slice(b"Hello, World!");
        assert_eq!(black_box(&out).last(), Some(&b'!'));
    }
    lap.stop(n)
}
