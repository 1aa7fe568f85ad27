//! A chat in the browser, by WebSocket: `cargo run --example websocket_chat 8890`
//!
//! Open http://127.0.0.1:8890/ in two windows, and type. What one sends goes to all, framed once. It
//! ends at Ctrl-C: everybody is told first, with 1001, and the page says so.
//!
//! It prints `listening on http://127.0.0.1:8890/`.

#[path = "../probe/websocket.rs"]
mod routes;

use std::time::Duration;

use squall::yield_;
use squall_web::{Application, Exchange, HttpServer, Result};

const PAGE: &str = include_str!("page.html");

fn page(ex: &mut Exchange) -> Result<()> {
    ex.set_header("content-type", "text/html; charset=utf-8")?;
    ex.write(PAGE);
    Ok(())
}

#[squall::main]
fn main() -> Result<()> {
    let port = std::env::args().nth(1).unwrap_or_else(|| "8890".into());
    let app = routes::routes(Application::new().get("/", page), 1024 * 1024);
    let listening = HttpServer::new(app).listen(&format!("127.0.0.1:{port}"))?;
    println!("listening on http://{}/", listening.local_addr());
    yield_!(listening.shutdown_on_signal(Duration::from_secs(10)))?;
    Ok(())
}
