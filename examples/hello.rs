//! A web server in ten lines: `cargo run --example hello`
//!
//! Try `curl http://127.0.0.1:8888/`: it answers `Hello, world`, until you stop it.

use squall::yield_;
use squall_web::{Application, Exchange, HttpServer, Result};

#[squall::coroutine]
fn hello(ex: &mut Exchange) -> Result<()> {
    ex.write("Hello, world");
    Ok(())
}

#[squall::main]
fn main() -> Result<()> {
    let app = Application::new().get("/", hello);
    yield_!(HttpServer::new(app).listen("127.0.0.1:8888")?)
}
