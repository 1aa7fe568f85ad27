//! The server that the HTTP benchmarks run beside those of other frameworks: one thread, an
//! `Application`, and handlers as anyone would write them.
//!
//! ```text
//! cargo run --release --example bench_server 8080
//! curl http://127.0.0.1:8080/plaintext
//! ```

use std::time::Duration;

use serde::Serialize;
use squall::{sleep, yield_};
use squall_web::websocket::{Message, WebSocketHandler, WebSocketSender};
use squall_web::{
    Application, Exchange, HttpServer, RequestHandler, Result, header, request_handler,
};

#[derive(Serialize)]
struct Greeting {
    message: &'static str,
}

struct Plaintext;

#[request_handler]
impl RequestHandler for Plaintext {
    #[coroutine]
    fn get(&mut self, ex: &mut Exchange) -> Result<()> {
        ex.set_header(header::CONTENT_TYPE, "text/plain")?;
        ex.write("Hello, World!");
        Ok(())
    }
}

struct Json;

#[request_handler]
impl RequestHandler for Json {
    #[coroutine]
    fn get(&mut self, ex: &mut Exchange) -> Result<()> {
        ex.write_json(&Greeting {
            message: "Hello, World!",
        })
    }
}

struct Sleep;

#[request_handler]
impl RequestHandler for Sleep {
    #[coroutine]
    fn get(&mut self, ex: &mut Exchange) -> Result<()> {
        yield_!(sleep(Duration::from_millis(10)));
        ex.set_header(header::CONTENT_TYPE, "text/plain")?;
        ex.write("Hello, World!");
        Ok(())
    }
}

#[squall::coroutine]
fn numbered(n: u32) -> u32 {
    yield_!(sleep(Duration::from_millis(1)));
    n
}

struct Fanout;

#[request_handler]
impl RequestHandler for Fanout {
    #[coroutine]
    fn get(&mut self, ex: &mut Exchange) -> Result<()> {
        let numbers = yield_!((0..10).map(numbered).collect::<Vec<_>>());
        ex.set_header(header::CONTENT_TYPE, "text/plain")?;
        ex.write(numbers.iter().sum::<u32>().to_string());
        Ok(())
    }
}

struct Echo;

#[request_handler]
impl RequestHandler for Echo {
    #[coroutine]
    fn post(&mut self, ex: &mut Exchange) -> Result<()> {
        ex.set_header(header::CONTENT_TYPE, "application/octet-stream")?;
        let body = ex.request().body().to_vec();
        ex.write(body);
        Ok(())
    }
}

struct EchoSocket;

impl WebSocketHandler for EchoSocket {
    #[squall::coroutine]
    fn on_message(&mut self, ws: &WebSocketSender, message: Message) -> Result<()> {
        yield_!(ws.send(message))?;
        Ok(())
    }
}

#[squall::main]
fn main() -> Result<()> {
    let Some(port) = std::env::args()
        .nth(1)
        .and_then(|port| port.parse::<u16>().ok())
    else {
        eprintln!("usage: bench_server PORT");
        std::process::exit(2);
    };
    let app = Application::new()
        .route("/plaintext", || Plaintext)
        .route("/json", || Json)
        .route("/sleep", || Sleep)
        .route("/fanout", || Fanout)
        .route("/echo", || Echo)
        .websocket("/ws", || EchoSocket);
    yield_!(HttpServer::new(app).bind(("127.0.0.1", port))?)
}
