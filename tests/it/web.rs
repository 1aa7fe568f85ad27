//! The HTTP server and the framework, over real sockets, with bytes written by hand.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use squall::net::{IoStream, TcpClient};
use squall::{IoLoop, sleep, yield_};
use squall_web::http::Limits;
use squall_web::{
    Application, Error, Exchange, HttpServer, RequestHandler, Result, StatusCode, request_handler,
};

use crate::support::{Trace, capture_logs, run};

// ---------------------------------------------------------------- the application under test

fn hello(ex: &mut Exchange) {
    ex.write("hello");
}

#[squall::coroutine]
fn echo(ex: &mut Exchange) -> Result<()> {
    yield_!(());
    let body = ex.request().body().to_vec();
    ex.set_header("content-type", "application/octet-stream")?;
    ex.write(body);
    Ok(())
}

#[squall::coroutine]
fn ticks(ex: &mut Exchange) -> Result<()> {
    for n in 0..3 {
        ex.write(format!("tick {n};"));
        yield_!(ex.flush())?;
        yield_!(sleep(Duration::from_secs(1)));
    }
    Ok(())
}

#[squall::coroutine]
fn slow(ex: &mut Exchange) {
    yield_!(sleep(Duration::from_secs(3600)));
    ex.write("at last");
}

fn add(ex: &mut Exchange) -> Result<()> {
    let numbers = ex.arguments("n")?;
    let sum: u32 = numbers.iter().map(|n| n.parse().unwrap_or(0)).sum();
    let name = ex.argument("name")?;
    ex.write(format!("{name}={sum}"));
    Ok(())
}

fn rest(ex: &mut Exchange) -> Result<()> {
    let path: String = ex.path_argument("path")?;
    ex.write(path);
    Ok(())
}

fn no_content(ex: &mut Exchange) {
    ex.set_status(StatusCode::NO_CONTENT);
    ex.write("never sent");
}

fn fails(_: &mut Exchange) -> Result<()> {
    let n: u32 = "secret-detail".parse()?;
    unreachable!("{n} was parsed");
}

fn panics(_: &mut Exchange) {
    panic!("secret-detail");
}

#[squall::coroutine]
fn panics_later(_: &mut Exchange) {
    yield_!(());
    panic!("secret-detail");
}

#[squall::coroutine]
fn cut(ex: &mut Exchange) -> Result<()> {
    ex.write("half");
    yield_!(ex.flush())?;
    Err(Error::status_only(StatusCode::BAD_GATEWAY))
}

fn teapot(_: &mut Exchange) -> Result<()> {
    Err(Error::new(StatusCode::IM_A_TEAPOT, "secret-detail").with_reason("short <and> stout"))
}

struct Page {
    trace: Trace,
}

#[request_handler]
impl RequestHandler for Page {
    #[coroutine]
    fn prepare(&mut self, ex: &mut Exchange) -> Result<()> {
        yield_!(());
        self.trace.add("prepare");
        if ex.argument_opt("refuse")?.is_some() {
            return Err(Error::status_only(StatusCode::FORBIDDEN));
        }
        if ex.argument_opt("early")?.is_some() {
            ex.write("early");
            ex.finish();
        }
        Ok(())
    }

    #[coroutine]
    fn get(&mut self, ex: &mut Exchange, section: String, id: u64) -> Result<()> {
        yield_!(sleep(Duration::from_millis(5)));
        self.trace.add(format!("get {section} {id}"));
        ex.write(format!("{section} {id}"));
        Ok(())
    }

    fn put(&mut self, ex: &mut Exchange, id: u64, section: String) {
        // The names decide, not the order.
        ex.write(format!("put {section} {id}"));
    }

    fn write_error(&mut self, ex: &mut Exchange, error: &Error) {
        self.trace.add("write_error");
        ex.write(format!("own page for {}", error.status().as_u16()));
    }

    fn on_finish(&mut self, ex: &Exchange) {
        self.trace
            .add(format!("on_finish {}", ex.status().as_u16()));
    }
}

fn app(trace: &Trace) -> Application {
    let trace = trace.clone();
    Application::new()
        .get("/", hello)
        .post("/echo", echo)
        .put("/echo", echo)
        .get("/ticks", ticks)
        .get("/slow", slow)
        .get("/add", add)
        .post("/add", add)
        .get("/204", no_content)
        .get("/fails", fails)
        .get("/panics", panics)
        .get("/panics-later", panics_later)
        .get("/cut", cut)
        .get("/teapot", teapot)
        .get("/away", |ex: &mut Exchange| ex.redirect("/there?x=1"))
        .route("/page/{section}/{id}", move || Page {
            trace: trace.clone(),
        })
        .get("/rest/{path...}", rest)
}

// ---------------------------------------------------------------- helpers

fn serve(limits: Limits, trace: &Trace) -> SocketAddr {
    let server = HttpServer::new(app(trace)).limits(limits);
    server
        .listen("127.0.0.1:0")
        .expect("a free port")
        .local_addr()
}

/// Sends bytes, and returns all that comes back until the server closes.
#[squall::coroutine]
fn ask(address: SocketAddr, wire: impl AsRef<[u8]>) -> String {
    let stream = yield_!(connect(address));
    yield_!(stream.write(wire.as_ref())).unwrap();
    let answer = yield_!(stream.read_until_close(1 << 24)).unwrap();
    String::from_utf8(answer).unwrap()
}

#[squall::coroutine]
fn connect(address: SocketAddr) -> IoStream {
    let client = TcpClient::new();
    yield_!(client.connect(address.ip().to_string(), address.port())).unwrap()
}

/// Reads one answer that has a length.
async fn read_answer(stream: &IoStream) -> String {
    let head = stream.read_until(b"\r\n\r\n", 65536).await.unwrap();
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.parse().unwrap())
    });
    let body = stream.read_bytes(length.unwrap_or(0)).await.unwrap();
    head + &String::from_utf8(body).unwrap()
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("no answer")
}

fn body(answer: &str) -> &str {
    answer
        .split_once("\r\n\r\n")
        .map_or("no head", |(_, body)| body)
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split_once("\r\n\r\n")?.0;
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

// ---------------------------------------------------------------- messages

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

// ---------------------------------------------------------------- bad input

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

// ---------------------------------------------------------------- the framework

#[squall::test]
fn g114_errors_and_panics_become_500_and_say_nothing_of_themselves() {
    let address = serve(Limits::default(), &Trace::default());
    let other = yield_!(connect(address));
    for target in ["/fails", "/panics", "/panics-later"] {
        let answer = yield_!(ask(address, get(target)));
        assert_eq!(status(&answer), "500", "{target}");
        assert!(!answer.contains("secret-detail"), "{target}: {answer}");
        yield_!(other.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
        assert_eq!(
            status(&yield_!(read_answer(&other))),
            "200",
            "after {target}"
        );
    }
    // The connection of the failure lives on as well.
    let wire = format!("GET /panics-later HTTP/1.1\r\nHost: a\r\n\r\n{}", get("/"));
    let answer = yield_!(ask(address, wire));
    assert!(answer.ends_with("hello"), "{answer}");
}

// tornado: GenWebTest.test_exception_handler (G114)
#[test]
fn g114_an_uncaught_failure_is_logged_with_its_request() {
    let (statuses, log) = capture_logs(|| {
        run(|| async {
            let address = serve(Limits::default(), &Trace::default());
            let mut statuses = Vec::new();
            for target in ["/fails", "/panics-later"] {
                statuses.push(status(&ask(address, get(target)).await).to_owned());
            }
            statuses
        })
    });
    assert_eq!(statuses, ["500", "500"]);
    let told: Vec<_> = (log.iter().filter(|line| line.contains("squall::web:"))).collect();
    assert_eq!(told.len(), 2, "{log:#?}");
    let error =
        "ERROR squall::web: uncaught error GET /fails: 500 Internal Server Error: invalid digit";
    assert!(told[0].starts_with(error), "{}", told[0]);
    let panic = "ERROR squall::web: panic GET /panics-later: secret-detail";
    assert!(told[1].starts_with(panic), "{}", told[1]);
}

#[squall::test]
fn a_stream_that_fails_is_cut_without_its_end() {
    let address = serve(Limits::default(), &Trace::default());
    let answer = yield_!(ask(address, get("/cut")));
    assert_eq!((status(&answer), body(&answer)), ("200", "4\r\nhalf\r\n"));
}

#[squall::test]
fn an_error_says_its_reason_escaped() {
    let address = serve(Limits::default(), &Trace::default());
    let answer = yield_!(ask(address, get("/teapot")));
    assert_eq!(status(&answer), "418");
    assert!(
        body(&answer).contains("418: short &lt;and&gt; stout"),
        "{answer}"
    );
    assert!(!answer.contains("secret-detail"));
}

#[squall::test]
fn unknown_paths_are_404_and_unknown_methods_405_with_allow() {
    let address = serve(Limits::default(), &Trace::default());
    assert_eq!(status(&yield_!(ask(address, get("/nowhere")))), "404");
    assert_eq!(status(&yield_!(ask(address, get("/page/a")))), "404");
    for (method, target, allow) in [
        ("DELETE", "/", "GET, HEAD"),
        ("GET", "/echo", "POST, PUT"),
        ("POST", "/page/a/1", "GET, PUT, HEAD"),
        ("BREW", "/", "GET, HEAD"),
    ] {
        let wire = format!("{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = yield_!(ask(address, wire));
        assert_eq!(
            (status(&answer), header(&answer, "allow")),
            ("405", Some(allow)),
            "{method}"
        );
    }
}

#[squall::test]
fn arguments_come_from_query_and_form_decoded() {
    let address = serve(Limits::default(), &Trace::default());
    let answer = yield_!(ask(address, get("/add?n=1&n=2&name=a+b%20%C3%A9")));
    assert_eq!(body(&answer), "a b é=3");
    let form = "n=10&name=form";
    let wire = format!(
        "POST /add?n=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    assert_eq!(body(&yield_!(ask(address, wire))), "form=11");
    assert_eq!(status(&yield_!(ask(address, get("/add?n=1")))), "400");
    assert_eq!(status(&yield_!(ask(address, get("/add?name=%ff")))), "400");
}

#[squall::test]
fn path_arguments_are_typed_and_decoded() {
    let address = serve(Limits::default(), &Trace::default());
    assert_eq!(body(&yield_!(ask(address, get("/page/a%20b/7")))), "a b 7");
    // tornado: a typed argument that does not match is no such page.
    assert_eq!(status(&yield_!(ask(address, get("/page/a/x")))), "404");
    assert_eq!(body(&yield_!(ask(address, get("/rest/a/b%2Fc")))), "a/b/c");
    let wire =
        "PUT /page/s/9 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(body(&yield_!(ask(address, wire))), "put s 9");
}

// tornado: web_test.py, gen_test.py test_undecorated_coroutines (G112, G113)
#[squall::test]
fn g112_g113_a_handler_runs_prepare_method_and_on_finish_in_order() {
    let trace = Trace::default();
    let address = serve(Limits::default(), &trace);
    yield_!(ask(address, get("/page/a/1")));
    assert_eq!(trace.take(), ["prepare", "get a 1", "on_finish 200"]);
    let answer = yield_!(ask(address, get("/page/a/1?refuse=1")));
    assert_eq!(
        (status(&answer), body(&answer)),
        ("403", "own page for 403")
    );
    assert_eq!(trace.take(), ["prepare", "write_error", "on_finish 403"]);
    let answer = yield_!(ask(address, get("/page/a/1?early=1")));
    assert_eq!(body(&answer), "early");
    assert_eq!(trace.take(), ["prepare", "on_finish 200"]);
}

#[squall::test]
fn a_redirect_has_a_location_and_no_way_to_split_the_answer() {
    let address = serve(Limits::default(), &Trace::default());
    let answer = yield_!(ask(address, get("/away")));
    assert_eq!(
        (status(&answer), header(&answer, "location")),
        ("302", Some("/there?x=1"))
    );
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = seen.clone();
    let app = Application::new().get("/", move |ex: &mut Exchange| {
        let split = "x\r\nSet-Cookie: evil=1";
        log.borrow_mut()
            .push(ex.set_header("x-test", split).is_err());
        log.borrow_mut().push(ex.add_header("x\r\ny", "z").is_err());
        log.borrow_mut().push(ex.redirect(split).is_err());
    });
    let address = HttpServer::new(app)
        .listen("127.0.0.1:0")
        .unwrap()
        .local_addr();
    let answer = yield_!(ask(address, get("/")));
    assert_eq!(*seen.borrow(), [true, true, true]);
    assert!(!answer.contains("evil"), "{answer}");
}

#[squall::test]
fn the_first_route_that_matches_is_taken() {
    let name = |name: &'static str| move |ex: &mut Exchange| ex.write(name);
    let app = Application::new()
        .get("/{any}", name("pattern"))
        .get("/late", name("literal"))
        .get("/deep/first", name("literal"))
        .get("/deep/{any}", name("pattern"));
    let address = HttpServer::new(app)
        .listen("127.0.0.1:0")
        .unwrap()
        .local_addr();
    assert_eq!(body(&yield_!(ask(address, get("/late")))), "pattern");
    assert_eq!(body(&yield_!(ask(address, get("/deep/first")))), "literal");
    assert_eq!(body(&yield_!(ask(address, get("/deep/other")))), "pattern");
}

#[test]
fn a_malformed_pattern_is_found_when_the_program_starts() {
    let panic = std::panic::catch_unwind(|| Application::new().get("no-slash", hello));
    let message = panic.unwrap_err();
    let message = message.downcast_ref::<String>().expect("a message");
    assert!(message.contains("needs a slash in front"), "{message}");
}

// A handler borrows, and so is a scoped coroutine; what it calls may end it all the same.
#[squall::test]
fn a_return_from_a_plain_function_ends_the_handler() {
    fn number(ex: &mut Exchange) -> u32 {
        match ex.argument("n").ok().and_then(|n| n.parse().ok()) {
            Some(n) => n,
            None => {
                ex.write("no number");
                squall::Return(Ok::<(), squall_web::Error>(())).raise()
            }
        }
    }
    #[squall::coroutine]
    fn double(ex: &mut Exchange) -> Result<()> {
        yield_!(squall::moment());
        let n = number(ex);
        ex.write((2 * n).to_string());
        Ok(())
    }
    let address = HttpServer::new(Application::new().get("/", double))
        .listen("127.0.0.1:0")
        .unwrap()
        .local_addr();
    assert_eq!(body(&yield_!(ask(address, get("/?n=21")))), "42");
    let answer = yield_!(ask(address, get("/?n=x")));
    assert_eq!((status(&answer), body(&answer)), ("200", "no number"));
}
