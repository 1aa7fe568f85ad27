//! HTTP/2, both sides.

/// Our client and our server.
mod both;

/// The server, for curl, nghttp, h2load and node.
mod clients;

/// The client, at nginx, nghttpd and node.
mod servers;

use std::time::Duration;

use squall::{sleep, yield_};
use squall_web::http::Limits;
use squall_web::{Application, BodyPlan, Exchange, HttpServer, Listening, Result, StatusCode};

use crate::net::tls::Authority;
use crate::support::{SECOND, Trace};
use crate::web::handlers::{cut, echo_pieces, flood};

fn about(ex: &mut Exchange) {
    let request = ex.request();
    let version = if request.is_http2() { 2 } else { 1 };
    let name = request
        .tls()
        .and_then(|tls| tls.server_name().map(str::to_owned));
    let (scheme, host) = (
        request.scheme(),
        request.host().unwrap_or_default().to_owned(),
    );
    let name = name.unwrap_or_default();
    ex.write(format!("{version} {scheme} {host} {name}"));
}

fn length(ex: &mut Exchange) {
    let length = ex.request().body().len();
    ex.write(length.to_string());
}

#[squall::coroutine]
fn slow(ex: &mut Exchange) {
    yield_!(sleep(2 * SECOND));
    ex.write("slow");
}

#[squall::coroutine]
fn trailers(ex: &mut Exchange) -> Result<()> {
    ex.add_trailer("x-sum", "6")?;
    ex.write("1 2 3");
    yield_!(ex.flush())
}

fn panics(_: &mut Exchange) {
    panic!("as it should");
}

fn headers(ex: &mut Exchange) {
    let lines: Vec<String> = (ex.request().headers())
        .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
        .collect();
    ex.write(lines.join("|"));
}

fn app(trace: &Trace) -> Application {
    let trace = trace.clone();
    Application::new()
        .get("/", about)
        .post("/echo", echo_pieces)
        .body("/echo", BodyPlan::stream())
        .post("/length", length)
        .get("/slow", slow)
        .get("/flood", flood)
        .get("/trailers", trailers)
        .get("/cut", cut)
        .get("/headers", headers)
        .get("/204", |ex: &mut Exchange| {
            ex.set_status(StatusCode::NO_CONTENT)
        })
        .get("/304", |ex: &mut Exchange| {
            ex.set_status(StatusCode::NOT_MODIFIED)
        })
        .get("/empty", |_: &mut Exchange| {})
        .get("/panics", panics)
        .route("/waits", move || Waits(trace.clone()))
}

/// Waits for its client to go.
struct Waits(Trace);

#[squall_web::request_handler]
impl squall_web::RequestHandler for Waits {
    #[coroutine]
    fn get(&mut self, ex: &mut Exchange) -> Result<()> {
        self.0.add("waits");
        yield_!(ex.client_gone());
        self.0.add("gone");
        Ok(())
    }
}

/// A server of ours that speaks both, at `a.example` and `localhost`.
fn serve(authority: &Authority, limits: Limits, trace: &Trace) -> Listening {
    let acceptor = authority.issue(&["a.example", "localhost"]).acceptor();
    let server = HttpServer::new(app(trace)).tls(acceptor).limits(limits);
    server.listen("127.0.0.1:0").unwrap()
}

const MILLI: Duration = Duration::from_millis(1);
