//! Yielding a map: `cargo run --example parallel_map`
//!
//! The parts of a page are fetched at once and come back under their names:
//!
//! ```text
//! user: slept 120 ms
//! news: slept 280 ms
//! mail: slept 200 ms
//! the delays add up to 600 ms; the map took 282 ms
//! ```

use std::collections::HashMap;
use std::time::{Duration, Instant};

use squall::{sleep, yield_};
use squall_web::{Application, AsyncHttpClient, Exchange, HttpServer, Result};

/// A page that takes as long as its path says.
#[squall::coroutine]
fn slow(ex: &mut Exchange) -> Result<()> {
    let ms: u64 = ex.path_argument("ms")?;
    yield_!(sleep(Duration::from_millis(ms)));
    ex.write(format!("slept {ms} ms"));
    Ok(())
}

#[squall::main]
fn main() -> Result<()> {
    let app = Application::new().get("/slow/{ms}", slow);
    let site = HttpServer::new(app).listen("127.0.0.1:0")?.local_addr();
    let client = AsyncHttpClient::new();
    let fetch = |ms| client.fetch(format!("http://{site}/slow/{ms}"));
    let began = Instant::now();

    // A map of futures gives a map of results, under the same keys. The fetches run at once.
    let parts = yield_!(HashMap::from([
        ("user", fetch(120)),
        ("news", fetch(280)),
        ("mail", fetch(200)),
    ]))?;

    for name in ["user", "news", "mail"] {
        println!("{name}: {}", parts[name].text()?);
    }
    let sum = 120 + 280 + 200;
    let took = began.elapsed().as_millis();
    println!("the delays add up to {sum} ms; the map took {took} ms");
    Ok(())
}
