//! What takes time: limits of it, streams, waits. Order is asserted, and that a limit is kept at all;
//! how fast anything is, is not.

use std::thread;
use std::time::Instant;

use super::{Probe, Wire, ms};

/// Short ones, since they are waited for.
const HEADER: u64 = 600;
const BODY: u64 = 900;
const IDLE: u64 = 700;

fn hasty() -> Probe {
    Probe::start([HEADER, BODY, IDLE])
}

/// What is sent, then what comes until the connection is closed; it is not before `at_least`.
#[track_caller]
fn cut(probe: &Probe, send: impl FnOnce(&mut Wire), at_least: u64) -> String {
    let mut wire = probe.connect();
    let began = Instant::now();
    send(&mut wire);
    let rest = wire.rest();
    let took = began.elapsed();
    assert!(took >= ms(at_least), "closed after {took:?}");
    String::from_utf8_lossy(&rest).into_owned()
}

#[test]
fn connection_that_says_nothing_is_closed_without_a_word() {
    let probe = hasty();
    assert_eq!(cut(&probe, |_| (), IDLE - 50), "");
    let kept = cut(
        &probe,
        |wire| {
            wire.is_kept();
            wire.is_kept();
        },
        IDLE - 50,
    );
    assert_eq!(kept, "");
    probe.lives();
}

#[test]
fn head_that_does_not_end_is_cut() {
    let probe = hasty();
    for start in [
        "G",
        "GET /hello HTTP/1.1\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\nX: ",
    ] {
        let answer = cut(&probe, |wire| wire.send(start), HEADER - 50);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 408 "),
            "{answer}"
        );
    }
    // A byte now and then does not keep it open: the time is that of the whole head.
    let answer = cut(
        &probe,
        |wire| {
            wire.send("GET /hello HTTP/1.1\r\nHost: a\r\nX: ");
            for _ in 0..20 {
                thread::sleep(ms(100));
                wire.send("x");
            }
            wire.send("\r\n\r\n");
        },
        HEADER,
    );
    assert!(!answer.contains("Hello"), "{answer}");
    probe.lives();
}

#[test]
fn second_head_has_its_own_time() {
    let probe = hasty();
    let answer = cut(
        &probe,
        |wire| {
            thread::sleep(ms(400));
            wire.is_kept();
            thread::sleep(ms(400));
            wire.send("GET /hello HTTP/1.1\r\n");
            thread::sleep(ms(400));
            wire.send("Host: a\r\nConnection: close\r\n\r\n");
        },
        1200,
    );
    assert!(answer.ends_with("Hello, world"), "{answer}");
}

#[test]
fn body_that_does_not_end_is_cut() {
    let probe = hasty();
    let starts = [
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ];
    for start in starts {
        let answer = cut(&probe, |wire| wire.send(start), BODY - 50);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 408 "),
            "{answer}"
        );
    }
    // In all, and not from byte to byte.
    let answer = cut(
        &probe,
        |wire| {
            wire.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n");
            for _ in 0..20 {
                thread::sleep(ms(100));
                wire.send("x");
            }
        },
        BODY,
    );
    assert!(!answer.contains("200"), "{answer}");
    probe.lives();
}

#[test]
fn upload_may_take_its_time() {
    let probe = hasty();
    let mut wire = probe.connect();
    wire.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n");
    for _ in 0..6 {
        thread::sleep(ms(300));
        wire.send("x");
    }
    let answer = wire.answer(false).expect("an answer");
    assert_eq!(
        (answer.status, answer.json()["bytes"].as_u64()),
        (200, Some(6))
    );
    wire.is_kept();
}

#[test]
fn handler_that_waits_is_not_cut() {
    let probe = hasty();
    let slow = probe.get("/sleep/2000");
    assert_eq!((slow.status, &*slow.text()), (200, "slept 2000"));
    let stream = probe.get("/stream/3/2?delay=1000");
    assert_eq!(stream.text(), "aabbcc");
    // The limit begins anew behind the answer.
    let mut wire = probe.connect();
    wire.send("GET /sleep/1000 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(wire.answer(false).expect("an answer").status, 200);
    thread::sleep(ms(IDLE / 2));
    wire.is_kept();
}

#[test]
fn sleepers_do_not_hold_others_up() {
    let probe = Probe::patient();
    let mut slow = probe.connect();
    slow.send("GET /sleep/60000 HTTP/1.1\r\nHost: a\r\n\r\n");
    // Would wait a minute if they did.
    probe.lives();
    let fan = probe.get("/fanout/50/200").json();
    assert_eq!(fan["n"], 50);
    let elapsed = fan["elapsed_ms"].as_u64().expect("a number");
    assert!(
        (200..50 * 200).contains(&elapsed),
        "{elapsed}: one after the other"
    );
    let map = probe.get("/fanmap").json();
    assert_eq!(map["result"], serde_json::json!({"a": 1, "b": 2, "c": 3}));
    assert!(map["elapsed_ms"].as_u64().expect("a number") >= 100);
}

#[test]
fn each_piece_of_a_stream_is_sent_as_it_is_written() {
    let probe = Probe::patient();
    let mut wire = probe.connect();
    // The last piece comes after an hour.
    wire.send("GET /stream/2/3?delay=3600000 HTTP/1.1\r\nHost: a\r\n\r\n");
    wire.until(b"3\r\naaa\r\n");
}

#[test]
fn continue_is_said_before_the_body_comes() {
    let probe = Probe::patient();
    for target in ["/echo", "/upload"] {
        let mut wire = probe.connect();
        let head = "HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
        wire.send(format!("POST {target} {head}"));
        assert_eq!(wire.answer(false).expect("a consent").status, 100);
        wire.send("abc");
        assert_eq!(wire.answer(false).expect("an answer").status, 200);
    }
    // A route that is none says no instead.
    let mut wire = probe.connect();
    wire.send(
        "POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(wire.answer(false).expect("an answer").status, 404);
}
