//! Hooks of handlers: bodies piece by piece, and clients that leave.

use std::time::Duration;

use squall::{sleep, yield_};
use squall_web::{
    Application, BodyPlan, Error, Exchange, RequestHandler, Result, StatusCode, request_handler,
};

use crate::support::{OnDrop, SECOND, Trace};

use super::routing::{send, serve};
use super::{ask, body, connect, get, read_answer, status};

struct Upload {
    trace: Trace,
    came: Vec<u8>,
}

#[request_handler]
impl RequestHandler for Upload {
    #[coroutine]
    fn prepare(&mut self, ex: &mut Exchange) -> Result<()> {
        self.trace.add("prepare");
        yield_!(sleep(SECOND));
        match ex.argument_opt("how")?.as_deref() {
            Some("refuse") => Err(Error::status_only(StatusCode::UNAUTHORIZED)),
            Some("finish") => {
                ex.write("early");
                ex.finish();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    #[coroutine]
    fn data_received(&mut self, ex: &mut Exchange, chunk: &[u8]) -> Result<()> {
        let text = String::from_utf8_lossy(chunk).into_owned();
        self.trace.add(format!("[{text}"));
        yield_!(sleep(2 * SECOND));
        self.trace.add("]");
        self.came.extend_from_slice(chunk);
        if text.contains('!') {
            ex.write("enough");
            ex.finish();
        }
        match text.contains("bad") {
            true => Err(Error::status_only(StatusCode::BAD_REQUEST)),
            false => Ok(()),
        }
    }

    fn post(&mut self, ex: &mut Exchange) {
        self.trace.add("post");
        ex.write(&self.came);
    }

    fn get(&mut self, ex: &mut Exchange) {
        ex.write("no body");
    }

    fn on_connection_close(&mut self, ex: &Exchange) {
        let method = ex.request().method().to_string();
        self.trace
            .add(format!("left {method} with {}", self.came.len()));
    }

    fn on_finish(&mut self, ex: &Exchange) {
        self.trace
            .add(format!("on_finish {}", ex.status().as_u16()));
    }
}

fn uploads(trace: &Trace) -> Application {
    let trace = trace.clone();
    Application::new()
        .route("/", {
            let trace = trace.clone();
            move || Upload {
                trace: trace.clone(),
                came: Vec::new(),
            }
        })
        .route("/small", move || Upload {
            trace: trace.clone(),
            came: Vec::new(),
        })
        // Streamed all the same: the handler takes pieces.
        .body("/small", BodyPlan::whole().max_bytes(4))
}

// X43, X42. tornado: StreamingRequestFlowControlTest, StreamingRequestBodyTest
#[squall::test]
fn pieces_come_one_after_the_other_between_prepare_and_method() {
    let trace = Trace::new();
    let address = serve(uploads(&trace));
    let chunked = "Transfer-Encoding: chunked\r\n";
    for (headers, pieces) in [
        ("Content-Length: 6\r\n", ["ab", "cd", "ef"]),
        (
            chunked,
            ["2\r\nab\r\n", "2\r\ncd\r\n", "2\r\nef\r\n0\r\n\r\n"],
        ),
    ] {
        let stream = yield_!(connect(address));
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        yield_!(stream.write(head.as_bytes())).unwrap();
        for piece in pieces {
            yield_!(stream.write(piece.as_bytes())).unwrap();
            yield_!(sleep(10 * SECOND));
        }
        let answer = yield_!(read_answer(&stream));
        assert_eq!((status(&answer), body(&answer)), ("200", "abcdef"));
        let want = [
            "prepare",
            "[ab",
            "]",
            "[cd",
            "]",
            "[ef",
            "]",
            "post",
            "on_finish 200",
        ];
        assert_eq!(trace.take(), want, "{headers}");
    }
    // What came with the head is one piece; no body is none.
    assert_eq!(
        body(&yield_!(ask(address, send("POST", "/", "", "all")))),
        "all"
    );
    assert_eq!(
        trace.take(),
        ["prepare", "[all", "]", "post", "on_finish 200"]
    );
    assert_eq!(body(&yield_!(ask(address, get("/")))), "no body");
    assert_eq!(trace.take(), ["prepare", "on_finish 200"]);
}

#[squall::test]
fn an_early_answer_ends_the_pieces() {
    let trace = Trace::new();
    let address = serve(uploads(&trace));
    let waits = "POST /?how=refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
    let answer = yield_!(ask(address, waits));
    assert_eq!(status(&answer), "401");
    assert_eq!(trace.take(), ["prepare", "on_finish 401"]);
    for (target, sent, code, want) in [
        ("/?how=finish", "x", "200", vec!["prepare", "on_finish 200"]),
        (
            "/",
            "now!",
            "200",
            vec!["prepare", "[now!", "]", "on_finish 200"],
        ),
        (
            "/",
            "bad",
            "400",
            vec!["prepare", "[bad", "]", "on_finish 400"],
        ),
        (
            "/small",
            "four",
            "200",
            vec!["prepare", "[four", "]", "post", "on_finish 200"],
        ),
        ("/small", "fives", "413", vec![]),
    ] {
        let answer = yield_!(ask(address, send("POST", target, "", sent)));
        assert_eq!(status(&answer), code, "{target} {sent}");
        assert_eq!(trace.take(), want, "{target} {sent}");
    }
}

#[squall::test]
fn a_body_that_breaks_off_is_heard_of() {
    let trace = Trace::new();
    let address = serve(uploads(&trace));
    let stream = yield_!(connect(address));
    let wire = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf";
    yield_!(stream.write(wire)).unwrap();
    yield_!(sleep(10 * SECOND));
    stream.close();
    yield_!(sleep(10 * SECOND));
    let want = ["prepare", "[half", "]", "left POST with 4", "on_finish 400"];
    assert_eq!(trace.take(), want);
}

struct Waits {
    trace: Trace,
}

#[request_handler]
impl RequestHandler for Waits {
    #[coroutine]
    fn get(&mut self, ex: &mut Exchange) -> Result<()> {
        let _guard = OnDrop(self.trace.clone(), "dropped");
        if ex.argument_opt("stream")?.is_some() {
            ex.write("begun");
            yield_!(ex.flush())?;
        }
        yield_!(sleep(Duration::from_secs(3600)));
        self.trace.add("waited");
        ex.write("at last");
        Ok(())
    }

    fn on_connection_close(&mut self, ex: &Exchange) {
        let target = ex.request().target().to_owned();
        self.trace.add(format!("left {target}"));
    }

    fn on_finish(&mut self, _: &Exchange) {
        self.trace.add("on_finish");
    }
}

// X20, X8. tornado: ConnectionCloseTest
#[squall::test]
fn a_handler_that_waits_ends_when_its_client_leaves() {
    let trace = Trace::new();
    let log = trace.clone();
    let made = trace.clone();
    let app = Application::new()
        .route("/", move || Waits {
            trace: made.clone(),
        })
        .log_request(move |ex| log.add(ex.status().as_u16().to_string()));
    let address = serve(app);
    for (target, code) in [("/", "499"), ("/?stream=1", "200")] {
        let stream = yield_!(connect(address));
        let wire = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        yield_!(stream.write(wire.as_bytes())).unwrap();
        yield_!(sleep(SECOND));
        assert!(trace.take().is_empty());
        stream.close();
        yield_!(sleep(SECOND));
        let left = format!("left {target}");
        assert_eq!(trace.take(), ["dropped", &left, "on_finish", code]);
    }
    // One that stays gets its answer.
    let answer = yield_!(ask(address, get("/")));
    assert_eq!(body(&answer), "at last");
    assert_eq!(trace.take(), ["waited", "dropped", "on_finish", "200"]);
}
