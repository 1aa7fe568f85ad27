//! What is malformed, too large, too slow or gone.

use std::time::Duration;

use squall::{IoLoop, sleep, yield_};
use squall_web::http::Limits;

use crate::support::Trace;

use super::{ask, body, connect, get, header, serve, status};

#[squall::test]
fn a_malformed_head_is_answered_400_and_closed() {
    let address = serve(Limits::default(), &Trace::default());
    for wire in [
        "BAD\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
        "GET / HTTP/1.1\nHost: a\n\n",
    ] {
        let answer = yield_!(ask(address, wire));
        assert_eq!(status(&answer), "400", "{wire:?}");
        assert_eq!(header(&answer, "connection"), Some("close"), "{wire:?}");
    }
    let answer = yield_!(ask(address, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"));
    assert_eq!(status(&answer), "505");
}

#[squall::test]
fn a_malformed_body_is_answered_400_and_closed() {
    let address = serve(Limits::default(), &Trace::default());
    let wire = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n";
    let answer = yield_!(ask(address, wire));
    assert_eq!(
        (status(&answer), header(&answer, "connection")),
        ("400", Some("close"))
    );
}

#[squall::test]
fn an_oversized_head_is_answered_431_and_closed() {
    let limits = Limits {
        max_head_bytes: 4096,
        ..Limits::default()
    };
    let address = serve(limits, &Trace::default());
    let fill = "a".repeat(5000);
    let wire = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {fill}\r\n\r\n");
    let answer = yield_!(ask(address, wire));
    assert_eq!(
        (status(&answer), header(&answer, "connection")),
        ("431", Some("close"))
    );
    // One that never ends.
    let answer = yield_!(ask(
        address,
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {fill}")
    ));
    assert_eq!(status(&answer), "431");
    let answer = yield_!(ask(
        address,
        format!("GET /{fill} HTTP/1.1\r\nHost: a\r\n\r\n")
    ));
    assert_eq!(status(&answer), "414");
    // What is just within the limit is served.
    let fill = "a".repeat(4000);
    let wire = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: {fill}\r\n\r\n");
    assert_eq!(status(&yield_!(ask(address, wire))), "200");
}

#[squall::test]
fn a_body_over_the_limit_is_answered_413_and_closed() {
    let limits = Limits {
        max_body_bytes: 1000,
        ..Limits::default()
    };
    let address = serve(limits, &Trace::default());
    // At once if the length says so, before any of it is read, and without a 100.
    let wire =
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n";
    let answer = yield_!(ask(address, wire));
    assert_eq!(
        (status(&answer), header(&answer, "connection")),
        ("413", Some("close"))
    );
    let chunk = format!("258\r\n{}\r\n", "a".repeat(600));
    let wire = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n"
    );
    assert_eq!(status(&yield_!(ask(address, wire))), "413");
    let wire = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n{}",
        "a".repeat(1000)
    );
    assert_eq!(status(&yield_!(ask(address, wire))), "200");
}

// X14. tornado: BodyLimitsTest test_timeout
#[squall::test]
fn a_client_that_takes_too_long_is_cut_off() {
    let limits = Limits {
        idle_timeout: Duration::from_secs(30),
        header_timeout: Duration::from_secs(10),
        body_timeout: Duration::from_secs(5),
        ..Limits::default()
    };
    let address = serve(limits, &Trace::default());
    let io_loop = IoLoop::current();
    for (wire, seconds, want) in [
        ("", 30, "no answer"),
        ("GET / HT", 10, "408"),
        (
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
            5,
            "408",
        ),
    ] {
        let began = io_loop.time();
        let answer = yield_!(ask(address, wire));
        let took = (io_loop.time() - began).as_secs_f64();
        assert_eq!(status(&answer), want, "{wire:?}");
        assert!(
            (took - f64::from(seconds)).abs() < 1.0,
            "{wire:?} took {took} s"
        );
    }
}

#[squall::test]
fn a_client_that_never_reads_is_cut_off() {
    let limits = Limits {
        write_timeout: Duration::from_secs(7),
        ..Limits::default()
    };
    let address = serve(limits, &Trace::default());
    let io_loop = IoLoop::current();
    let stream = yield_!(connect(address));
    let length = 30 << 20;
    let head = format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    yield_!(stream.write((head + &"a".repeat(length)).as_bytes())).unwrap();
    let began = io_loop.time();
    let is_served = || (squall::live().iter()).any(|c| c.coroutine().name == "serve_connection");
    while is_served() {
        yield_!(sleep(Duration::from_millis(500)));
        let waited = io_loop.time() - began;
        assert!(waited.as_secs() < 30, "still served after {waited:?}");
    }
    let waited = io_loop.time() - began;
    assert!(waited.as_secs() >= 6, "cut off after {waited:?}");
}

#[squall::test]
fn a_slow_handler_is_not_cut_off() {
    let address = serve(Limits::default(), &Trace::default());
    let answer = yield_!(ask(address, get("/slow")));
    assert_eq!(body(&answer), "at last");
}

#[squall::test]
fn clients_that_go_away_leave_the_server_running() {
    let address = serve(Limits::default(), &Trace::default());
    for wire in [
        "",
        "GET",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
    ] {
        let stream = yield_!(connect(address));
        yield_!(stream.write(wire.as_bytes())).unwrap();
        drop(stream);
    }
    let stream = yield_!(connect(address));
    yield_!(stream.write(get("/ticks").as_bytes())).unwrap();
    yield_!(stream.read_until(b"tick 0", 4096)).unwrap();
    drop(stream);
    yield_!(sleep(Duration::from_secs(10)));
    assert_eq!(status(&yield_!(ask(address, get("/")))), "200");
    // Only the accepting coroutine, the one of that last connection's end, and this test are left.
    yield_!(sleep(Duration::from_secs(10)));
    let left: Vec<_> = squall::live().iter().map(|c| c.coroutine().name).collect();
    assert!(!left.contains(&"serve_connection"), "{left:?}");
}
