//! Requests and answers on the wire: heads, bodies, kept connections, pipelines.

use std::time::Duration;

use squall::{IoLoop, sleep, yield_};
use squall_web::http::Limits;
use squall_web::{Application, Exchange, HttpServer, Result, StatusCode};

use crate::support::Trace;

use super::{ask, body, connect, get, header, read_answer, serve, status};

#[squall::test]
fn g115_an_answer_has_status_length_date_type_and_body() {
    let address = serve(Limits::default(), &Trace::default());
    let answer = yield_!(ask(address, get("/")));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(header(&answer, "content-length"), Some("5"));
    assert_eq!(
        header(&answer, "content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(header(&answer, "connection"), Some("close"));
    assert!(header(&answer, "date").is_some_and(|date| date.ends_with(" GMT")));
    assert_eq!(body(&answer), "hello");
    // And so for a coroutine that writes after it has waited, and finishes nothing.
    let answer = yield_!(ask(address, get("/page/a/1")));
    assert_eq!((status(&answer), body(&answer)), ("200", "a 1"));
    assert_eq!(header(&answer, "content-length"), Some("3"));
}

#[squall::test]
fn a_connection_is_kept_alive_and_reused() {
    let address = serve(Limits::default(), &Trace::default());
    let stream = yield_!(connect(address));
    for _ in 0..3 {
        yield_!(stream.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
        let answer = yield_!(read_answer(&stream));
        assert_eq!(
            (status(&answer), header(&answer, "connection")),
            ("200", None)
        );
    }
}

#[squall::test]
fn http_1_0_closes_unless_it_asks_to_be_kept() {
    let address = serve(Limits::default(), &Trace::default());
    let answer = yield_!(ask(address, "GET / HTTP/1.0\r\n\r\n"));
    assert_eq!(body(&answer), "hello");
    let stream = yield_!(connect(address));
    for _ in 0..2 {
        let request = b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n";
        yield_!(stream.write(request)).unwrap();
        let answer = yield_!(read_answer(&stream));
        assert_eq!(header(&answer, "connection"), Some("keep-alive"));
    }
}

#[squall::test]
fn pipelined_requests_are_answered_in_order() {
    let address = serve(Limits::default(), &Trace::default());
    let mut wire = String::new();
    for n in 0..50 {
        // The waiting ones must not be overtaken by those that answer at once.
        wire += &match n % 2 {
            0 => format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n#{n:02}"),
            _ => format!("GET /rest/{n} HTTP/1.1\r\nHost: a\r\n\r\n"),
        };
    }
    wire += &get("/rest/end");
    let answer = yield_!(ask(address, wire));
    let bodies = answer.split("HTTP/1.1 200 OK\r\n").skip(1).map(body);
    let mut want: Vec<String> = (0..50)
        .map(|n| {
            if n % 2 == 0 {
                format!("#{n:02}")
            } else {
                n.to_string()
            }
        })
        .collect();
    want.push("end".into());
    assert_eq!(bodies.collect::<Vec<_>>(), want);
}

#[squall::test]
fn requests_are_understood_however_they_are_cut() {
    let address = serve(Limits::default(), &Trace::default());
    let wire = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nfg";
    for cut in 1..wire.len() {
        let stream = yield_!(connect(address));
        stream.set_nodelay(true).unwrap();
        yield_!(stream.write(&wire.as_bytes()[..cut])).unwrap();
        yield_!(sleep(Duration::from_millis(1)));
        yield_!(stream.write(&wire.as_bytes()[cut..])).unwrap();
        let answer = yield_!(stream.read_until_close(1 << 20)).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let bodies: Vec<_> = answer
            .split("HTTP/1.1 200 OK\r\n")
            .skip(1)
            .map(body)
            .collect();
        assert_eq!(bodies, ["abcde", "fg"], "cut after byte {cut}");
    }
}

#[squall::test]
fn head_is_answered_like_get_without_a_body() {
    let address = serve(Limits::default(), &Trace::default());
    let wire = "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = yield_!(ask(address, wire));
    assert_eq!((status(&answer), body(&answer)), ("200", ""));
    assert_eq!(header(&answer, "content-length"), Some("5"));
}

// RFC 9110 §15.3.6: a 205 says that it has no content, or a client would wait for its end.
#[squall::test]
fn a_205_has_a_length_of_none() {
    let app = Application::new().get("/", |ex: &mut Exchange| {
        ex.set_status(StatusCode::RESET_CONTENT);
        ex.write("never sent");
    });
    let server = HttpServer::new(app).listen("127.0.0.1:0").unwrap();
    let answer = yield_!(ask(server.local_addr(), get("/")));
    assert_eq!((status(&answer), body(&answer)), ("205", ""));
    assert_eq!(header(&answer, "content-length"), Some("0"));
}

// A send that a time-out drops midway goes on where it stopped; nothing is sent twice.
#[squall::test]
fn a_flush_that_is_dropped_goes_on_with_the_next() {
    const SIZE: usize = 8 << 20;
    #[squall::coroutine]
    fn impatient(ex: &mut Exchange) -> Result<()> {
        ex.write("a".repeat(SIZE));
        let limit = Duration::from_millis(200);
        let cut = yield_!(squall::with_timeout(limit, ex.flush())).is_err();
        ex.write(if cut { "cut" } else { "whole" });
        Ok(())
    }
    let app = Application::new().get("/", impatient);
    let server = HttpServer::new(app).listen("127.0.0.1:0").unwrap();
    let stream = yield_!(connect(server.local_addr()));
    yield_!(stream.write(get("/").as_bytes())).unwrap();
    yield_!(sleep(Duration::from_secs(2))); // reads nothing meanwhile
    let answer = yield_!(stream.read_until_close(1 << 24)).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let chunks = format!("{SIZE:x}\r\n{}\r\n3\r\ncut\r\n0\r\n\r\n", "a".repeat(SIZE));
    assert!(
        body(&answer) == chunks,
        "{} bytes, not {}",
        body(&answer).len(),
        chunks.len()
    );
}

#[squall::test]
fn a_204_has_neither_body_nor_length() {
    let address = serve(Limits::default(), &Trace::default());
    let answer = yield_!(ask(address, get("/204")));
    assert_eq!((status(&answer), body(&answer)), ("204", ""));
    assert_eq!(header(&answer, "content-length"), None);
}

#[squall::test]
fn flushes_go_out_as_chunks_when_they_are_made() {
    let address = serve(Limits::default(), &Trace::default());
    let stream = yield_!(connect(address));
    let began = IoLoop::current().time();
    yield_!(stream.write(get("/ticks").as_bytes())).unwrap();
    let head = yield_!(stream.read_until(b"\r\n\r\n", 4096)).unwrap();
    assert!(
        String::from_utf8(head)
            .unwrap()
            .contains("Transfer-Encoding: chunked")
    );
    for n in 0..3 {
        let chunk = yield_!(stream.read_until(b";\r\n", 4096)).unwrap();
        assert_eq!(
            String::from_utf8(chunk).unwrap(),
            format!("7\r\ntick {n};\r\n")
        );
        let seconds = (IoLoop::current().time() - began).as_secs();
        assert_eq!(seconds, n, "chunk {n} came after {seconds} s");
    }
    let end = yield_!(stream.read_until_close(4096)).unwrap();
    assert_eq!(end, b"0\r\n\r\n");
}

#[squall::test]
fn an_old_client_gets_a_stream_up_to_the_end_of_the_connection() {
    let address = serve(Limits::default(), &Trace::default());
    let wire = "GET /ticks HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let answer = yield_!(ask(address, wire));
    assert_eq!(body(&answer), "tick 0;tick 1;tick 2;");
    assert_eq!(header(&answer, "transfer-encoding"), None);
}

#[squall::test]
fn the_body_is_asked_for_with_a_100() {
    let address = serve(Limits::default(), &Trace::default());
    let stream = yield_!(connect(address));
    let head =
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    yield_!(stream.write(head)).unwrap();
    let interim = yield_!(stream.read_until(b"\r\n\r\n", 4096)).unwrap();
    assert_eq!(interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    yield_!(stream.write(b"abc")).unwrap();
    assert_eq!(body(&yield_!(read_answer(&stream))), "abc");
}

#[squall::test]
fn a_large_body_comes_back_whole() {
    let address = serve(Limits::default(), &Trace::default());
    let text = "squall ".repeat(200_000);
    let length = text.len();
    let wire = format!(
        "PUT /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{text}"
    );
    let answer = yield_!(ask(address, wire));
    assert!(
        body(&answer) == text,
        "{} of {length} bytes",
        body(&answer).len()
    );
}
