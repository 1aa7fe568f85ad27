//! The HTTP server and the framework, over real sockets, with bytes written by hand.

/// Handlers that several areas are asked for.
pub(crate) mod handlers;

/// Requests and answers on the wire.
mod messages;

/// What is malformed, too large, too slow or gone.
mod bad_input;

/// Tables of cases, and what runs them.
mod cases;
pub(crate) mod table;

/// Streams, pipelines, early and late answers.
mod flow;

/// The limits on time and number.
mod bounds;

/// Many at a time, signals, several threads; over a real clock.
mod load;

/// Other people's clients.
mod clients;

/// How answers and connections end: whole, cut, handed over, shut down.
mod ends;

/// Names, values, targets and forms.
mod parsing;

/// Handlers: their errors, arguments, routes and hooks.
mod framework;

/// Routes: names, hosts, applications in applications, redirects, defaults.
mod routing;

/// What handlers say: errors and their pages, tags, JSON, who asks.
mod answers;

/// What Tornado's own tests of its framework ask for.
mod contract;

/// Hooks of handlers: bodies piece by piece, and clients that leave.
mod hooks;

/// Forms with files that go to disk.
mod uploads;

/// Files of a directory.
mod files;

/// Requests that another site has a browser send, told by a token.
mod xsrf;

/// The same, told by what the browser says.
mod cross_origin;

use std::net::SocketAddr;
use std::time::Duration;

use squall::net::{IoStream, TcpClient};
use squall::{sleep, yield_};
use squall_web::http::Limits;
use squall_web::{
    Application, Error, Exchange, HttpServer, RequestHandler, Result, StatusCode, request_handler,
};

use crate::support::Trace;

use handlers::{cut, hello, slow};

// ---------------------------------------------------------------- the application under test

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

pub(super) fn app(trace: &Trace) -> Application {
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

pub(super) fn serve(limits: Limits, trace: &Trace) -> SocketAddr {
    let server = HttpServer::new(app(trace)).limits(limits);
    server
        .listen("127.0.0.1:0")
        .expect("a free port")
        .local_addr()
}

/// Sends bytes, and returns all that comes back until the server closes.
#[squall::coroutine]
pub(super) fn ask(address: SocketAddr, wire: impl AsRef<[u8]>) -> String {
    let stream = yield_!(connect(address));
    yield_!(stream.write(wire.as_ref())).unwrap();
    let answer = yield_!(stream.read_until_close(1 << 24)).unwrap();
    String::from_utf8(answer).unwrap()
}

#[squall::coroutine]
pub(super) fn connect(address: SocketAddr) -> IoStream {
    let client = TcpClient::new();
    yield_!(client.connect(address.ip().to_string(), address.port())).unwrap()
}

/// Reads one answer that has a length.
pub(super) async fn read_answer(stream: &IoStream) -> String {
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

pub(super) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}

pub(super) fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("no answer")
}

pub(super) fn body(answer: &str) -> &str {
    answer
        .split_once("\r\n\r\n")
        .map_or("no head", |(_, body)| body)
}

pub(super) fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split_once("\r\n\r\n")?.0;
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}
